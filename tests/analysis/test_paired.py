import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from faceflip.analysis.statistics.paired import paired_t_test


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
