"""Confidence intervals of shares."""

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike


def wilson(successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's score interval of a share.

    Unlike the textbook interval it stays within [0, 1], and has a width where nothing or everything succeeded.
    Attempts on the same image are not independent, so that pooled over attributes it is somewhat too narrow.

    Args:
        successes: Counts, any shape.
        trials: Counts of the same shape.
        confidence: Coverage.

    Returns:
        Lower and upper ends in [0, 1]; NaN where there were no trials.

    Source: Wilson 1927, Journal of the American Statistical Association 22, 209-212.
    """
    successes, trials = np.asarray(successes, float), np.asarray(trials, float)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = successes / trials
        centre = share + z**2 / (2 * trials)
        half = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
        low, high = (centre - half) / (1 + z**2 / trials), (centre + half) / (1 + z**2 / trials)
    # The ends that are exact in arithmetic are not quite so in floating point.
    low, high = np.where(successes == 0, 0.0, low), np.where(successes == trials, 1.0, high)
    empty = trials == 0
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)
