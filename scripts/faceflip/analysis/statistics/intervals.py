"""Confidence intervals: of shares, of independent trials and of trials that repeat images, and of means of them."""

import math
from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike


def wilson(successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends, in [0, 1], of Wilson's score interval of a share; NaN where there were no trials.

    Unlike the textbook interval it stays within [0, 1], and has a width where nothing or everything succeeded.
    Attempts on the same image are not independent: pooled over attributes they take `clustered`. The counts have any
    shape, both the same.

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


def equal_weights(trials: ArrayLike) -> np.ndarray:
    """Return weights of shares, along the first axis, that make a weighted sum the mean of those that have trials."""
    there = np.asarray(trials) > 0
    return there / np.maximum(there.sum(axis=0), 1)


def weighted_sum(successes: ArrayLike, trials: ArrayLike, weights: ArrayLike) -> np.ndarray:
    """Return the weighted sum of shares along the first axis; NaN where no share with a weight has trials.

    A share without trials counts for nothing: its weight is to be 0, as `equal_weights` has it.
    """
    successes, trials, weights = (np.asarray(each, float) for each in (successes, trials, weights))
    share = np.divide(successes, trials, out=np.zeros_like(trials), where=trials > 0)
    return np.where(((trials > 0) & (weights > 0)).any(axis=0), (weights * share).sum(axis=0), np.nan)


def independent(
    successes: ArrayLike, trials: ArrayLike, weights: ArrayLike, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the interval of a `weighted_sum` of independent shares, such as a balanced error.

    The distances of Wilson's ends from each share are squared, weighted and added, which keeps the interval within
    [0, 1] where the weights are at least 0 and add up to 1, and as lopsided as those of the shares are. The arrays have
    shape (shares, ...).

    Source: Zou, Huang and Zhang 2009, Computational Statistics and Data Analysis 53, 1080-1085.
    """
    successes, trials, weights = (np.asarray(each, float) for each in (successes, trials, weights))
    middle = weighted_sum(successes, trials, weights)
    share = np.divide(successes, trials, out=np.zeros_like(trials), where=trials > 0)
    low, high = (
        np.sqrt((np.where(trials > 0, weights * (end - share), 0.0) ** 2).sum(axis=0))
        for end in wilson(successes, trials, confidence)
    )
    return middle - low, middle + high


def of_mean(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return the ends of Student's interval of the mean of independent values, shape (n,), such as those of seeds.

    NaN where there are fewer than two, or one is not finite.
    """
    values = np.asarray(values, float)
    if len(values) < 2 or not np.isfinite(values).all():
        return math.nan, math.nan
    half = _student(confidence, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


@cache
def _student(confidence: float, degrees: int) -> float:
    """Return the quantile of Student's distribution at the upper end of an interval."""
    from scipy import stats

    return float(stats.t.ppf((1 + confidence) / 2, degrees))


RESAMPLES, WEIGHTS = 1_000, 10_000_000
"""How often images are drawn anew; fewer times, but at least 200, where there would be more weights than this."""


@lru_cache(maxsize=1)
def _draws(images: int) -> np.ndarray:
    """Return how often each image is drawn in each of many draws of all images with replacement, always the same."""
    times = min(RESAMPLES, max(200, WEIGHTS // images))
    return np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), size=times).astype(float)


def resampled(sums: ArrayLike, trials: ArrayLike) -> np.ndarray:
    """Return means of images that were drawn anew with replacement: all trials of an image come along or stay away.

    The sums and the numbers of trials have shape (images, columns), the result (draws, columns); NaN without trials.

    Source: Davison and Hinkley 1997, Bootstrap Methods and Their Application, section 3.8.
    """
    sums, trials = np.asarray(sums, float), np.asarray(trials, float)
    drawn, of = (_drawn(each) for each in (sums, trials))
    with np.errstate(divide="ignore", invalid="ignore"):
        return drawn / of


def _drawn(values: np.ndarray) -> np.ndarray:
    """Return the sums over the images drawn, the same for every number of threads."""
    draws = _draws(len(values))
    # Whole numbers add up exactly in any order; for others BLAS has one that depends on the threads.
    whole = (values == np.rint(values)).all()
    return draws @ values if whole else np.einsum("bi,ig->bg", draws, values, optimize=False)


def ends(values: ArrayLike, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the interval that holds the middle of resampled values (draws, ...); NaN where all are."""
    values = np.asarray(values, float)
    nothing = np.isnan(values).all(axis=0)
    tail = (1 - confidence) / 2
    found = np.nanquantile(np.where(nothing, 0.0, values), [tail, 1 - tail], axis=0)
    low, high = np.where(nothing, np.nan, found)
    return low, high


def clustered(successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends, in [0, 1], of intervals of shares whose trials repeat images, one a column; NaN without trials.

    The bootstrap draws images, because attempts on one are not independent. It has no width where nothing or everything
    succeeded: there the interval is Wilson's, of as many trials as there are images with any. Where no image has two
    trials it is Wilson's, too. The whole numbers have shape (images, columns).
    """
    successes, trials = np.asarray(successes, float), np.asarray(trials, float)
    count, of, images = successes.sum(axis=0), trials.sum(axis=0), (trials > 0).sum(axis=0)
    certain = (count == 0) | (count == of)
    low, high = wilson(
        np.where(certain, np.where(count > 0, images, 0), count), np.where(certain, images, of), confidence
    )
    if (repeated := ~certain & (trials.max(axis=0, initial=0) > 1)).any():
        low[repeated], high[repeated] = ends(resampled(successes[:, repeated], trials[:, repeated]), confidence)
    return low, high


def clustered_sum(
    successes: ArrayLike, trials: ArrayLike, weights: ArrayLike, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the ends of the interval of a `weighted_sum` of shares whose trials repeat images; NaN without trials.

    The bootstrap draws images; a share that a draw has no trials of keeps its value there. As of `clustered`, where all
    or nothing succeeded the interval is Wilson's of as many trials as there are images, and where no image has two
    trials it is that of `independent` shares. The whole numbers have shape (images, columns), the weights (columns,).
    """
    successes, trials, weights = (np.asarray(each, float) for each in (successes, trials, weights))
    successes, trials = (each[:, weights > 0] for each in (successes, trials))
    weights, of, count = weights[weights > 0], trials.sum(axis=0), successes.sum(axis=0)
    if not of.any():
        return math.nan, math.nan
    if trials.sum(axis=1).max() <= 1:
        low, high = independent(count, of, weights, confidence)
    elif not count.any() or (count == of).all():
        images = (trials > 0).any(axis=1).sum()
        low, high = wilson(images if count.any() else 0, images, confidence)
    else:
        drawn = resampled(successes, trials)
        drawn = np.where(np.isnan(drawn), count / of, drawn)
        low, high = ends(np.einsum("bi,i->b", drawn, weights, optimize=False), confidence)
    return float(low), float(high)


Estimate = tuple[ArrayLike, ArrayLike, ArrayLike]
"""Values, and the lower and upper ends of their intervals, all of one shape."""


def of_difference(first: Estimate, second: Estimate) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the intervals of the second values minus the first, of independent estimates.

    The distances of the ends from their values are squared and added. Of shares with Wilson's intervals that is
    Newcombe's interval. What the two have in common, such as images, makes it wider than need be.

    Source: Newcombe 1998, Statistics in Medicine 17, 873-890, method 10; of other estimates Zou and Donner 2008,
    Statistics in Medicine 27, 1693-1702.
    """
    (a, a_low, a_high), (b, b_low, b_high) = (map(np.asarray, each) for each in (first, second))
    return b - a - np.hypot(b - b_low, a_high - a), b - a + np.hypot(b_high - b, a - a_low)


def of_paired_difference(
    only_first: int, only_second: int, trials: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the ends, in [-1, 1], of the score interval of a second share minus a first one of the same trials.

    `only_first` and `only_second` are the trials that succeeded in one case alone, of `trials` in all. The interval has
    a width even where no trial differs. NaN without trials.

    Source: Tango 1998, Statistics in Medicine 17, 891-908.
    """
    if not trials:
        return math.nan, math.nan
    z = NormalDist().inv_cdf((1 + confidence) / 2)

    def low(gained: int, lost: int) -> float:
        from scipy.optimize import brentq

        def beyond(end: float) -> float:
            # The likeliest chance of a loss, where the true difference is `end`.
            b, c = (2 * trials - gained + lost) * end - gained - lost, -lost * end * (1 - end)
            loss = (math.sqrt(max(b * b - 8 * trials * c, 0.0)) - b) / (4 * trials)
            variance = trials * max(2 * loss + end * (1 - end), 0.0)
            return gained - lost - trials * end - z * math.sqrt(variance)

        # The difference found solves the equation itself where nothing differs; the end is the solution below.
        below = (gained - lost) / trials - 1e-9
        return brentq(beyond, -1, below, xtol=1e-12) if below > -1 else -1.0

    return low(only_second, only_first), -low(only_first, only_second)


def of_median(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return the ends of the exact interval of the median of independent values, shape (n,), whatever they follow.

    They are two of the values; NaN where there are too few, of 95 % fewer than six.
    """
    from scipy.stats import binom

    values = np.sort(np.asarray(values, float))
    place = int(binom.ppf((1 - confidence) / 2, len(values), 0.5)) if len(values) else 0
    if not place:
        return math.nan, math.nan
    return float(values[place - 1]), float(values[-place])
