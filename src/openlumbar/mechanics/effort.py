"""Least sum of powers under equations and bounds: the mathematics behind the muscles' balance.

Minimise Σ|x|^p so that A x = b and low ≤ x ≤ high. The quadratic programme of squares is solved
by clarabel's interior-point method, which also says where there is no x at all. It stops a little
inside the bounds: an idle muscle keeps up to the root of its tolerance, which many muscles sum up
to newtons. So the prices (multipliers of the equations) are sharpened by Newton steps on the dual
problem, which has an unknown an equation, and from which x follows in closed form, exact at its
bounds. The same steps lead from the prices of squares to those of cubes. Where they do not end,
the cubes are solved as a conic programme with a power cone an unknown, by clarabel too, which is
slower and less sharp.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import clarabel
import numpy as np
from scipy import sparse

from openlumbar.mechanics.model import Array

#: Newton stops where the equations hold to this, each scaled to its largest coefficient.
_EXACT = 1e-11
_STEPS = 100
_HALVINGS = 40
#: Part of the promised gain that a step must bring.
_GAIN = 1e-4
#: Added to the diagonal, as a part of its largest: prices that change nothing stay near.
_DAMPING = 1e-10


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
    squares = _run(_squares(scaled))
    if squares is None:
        return None
    _, prices = squares
    sharp = _sharpened(scaled, power, -prices[: len(scaled.target)] / 2)
    return by_programme(scaled, power) if sharp is None else sharp


def by_programme(balance: Balance, power: int) -> Array | None:
    """As :func:`least_effort`, by the interior-point method alone: true to its tolerance."""
    found = _run(_PROGRAMMES[power](balance))
    if found is None:
        return None
    # The solver keeps bounds to its tolerance; an activation of -1e-12 is none.
    return np.clip(found[0][: len(balance.low)], balance.low, balance.high)


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


@dataclass(frozen=True, eq=False)
class _Dual:
    """Prices, the x that is best at them, how far it is off the equations, and the dual's value.

    Lower is better; ``off`` is the slope of the value with the prices.
    """

    prices: Array
    x: Array
    off: Array
    value: float


def _sharpened(balance: Balance, power: int, prices: Array) -> Array | None:
    """Newton steps on the dual problem; None where they do not end."""
    exact = _EXACT * max(1.0, np.abs(balance.target).max())
    here: _Dual | None = _at(balance, power, prices)
    for _ in range(_STEPS):
        if here is None or np.abs(here.off).max() <= exact:
            break
        here = _stepped(balance, power, here)
    return here.x if here is not None and np.abs(here.off).max() <= exact else None


def _at(balance: Balance, power: int, prices: Array) -> _Dual:
    """Where the slope of each x's power is what it earns, or at its bound."""
    earned = balance.rows.T @ prices
    free = np.sign(earned) * np.abs(earned) ** (1 / (power - 1))
    x = np.clip(free, balance.low, balance.high)
    value = earned @ x - (np.abs(x) ** power).sum() / power - balance.target @ prices
    return _Dual(prices, x, balance.rows @ x - balance.target, float(value))


def _stepped(balance: Balance, power: int, here: _Dual) -> _Dual | None:
    """The next prices: a Newton step, halved until it gains; None where none does."""
    step = np.linalg.solve(_curvature(balance, power, here.x), here.off)
    promised, off = float(here.off @ step), np.abs(here.off).max()
    for halving in range(_HALVINGS):
        part = 0.5**halving
        there = _at(balance, power, here.prices - part * step)
        # Near the end the value no longer tells two prices apart, but the equations do.
        gains = there.value <= here.value - _GAIN * part * promised
        if gains or np.abs(there.off).max() <= off / 2:
            return there
    return None


def _curvature(balance: Balance, power: int, x: Array) -> Array:
    """Change of the equations with the prices, ``[E, E]``; an x at its bound adds nothing."""
    free = (x > balance.low) & (x < balance.high)
    slopes = free / ((power - 1) * np.maximum(np.abs(x), 1e-9) ** (power - 2))
    curvature = (balance.rows * slopes) @ balance.rows.T
    largest = max(float(curvature.diagonal().max()), 1e-3)
    return curvature + _DAMPING * largest * np.eye(len(curvature))
