"""What CelebA's labels alone say: counts, prevalences, errors of the majority class, correlations of attributes."""

import numpy as np
import pandas as pd

from faceflip.analysis.frames import wide
from faceflip.analysis.tables.classification_error import trivial_errors
from faceflip.data.celeba import ATTRIBUTES, SPLITS
from faceflip.data.celeba.labels import count_labels

MEAN = "mean"
"""Name of the row that holds the means over the attributes."""


def label_statistics(table: pd.DataFrame) -> pd.DataFrame:
    """Return the statistics of each attribute of a `celeba.labels.Labels.table`.

    Returns:
        One row per attribute in the official order, and one of the means of their fractions: `attribute`,
        `images_{split}`, `positives_{split}`, `prevalence_{split}` (fraction; NaN where a split has no images), and the
        errors on the test split (fractions) of giving every image the majority class: the training split's,
        `trivial_train`, and the test split's, `trivial_test`.
    """
    labels = table[list(ATTRIBUTES)].to_numpy()
    counts = count_labels(labels, table["split"].map(SPLITS.index).to_numpy())
    images, positives = (wide(counts, "attribute", "split", name)[list(SPLITS)] for name in ("images", "positives"))
    errors = trivial_errors(counts)
    errors = wide(errors.assign(error=errors["wrong"] / errors["images"]), "attribute", "method", "error")
    shares = pd.concat([(positives / images).add_prefix("prevalence_"), errors], axis="columns").loc[list(ATTRIBUTES)]
    shares = shares[[*(f"prevalence_{split}" for split in SPLITS), "trivial_train", "trivial_test"]]
    shares.loc[MEAN] = shares.mean()
    whole = pd.concat([images.add_prefix("images_"), positives.add_prefix("positives_")], axis="columns")
    return whole.reindex(shares.index).astype("Int64").join(shares).reset_index()


def label_correlations(table: pd.DataFrame, split: str = "train") -> pd.DataFrame:
    """Return the correlations of all pairs of attributes within a split of a table of labels, the strongest first.

    Returns:
        Columns `first`, `second` (attributes) and `correlation`, the phi coefficient, -1 to 1. Pairs with an attribute
        that is the same for all images are left out.
    """
    labels = table.loc[table["split"] == split, list(ATTRIBUTES)].to_numpy("float64")
    varied = np.flatnonzero(labels.std(axis=0) > 0) if len(labels) else np.array([], int)
    first, second = np.triu_indices(len(varied), 1)
    correlation = np.corrcoef(labels[:, varied], rowvar=False)[first, second] if len(first) else np.array([])
    names = np.array(ATTRIBUTES)[varied]
    pairs = pd.DataFrame({"first": names[first], "second": names[second], "correlation": correlation})
    return pairs.sort_values("correlation", key=np.abs, ascending=False, kind="stable", ignore_index=True)
