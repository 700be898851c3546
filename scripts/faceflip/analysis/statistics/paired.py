"""Tests of paired samples: t-test of means, tests of shares and sizes of the same trials, and what judges them."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from faceflip.analysis.statistics.intervals import ends, of_median, of_paired_difference, resampled


@dataclass(frozen=True)
class PairedTest:
    """Result of a two-sided paired t-test of a against b.

    Attributes:
        difference: Mean of a - b, with its 95 % confidence interval from `low` to `high`.
        t: Test statistic; NaN where the differences do not vary.
        p: Two-sided; 0 where it is smaller than any float.
        effect: Cohen's d_z, the mean difference in standard deviations of the differences.
    """

    pairs: int
    difference: float
    low: float = math.nan
    high: float = math.nan
    t: float = math.nan
    p: float = math.nan
    effect: float = math.nan

    @property
    def degrees(self) -> int:
        """Degrees of freedom."""
        return self.pairs - 1


def paired_t_test(a: ArrayLike, b: ArrayLike) -> PairedTest:
    """Test whether two paired samples, both of shape (n,), have the same mean."""
    from scipy import stats

    differences = np.asarray(a, float) - np.asarray(b, float)
    pairs = len(differences)
    difference = float(differences.mean()) if pairs else math.nan
    # Equal differences may deviate in the last bits, which would pass for an enormous t.
    deviation = float(differences.std(ddof=1)) if pairs > 1 else math.nan
    if not deviation > 1e-12 * max(abs(difference), 1e-300):
        return PairedTest(pairs, difference)
    result = stats.ttest_rel(a, b)
    numbers = (*result.confidence_interval(0.95), result.statistic, result.pvalue)
    return PairedTest(pairs, difference, *map(float, numbers), effect=difference / deviation)


@dataclass(frozen=True)
class McNemarTest:
    """Result of a two-sided test of whether two networks err equally often on the same trials.

    Attributes:
        trials: Pairs of judgements, on so many `images`.
        difference: Share of errors of the first minus that of the second; NaN without trials.
        statistic: The square of z, of chi-squared with 1 degree of freedom; NaN where no image tells them apart.
        p: Two-sided; NaN where the statistic is.
    """

    trials: int
    images: int
    difference: float
    statistic: float = math.nan
    p: float = math.nan


def clustered_mcnemar(first: ArrayLike, second: ArrayLike, images: ArrayLike) -> McNemarTest:
    """Test whether two networks are wrong equally often, where trials of one image are not independent.

    z^2 = (sum of d)^2 / (sum of d^2), with d of an image the sum over its trials of wrong by the first minus wrong by
    the second. With one trial an image that is McNemar's test without continuity correction.

    Source: Durkalski, Palesch, Lipsitz and Rust 2003, Statistics in Medicine 22, 2417-2428.

    Args:
        first: Whether the first network is wrong in each trial, shape (trials,).
        second: The same of the second network.
        images: Which image each trial is of; any numbers.
    """
    from scipy import stats

    signed = np.asarray(first, bool).astype(float) - np.asarray(second, bool)
    distinct, place = np.unique(np.asarray(images), return_inverse=True)
    difference = float(signed.mean()) if len(signed) else math.nan
    sums = np.bincount(place, weights=signed, minlength=len(distinct))
    if not sums.any():
        return McNemarTest(len(signed), len(distinct), difference)
    statistic = float(sums.sum() ** 2 / (sums**2).sum())
    return McNemarTest(len(signed), len(distinct), difference, statistic, float(stats.chi2.sf(statistic, 1)))


STEPS = 200_000_000
"""Additions up to which `sign_flip_p` is exact; they take a fraction of a second."""


def sign_flip_p(sums: ArrayLike) -> float:
    """Return the two-sided p of whether whole numbers, shape (n,), are as often so far above 0 as below.

    Of independent images that have such sums of differences it is the share of all choices of signs that lead at least
    as far from 0 in total; 1 where all are 0. Where the sums are -1, 0 and 1 that is McNemar's exact test, or a sign
    test. Where the exact numbers would take more than `STEPS` it is `clustered_mcnemar`'s.

    Source: Fisher 1935, The Design of Experiments, section 21.
    """
    from scipy import stats

    sums = np.asarray(sums, np.int64)
    sums = sums[sums != 0]
    observed, total = abs(int(sums.sum())), int(np.abs(sums).sum())
    if len(sums) * total > STEPS:
        return float(stats.chi2.sf(observed**2 / float((sums.astype(float) ** 2).sum()), 1))
    # How likely it is that those above 0 add up to 0, 1, 2, ...: those of one size are a binomial number of that size.
    chance = np.ones(1)
    for size, count in zip(*np.unique(np.abs(sums), return_counts=True), strict=True):
        longer = np.zeros(len(chance) + size * count)
        for above, share in enumerate(stats.binom.pmf(np.arange(count + 1), count, 0.5)):
            longer[size * above : size * above + len(chance)] += share * chance
        chance = longer
    far = np.abs(2 * np.arange(total + 1) - total) >= observed
    return float(min(chance[far].sum(), 1.0))


def holm(p: ArrayLike) -> np.ndarray:
    """Return p values, shape (n,), adjusted for how many tests there are; NaN (no test) stays NaN.

    Where all that are below a level are rejected, any is rejected wrongly with at most the probability of that level.

    Source: Holm 1979, Scandinavian Journal of Statistics 6, 65-70.
    """
    p = np.asarray(p, float)
    adjusted, tests = np.full(len(p), np.nan), np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


@dataclass(frozen=True)
class PairedShares:
    """Two shares of the same trials: whether the second differs from the first.

    Attributes:
        trials: On so many `images`.
        first: Share that succeeded in the first case; `second` in the second.
        only_first: Trials that succeeded in the first case alone; `only_second` in the second alone.
        low: Lower end of the 95 % interval of `difference`; `high` the upper one.
        p: Two-sided, exact (`sign_flip_p`).
    """

    trials: int
    images: int
    first: float
    second: float
    only_first: int
    only_second: int
    low: float
    high: float
    p: float

    @property
    def difference(self) -> float:
        """The second share minus the first."""
        return self.second - self.first


def compare_shares(first: ArrayLike, second: ArrayLike, images: ArrayLike) -> PairedShares:
    """Compare how often the same trials succeed in two cases, where trials of one image are not independent.

    With one trial an image the test is McNemar's exact one, and the interval Tango's. With more, signs of the sums of
    images are flipped, and the interval draws images anew; where that has no width it is Tango's of images.

    Args:
        first: Whether each trial succeeds in the first case, shape (trials,).
        second: The same in the second case.
        images: Which image each trial is of; any numbers.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    distinct, place = np.unique(np.asarray(images), return_inverse=True)
    sums = np.bincount(place, weights=second.astype(float) - first, minlength=len(distinct))
    trials = np.bincount(place, minlength=len(distinct))
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    low, high = math.nan, math.nan
    if len(first) > len(distinct):
        low, high = (float(end[0]) for end in ends(resampled(sums[:, None], trials[:, None])))
    if not low < high:
        low, high = of_paired_difference(int((sums < 0).sum()), int((sums > 0).sum()), len(distinct))
    shares = (float(each.mean()) if len(each) else math.nan for each in (first, second))
    p = sign_flip_p(sums) if len(first) else math.nan
    return PairedShares(len(first), len(distinct), *shares, only_first, only_second, low, high, p)


@dataclass(frozen=True)
class PairedSizes:
    """Sizes of the same things in two cases: whether the second ones are larger, or smaller, than the first.

    Attributes:
        trials: Pairs of sizes, on so many `images`.
        first: Median in the first case; `second` in the second.
        difference: Median over images of the mean of second minus first, with its exact 95 % interval from `low` to
            `high`.
        p: Of the two-sided sign test over images.
    """

    trials: int
    images: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def compare_sizes(first: ArrayLike, second: ArrayLike, images: ArrayLike) -> PairedSizes:
    """Compare sizes, finite numbers of shape (trials,), of the same trials; those of an image count as their mean.

    Neither test nor interval supposes anything of how the sizes are distributed. NaN without trials.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    distinct, place = np.unique(np.asarray(images), return_inverse=True)
    if not len(first):
        return PairedSizes(0, 0, *[math.nan] * 6)
    means = np.bincount(place, weights=second - first) / np.bincount(place)
    medians = (float(np.median(each)) for each in (first, second, means))
    return PairedSizes(len(first), len(distinct), *medians, *of_median(means), sign_flip_p(np.sign(means)))
