import math
import operator
from dataclasses import astuple
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from faceflip.analysis.statistics import paired
from faceflip.analysis.statistics.intervals import of_paired_difference
from faceflip.analysis.statistics.paired import (
    clustered_mcnemar,
    compare_shares,
    compare_sizes,
    holm,
    paired_t_test,
    sign_flip_p,
)


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


def by_brute_force(sums: list[int]) -> float:
    """Return the share of all choices of signs that lead at least as far from zero."""
    far = [abs(sum(map(operator.mul, signs, sums))) >= abs(sum(sums)) for signs in product((-1, 1), repeat=len(sums))]
    return sum(far) / len(far)


@given(st.lists(st.integers(-4, 4), max_size=10))
def test_signs_are_flipped_as_if_all_choices_were_listed(sums):
    assert sign_flip_p(sums) == pytest.approx(by_brute_force(sums))
    assert sign_flip_p([-each for each in sums]) == sign_flip_p(sums)


@given(st.integers(0, 300), st.integers(0, 300))
def test_with_one_trial_an_image_it_is_mcnemar_s_exact_test(gained, lost):
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1
    assert sign_flip_p([1] * gained + [-1] * lost + [0] * 5) == pytest.approx(expected, rel=1e-9)


def test_very_many_sums_take_the_other_test(monkeypatch):
    sums = np.random.default_rng(2).integers(-2, 4, 400)
    exact = sign_flip_p(sums)
    monkeypatch.setattr(paired, "STEPS", 1)
    again = np.repeat(np.arange(400), np.abs(sums))
    expected = clustered_mcnemar(np.repeat(sums > 0, np.abs(sums)), np.repeat(sums < 0, np.abs(sums)), again).p
    assert sign_flip_p(sums) == pytest.approx(expected)
    assert math.log(sign_flip_p(sums)) == pytest.approx(math.log(exact), rel=0.1)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 30])
def test_holm_is_that_of_statsmodels(count):
    random = np.random.default_rng(count)
    p = np.where(random.random(count) < 0.2, math.nan, random.random(count).round(1) ** 3)
    there = ~np.isnan(p)
    adjusted = holm(p)
    assert (np.isnan(adjusted) == ~there).all()
    if there.any():
        np.testing.assert_allclose(adjusted[there], multipletests(p[there], method="holm")[1], rtol=1e-12)


@given(st.integers(1, 80), st.integers(0, 10**6))
def test_shares_of_one_trial_an_image(count, seed):
    random = np.random.default_rng(seed)
    first, second = random.random(count) < 0.4, random.random(count) < 0.6
    found = compare_shares(first, second, np.arange(count))
    lost, gained = (first & ~second).sum(), (second & ~first).sum()
    assert (found.only_first, found.only_second, found.trials, found.images) == (lost, gained, count, count)
    assert found.difference == pytest.approx((gained - lost) / count, abs=1e-12)
    assert found.p == pytest.approx(mcnemar([[0, lost], [gained, 0]], exact=True).pvalue if lost + gained else 1)
    assert (found.low, found.high) == of_paired_difference(lost, gained, count)


def test_shares_of_images_that_come_several_times():
    random = np.random.default_rng(4)
    image = np.repeat(np.arange(50), 6)
    easy = np.repeat(random.random(50), 6)
    first, second = random.random(300) < easy, random.random(300) < np.clip(easy + 0.2, 0, 1)
    found, turned = compare_shares(first, second, image), compare_shares(second, first, image)
    differences = second.astype(float) - first
    draws = [np.concatenate([np.flatnonzero(image == each) for each in random.integers(0, 50, 50)]) for _ in range(500)]
    expected = np.quantile([differences[draw].mean() for draw in draws], [0.025, 0.975])
    assert found.difference == pytest.approx(differences.mean())
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.02)
    assert (turned.difference, turned.p) == (pytest.approx(-found.difference), found.p)
    order = random.permutation(300)
    assert compare_shares(first[order], second[order], image[order]) == found


@pytest.mark.parametrize("times", [1, 3])
def test_the_same_shares_do_not_differ(times):
    image = np.repeat(np.arange(20), times)
    hits = np.random.default_rng(0).random(len(image)) < 0.5
    found = compare_shares(hits, hits, image)
    assert (found.difference, found.p) == (0, 1)
    # By hand: z^2 / (n + z^2) to both sides, of 20 images.
    assert found.high == -found.low == pytest.approx(3.841459 / 23.841459, rel=1e-6)


def test_sizes_by_hand():
    # Two attributes of image 1, with differences 2 and 4, count as 3; the medians over trials are 2 and 4.
    first, second = [1, 2, 5, 1, 2, 3, 2], [3, 6, 4, 4, 7, 4, 3]
    found = compare_sizes(first, second, [1, 1, 2, 3, 4, 5, 6])
    assert (found.trials, found.images, found.first, found.second) == (7, 6, 2, 4)
    assert found.difference == 2, "the median of 3, -1, 3, 5, 1, 1"
    assert (found.low, found.high) == (-1, 5), "of six all, 1 - 2 / 64"
    assert found.p == pytest.approx(binomtest(5, 6).pvalue)
    assert all(map(math.isnan, astuple(compare_sizes([], [], []))[2:]))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_the_same_sizes_do_not_differ(sizes):
    found = compare_sizes(sizes, sizes, np.arange(len(sizes)))
    assert (found.difference, found.p) == (0, 1)
    assert found.low == found.high == 0 or (len(sizes) < 6 and math.isnan(found.low))
