"""Which labels are in doubt: rules, out-of-fold scores and an audit together, in one table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from faceflip.data.celeba import SPLITS
from faceflip.data.confident import doubts_of
from faceflip.data.contradictions import Contradiction
from faceflip.data.label_doubt import AUDIT, BETWEEN, FALSIFIED, SCORES
from faceflip.data.packed import Dataset


def label_doubt(
    dataset: Dataset,
    rules: Sequence[Contradiction] = (),
    scores: Sequence[pd.DataFrame] = (),
    audited: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return which labels of a dataset are in doubt, and why.

    Args:
        dataset: The packed dataset.
        rules: That labels may contradict.
        scores: Of each fold, see `faceflip.stages.folds.score_fold`.
        audited: (N, attributes), -1, +1, or 0 where a label was not audited.

    Returns:
        The columns of `faceflip.data.label_doubt`.
    """
    labels, attributes = dataset.labels, dataset.attributes
    doubt, wrong = doubts_of(labels, probabilities := _probabilities(scores, labels.shape, attributes))
    hard = {rule.name: rule.doubts(labels, attributes) for rule in rules if not rule.soft}
    soft = {rule.name: rule.doubts(labels, attributes) for rule in rules if rule.soft}
    hits = {**hard, SCORES: wrong}
    if audited is not None:
        settled = audited == labels
        hits = {name: places & ~settled for name, places in hits.items()} | {AUDIT: (audited != 0) & ~settled}
    # A row an attribute and image, in that order.
    column, image = np.nonzero(labels.T)
    found = {
        "image": image.astype("int32"),
        "file_name": pd.Categorical.from_codes(image, dataset.file_names),
        "split": pd.Categorical.from_codes(dataset.split[image], list(SPLITS)),
        "attribute": pd.Categorical.from_codes(column, list(attributes)),
        "label": labels[image, column],
        "score": probabilities[image, column],
        "doubt": doubt[image, column],
        "reasons": pd.Categorical(_joined(hits, labels.shape)[image, column]),
        "hints": pd.Categorical(_joined(soft, labels.shape)[image, column]),
    }
    found["doubtful"] = found["reasons"] != ""
    if dataset.mislabelled is not None:
        found[FALSIFIED] = dataset.mislabelled[image, column]
    return pd.DataFrame(found)


def _probabilities(scores: Sequence[pd.DataFrame], shape: tuple[int, int], attributes: Sequence[str]) -> np.ndarray:
    """Return scores as a matrix (images, attributes), NaN where there is none."""
    found = np.full(shape, np.nan, np.float32)
    places = pd.Index(attributes)
    for part in scores:
        found[part["image"], places.get_indexer(part["attribute"].astype("str"))] = part["score"]
    return found


def _joined(hits: dict[str, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Return the names of what hits each place of a matrix, joined; nothing where none does."""
    texts = np.full(shape, "", object)
    for name, places in hits.items():
        texts[places] = [BETWEEN.join(filter(None, (each, name))) for each in texts[places]]
    return texts
