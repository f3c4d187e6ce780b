"""Static optimisation: the least effort with which muscles balance a posture.

Several muscles cross each joint, so their forces have no unique balance. Of all that balance,
the one with the least sum of activations to a power is taken: squares give a quadratic programme,
cubes a conic one with a power cone a muscle. Both are convex: there is one answer, and it does
not depend on where the solver starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import clarabel
import numpy as np
from scipy import sparse
from scipy.optimize import lsq_linear

from openlumbar.core.errors import InputError, OptionError, StageError
from openlumbar.mechanics.model import Array, Statics

#: Columns of a solution's reserves.
RESERVE_AXES = ("flexion", "lateral bending", "axial rotation")
#: A balance that is off by more is no solution.
TOLERANCE_NM = 1e-4

_WAYS = (
    ("flexion", "extension"),
    ("lateral bending to the right", "lateral bending to the left"),
    ("axial rotation to the left", "axial rotation to the right"),
)


@dataclass(frozen=True)
class SolveOptions:
    """What is minimised, and within which bounds.

    The sizes of the reserves are generic, ours: with 1 N·m a reserve costs as much as a muscle
    at full activation, so that muscles do nearly all.

    Attributes
    ----------
    power
        Of the activations in the sum: 2 or 3.
    reserve_optimal_nm
        The moment of a reserve at an activation of one: the smaller, the dearer.
    reserve_bound_nm
        No reserve is larger; 0 for none at all.
    activation_floor
        No muscle is less active. OpenSim's own default is 0.01.
    """

    power: int = 2
    reserve_optimal_nm: float = 1.0
    reserve_bound_nm: float = 10.0
    activation_floor: float = 0.0

    def __post_init__(self) -> None:
        if self.power not in _PROGRAMMES:
            raise OptionError(f"power is {self.power}; 2 or 3 is expected")
        if not self.reserve_optimal_nm > 0:
            raise OptionError(f"reserve_optimal_nm is {self.reserve_optimal_nm}; it must exceed 0")
        if not self.reserve_bound_nm >= 0:
            raise OptionError(f"reserve_bound_nm is {self.reserve_bound_nm}; 0 or more is expected")
        if not 0 <= self.activation_floor < 1:
            raise OptionError(
                f"activation_floor is {self.activation_floor}; from 0 to less than 1 is expected"
            )


@dataclass(frozen=True, eq=False)
class Solution:
    """A balanced posture.

    Attributes
    ----------
    activation
        ``[M]``, 0 … 1: force over greatest force.
    reserve_nm
        ``[J, 3]``: moment that no muscle gave, on what the joint carries, about the disc's own
        axes: flexion, lateral bending, axial rotation; forward, to the right and turning to the
        left are positive.
    residual_nm
        Largest component of moment that is left unbalanced at any joint, computed from the
        numbers above.
    """

    activation: Array
    reserve_nm: Array
    residual_nm: float


def solve(statics: Statics, options: SolveOptions | None = None) -> Solution:
    """Balance all lumbar joints with the least effort of muscles and reserves.

    Minimises the sum of the activations' powers; a reserve counts with its moment over
    ``reserve_optimal_nm``, as in OpenSim's static optimisation. The moments at each joint are
    balanced about the three axes of its disc, exactly.

    Raises
    ------
    InputError
        The statics hold numbers that are not finite.
    StageError
        Muscles and reserves together cannot balance the posture; the message names the joint
        where most is lacking.
    """
    options = options or SolveOptions()
    balance = _balance(statics, options)
    found = _PROGRAMMES[options.power](balance)
    if found is None:
        raise StageError(_lacking(statics, balance, options))
    solution = _solution(statics, balance, options, found)
    if not solution.residual_nm <= TOLERANCE_NM:
        raise StageError(
            f"the balance of muscles is off by {solution.residual_nm:.2g} N·m; at most "
            f"{TOLERANCE_NM:g} is expected: check the model for muscles of extreme strength"
        )
    return solution


@dataclass(frozen=True, eq=False)
class _Balance:
    """``moments @ x = target`` within ``low`` and ``high``; x holds activations, then reserves.

    A row an axis and joint; reserves are in units of their optimal moment.
    """

    moments: Array
    target: Array
    low: Array
    high: Array
    muscles: int


def turning_axes(axes: Array) -> Array:
    """Axes of flexion, lateral bending and axial rotation from a disc's own.

    Parameters
    ----------
    axes
        ``[J, 3, 3]``; rows anterior, axial and right.

    Returns
    -------
    ``[J, 3, 3]``; rows such that a positive turn is forward, to the right, and to the left.
    """
    return np.stack([-axes[:, 2], axes[:, 0], axes[:, 1]], axis=1)


def _balance(statics: Statics, options: SolveOptions) -> _Balance:
    turning = turning_axes(statics.axes)
    size = 3 * len(statics.joints)
    moments = (turning @ statics.arms_m * statics.strength_n).reshape(size, -1)
    target = -np.einsum("jab,jb->ja", turning, statics.moment_nm).ravel()
    if not (np.isfinite(moments).all() and np.isfinite(target).all()):
        raise InputError("the moments of muscles or weights are not finite; check the model")
    count = moments.shape[1]
    low, high = np.full(count, options.activation_floor), np.ones(count)
    if options.reserve_bound_nm:
        reach = options.reserve_bound_nm / options.reserve_optimal_nm
        moments = np.hstack([moments, options.reserve_optimal_nm * np.eye(size)])
        low = np.concatenate([low, np.full(size, -reach)])
        high = np.concatenate([high, np.full(size, reach)])
    return _Balance(moments, target, low, high, count)


def _solution(statics: Statics, balance: _Balance, options: SolveOptions, found: Array) -> Solution:
    # The solver keeps bounds to its tolerance; an activation of -1e-12 is none.
    found = np.clip(found, balance.low, balance.high)
    reserves = np.zeros((len(statics.joints), 3))
    if options.reserve_bound_nm:
        reserves = (options.reserve_optimal_nm * found[balance.muscles :]).reshape(-1, 3)
    activation = found[: balance.muscles]
    left = statics.arms_m @ (activation * statics.strength_n) + statics.moment_nm
    left += np.einsum("jab,ja->jb", turning_axes(statics.axes), reserves)
    return Solution(activation, reserves, float(np.abs(left).max()))


def _squares(balance: _Balance) -> Array | None:
    count = balance.moments.shape[1]
    rows, right, cones = _constraints(balance)
    cost = sparse.diags_array(np.full(count, 2.0), format="csc")
    return _run(cost, np.zeros(count), rows, right, cones)


def _cubes(balance: _Balance) -> Array | None:
    """The sum of a bound t of each is least, and in a power cone t is no less than the cube."""
    count = balance.moments.shape[1]
    rows, right, cones = _constraints(balance)
    own = np.arange(count)
    at = np.concatenate([3 * own, 3 * own + 2])
    of = np.concatenate([count + own, own])
    powers = sparse.csc_array((-np.ones(2 * count), (at, of)), shape=(3 * count, 2 * count))
    rows = sparse.vstack([sparse.hstack([rows, sparse.csc_array((len(right), count))]), powers])
    right = np.concatenate([right, np.tile([0.0, 1.0, 0.0], count)])
    cones = [*cones, *[clarabel.PowerConeT(1 / 3)] * count]
    linear = np.concatenate([np.zeros(count), np.ones(count)])
    found = _run(sparse.csc_array((2 * count, 2 * count)), linear, rows.tocsc(), right, cones)
    return None if found is None else found[:count]


_PROGRAMMES: dict[int, Callable[[_Balance], Array | None]] = {2: _squares, 3: _cubes}


def _constraints(balance: _Balance) -> tuple[sparse.csc_array, Array, list[object]]:
    """Moment balance and bounds, each row of the balance scaled to its largest entry."""
    largest = np.maximum(np.abs(balance.moments).max(axis=1, initial=0.0), 1e-6)
    count = balance.moments.shape[1]
    one = sparse.eye_array(count)
    rows = sparse.vstack([sparse.csc_array(balance.moments / largest[:, None]), one, -one])
    right = np.concatenate([balance.target / largest, balance.high, -balance.low])
    cones = [clarabel.ZeroConeT(len(largest)), clarabel.NonnegativeConeT(2 * count)]
    return rows.tocsc(), right, cones


def _run(
    cost: sparse.csc_array,
    linear: Array,
    rows: sparse.csc_array,
    right: Array,
    cones: list[object],
) -> Array | None:
    """The solver's answer, or None where it says that there is none."""
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_feas = 1e-10
    settings.tol_gap_abs = settings.tol_gap_rel = 1e-10
    result = clarabel.DefaultSolver(cost, linear, rows, right, cones, settings).solve()
    if result.status in (
        clarabel.SolverStatus.PrimalInfeasible,
        clarabel.SolverStatus.AlmostPrimalInfeasible,
    ):
        return None
    return np.asarray(result.x)


def _lacking(statics: Statics, balance: _Balance, options: SolveOptions) -> str:
    """Name the joint that lacks most in the nearest thing to a balance."""
    nearest = lsq_linear(balance.moments, balance.target, (balance.low, balance.high)).x
    lacking = balance.target - balance.moments @ nearest
    joint, axis = divmod(int(np.abs(lacking).argmax()), 3)
    most = lacking[3 * joint + axis]
    return (
        f"muscles and reserves of {options.reserve_bound_nm:g} N·m cannot balance the posture: "
        f"{abs(most):.0f} N·m of {_WAYS[axis][int(most < 0)]} are lacking at "
        f"{statics.joints[joint]}; check the areas of the muscles, the posture and what is "
        "carried, or allow larger reserves"
    )
