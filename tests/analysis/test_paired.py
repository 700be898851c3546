import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from statsmodels.stats.contingency_tables import mcnemar

from faceflip.analysis.statistics.paired import clustered_mcnemar, paired_t_test


@given(st.integers(2, 60), st.integers(0, 10**6))
def test_agrees_with_the_formulas(count, seed):
    random = np.random.default_rng(seed)
    a, b = random.normal(0, 1, count), random.normal(0.3, 2, count)
    test = paired_t_test(a, b)
    d = [x - y for x, y in zip(a, b, strict=True)]
    mean = sum(d) / count
    deviation = math.sqrt(sum((x - mean) ** 2 for x in d) / (count - 1))
    t = mean / (deviation / math.sqrt(count))
    p = 2 * special.stdtr(count - 1, -abs(t))
    half = special.stdtrit(count - 1, 0.975) * deviation / math.sqrt(count)
    assert (test.pairs, test.degrees) == (count, count - 1)
    expected = [mean, t, p, mean / deviation, mean - half, mean + half]
    actual = [test.difference, test.t, test.p, test.effect, test.low, test.high]
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-12)


def test_a_textbook_example():
    # Student's own data on sleep (1908): t = -4.06, p = 0.0028.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    test = paired_t_test(first, second)
    assert test.difference == pytest.approx(-1.58)
    assert test.t == pytest.approx(-4.0621, abs=1e-4)
    assert test.p == pytest.approx(0.002833, abs=1e-6)


def test_p_below_the_smallest_float():
    differences = 1 + np.random.default_rng(0).normal(0, 0.01, 5000)
    test = paired_t_test(differences, np.zeros(5000))
    assert test.p == 0
    assert test.t > 7000


@pytest.mark.parametrize("values", [[], [0.5], [0.1, 0.1, 0.1], [0.0, 0.0]])
def test_without_variation_there_is_no_t(values):
    test = paired_t_test(np.array(values) + 0.2, np.full(len(values), 0.2))
    assert all(math.isnan(value) for value in (test.t, test.p, test.effect, test.low))
    assert test.pairs == len(values)


@given(st.integers(1, 200), st.integers(0, 10**6))
def test_mcnemar_of_one_trial_an_image_is_that_of_statsmodels(count, seed):
    random = np.random.default_rng(seed)
    first, second = random.random(count) < 0.4, random.random(count) < 0.5
    test = clustered_mcnemar(first, second, random.permutation(10 * count)[:count])
    table = [[(first & second).sum(), (first & ~second).sum()], [(~first & second).sum(), (~first & ~second).sum()]]
    assert (test.trials, test.images) == (count, count)
    assert test.difference == pytest.approx(first.mean() - second.mean(), abs=1e-12)
    if (first == second).all():
        assert math.isnan(test.statistic)
        assert math.isnan(test.p)
    else:
        expected = mcnemar(table, exact=False, correction=False)
        assert (test.statistic, test.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_mcnemar_with_several_trials_an_image_by_hand():
    # Image 7: the first is wrong twice, the second never: d = 2. Image 3: once each: 0. Image 5: d = -1. Image 9: 1.
    first = [1, 1, 1, 0, 0, 1, 1]
    second = [0, 0, 0, 1, 1, 0, 1]
    test = clustered_mcnemar(first, second, [7, 7, 3, 3, 5, 9, 9])
    assert test.statistic == pytest.approx((2 - 1 + 1) ** 2 / (4 + 1 + 1))
    assert test.p == pytest.approx(math.erfc(math.sqrt(4 / 6 / 2)))
    assert test.difference == pytest.approx(2 / 7)
    assert (test.trials, test.images) == (7, 4)


def test_trials_that_repeat_an_image_tell_nothing_new():
    random = np.random.default_rng(3)
    first, second = random.random(60) < 0.4, random.random(60) < 0.6
    once = clustered_mcnemar(first, second, np.arange(60))
    often = clustered_mcnemar(*(np.tile(each, 10) for each in (first, second, np.arange(60))))
    assert often.p == pytest.approx(once.p)
    assert clustered_mcnemar(*(np.tile(each, 10) for each in (first, second)), np.arange(600)).p < once.p


@pytest.mark.parametrize("trials", [([], [], []), ([1, 0], [1, 0], [1, 2]), ([1, 0], [0, 1], [4, 4])])
def test_without_a_difference_on_any_image_there_is_no_test(trials):
    test = clustered_mcnemar(*trials)
    assert math.isnan(test.statistic)
    assert math.isnan(test.p)
    assert test.difference == (0 if len(trials[0]) else pytest.approx(math.nan, nan_ok=True))
