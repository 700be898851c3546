"""The paired t-test, with what it takes to judge its result."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class PairedTest:
    """Result of a two-sided paired t-test of a against b.

    Attributes:
        pairs: Number of pairs.
        difference: Mean of a - b.
        low: Lower end of the difference's 95 % confidence interval.
        high: Its upper end.
        t: Test statistic; NaN where the differences do not vary.
        degrees: Degrees of freedom.
        p: Two-sided p value; 0 where it is smaller than any float.
        effect: Cohen's d_z, the mean difference in standard deviations of the differences.
    """

    pairs: int
    difference: float
    low: float
    high: float
    t: float
    degrees: int
    p: float
    effect: float


def paired_t_test(a: ArrayLike, b: ArrayLike) -> PairedTest:
    """Test whether two paired samples have the same mean.

    Args:
        a: Values, shape (n,).
        b: Values of the same pairs, shape (n,).
    """
    from scipy import stats

    differences = np.asarray(a, float) - np.asarray(b, float)
    pairs = len(differences)
    difference = float(differences.mean()) if pairs else math.nan
    # Equal differences may deviate in the last bits, which would pass for an enormous t.
    deviation = float(differences.std(ddof=1)) if pairs > 1 else math.nan
    if not deviation > 1e-12 * max(abs(difference), 1e-300):
        return PairedTest(pairs, difference, *[math.nan] * 3, pairs - 1, *[math.nan] * 2)
    result = stats.ttest_rel(a, b)
    interval = result.confidence_interval(0.95)
    return PairedTest(
        pairs=pairs,
        difference=difference,
        low=float(interval.low),
        high=float(interval.high),
        t=float(result.statistic),
        degrees=pairs - 1,
        p=float(result.pvalue),
        effect=difference / deviation,
    )
