"""How well numbers rank what is true before what is not: area under the ROC curve, and hits among the first."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike


def auroc(values: ArrayLike, truth: ArrayLike) -> float:
    """Return the area under the ROC curve, in [0, 1]: how often something true has a larger value than something false.

    Of equal values half count. `values` are numbers and `truth` bool, both of shape (n,). NaN unless some are true and
    some false.

    Source: Hanley and McNeil 1982, Radiology 143, 29-36, of the statistic of Mann and Whitney.
    """
    from scipy.stats import rankdata

    truth = np.asarray(truth, bool)
    positives = int(truth.sum())
    pairs = positives * (len(truth) - positives)
    if not pairs:
        return math.nan
    return float((rankdata(values)[truth].sum() - positives * (positives + 1) / 2) / pairs)


def auroc_interval(area: float, positives: int, negatives: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the ends, in [0, 1], of the interval of an area under the ROC curve; NaN where the area is.

    As a score interval it has a width where the area is 0 or 1, and holds with few positives, too. It supposes that
    what is ranked is independent.

    Source: Newcombe 2006, Statistics in Medicine 25, 559-573, method 5, by the variance of Hanley and McNeil.
    """
    if math.isnan(area):
        return math.nan, math.nan
    z, more = NormalDist().inv_cdf((1 + confidence) / 2), (positives + negatives) / 2 - 1

    def beyond(end: float, found: float) -> float:
        spread = 1 + more * ((1 - end) / (2 - end) + end / (1 + end))
        return (end - found) ** 2 - z**2 * end * (1 - end) * spread / (positives * negatives)

    def lower(found: float) -> float:
        from scipy.optimize import brentq

        # An area of 1 solves the equation itself; the end is the solution below.
        return brentq(beyond, 0, min(found, 1 - 1e-9), args=(found,), xtol=1e-12) if found > 0 else 0.0

    return lower(area), 1 - lower(1 - area)


def mean_interval(values: ArrayLike, low: ArrayLike, high: ArrayLike) -> tuple[float, float]:
    """Return the ends of the interval of a mean of independent estimates, each with its own interval, shape (n,).

    NaN where there are none.

    Source: Zou and Donner 2008, Statistics in Medicine 27, 1693-1702 (square-and-add).
    """
    values, low, high = (np.asarray(each, float) for each in (values, low, high))
    if not len(values):
        return math.nan, math.nan
    below, above = (math.hypot(*(values - end)) / len(values) for end in (low, high))
    return float(values.mean() - below), float(values.mean() + above)


def hits_at_rate(values: ArrayLike, truth: ArrayLike) -> float:
    """Return how many are true among the largest values, of which as many are taken as are true in all.

    Where equal values lie across the border it is the expected number. Shapes as of `auroc`.
    """
    values, truth = np.asarray(values, float), np.asarray(truth, bool)
    count = int(truth.sum())
    if not count:
        return 0.0
    border = np.partition(values, -count)[-count]
    above, tied = values > border, values == border
    return float(truth[above].sum() + (count - above.sum()) * truth[tied].mean())
