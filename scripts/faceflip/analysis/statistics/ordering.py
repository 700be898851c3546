"""An order of attributes in which related ones stand side by side."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

MOST = 200
"""So many attributes are put into the optimal order of leaves."""


def clustered(tables: Sequence[pd.DataFrame]) -> list[str]:
    """Order attributes by how much their adversarial images change each other.

    Hierarchical clustering (average linkage, optimal leaf order); two attributes are as near as the larger of the two
    rates between them, averaged over the tables. Attributes that are never a source keep the distance 1. The rows of
    the tables are targets (the same in all), the columns are sources (NaN: no images). The order of the leaves is not
    optimal beyond `MOST` attributes, for which it would take minutes.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    names = list(tables[0].index)
    if len(names) < 3:
        return names
    rates = np.mean([table.reindex(columns=names).fillna(0.0).to_numpy(float) for table in tables], axis=0)
    distance = 1 - np.maximum(rates, rates.T)
    np.fill_diagonal(distance, 0)
    leaves = leaves_list(linkage(squareform(distance, checks=False), "average", optimal_ordering=len(names) <= MOST))
    return [names[leaf] for leaf in leaves]
