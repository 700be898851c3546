"""The paired t-test, with what it takes to judge its result."""

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
