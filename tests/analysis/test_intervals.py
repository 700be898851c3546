import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from faceflip.analysis.statistics.intervals import (
    clustered,
    clustered_sum,
    ends,
    equal_weights,
    independent,
    of_difference,
    of_mean,
    of_median,
    of_paired_difference,
    resampled,
    weighted_sum,
    wilson,
)


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


COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, COUNTS, st.sampled_from([0.9, 0.95]))
def test_the_mean_of_two_shares_agrees_with_newcombes_interval_of_a_difference(first, second, confidence):
    """One half of p + q is one half of 1 + p - (1 - q), whose interval statsmodels has."""
    (some, of), (others, among) = first, second
    expected = confint_proportions_2indep(
        some, of, among - others, among, method="newcomb", compare="diff", alpha=1 - confidence
    )
    successes, trials = ([some], [others]), ([of], [among])
    found = np.ravel(independent(successes, trials, equal_weights(trials), confidence))
    np.testing.assert_allclose(found, (1 + np.array(expected)) / 2, rtol=1e-9, atol=1e-9)
    middle = weighted_sum(successes, trials, equal_weights(trials))
    assert middle == pytest.approx((some / of + others / among) / 2)
    assert -1e-12 <= found[0] <= middle <= found[1] <= 1 + 1e-12


@pytest.mark.parametrize(
    ("shares", "trials"),
    [((0.02, 0.3), (200, 12)), ((0.1, 0.9), (40, 40)), ((0.5, 0.05), (15, 120)), ((0, 0.5), (9, 99))],
)
def test_coverage_of_the_mean_of_two_shares(shares, trials):
    """Over every outcome that there can be, weighted by its chance: no draws and no luck."""
    first, second = (np.arange(of + 1) for of in trials)
    grid = np.array(np.meshgrid(first, second, indexing="ij"))
    chance = np.multiply.outer(binom.pmf(first, trials[0], shares[0]), binom.pmf(second, trials[1], shares[1]))
    of = np.broadcast_to(np.reshape(trials, (2, 1, 1)), grid.shape)
    low, high = independent(grid, of, equal_weights(of))
    true = np.mean(shares)
    assert chance.sum() == pytest.approx(1)
    assert 0.935 < chance[(low <= true) & (true <= high)].sum() < 0.98
    narrow = wilson(*(each.sum(axis=0) for each in (grid, of)))
    assert chance[(narrow[0] <= true) & (true <= narrow[1])].sum() < 0.9 or trials[0] == trials[1]


def test_a_class_without_images_leaves_the_other_ones_interval():
    trials = np.array([[20, 0, 0], [0, 7, 0]])
    successes = np.array([[5, 0, 0], [0, 7, 0]])
    weights = equal_weights(trials)
    low, high = independent(successes, trials, weights)
    np.testing.assert_allclose((low, high), wilson([5, 7, 0], [20, 7, 0]), rtol=1e-12)
    np.testing.assert_array_equal(weighted_sum(successes, trials, weights), [0.25, 1, np.nan])
    assert np.isnan([low[2], high[2]]).all()


def test_a_sum_of_shares_that_repeat_images_against_a_loop():
    random = np.random.default_rng(7)
    trials = (random.random((50, 3)) < [0.9, 0.5, 0.06]).astype(int)
    successes = trials * (random.random((50, 1)) < 0.4) * (random.random((50, 3)) < 0.8)
    weights, whole, sums = np.array([0.5, 0.25, 0.25]), successes.sum(axis=0) / trials.sum(axis=0), []
    for _ in range(6000):
        drawn = random.integers(0, 50, 50)
        of = trials[drawn].sum(axis=0)
        shares = [
            some / all_ if all_ else kept
            for some, all_, kept in zip(successes[drawn].sum(axis=0), of, whole, strict=True)
        ]
        sums.append(weights @ shares)
    found = clustered_sum(successes, trials, weights)
    np.testing.assert_allclose(found, np.quantile(sums, [0.025, 0.975]), atol=0.015)
    apart = np.ravel(independent(successes.sum(axis=0), trials.sum(axis=0), weights))
    assert np.ptp(found) > np.ptp(apart) * 1.1, "what goes together tells less than as many independent trials"
    assert clustered_sum(successes, trials, weights) == found


def test_a_sum_of_shares_that_needs_no_bootstrap():
    trials, weights = np.full((20, 3), 2), np.array([0.5, 0.5, 0])
    never, always = (clustered_sum(trials * which, trials, weights) for which in (0, 1))
    assert (never, always) == (pytest.approx(np.ravel(wilson(0, 20))), pytest.approx(np.ravel(wilson(20, 20))))
    once = np.eye(10)[:, :2]
    expected = np.ravel(independent([1, 0], [1, 1], [0.5, 0.5]))
    assert clustered_sum(once * [1, 0], once, [0.5, 0.5]) == pytest.approx(expected)
    assert np.isnan(clustered_sum(once * 0, once * 0, [0, 0])).all()


@given(*[st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))] * 2)
def test_of_two_shares_the_difference_has_newcombe_s_interval(first, second):
    estimates = [(count / of, *(float(end) for end in wilson(count, of))) for count, of in (first, second)]
    expected = confint_proportions_2indep(*second, *first, method="newcomb")
    np.testing.assert_allclose(of_difference(*estimates), expected, atol=1e-9)
    low, high = of_difference(*estimates)
    assert of_difference(*estimates[::-1]) == pytest.approx((-high, -low), abs=1e-12)


def score_of_paired_difference(only_first: int, only_second: int, trials: int, difference: float) -> float:
    """Return the score statistic at a true difference, whose other parameter is found by maximising the likelihood."""

    def unlikely(lost: float) -> float:
        gained = lost + difference
        same = 1 - lost - gained
        parts = ((only_first, lost), (only_second, gained), (trials - only_first - only_second, same))
        return -sum(count * math.log(max(chance, 1e-300)) for count, chance in parts if count)

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    lost = minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    variance = (2 * lost + difference - difference**2) / trials
    return ((only_second - only_first) / trials - difference) / math.sqrt(variance)


@pytest.mark.parametrize("counts", [(12, 4, 200), (1, 9, 25), (0, 7, 40), (30, 3, 40), (3, 3, 11), (0, 1, 1000)])
def test_at_the_ends_of_a_paired_difference_the_score_is_that_of_95_percent(counts):
    low, high = of_paired_difference(*counts)
    assert -1 <= low < (counts[1] - counts[0]) / counts[2] < high <= 1
    assert score_of_paired_difference(*counts, low) == pytest.approx(1.959964, abs=1e-3)
    assert score_of_paired_difference(*counts, high) == pytest.approx(-1.959964, abs=1e-3)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
def test_ends_of_a_paired_difference_change_sides_with_the_shares(only_first, only_second, same):
    trials = only_first + only_second + same
    low, high = of_paired_difference(only_first, only_second, trials)
    if not trials:
        assert math.isnan(low)
        return
    assert -1 <= low <= (only_second - only_first) / trials <= high <= 1
    assert of_paired_difference(only_second, only_first, trials) == (-high, -low)
    if not only_first + only_second:
        assert high == pytest.approx(3.841459 / (trials + 3.841459), rel=1e-6)


@pytest.mark.parametrize("count", [1, 5, 6, 9, 20, 101])
def test_the_interval_of_a_median_holds_it_as_often_as_is_said(count):
    low, high = of_median(np.arange(count))
    chances = [binom.cdf(place - 1, count, 0.5) for place in range(count + 1)]  # that the place-th lies above
    if math.isnan(low):
        assert count < 6
        return
    assert low + high == count - 1, "as far from both ends"
    assert 1 - 2 * chances[int(low) + 1] >= 0.95
    assert 1 - 2 * chances[int(low) + 2] < 0.95, "the next ones are too near"
