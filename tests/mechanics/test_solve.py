from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from support_model import lever, mirrored, random_muscles, spine, string, upright

from openlumbar.core.errors import InputError, OptionError, StageError
from openlumbar.mechanics.model import Posture, Statics
from openlumbar.mechanics.solve import SolveOptions, solve, turning_axes
from openlumbar.mechanics.statics import GRAVITY_M_PER_S2, statics

NO_RESERVES = SolveOptions(reserve_bound_nm=0.0)
BENT = Posture(
    15.0, {"L4_L5": (8.0, 2.0, 0.0), "L3_L4": (7.0, 0.0, 3.0)}, carried_kg={"upper_arm_right": 3.0}
)
MOMENT_NM = 30.0 * GRAVITY_M_PER_S2 * 0.1


def test_one_muscle_carries_the_weight():
    found = solve(statics(lever([upright("m_r", 0.05)]), Posture()), NO_RESERVES)
    np.testing.assert_allclose(found.activation, [MOMENT_NM / (0.05 * 1000.0)], rtol=1e-9)
    np.testing.assert_array_equal(found.reserve_nm, 0)
    assert found.residual_nm < 1e-7


@pytest.mark.parametrize(("power", "exponent"), [(2, 1.0), (3, 0.5)])
def test_two_muscles_share_as_lagrange_says(power, exponent):
    # Least sum of a^p with b·a = M: a goes as b^(1 / (p - 1)), b being arm times strength.
    pair = [upright("near_r", 0.04, 1500.0), upright("far_r", 0.06, 700.0)]
    found = solve(statics(lever(pair), Posture()), SolveOptions(power=power, reserve_bound_nm=0.0))
    b = np.array([0.04 * 1500.0, 0.06 * 700.0])
    np.testing.assert_allclose(
        found.activation, b**exponent * MOMENT_NM / (b ** (1 + exponent)).sum(), rtol=1e-6
    )


@pytest.mark.parametrize(("power", "exponent"), [(2, 1.0), (3, 0.5)])
def test_a_reserve_is_one_more_muscle(power, exponent):
    options = SolveOptions(power=power, reserve_optimal_nm=5.0, reserve_bound_nm=50.0)
    found = solve(statics(lever([upright("m_r", 0.05)]), Posture()), options)
    b = np.array([0.05 * 1000.0, 5.0])
    muscle, reserve = b**exponent * MOMENT_NM / (b ** (1 + exponent)).sum()
    np.testing.assert_allclose(found.activation, [muscle], rtol=1e-6)
    # The weight flexes; what helps against it is extension: negative.
    np.testing.assert_allclose(found.reserve_nm, [[-5.0 * reserve, 0, 0]], atol=1e-5)


def test_reserves_give_what_muscles_cannot_and_say_about_which_axis():
    pushed = Posture(pushed_n={"thorax": (0.0, 0.0, 10.0)})
    made = lever([upright("m_r", 0.05)], ahead_m=0.1)
    found = solve(statics(made, pushed), SolveOptions())
    # 10 N to the right, 0.3 m above and 0.1 m ahead of the joint: bends right, turns right.
    np.testing.assert_allclose(found.reserve_nm[0, 1:], [-3.0, 1.0], atol=1e-6)
    assert abs(found.reserve_nm[0, 0]) < 0.1


def test_the_floor_holds_and_costs():
    front = string("front_r", [("pelvis", (0.1, -0.1, 0.0)), ("thorax", (0.1, 0.2, 0.0))])
    both = statics(lever([upright("back_r", 0.05), front]), Posture())
    free = solve(both, NO_RESERVES)
    floor = solve(both, replace(NO_RESERVES, activation_floor=0.05))
    np.testing.assert_allclose(free.activation[1], 0, atol=1e-8)
    np.testing.assert_allclose(floor.activation[1], 0.05, atol=1e-8)
    np.testing.assert_allclose(floor.activation[0] - free.activation[0], 0.05 * 0.1 / 0.05)


def equations(given: Statics, options: SolveOptions) -> tuple[np.ndarray, np.ndarray]:
    """Matrix over activations and reserves (of one N·m), and what it must give."""
    turning = turning_axes(given.axes)
    rows, target = [], []
    for j in range(len(given.joints)):
        for axis in range(3):
            rows.append(turning[j, axis] @ given.arms_m[j] * given.strength_n)
            target.append(-turning[j, axis] @ given.moment_nm[j])
    reserves = np.eye(len(rows)) * options.reserve_optimal_nm
    return np.hstack([rows, reserves]), np.array(target)


@pytest.mark.parametrize("power", [2, 3])
def test_a_general_solver_finds_nothing_better(power):
    options = SolveOptions(power=power, reserve_optimal_nm=3.0)
    given = statics(spine(random_muscles(16, seed=3)), Posture(5.0))
    found = solve(given, options)
    matrix, target = equations(given, options)
    scale = np.abs(matrix).max(axis=1)
    reach = options.reserve_bound_nm / options.reserve_optimal_nm
    muscles = len(given.muscles)
    other = minimize(
        lambda x: (np.abs(x) ** power).sum(),
        np.full(matrix.shape[1], 0.1),
        jac=lambda x: power * np.abs(x) ** (power - 1) * np.sign(x),
        bounds=[(0, 1)] * muscles + [(-reach, reach)] * len(target),
        constraints={
            "type": "eq",
            "fun": lambda x: (matrix @ x - target) / scale,
            "jac": lambda x: matrix / scale[:, None],
        },
        options={"maxiter": 2000, "ftol": 1e-14},
        method="SLSQP",
    )
    # It stops where it can get no further, and calls that a failure; that it balances counts.
    np.testing.assert_allclose(matrix @ other.x, target, atol=1e-6)
    ours = np.concatenate([found.activation, found.reserve_nm.ravel() / 3.0])
    # Cubes are flat near nil, so the general solver is not sharp there.
    np.testing.assert_allclose(other.x, ours, atol={2: 1e-6, 3: 2e-3}[power])
    assert (np.abs(ours) ** power).sum() <= other.fun + 1e-8


@pytest.mark.parametrize("power", [2, 3])
def test_no_direction_lowers_the_effort_of_a_whole_spine(power):
    """Karush, Kuhn and Tucker: a price per moment explains every activation within its bounds."""
    options = SolveOptions(power=power)
    given = statics(spine(random_muscles(120, seed=1)), BENT)
    found = solve(given, options)
    matrix, target = equations(given, options)
    x = np.concatenate([found.activation, found.reserve_nm.ravel()])
    np.testing.assert_allclose(matrix @ x, target, atol=1e-8)
    # A reserve within its bounds tells the price: the slope of its own power.
    reserve = found.reserve_nm.ravel() / options.reserve_optimal_nm
    assert np.abs(found.reserve_nm).max() < options.reserve_bound_nm
    price = np.sign(reserve) * np.abs(reserve) ** (power - 1)
    earned = np.maximum(matrix[:, : len(given.muscles)].T @ price, 0)
    np.testing.assert_allclose(
        found.activation, np.minimum(earned ** (1 / (power - 1)), 1), atol=1e-7
    )
    assert (found.activation == 0).any()
    assert (found.activation > 0.05).any()


@pytest.mark.parametrize("power", [2, 3])
def test_the_mirrored_person_has_the_mirrored_forces(power):
    made = spine(random_muscles(40, seed=2))
    options = SolveOptions(power=power)
    posture = Posture(10.0, {"L3_L4": (5.0, 6.0, 4.0)}, {"upper_arm_right": 4.0})
    turned = Posture(10.0, {"L3_L4": (5.0, -6.0, -4.0)}, {"upper_arm_left": 4.0})
    here, there = statics(made, posture), statics(mirrored(made), turned)
    mine, other = solve(here, options), solve(there, options)
    by_name = dict(zip(there.muscles, other.activation, strict=True))
    across = [by_name[name[:-1] + {"r": "l", "l": "r"}[name[-1]]] for name in here.muscles]
    tolerance = {2: 1e-8, 3: 1e-4}[power]
    np.testing.assert_allclose(across, mine.activation, atol=tolerance)
    np.testing.assert_allclose(other.reserve_nm * [1, -1, -1], mine.reserve_nm, atol=10 * tolerance)
    assert np.abs(mine.activation[::2] - mine.activation[1::2]).max() > 0.05


@pytest.mark.parametrize("power", [2, 3])
def test_the_same_posture_gives_the_same_numbers(power):
    given = statics(spine(random_muscles(60)), BENT)
    first, again = (solve(given, SolveOptions(power=power)) for _ in range(2))
    np.testing.assert_array_equal(first.activation, again.activation)
    assert first.residual_nm < 1e-6


def test_a_muscle_without_strength_stays_idle():
    pair = [upright("m_r", 0.05), upright("gone_r", 0.06, 0.0)]
    found = solve(statics(lever(pair), Posture()), SolveOptions())
    np.testing.assert_allclose(found.activation[1], 0, atol=1e-9)


@pytest.mark.parametrize("power", [2, 3])
def test_what_cannot_be_balanced_is_said_with_the_joint(power):
    made = lever([upright("weak_r", 0.05, 100.0)])
    options = SolveOptions(power=power, reserve_bound_nm=4.0)
    lacking = MOMENT_NM - 5.0 - 4.0
    with pytest.raises(StageError, match=rf"{lacking:.1f} N·m of extension are lacking at L5_S1"):
        solve(statics(made, Posture()), options)


def test_the_joint_that_lacks_most_is_named():
    # Only L3-L4 and above have muscles; L5-S1 bears the greatest moment of a push forward.
    made = spine([string("a_r", [("lumbar4", (-0.06, 0, 0)), ("thorax", (-0.06, 0, 0))], 9e3)])
    pushed = Posture(pushed_n={"thorax": (300.0, 0.0, 0.0)})
    with pytest.raises(StageError, match="are lacking at L5_S1"):
        solve(statics(made, pushed), SolveOptions())


@pytest.mark.parametrize("bound", [0.0, 4.0])
def test_without_muscles_nothing_balances(bound):
    with pytest.raises(StageError, match="of extension are lacking at L5_S1"):
        solve(statics(lever([]), Posture()), SolveOptions(reserve_bound_nm=bound))


def test_numbers_that_are_not_finite_are_refused():
    given = statics(lever([upright("m_r", 0.05)]), Posture())
    with pytest.raises(InputError, match="not finite"):
        solve(replace(given, strength_n=np.array([np.nan])), SolveOptions())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"power": 4}, "power is 4; 2 or 3"),
        ({"reserve_optimal_nm": 0.0}, "reserve_optimal_nm is 0.0"),
        ({"reserve_bound_nm": -1.0}, "reserve_bound_nm is -1.0"),
        ({"activation_floor": 1.0}, "activation_floor is 1.0"),
    ],
)
def test_options_out_of_range_are_refused(wrong, message):
    with pytest.raises(OptionError, match=message):
        SolveOptions(**wrong)
