"""Confident learning (Northcutt, Jiang, Chuang 2021): which labels do not fit what networks say that never saw them."""

import numpy as np

BARELY = 1e-6
"""Nearest that a probability may come to 0 or 1: networks write both, and estimates divide by what is left."""


def doubts_of(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how doubtful labels are, and which of them confident learning takes for wrong.

    Each attribute is a question of two classes of its own. The doubt is 1 - the label's quality, by its
    self-confidence, which is the probability that a network gives to the label. Wrong are the least confident labels of
    each class, as many as the class is estimated to have (cleanlab's `prune_by_noise_rate`). An attribute of which
    fewer than two labels of a class have a score has no estimate, and so no labels that are taken for wrong.

    Args:
        labels: Shape (images, attributes), -1, +1, or 0 where unknown.
        scores: The same shape, probability 0 to 1 that the attribute is present, out of fold; NaN where there is none.

    Returns:
        doubt, float32, 0 to 1, NaN where label or score is missing; and bool, both of that shape.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    doubt, wrong = np.full(labels.shape, np.nan, np.float32), np.zeros(labels.shape, bool)
    for column in range(labels.shape[1]):
        rows = np.flatnonzero((labels[:, column] != 0) & ~np.isnan(scores[:, column]))
        if not len(rows):
            continue
        present = (labels[rows, column] > 0).astype(int)
        probability = np.clip(scores[rows, column].astype(np.float64), BARELY, 1 - BARELY)
        both = np.stack([1 - probability, probability], axis=1)
        doubt[rows, column] = 1 - get_label_quality_scores(present, both, method="self_confidence")
        if 2 <= present.sum() <= len(present) - 2:
            wrong[rows, column] = find_label_issues(present, both, filter_by="prune_by_noise_rate", n_jobs=1)
    return doubt, wrong
