import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from faceflip.analysis.statistics.intervals import wilson


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
def test_agrees_with_statsmodels(counts, confidence):
    successes, trials = counts
    expected = proportion_confint(successes, trials, alpha=1 - confidence, method="wilson")
    np.testing.assert_allclose(wilson(successes, trials, confidence), expected, rtol=1e-9, atol=1e-12)


def test_ends_at_nothing_and_everything():
    low, high = wilson([0, 10], [10, 10])
    assert low[0] == 0
    assert high[1] == 1
    # By hand: z^2 / (n + z^2) with z = 1.959964.
    assert high[0] == pytest.approx(3.841459 / 13.841459, rel=1e-6)
    assert low[1] == pytest.approx(1 - high[0])


def test_no_trials_have_no_interval():
    low, high = wilson([0, 1], [0, 2])
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [True, False]
