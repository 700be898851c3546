import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from faceflip.analysis.statistics.intervals import clustered, ends, of_mean, resampled, wilson


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


def repeated_images(images: int = 300, columns: int = 12, seed: int = 4):
    """Return successes and trials: the trials of an image go alike, so that 12 tell little more than one."""
    random = np.random.default_rng(seed)
    trials = random.integers(0, columns + 1, images)
    return random.binomial(trials, random.beta(0.3, 0.3, images)), trials


def test_trials_of_one_image_stay_together():
    successes, trials = repeated_images()
    low, high = (float(end[0]) for end in clustered(successes[:, None], trials[:, None]))
    # The standard error of a ratio of sums, by its linear approximation (Cochran 1977, section 6.3).
    share = successes.sum() / trials.sum()
    error = np.sqrt(((successes - share * trials) ** 2).sum()) / trials.sum()
    assert low == pytest.approx(share - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(share + 1.96 * error, abs=0.2 * error)
    narrow = np.ptp(wilson(successes.sum(), trials.sum()))
    assert high - low > 2 * narrow


def test_draws_against_a_loop():
    successes, trials = repeated_images(images=40)
    random, shares = np.random.default_rng(9), []
    for _ in range(4000):
        drawn = random.integers(0, 40, 40)
        shares.append(successes[drawn].sum() / trials[drawn].sum())
    expected = np.quantile(shares, [0.025, 0.975])
    found = np.ravel(ends(resampled(successes[:, None], trials[:, None])))
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_without_repetition_the_interval_is_wilsons():
    successes, trials = np.eye(10)[:, :3], np.ones((10, 3))
    successes[:, 1] = 0
    np.testing.assert_allclose(clustered(successes, trials), wilson(successes.sum(axis=0), trials.sum(axis=0)))


def test_certain_shares_are_as_sure_as_there_are_images():
    trials = np.full((20, 3), 8)
    trials[:, 2] = 0
    low, high = clustered(trials * [0, 1, 0], trials)
    expected = wilson([0, 20], [20, 20])
    np.testing.assert_allclose([low[:2], high[:2]], expected)
    assert np.isnan([low[2], high[2]]).all()


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12), st.sampled_from([0.9, 0.95]))
def test_interval_of_a_mean_is_that_of_statsmodels(values, confidence):
    expected = DescrStatsW(values).tconfint_mean(alpha=1 - confidence)
    np.testing.assert_allclose(of_mean(values, confidence), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("values", [[], [0.5], [1.0, np.inf], [1.0, np.nan, 2.0]])
def test_without_two_numbers_a_mean_has_no_interval(values):
    assert np.isnan(of_mean(values)).all()
