"""The great vessels, what they fork into, and other tubes along the spine.

All sizes are generic and ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openlumbar.phantom.canvas import Canvas
from openlumbar.phantom.frame import Where, bounds
from openlumbar.phantom.geometry import Spine
from openlumbar.phantom.tissue import Tissue

Vector = NDArray[np.float64]


# The other tissue in a tube, and its part.
_Second = tuple[Tissue, float] | None


class _Line(NamedTuple):
    """A tube along the spine, mm.

    Attributes
    ----------
    z, dx, ahead, radius
        Heights, and there the place to the left of and ahead of the spine and the radius.
    flat
        Its depth as part of its width.
    """

    z: Vector
    dx: Vector
    ahead: Vector
    radius: Vector
    flat: float
    tissue: Tissue
    other: _Second


def _line(
    points: Sequence[tuple[float, ...]], flat: float, tissue: Tissue, other: _Second
) -> _Line:
    """A tube through points: height, left of the spine, ahead of it, radius."""
    z, dx, ahead, radius = np.array(sorted(points), np.float64).T
    return _Line(z, dx, ahead, radius, flat, tissue, other)


def _great(spine: Spine, rng: np.random.Generator) -> list[_Line]:
    """Aorta, vena cava, and common, external and internal iliac vessels."""
    fork, top = spine.bifurcation_z, 330.0
    # Blood that flows fast gives no signal; in veins some.
    artery = (Tissue.VESSEL, (Tissue.VEIN, float(rng.uniform(0, 0.25))))
    vein = (Tissue.VEIN, (Tissue.VESSEL, float(rng.uniform(0.35, 0.95))))
    trunk, cava = rng.uniform(2, 10), rng.uniform(-19, -13)
    wide, thick = rng.uniform(7.2, 10), rng.uniform(8.5, 12)
    low, squeezed = fork - rng.uniform(10, 22), rng.uniform(0.55, 0.9)
    lines = [
        _line([(fork, trunk, 10, wide), (top, trunk + 3, 11, wide * 1.15)], 1.0, *artery),
        _line([(low, cava + 3, 9, thick), (top, cava - 2, 12, thick)], squeezed, *vein),
    ]
    for side in (-1, 1):
        end, rim = rng.uniform(38, 46), low - rng.uniform(32, 45)
        begin = (fork, trunk + side * 3, 11, 6)
        outer = (-70, side * (end + 14), 40, 4.2)
        lines += [
            _line([outer, (rim, side * end, 17, 4.6), begin], 1.0, *artery),
            _line([(-80, side * 34, 8, 3.2), (rim, side * end, 13, 3.6)], 1.0, *artery),
        ]
        outer = (-70, side * (end + 9), 33, 5)
        begin = (low, cava + 5, 8, 7)
        lines += [
            _line([outer, (rim, side * (end - 2), 6, 5.6), begin], 0.75, *vein),
            _line([(-80, side * 30, 3, 3.6), (rim, side * (end - 8), 4, 3.8)], 0.8, *vein),
        ]
    return lines


def _small(spine: Spine, side: int, rng: np.random.Generator) -> list[_Line]:
    """A crus of the diaphragm, the ureter and two small vessels of one side."""
    first = float(spine.vertebra("L1").centre[2])
    low, thick = first - rng.uniform(25, 75), rng.uniform(3.5, 6)
    crus = [
        (low, side * 9.0, 3, 1.5),
        (first, side * 15.0, 3, thick),
        (first + 90, side * 20.0, 4, thick + 1),
    ]
    lines = [_line(crus, 0.8, Tissue.MUSCLE, None)]
    for tissue in (Tissue.FLUID, Tissue.VEIN, Tissue.VESSEL):
        at, deep, radius = rng.uniform(30, 52), rng.uniform(-4, 12), rng.uniform(0.9, 1.8)
        points = [
            (z, side * (at + wide), deep + ahead, radius)
            for z, wide, ahead in ((-60.0, 8.0, 28.0), (40.0, 0.0, 12.0), (150.0, 4.0, 6.0))
        ]
        lines.append(_line(points, 1.0, tissue, (Tissue.LIGAMENT, 0.4)))
    return lines


class Vessels:
    """Tubes along the spine of one person.

    Parameters
    ----------
    spine
        In front of which they run.
    rng
        Source of chance.
    """

    def __init__(self, spine: Spine, rng: np.random.Generator) -> None:
        self._lines = _great(spine, rng)
        self._lines += [line for side in (-1, 1) for line in _small(spine, side, rng)]

    def paint(self, canvas: Canvas, at: Where) -> None:
        """Paint all of them."""
        window = bounds((at.ahead > -6) & (at.ahead < 62) & (np.abs(at.dx) < 68))
        if window is None:
            return
        part = at.cut(window)
        z = canvas.z[window]
        for line in self._lines:
            if z.max() < line.z[0] or z.min() > line.z[-1]:
                continue
            flat = z.ravel()
            dx, ahead, radius = (
                np.interp(flat, line.z, value).reshape(z.shape).astype(np.float32)
                for value in (line.dx, line.ahead, line.radius)
            )
            u, v = part.dx - dx, (part.ahead - ahead) / np.float32(line.flat)
            distance = np.sqrt(u * u + v * v) - radius
            exists = (z >= line.z[0]) & (z <= line.z[-1])
            canvas.put(exists & (distance < 0.9), Tissue.LIGAMENT, (Tissue.FAT, 0.2), window)
            canvas.put(exists & (distance < 0), line.tissue, line.other, window)
