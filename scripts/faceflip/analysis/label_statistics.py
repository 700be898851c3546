"""What labels alone say: counts, prevalences, errors of the majority class, correlations, contradictions."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from faceflip.analysis.frames import wide
from faceflip.analysis.tables.classification_error import trivial_errors
from faceflip.data.celeba import ATTRIBUTES, SPLITS
from faceflip.data.celeba.labels import count_labels
from faceflip.data.contradictions import Contradiction

MEAN = "mean"
"""Name of the row that holds the means over the attributes."""


def label_statistics(table: pd.DataFrame, attributes: Sequence[str] = ATTRIBUTES) -> pd.DataFrame:
    """Return the statistics of attributes, of a table with `split` and a column each: -1, +1, or 0 where unknown.

    Returns:
        One row per attribute in their order, and one of the means of their fractions: `attribute`, `images_{split}` and
        `positives_{split}` (of the images whose label is known), `prevalence_{split}` (fraction; NaN where a split has
        no such images), and the errors on the test split (fractions) of giving every image the majority class: the
        training split's, `trivial_train`, and the test split's, `trivial_test`. Their balanced errors are 0.5 wherever
        the test split has both classes; `rarer_test` are its images of the rarer one, on which a balanced error rests.
    """
    labels = table[list(attributes)].to_numpy()
    counts = count_labels(labels, table["split"].map(SPLITS.index).to_numpy(), attributes)
    images, positives = (wide(counts, "attribute", "split", name)[list(SPLITS)] for name in ("images", "positives"))
    errors = trivial_errors(counts)
    errors = wide(errors.assign(error=errors["wrong"] / errors["images"]), "attribute", "method", "error")
    shares = pd.concat([(positives / images).add_prefix("prevalence_"), errors], axis="columns").loc[list(attributes)]
    shares = shares[[*(f"prevalence_{split}" for split in SPLITS), "trivial_train", "trivial_test"]]
    shares.loc[MEAN] = shares.mean()
    whole = pd.concat([images.add_prefix("images_"), positives.add_prefix("positives_")], axis="columns")
    rarer = np.minimum(positives["test"], images["test"] - positives["test"]).rename("rarer_test")
    table = whole.reindex(shares.index).astype("Int64").join(shares)
    return table.join(rarer.reindex(shares.index).astype("Int64")).reset_index()


def label_correlations(
    table: pd.DataFrame, split: str = "train", attributes: Sequence[str] = ATTRIBUTES
) -> pd.DataFrame:
    """Return the correlations of all pairs of attributes within a split of a table of labels, the strongest first.

    Returns:
        Columns `first`, `second` (attributes) and `correlation`, the phi coefficient, -1 to 1, over the images whose
        labels of both are known. Pairs of which one is the same for all of these are left out.
    """
    labels = table.loc[table["split"] == split, list(attributes)].to_numpy("float64")
    first, second = np.triu_indices(len(attributes), 1)
    if (labels == 0).any():
        correlation = _pairwise(labels)[first, second]
    else:
        varied = np.flatnonzero(labels.std(axis=0) > 0) if len(labels) else np.array([], int)
        correlation = np.full((len(attributes), len(attributes)), np.nan)
        if len(varied):
            correlation[np.ix_(varied, varied)] = np.corrcoef(labels[:, varied], rowvar=False)
        correlation = correlation[first, second]
    names = np.array(attributes)
    pairs = pd.DataFrame({"first": names[first], "second": names[second], "correlation": correlation}).dropna()
    return pairs.sort_values("correlation", key=np.abs, ascending=False, kind="stable", ignore_index=True)


def _pairwise(labels: np.ndarray) -> np.ndarray:
    """Return phi of all columns of labels (images, attributes) of -1, 0 (unknown) and +1, NaN where it has no value."""
    known = (labels != 0).astype(float)
    both = known.T @ known
    first, product = labels.T @ known, labels.T @ labels  # sums over the images where both are known
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, other = first / both, first.T / both
        # The square of a known label is one.
        return (product / both - mean * other) / np.sqrt((1 - mean**2) * (1 - other**2))


def contradiction_counts(
    table: pd.DataFrame, rules: Sequence[Contradiction], attributes: Sequence[str] = ATTRIBUTES
) -> pd.DataFrame:
    """Count the images on which labels of a table contradict each other.

    Returns:
        For each rule a row in which `attribute` is empty, and below it one for each of the attributes of which the rule
        needs some: those of its images on which this one is annotated present. Columns `rule`, `attribute`, `soft`
        (bool), `images`, `share` (of all images of the table) and `images_{split}`.
    """
    labels, split = table[list(attributes)].to_numpy(), table["split"].to_numpy()
    rows = []
    for rule in rules:
        held = rule.holds(labels, attributes)
        parts = {"": held, **{name: held & (table[name].to_numpy() > 0) for name in rule.some}}
        for name, images in parts.items():
            counts = {f"images_{each}": int(images[split == each].sum()) for each in SPLITS}
            whole = {"images": int(images.sum()), "share": images.mean()}
            rows.append({"rule": rule.name, "attribute": name, "soft": rule.soft, **whole, **counts})
    return pd.DataFrame(rows)


def contradicting_labels(
    table: pd.DataFrame, rules: Sequence[Contradiction], attributes: Sequence[str] = ATTRIBUTES
) -> pd.DataFrame:
    """Return the labels of a table that take part in contradictions, by rules, images and attributes in their orders.

    Returns:
        Columns `file_name`, `attribute`, `label` (-1 or +1) and `rule`, a row for each rule that a label is in.
    """
    labels, names = table[list(attributes)].to_numpy(), np.array(attributes, object)
    parts = []
    for rule in rules:
        rows, columns = rule.doubts(labels, attributes).nonzero()
        files = table["file_name"].to_numpy(object)[rows]
        cells = {"file_name": files, "attribute": names[columns], "label": labels[rows, columns], "rule": rule.name}
        parts.append(pd.DataFrame(cells, columns=["file_name", "attribute", "label", "rule"]))
    return pd.concat(parts, ignore_index=True)
