"""Confidence intervals of shares."""

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike


def wilson(successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends, in [0, 1], of Wilson's score interval of a share; NaN where there were no trials.

    Unlike the textbook interval it stays within [0, 1], and has a width where nothing or everything succeeded.
    Attempts on the same image are not independent, so that pooled over attributes it is somewhat too narrow.
    The counts have any shape, both the same.

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
    return np.where(share == 0, 0.0, low), np.where(share == 1, 1.0, high)
