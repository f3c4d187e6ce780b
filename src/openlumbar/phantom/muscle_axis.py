"""The spine as the muscles see it: a level, an axis and a size at every height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from openlumbar.phantom.geometry import PROFILE_STEP_MM, PlacedVertebra, Spine

Floats = NDArray[np.floating]

#: Distance between neighbouring rows of :class:`MuscleAxis`, mm.
ROW_MM = 1.0
# Standard deviation of the smoothing of all curves along the spine, mm.
_SMOOTH_MM = 6.0
# Mean width of the lumbar bodies of the person whose muscles are in the table, mm.
_REFERENCE_WIDTH_MM = 44.7
# The axis of the canal behind the back wall of a body, mm.
_CANAL_MM = 8.5
# How far behind that axis the reference person's back muscles reach, by level, mm.
_REACH_MM = (36.0, 39.0, 43.0, 44.0, 47.0, 45.0, 44.0)
# What the muscles leave free within the skin, mm.
_SKIN_MM = 4.0
# Share of a disc's tilt that the surfaces of equal level have.
_LEAN = 0.45


@dataclass(frozen=True, eq=False)
class MuscleAxis:
    """Curves along the spine, as tables with a row every :data:`ROW_MM` of height.

    Attributes
    ----------
    z0
        Height of row 0, LPS, mm.
    level
        0 at disc T12-L1, 5 at L5-S1, 6 at S1-S2, whatever the number of vertebrae.
    x, y
        Axis of the spinal canal, LPS, mm.
    turn
        Axial rotation, radian.
    lean
        Rise of the surfaces of equal level for every mm backward. Muscles run behind a
        curved spine neither as horizontal slices nor as the discs would cut them.
    stretch
        How much deeper than the reference's, to scale, the back muscles are.
    body
        Half width, half depth, and middle (x, y) of the vertebral bodies: ``[4, row]``.
    size
        Of the spine against the reference's.
    """

    z0: float
    level: Floats
    x: Floats
    y: Floats
    turn: Floats
    lean: Floats
    stretch: Floats
    body: Floats
    size: float

    def rows(self, z: Floats) -> NDArray[np.int32]:
        """Row of each height; the ends stand for all beyond them."""
        row = ((z - np.float32(self.z0)) / np.float32(ROW_MM) + np.float32(0.5)).astype(np.int32)
        return np.clip(row, 0, len(self.level) - 1)

    def level_rows(self, y: Floats, z: Floats, row: NDArray[np.int32]) -> NDArray[np.int32]:
        """Row whose level holds at LPS points whose own row is ``row``."""
        return self.rows(z - self.lean[row] * (y - self.body[3][row]))


def disc_levels(spine: Spine) -> dict[str, float]:
    """Level of each disc by name; lumbar discs are spread evenly over 0 … 5."""
    names = [disc.spec.name for disc in spine.discs]
    first = next(n for n, name in enumerate(names) if name.endswith("-L1"))
    last = next(n for n, name in enumerate(names) if name.endswith("-S1"))
    levels = [min(n - first, 0) + max(n - last, 0) for n in range(len(names))]
    pitch = 5.0 / (last - first)
    lumbar = [pitch * float(np.clip(n - first, 0, last - first)) for n in range(len(names))]
    return {name: a + b for name, a, b in zip(names, levels, lumbar, strict=True)}


def _curves(z: Floats, points: Sequence[Sequence[float]]) -> Floats:
    """Smooth curves over height: columns 1 … of ``points`` over column 0, ``[column, row]``."""
    table = np.array(sorted(tuple(point) for point in points))
    curves = np.array([np.interp(z, table[:, 0], column) for column in table[:, 1:].T])
    return gaussian_filter1d(curves, _SMOOTH_MM / ROW_MM, axis=1, mode="nearest")


def _canal(placed: PlacedVertebra) -> tuple[float, ...]:
    """Height of the canal's axis, its x and y, axial rotation, and forward tilt (tangent)."""
    x, y, z = placed.to_patient((0.0, placed.spec.depth_mm / 2 + _CANAL_MM, 0.0))
    turn = placed.rotation
    return z, x, y, np.arctan2(turn[1, 0], turn[0, 0]), turn[2, 1] / turn[1, 1]


def _body(placed: PlacedVertebra) -> tuple[float, ...]:
    x, y, z = placed.centre
    return z, placed.spec.width_mm / 2, placed.spec.depth_mm / 2, x, y


def _levels(spine: Spine) -> list[tuple[float, float]]:
    """Height and level of the middle of each disc."""
    levels = disc_levels(spine)
    return [(float(disc.middle[2]), levels[disc.spec.name]) for disc in spine.discs]


def _stretch(spine: Spine, z: Floats, y: Floats, reach: Floats, level: Floats) -> Floats:
    profile = spine.profile
    row = profile.rows(z.astype(np.float32))
    wanted = (profile.fascia_y[row] + 2.0 - y) / reach
    # Below L4 the muscles fill the hollow behind the sacrum, deeper than its crest.
    free = np.clip(level - 3.5, 0, 1)
    wanted = np.clip(wanted * (1 - free) + free, 0.85, 1.12)
    room = (profile.skin_y[row] - _SKIN_MM - y) / (1.06 * reach)
    return gaussian_filter1d(np.minimum(wanted, room), _SMOOTH_MM / ROW_MM)


def muscle_axis(spine: Spine) -> MuscleAxis:
    """The curves that the muscles of a placed spine follow."""
    profile = spine.profile
    z = np.arange(profile.z0, profile.z0 + PROFILE_STEP_MM * len(profile.sac_x), ROW_MM)
    widths = [p.spec.width_mm for p in spine.vertebrae if p.spec.name.startswith("L")]
    size = float(np.mean(widths)) / _REFERENCE_WIDTH_MM
    x, y, turn, tilt = _curves(z, [_canal(placed) for placed in spine.vertebrae])
    (level,) = _curves(z, _levels(spine))
    reach = size * np.interp(level, np.arange(len(_REACH_MM)), _REACH_MM)
    stretch = _stretch(spine, z, y, reach, level)
    lean = _LEAN * np.clip(tilt, -0.3, 0.9)
    x, y, turn, lean, stretch = np.stack([x, y, turn, lean, stretch]).astype(np.float32)
    body = _curves(z, [_body(placed) for placed in spine.vertebrae]).astype(np.float32)
    return MuscleAxis(float(z[0]), level, x, y, turn, lean, stretch, body, size)
