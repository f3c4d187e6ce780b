"""Least sum of powers under equations and bounds: the mathematics behind the muscles' balance.

Minimise Σ|x|^p so that A x = b and low ≤ x ≤ high. Squares are a quadratic programme, cubes a
conic one with a power cone an unknown; clarabel's interior-point method solves both. It stops a
little inside the bounds: an idle muscle keeps up to the p-th root of its tolerance, which many
muscles sum up to newtons. So its prices (multipliers of the equations) are sharpened by Newton
steps on the dual problem, which has an unknown an equation, and from which x follows in closed
form, exact at its bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import clarabel
import numpy as np
from scipy import sparse

from openlumbar.mechanics.model import Array

#: Newton stops where the equations hold to this, each scaled to its largest coefficient.
_EXACT = 1e-12
_STEPS = 30
_HALVINGS = 25


@dataclass(frozen=True, eq=False)
class Balance:
    """What is sought: x with ``rows @ x = target`` between ``low`` and ``high``.

    Attributes
    ----------
    rows
        ``[E, N]``.
    target
        ``[E]``.
    low, high
        ``[N]``, ``low < high``.
    """

    rows: Array
    target: Array
    low: Array
    high: Array


def least_effort(balance: Balance, power: int) -> Array | None:
    """The x of the least sum of ``|x|`` to a power of 2 or 3.

    Returns
    -------
    ``[N]``, or None where no x was found (there is none, or the numbers are too extreme).
    """
    scaled = _scaled(balance)
    found = _run(_PROGRAMMES[power](scaled))
    if found is None:
        return None
    x, prices = found
    sharp = _sharpened(scaled, power, -prices[: len(scaled.target)] / power)
    # The solver keeps bounds to its tolerance; an activation of -1e-12 is none.
    return np.clip(x[: len(scaled.low)], scaled.low, scaled.high) if sharp is None else sharp


def _scaled(balance: Balance) -> Balance:
    largest = np.abs(balance.rows).max(axis=1, initial=0.0)
    largest = np.where(largest > 0, largest, 1.0)
    return Balance(
        balance.rows / largest[:, None], balance.target / largest, balance.low, balance.high
    )


@dataclass(frozen=True, eq=False)
class _Programme:
    """Least ½ x'·quadratic·x + linear·x with ``right - rows @ x`` in the cones."""

    quadratic: sparse.csc_array
    linear: Array
    rows: sparse.csc_array
    right: Array
    cones: list[object]


def _squares(balance: Balance) -> _Programme:
    count = len(balance.low)
    quadratic = sparse.diags_array(np.full(count, 2.0), format="csc")
    rows, right, cones = _constraints(balance)
    return _Programme(quadratic, np.zeros(count), rows, right, cones)


def _cubes(balance: Balance) -> _Programme:
    """The sum of a bound t of each is least, and in a power cone t is no less than the cube."""
    count = len(balance.low)
    rows, right, cones = _constraints(balance)
    own = np.arange(count)
    at, of = np.concatenate([3 * own, 3 * own + 2]), np.concatenate([count + own, own])
    powers = sparse.csc_array((-np.ones(2 * count), (at, of)), shape=(3 * count, 2 * count))
    rows = sparse.hstack([rows, sparse.csc_array((len(right), count))])
    return _Programme(
        quadratic=sparse.csc_array((2 * count, 2 * count)),
        linear=np.repeat([0.0, 1.0], count),
        rows=sparse.vstack([rows, powers]).tocsc(),
        right=np.concatenate([right, np.tile([0.0, 1.0, 0.0], count)]),
        cones=[*cones, *[clarabel.PowerConeT(1 / 3)] * count],
    )


_PROGRAMMES: dict[int, Callable[[Balance], _Programme]] = {2: _squares, 3: _cubes}
#: The powers that can be minimised.
POWERS = tuple(_PROGRAMMES)


def _constraints(balance: Balance) -> tuple[sparse.csc_array, Array, list[object]]:
    one = sparse.eye_array(len(balance.low))
    rows = sparse.vstack([sparse.csc_array(balance.rows), one, -one])
    right = np.concatenate([balance.target, balance.high, -balance.low])
    equal = clarabel.ZeroConeT(len(balance.target))
    return rows.tocsc(), right, [equal, clarabel.NonnegativeConeT(2 * len(balance.low))]


def _run(programme: _Programme) -> tuple[Array, Array] | None:
    """Unknowns and prices, or None where the solver found none."""
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1  # the same numbers on every machine, as far as that goes
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = 1e-9
    result = clarabel.DefaultSolver(
        programme.quadratic,
        programme.linear,
        programme.rows,
        programme.right,
        programme.cones,
        settings,
    ).solve()
    if result.status not in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved):
        return None
    return np.asarray(result.x), np.asarray(result.z)


def _sharpened(balance: Balance, power: int, prices: Array) -> Array | None:
    """Newton steps on the dual problem from near its solution; None where they do not end."""
    x = _of_prices(balance, power, prices)
    for _ in range(_STEPS):
        off = balance.rows @ x - balance.target
        if np.abs(off).max() <= _EXACT * max(1.0, np.abs(balance.target).max()):
            return x
        slopes = _slopes(balance, power, x)
        step = np.linalg.lstsq((balance.rows * slopes) @ balance.rows.T, off)[0].astype(float)
        prices = _stepped(balance, power, prices, step)
        x = _of_prices(balance, power, prices)
    return None


def _of_prices(balance: Balance, power: int, prices: Array) -> Array:
    """The x that is best at given prices: where the slope of its power is what it earns."""
    earned = balance.rows.T @ prices
    return np.clip(_root(earned, power), balance.low, balance.high)


def _root(earned: Array, power: int) -> Array:
    return np.sign(earned) * np.abs(earned) ** (1 / (power - 1))


def _slopes(balance: Balance, power: int, x: Array) -> Array:
    """Change of each x with what it earns; none at a bound."""
    free = (x > balance.low) & (x < balance.high)
    steep = (power - 1) * np.maximum(np.abs(x), 1e-9) ** (power - 2)
    return free / steep


def _stepped(balance: Balance, power: int, prices: Array, step: Array) -> Array:
    """The prices after a step, halved until the dual's value does not rise."""
    before = _dual(balance, power, prices)
    for _ in range(_HALVINGS):
        after = prices - step
        if _dual(balance, power, after) <= before + 1e-15 * abs(before):
            return after
        step = step / 2
    return prices


def _dual(balance: Balance, power: int, prices: Array) -> float:
    x = _of_prices(balance, power, prices)
    earned = balance.rows.T @ prices
    return float(earned @ x - (np.abs(x) ** power).sum() / power - balance.target @ prices)
