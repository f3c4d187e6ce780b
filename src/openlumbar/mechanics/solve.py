"""Static optimisation: the least effort with which muscles balance a posture.

Several muscles cross each joint, so their forces have no unique balance. Of all that balance,
the one with the least sum of activations to a power is taken (:mod:`openlumbar.mechanics.effort`).
The problem is convex: there is one answer, and it does not depend on where a solver starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

from openlumbar.core.errors import InputError, OptionError, StageError
from openlumbar.mechanics.effort import POWERS, Balance, least_effort
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
        if self.power not in POWERS:
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
    balance = balance_of(statics, options)
    found = least_effort(balance, options.power)
    if found is None:
        raise StageError(_unsolved(statics, balance, options))
    solution = _solution(statics, options, found)
    if not solution.residual_nm <= TOLERANCE_NM:
        raise StageError(
            f"the balance of muscles is off by {solution.residual_nm:.2g} N·m; at most "
            f"{TOLERANCE_NM:g} is expected: check the model for muscles of extreme strength"
        )
    return solution


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


def balance_of(statics: Statics, options: SolveOptions) -> Balance:
    """A row an axis and joint; activations first, then reserves over their optimal moment."""
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
    return Balance(moments, target, low, high)


def _solution(statics: Statics, options: SolveOptions, found: Array) -> Solution:
    activation, reserves = found[: len(statics.muscles)], np.zeros((len(statics.joints), 3))
    if options.reserve_bound_nm:
        reserves = options.reserve_optimal_nm * found[len(statics.muscles) :].reshape(-1, 3)
    left = statics.arms_m @ (activation * statics.strength_n) + statics.moment_nm
    left += np.einsum("jab,ja->jb", turning_axes(statics.axes), reserves)
    return Solution(activation, reserves, float(np.abs(left).max()))


def _unsolved(statics: Statics, balance: Balance, options: SolveOptions) -> str:
    """Name the joint that lacks most in the nearest thing to a balance."""
    nearest = lsq_linear(balance.rows, balance.target, (balance.low, balance.high)).x
    lacking = balance.target - balance.rows @ nearest
    joint, axis = divmod(int(np.abs(lacking).argmax()), 3)
    most = lacking[3 * joint + axis]
    if abs(most) <= TOLERANCE_NM:
        return (
            "the solver found no least effort, though muscles and reserves can balance the "
            "posture; check the model for muscles of extreme strength"
        )
    return (
        f"muscles and reserves of {options.reserve_bound_nm:g} N·m cannot balance the posture: "
        f"{abs(most):.1f} N·m of {_WAYS[axis][int(most < 0)]} are lacking at "
        f"{statics.joints[joint]}; check the areas of the muscles, the posture and what is "
        "carried, or allow larger reserves"
    )
