"""Kidneys, gut, liver, spleen and the lowest ribs.

All sizes are generic and ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.phantom import shapes
from openlumbar.phantom.canvas import Canvas, Landmark, Mask
from openlumbar.phantom.frame import Where, bounds
from openlumbar.phantom.geometry import Spine, into_frame
from openlumbar.phantom.texture import Texture
from openlumbar.phantom.tissue import Tissue

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Room:
    """The belly that organs lie in, mm.

    Attributes
    ----------
    half_width
        Half its width, within its wall.
    front_y
        LPS y of its front in the midline, within its wall.
    """

    half_width: float
    front_y: float


@dataclass(frozen=True, eq=False)
class _Kidney:
    """An ellipsoid with a sinus, LPS and mm.

    Attributes
    ----------
    turn
        Its axes as columns: toward the hilum, through its thickness, along it.
    half
        Half its size along these.
    fat
        Thickness of the fat about it.
    bright
        Part of water, which makes it bright on T2.
    """

    centre: Vector
    turn: Vector
    half: tuple[float, float, float]
    fat: float
    bright: float

    @property
    def hilum(self) -> Vector:
        return self.centre + self.turn[:, 0] * 0.8 * self.half[0]


@dataclass(frozen=True, eq=False)
class _Loop:
    """A piece of gut, part of a tube: LPS ends, radius, and what is in it."""

    ends: tuple[Vector, Vector]
    radius: float
    wall: float
    content: str
    stir: int


_CONTENT: dict[str, tuple[Tissue, Tissue, float]] = {
    "pulp": (Tissue.BOWEL, Tissue.FLUID, 0.35),
    "stool": (Tissue.ORGAN, Tissue.FAT, 0.3),
    "water": (Tissue.FLUID, Tissue.BOWEL, 0.3),
    "gas": (Tissue.AIR, Tissue.BOWEL, 0.06),
}


def _point(values: Vector) -> shapes.Point:
    return float(values[0]), float(values[1]), float(values[2])


def _kidney(spine: Spine, side: int, rng: np.random.Generator) -> _Kidney:
    """One kidney; the right one (``side`` -1) stands lower."""
    profile = spine.profile
    first, second = (spine.vertebra(name).centre[2] for name in ("L1", "L2"))
    z = (first + second) / 2 + rng.normal(6, 8) - (9 if side < 0 else 0)
    row = int(profile.rows(np.array(z, np.float32)))
    fat = float(rng.uniform(2, 5) + 0.35 * spine.anatomy.subcutaneous_mm * rng.random())
    half = np.array([29.0, 22.5, 54.0]) * rng.normal(1, 0.06, 3)
    centre = np.array(
        [
            profile.sac_x[row] + side * (half[0] + rng.uniform(29, 42) + 0.3 * fat),
            profile.sac_y[row] - rng.uniform(14, 28),
            z,
        ]
    )
    turn = np.radians(rng.uniform(20, 55))
    hilum = np.array([-side * np.cos(turn), -np.sin(turn), 0.0])
    length = np.array([-side * rng.uniform(0.15, 0.3), rng.uniform(0.1, 0.3), 1.0])
    length /= np.linalg.norm(length)
    hilum -= (hilum @ length) * length
    hilum /= np.linalg.norm(hilum)
    frame = np.stack([hilum, np.cross(length, hilum), length], axis=1)
    return _Kidney(centre, frame, (half[0], half[1], half[2]), fat, float(rng.uniform(0.25, 0.5)))


def _colon(spine: Spine, room: Room, side: int, rng: np.random.Generator) -> list[_Loop]:
    """The ascending colon (``side`` -1) is wide, the descending narrow."""
    profile = spine.profile
    heights = np.arange(-70.0, spine.vertebra("L2").centre[2] + rng.uniform(-10, 25), 24.0)
    size = rng.uniform(17, 27) if side < 0 else rng.uniform(9, 16)
    widest = room.half_width - size
    lateral = min(rng.uniform(84, 100), widest) + 6 * np.sin(heights / 40 + rng.uniform(0, 6))
    dorsal = size * 0.9 + rng.uniform(-4, 22) + 14 * (heights < 20)
    # In front of the kidney where it lies beside one.
    below = spine.vertebra("L3").centre[2] - 15.0
    dorsal = dorsal + 38 * np.clip((heights - below) / 30, 0, 1)
    row = profile.rows(heights.astype(np.float32))
    points = np.stack(
        [profile.sac_x[row] + side * lateral, profile.sac_y[row] - dorsal, heights], axis=1
    )
    kinds = rng.choice(["stool", "gas", "pulp"], len(points), p=[0.55, 0.25, 0.2])
    return [
        _Loop((a, b), float(size * rng.uniform(0.8, 1.15)), 2.0, str(kind), int(n))
        for n, (a, b, kind) in enumerate(zip(points[:-1], points[1:], kinds, strict=False))
    ]


def _gut(spine: Spine, room: Room, rng: np.random.Generator) -> list[_Loop]:
    """Loops of small bowel by chance, in front of the spine and beside the psoas."""
    profile, loops = spine.profile, []
    widest = room.half_width - 11
    for n in range(int(rng.integers(60, 140))):
        z, x = rng.uniform(-90, 190), rng.uniform(-widest, widest)
        row = int(profile.rows(np.array(z, np.float32)))
        deep = float(profile.front_y[row] - room.front_y)
        nearest = 32.0 if abs(x) < 58 else rng.uniform(0, 20)
        y = profile.front_y[row] - rng.uniform(nearest, max(deep, nearest + 10))
        start = np.array([profile.sac_x[row] + x, y, z])
        step = rng.normal(0, 1, 3) * np.array([22.0, 12.0, 14.0])
        kind = str(rng.choice(["pulp", "water", "gas", "stool"], p=[0.55, 0.2, 0.15, 0.1]))
        loops.append(_Loop((start, start + step), float(rng.uniform(8, 16)), 1.6, kind, n))
    return loops


def _ribs(spine: Spine, side: int, rng: np.random.Generator) -> list[tuple[Vector, Vector]]:
    """The lowest two ribs: two straight pieces each, falling to the side."""
    profile, pieces = spine.profile, []
    bodies = [placed for placed in spine.vertebrae if placed.spec.name.startswith("T")][-2:]
    for placed, reach in zip(bodies, (1.25, rng.uniform(0.5, 1.05)), strict=True):
        head = placed.centre
        knots = []
        for wide, back, fall in ((28.0, 12.0, 4.0), (80.0, 13.0, 34.0), (120.0, -10.0, 66.0)):
            z = head[2] - fall * 0.9
            row = int(profile.rows(np.array(z, np.float32)))
            knots.append(np.array([profile.sac_x[row] + side * wide, profile.sac_y[row] + back, z]))
        knots[2] = knots[1] + (knots[2] - knots[1]) * reach
        pieces += [(knots[0], knots[1]), (knots[1], knots[2])]
    return pieces


class Organs:
    """Organs of one person.

    Parameters
    ----------
    spine
        What they lie about.
    room
        That they have to themselves.
    texture
        Of what is in the gut.
    rng
        Source of chance.
    """

    def __init__(
        self, spine: Spine, room: Room, texture: Texture, rng: np.random.Generator
    ) -> None:
        self._spine, self._texture = spine, texture
        self._kidneys = [_kidney(spine, side, rng) for side in (-1, 1)]
        self._gut = _gut(spine, room, rng)
        self._gut += [loop for side in (-1, 1) for loop in _colon(spine, room, side, rng)]
        self._ribs = [piece for side in (-1, 1) for piece in _ribs(spine, side, rng)]
        first = float(spine.vertebra("L1").centre[2])
        self._liver_z = first + rng.uniform(-35, 40)
        self._spleen_z = first + rng.uniform(0, 45)

    def paint(self, canvas: Canvas, at: Where, cavity: Mask) -> None:
        """Paint gut, liver, spleen and kidneys within the cavity of the belly."""
        for loop in self._gut:
            self._loop(canvas, loop, cavity)
        self._solid(canvas, at, cavity)
        for kidney in self._kidneys:
            self._renal(canvas, kidney, cavity)
            self._kidney(canvas, kidney, cavity)

    def ribs(self, canvas: Canvas) -> None:
        """Paint the lowest ribs: cortex about marrow, without a code."""
        for ends in self._ribs:
            self._rib(canvas, ends)

    def _loop(self, canvas: Canvas, loop: _Loop, cavity: Mask) -> None:
        middle = (loop.ends[0] + loop.ends[1]) / 2
        reach = float(np.linalg.norm(loop.ends[1] - loop.ends[0])) / 2 + loop.radius + 4
        window = canvas.near(middle, reach)
        if window is None:
            return
        x, y, z = canvas.points(window)
        distance = shapes.capsule(
            x, y, z, (_point(loop.ends[0]), _point(loop.ends[1])), loop.radius
        )
        grain = self._texture.at(x, y, z, (1.3, 1.3, 1.3), loop.stir)
        distance = distance + 1.5 * np.sin(x / 6 + loop.stir) + 1.5 * np.sin(y / 5 + z / 8)
        if loop.content != "gas":
            distance = distance + 2.0 * (grain - 0.5)
        room = cavity[window]
        canvas.put(room & (distance < 0), Tissue.BOWEL, window=window)
        first, second, part = _CONTENT[loop.content]
        lumen = room & (distance < -loop.wall)
        canvas.put(lumen, first, (second, np.clip(part * 2 * grain, 0, 1)), window)
        if loop.content == "gas":
            # The patient lies on the back: gas in front, the rest behind.
            fluid = lumen & (y > middle[1] + 0.35 * loop.radius)
            canvas.put(fluid, Tissue.FLUID, (Tissue.BOWEL, grain), window)

    def _solid(self, canvas: Canvas, at: Where, cavity: Mask) -> None:
        """Liver on the right, spleen on the left, where the plane is high enough."""
        wavy = 9 * np.sin(at.dx / 21 + self._liver_z) + 7 * np.sin(at.dy / 16 + self._spleen_z)
        height = canvas.z - self._liver_z + wavy
        # The right lobe's tip hangs beside the kidney; the left lobe ends higher, in front.
        lobe = height + 0.5 * (-at.dx - 70) - 0.009 * (at.dy + 40) ** 2
        edge = 34 - 1.1 * np.maximum(-at.dx - 30, 0) + wavy
        liver = (lobe > 0) & (at.dx < 45) & (at.ahead > edge)
        tip = canvas.z - self._spleen_z + 0.9 * (np.abs(at.dx) - 105) + wavy
        spleen = (tip - 0.02 * (at.dy + 5) ** 2 > 0) & (at.dx > 50)
        organ = cavity & (liver | spleen)
        window = bounds(organ)
        if window is None:
            return
        x, y, z = canvas.points(window)
        grain = self._texture.at(x, y, z, (1.6, 1.6, 1.6), 2)
        canvas.put(
            organ[window], Tissue.ORGAN, (Tissue.VEIN, np.clip((grain - 0.85) * 4, 0, 0.5)), window
        )

    def _kidney(self, canvas: Canvas, kidney: _Kidney, inside: Mask) -> None:
        window = canvas.near(kidney.centre, max(kidney.half) + kidney.fat + 2)
        if window is None:
            return
        hilar, thick, along = into_frame(canvas.points(window), kidney.centre, kidney.turn)
        half, room = kidney.half, inside[window]
        radial = np.sqrt((hilar / half[0]) ** 2 + (thick / half[1]) ** 2 + (along / half[2]) ** 2)
        shell = (radial - 1) * half[1]
        canvas.put(room & (shell < kidney.fat), Tissue.FAT, window=window)
        grain = self._texture.at(hilar, thick, along, (2.2, 2.2, 2.2), 3)
        inner = np.clip((0.85 - radial) * 3, 0, 1) * grain
        water = np.clip(kidney.bright + 0.15 * inner, 0, 1)
        canvas.put(room & (shell < 0), Tissue.ORGAN, (Tissue.FLUID, water), window)
        canvas.note(room & (shell < 0), Landmark.KIDNEY, window)
        sinus = ((hilar - 0.62 * half[0]) / (0.62 * half[0])) ** 2 + (thick / (0.34 * half[1])) ** 2
        sinus = room & (sinus + (along / (0.5 * half[2])) ** 2 + 0.8 * (grain - 0.5) < 1)
        canvas.put(sinus & (radial < 1.02), Tissue.FAT, (Tissue.VESSEL, 0.12), window)
        pelvis = sinus & (grain > 0.66) & (radial < 0.95)
        canvas.put(pelvis, Tissue.FLUID, (Tissue.VESSEL, 0.4), window)

    def _renal(self, canvas: Canvas, kidney: _Kidney, inside: Mask) -> None:
        """The vessels of a kidney, up to the great ones."""
        profile = self._spine.profile
        row = int(profile.rows(np.array(kidney.hilum[2], np.float32)))
        front = np.array([profile.sac_x[row], profile.front_y[row] - 11.0, kidney.hilum[2] + 6])
        middle = (kidney.hilum + front) / 2
        window = canvas.near(middle, float(np.linalg.norm(front - kidney.hilum)) / 2 + 5)
        if window is None:
            return
        x, y, z = canvas.points(window)
        for lift, radius, tissue in ((0.0, 4.2, Tissue.VEIN), (7.0, 2.4, Tissue.VESSEL)):
            aside = np.array([0.0, lift, 0.0])
            ends = (_point(kidney.hilum + aside), _point(front + aside))
            tube = shapes.capsule(x, y, z, ends, radius)
            canvas.put(inside[window] & (tube < 0), tissue, (Tissue.VESSEL, 0.5), window)

    def _rib(self, canvas: Canvas, ends: tuple[Vector, Vector]) -> None:
        middle = (ends[0] + ends[1]) / 2
        window = canvas.near(middle, float(np.linalg.norm(ends[1] - ends[0])) / 2 + 8)
        if window is None:
            return
        x, y, z = canvas.points(window)
        # A blade: higher than thick.
        squeezed = [_point(end * np.array([1.0, 1.0, 0.6])) for end in ends]
        tube = shapes.capsule(x, y, z * np.float32(0.6), (squeezed[0], squeezed[1]), 4.0)
        canvas.put(tube < 0, Tissue.CORTEX, window=window)
        canvas.put(tube < -1.4, Tissue.RED_MARROW, (Tissue.YELLOW_MARROW, 0.5), window)
