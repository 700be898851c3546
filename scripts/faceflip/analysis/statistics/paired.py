"""Tests of paired samples: the t-test of means, and McNemar's of errors, with what it takes to judge their results."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


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
        p: Two-sided, as is missing then.
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
