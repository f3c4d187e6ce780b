import math

import numpy as np
import pytest
from scipy import stats

from openlumbar.stats.agreement import (
    UndefinedError,
    bland_altman,
    correlation,
    mean_absolute_error,
    mean_error,
    paired,
)

# Hess et al. 2023, table 8 (n = 9 people) and table 7 (n = 9): mean absolute error and what
# stands behind ±, by level; and the same of all levels together.
LOADS = [(101.0, 104.45), (136.66, 98.7), (142.86, 146.32), (163.64, 145.5), (172.14, 160.08)]
ALL_LOADS = (143.26, 50.25)
HEIGHTS = [(1.05, 1.03), (1.23, 0.85), (2.17, 1.81), (0.9, 0.52), (1.24, 1.02), (2.24, 1.26),
           (1.32, 1.18)]  # fmt: skip
ALL_HEIGHTS = (1.45, 0.38)
PEOPLE = 9


def errors_with(mean, half_width, n):
    """Errors that have this mean and this half width of Student's interval."""
    shape = np.linspace(-1.0, 1.0, n)
    sd = half_width * math.sqrt(n) / stats.t.ppf(0.975, n - 1)
    return mean + shape * sd / shape.std(ddof=1)


def correlated(r, n):
    """Two sequences whose correlation is ``r``."""
    one = np.linspace(-1.0, 1.0, n)
    free = one**2 - (one**2).mean()  # square to a line through symmetric places
    free *= np.linalg.norm(one) / np.linalg.norm(free)
    return one, r * one + math.sqrt(1 - r * r) * free


@pytest.mark.parametrize(("levels", "overall"), [(LOADS, ALL_LOADS), (HEIGHTS, ALL_HEIGHTS)])
def test_hess_tables_follow_from_one_another_by_students_interval(levels, overall):
    by_level = [errors_with(*level, PEOPLE) for level in levels]
    for errors, (_, half_width) in zip(by_level, levels, strict=True):
        shifted = mean_error(errors - errors.min()).half_width  # some would be negative
        assert shifted == pytest.approx(half_width)
    together = np.concatenate(by_level)
    found = mean_error(together - together.min())
    assert together.mean() == pytest.approx(overall[0], abs=0.01)
    assert found.half_width == pytest.approx(overall[1], abs=0.03)


@pytest.mark.parametrize(
    ("r", "n", "p"),
    [(0.699, 9, 0.0361), (0.869, 9, 0.00234), (0.547, 9, 0.127), (0.155, 9, 0.69)],
)
def test_p_is_that_of_hess_tables(r, n, p):
    found = correlation(*correlated(r, n))
    assert found.r == pytest.approx(r)
    assert found.p == pytest.approx(p, rel=0.02)
    assert found.n == n


def test_interval_of_r_is_scipys():
    one, other = correlated(0.8, 12)
    found = correlation(one, other)
    low, high = stats.pearsonr(one, other).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert low < 0.8 < high


def test_interval_of_r_at_its_ends():
    three = correlation([1.0, 2.0, 4.0], [1.0, 3.0, 4.0])
    assert (three.low, three.high) == (-1, 1)
    line = correlation([1.0, 2.0, 3.0, 4.0], [-1.0, -2.0, -3.0, -4.0])
    assert (line.r, line.low, line.high) == pytest.approx((-1, -1, -1))


def test_mean_absolute_error_by_hand():
    found = mean_absolute_error([10.0, 20.0, 30.0], [12.0, 16.0, 30.0])
    assert (found.n, found.mean, found.largest) == (3, 2.0, 4.0)
    # errors 2, 4, 0: standard deviation 2; t of two degrees of freedom at 97.5 % is 4.3027
    assert found.half_width == pytest.approx(4.3027 * 2 / math.sqrt(3), rel=1e-4)


def test_a_single_error_has_no_interval():
    assert mean_absolute_error([3.0], [1.0]).half_width is None


def test_bland_altman_by_hand():
    found = bland_altman([10.0, 20.0, 30.0, 40.0], [11.0, 23.0, 31.0, 43.0])
    # differences 1, 3, 1, 3
    sd = math.sqrt(4 / 3)
    assert found.bias == 2.0
    assert found.sd == pytest.approx(sd)
    assert (found.lower, found.upper) == pytest.approx((2 - 1.96 * sd, 2 + 1.96 * sd))
    half = stats.t.ppf(0.975, 3) * sd / 2
    assert found.bias_interval == pytest.approx((2 - half, 2 + half))


def test_bias_is_of_the_second_less_the_first():
    assert bland_altman([1.0, 2.0, 3.0], [2.0, 3.0, 4.5]).bias > 0


def test_limits_are_covered_as_often_as_promised():
    # A limit is the mean ± 1.96 standard deviations of all differences there could be.
    rng = np.random.default_rng(7)
    rounds = 3000
    inside = [
        low <= 1.96 <= high
        for sample in rng.normal(size=(rounds, 9))
        for low, high in [bland_altman(np.zeros(9), sample).upper_interval]
    ]
    # four standard errors of a share of 0.95 in 3000
    assert np.mean(inside) == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / rounds))


def test_with_many_pairs_the_exact_interval_becomes_the_approximate_one():
    n = 5000
    differences = np.random.default_rng(3).normal(size=n)
    found = bland_altman(np.zeros(n), differences)
    error = found.sd * math.sqrt(1 / n + 1.96**2 / (2 * (n - 1)))
    low, high = found.upper_interval
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.01)
    assert sum(found.lower_interval) - 2 * found.bias == pytest.approx(
        2 * found.bias - sum(found.upper_interval)
    )


def test_a_pair_without_both_numbers_is_left_out():
    first, second = [1.0, None, 3.0, 4.0, math.nan], [1.0, 2.0, None, 5.0, 5.0]
    one, other = paired(first, second)
    np.testing.assert_array_equal(one, [1.0, 4.0])
    np.testing.assert_array_equal(other, [1.0, 5.0])
    assert mean_absolute_error(first, second).n == 2


@pytest.mark.parametrize(
    ("figure", "first", "second"),
    [
        (correlation, [1.0, 2.0], [1.0, 2.0]),
        (correlation, [1.0, 2.0, 3.0], [5.0, 5.0, 5.0]),
        (bland_altman, [1.0, 2.0], [1.0, 2.0]),
        (mean_absolute_error, [], []),
        (mean_absolute_error, [None], [1.0]),
    ],
)
def test_too_little_to_go_by_is_said(figure, first, second):
    with pytest.raises(UndefinedError, match="needs"):
        figure(first, second)


def test_pairs_of_unequal_number_are_refused():
    with pytest.raises(ValueError, match="one length"):
        paired([1.0], [1.0, 2.0])


def test_an_error_with_a_sign_is_refused():
    with pytest.raises(ValueError, match="size"):
        mean_error([1.0, -2.0])
