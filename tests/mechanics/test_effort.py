import numpy as np
import pytest
from support_model import random_muscles, spine

from openlumbar.mechanics.effort import Balance, by_programme, least_effort
from openlumbar.mechanics.model import Posture
from openlumbar.mechanics.solve import SolveOptions, balance_of
from openlumbar.mechanics.statics import statics


def bounded(rows, target, low=0.0, high=1.0) -> Balance:
    rows = np.array(rows, float)
    size = rows.shape[1]
    return Balance(rows, np.array(target, float), np.full(size, low), np.full(size, high))


@pytest.mark.parametrize(("power", "exponent"), [(2, 1.0), (3, 0.5)])
def test_one_equation_is_shared_in_closed_form(power, exponent):
    coefficients = np.array([3.0, 1.0, 0.2])
    found = least_effort(bounded([coefficients], [1.5]), power)
    expected = coefficients**exponent * 1.5 / (coefficients ** (1 + exponent)).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("power", [2, 3])
def test_what_is_full_leaves_the_rest_to_the_others(power):
    found = least_effort(bounded([[10.0, 1.0, 1.0]], [11.0]), power)
    np.testing.assert_allclose(found, [1.0, 0.5, 0.5], rtol=1e-10)


@pytest.mark.parametrize("power", [2, 3])
def test_what_would_hinder_is_exactly_idle(power):
    found = least_effort(bounded([[2.0, -1.0]], [1.0]), power)
    assert found.tolist() == pytest.approx([0.5, 0.0], rel=1e-10)
    assert found[1] == 0.0


@pytest.mark.parametrize("power", [2, 3])
def test_an_equation_without_unknowns_and_target_is_no_obstacle(power):
    found = least_effort(bounded([[1.0, 1.0], [0.0, 0.0]], [1.0, 0.0]), power)
    np.testing.assert_allclose(found, [0.5, 0.5], rtol=1e-9)


@pytest.mark.parametrize("power", [2, 3])
@pytest.mark.parametrize("target", [2.5, -0.1])
def test_where_there_is_no_answer_there_is_none(power, target):
    assert least_effort(bounded([[1.0, 1.0]], [target]), power) is None


@pytest.mark.parametrize("power", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_two_methods_agree(power, seed):
    """Newton on the dual against the cones of an interior-point method that shares no code."""
    given = statics(spine(random_muscles(60, seed)), Posture(5.0 * seed))
    balance = balance_of(given, SolveOptions(activation_floor=0.01 * (seed % 2)))
    sharp, cones = least_effort(balance, power), by_programme(balance, power)
    np.testing.assert_allclose(sharp, cones, atol={2: 1e-5, 3: 5e-3}[power])
    effort = [(np.abs(each) ** power).sum() for each in (sharp, cones)]
    assert effort[0] == pytest.approx(effort[1], rel=1e-6)
    np.testing.assert_allclose(balance.rows @ sharp, balance.target, atol=1e-8)
