"""The iliac wings and the muscles on both their faces.

A wing is a plate that stands obliquely beside the sacrum. None of it carries a code; all
sizes are generic and ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openlumbar.phantom.canvas import Canvas, Floats, Landmark, Mask, Window
from openlumbar.phantom.frame import bounds
from openlumbar.phantom.geometry import Spine
from openlumbar.phantom.texture import Texture
from openlumbar.phantom.tissue import Tissue


@dataclass(frozen=True)
class _Wing:
    """One iliac wing; the origin is the middle of the upper endplate of S1, mm.

    Attributes
    ----------
    side
        1 on the patient's left, -1 on the right.
    spine_x, spine_y
        Distance from the midline, and LPS y, of its rear end (the posterior spine).
    angle
        Between the plate and the frontal plane, radian.
    crest_z
        Height of the crest's top.
    thickness
        Of the plate's rear part.
    iliacus, gluteus
        Thickness of the muscles in front and behind, well below the crest.
    """

    side: int
    spine_x: float
    spine_y: float
    angle: float
    crest_z: float
    thickness: float
    iliacus: float
    gluteus: float


class _Plate(NamedTuple):
    """A wing at the points of a window, mm.

    ``along`` the plate from its rear end, ``front`` of its middle, ``below`` the crest.
    """

    window: Window
    along: Floats
    front: Floats
    below: Floats
    half: Floats


def _wing(side: int, shared: NDArray[np.float64], rng: np.random.Generator) -> _Wing:
    own = rng.normal(0, 1, 7)
    return _Wing(
        side=side,
        spine_x=float(54 + 3.0 * shared[0] + 1.5 * own[0]),
        spine_y=float(46 + 4.0 * shared[1] + 1.5 * own[1]),
        angle=float(np.radians(39 + 4.5 * shared[2] + 1.5 * own[2])),
        crest_z=float(np.clip(46 + 9 * shared[3] + 2.5 * own[3], 22, 66)),
        thickness=float(15 + 1.2 * shared[4] + 0.5 * own[4]),
        iliacus=float(np.clip(28 + 5 * shared[5] + own[5], 14, 40)),
        gluteus=float(np.clip(28 + 5 * shared[6] + own[6], 14, 42)),
    )


def _fill(below: Floats, most: float) -> Floats:
    """Thickness of a muscle that begins below the crest and nears its most."""
    return most * (1 - np.exp(-np.maximum(below, 0) / np.float32(most)))


class Pelvis:
    """Both iliac wings, iliacus and gluteal muscles.

    Parameters
    ----------
    spine
        The sacrum they stand beside.
    texture
        Of marrow and muscle.
    rng
        Source of chance.
    """

    def __init__(self, spine: Spine, texture: Texture, rng: np.random.Generator) -> None:
        self._spine, self._texture = spine, texture
        shared = np.clip(rng.standard_normal(7), -2.2, 2.2)
        self._wings = [_wing(side, shared, rng) for side in (-1, 1)]
        self._fat = float(np.clip(spine.anatomy.muscle_fat * 0.7 + rng.normal(0, 0.05), 0, 0.4))
        self._yellow = spine.vertebra("S1").spec.yellow

    def _plate(self, canvas: Canvas, wing: _Wing, inside: Mask) -> _Plate | None:
        window = bounds(
            inside & (wing.side * canvas.x > 30) & (canvas.z < wing.crest_z + 3) & (canvas.z > -160)
        )
        if window is None:
            return None
        x, y, z = canvas.points(window)
        wide = wing.side * x - np.float32(wing.spine_x)
        # Below the sacrum's upper edge the plate closes in on the sacroiliac joint.
        wide = wide - 0.22 * np.minimum(z, 0)
        deep = np.float32(wing.spine_y) - y
        cos, sin = np.float32(np.cos(wing.angle)), np.float32(np.sin(wing.angle))
        along, front = wide * cos + deep * sin, deep * cos - wide * sin
        # The blade is hollow in front.
        front = front + 5.0 * np.sin(np.clip(along, 0, 95) * np.float32(np.pi / 95))
        below = wing.crest_z - ((along - 75) / 75) ** 2 * 22 - z
        thin = np.clip(np.abs(along - 52) / 45, 0.7, 1)
        # The crest is a rim thicker than the blade below it.
        rim = 1 + 0.25 * np.exp(-((below / 8) ** 2))
        half = 0.5 * np.float32(wing.thickness) * np.where(along < 10, 1, thin) * rim
        return _Plate(window, along, front, below, half)

    def _distance(self, plate: _Plate) -> Floats:
        face = np.abs(plate.front) - plate.half
        rim = np.maximum(-plate.below * 0.8, -plate.along)
        u, v = np.maximum(face + 4, 0), np.maximum(rim + 4, 0)
        return np.sqrt(u * u + v * v) + np.minimum(np.maximum(face + 4, rim + 4), 0) - 4

    def muscles(self, canvas: Canvas, inside: Mask) -> None:
        """Paint iliacus in front of the wings, and the gluteal muscles behind them."""
        for wing in self._wings:
            plate = self._plate(canvas, wing, inside)
            if plate is None:
                continue
            window, room = plate.window, inside[plate.window]
            z = canvas.z[window]
            streaks = self._texture.at(plate.along, plate.front, z, (2.6, 0.8, 7.0), 8)
            part = np.clip((streaks - 0.95 + self._fat) * 1.8, 0.02, 0.6)
            wavy = 0.5 + 0.5 * np.sin(plate.along / 19 + z / 23 + wing.crest_z)
            ahead, behind = plate.front - plate.half, -plate.front - plate.half
            iliacus = _fill(0.7 * plate.below, wing.iliacus)
            iliacus = iliacus * np.sqrt(np.clip(1 - ((plate.along - 82) / 70) ** 2, 0, 1))
            iliacus = iliacus * (0.85 + 0.3 * wavy)
            gluteus = _fill(1.3 * plate.below - 5, wing.gluteus) * (0.8 + 0.4 * wavy)
            medius = gluteus * np.clip((plate.along - 12) / 30, 0, 1)
            maximus = np.clip(0.8 * (-6 - z), 0, wing.gluteus) * np.clip(
                np.minimum(60 - plate.along, plate.along + 22) / 30, 0, 1
            )
            for depth, thick in ((ahead, iliacus), (behind, medius), (behind, maximus)):
                muscle = room & (thick > 1) & (depth > -1) & (depth < thick) & (plate.along > -22)
                canvas.put(muscle, Tissue.MUSCLE, (Tissue.FAT, part), window)

    def bones(self, canvas: Canvas, inside: Mask) -> None:
        """Paint the iliac wings: cortex about fatty marrow."""
        for wing in self._wings:
            plate = self._plate(canvas, wing, inside)
            if plate is None:
                continue
            distance = self._distance(plate)
            room = inside[plate.window]
            grain = self._texture.at(plate.along, plate.front, plate.below, (1.0, 0.8, 1.0), 9)
            yellow = np.clip(self._yellow + 0.1 + 0.5 * (grain - 0.5), 0, 1)
            canvas.put(room & (distance < 0.4), Tissue.CORTEX, window=plate.window)
            canvas.note(room & (distance < 0.4), Landmark.ILIUM, plate.window)
            marrow = room & (distance < -1.3)
            canvas.put(marrow, Tissue.RED_MARROW, (Tissue.YELLOW_MARROW, yellow), plate.window)
