"""What lies around the spine and its muscles: skin, fat, belly wall, organs and vessels.

None of it carries a code; it is there because real slices confuse it with muscle. All
sizes are generic and ours. Each part is drawn by chance once, then painted wherever a
plane cuts it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from openlumbar.phantom import shapes
from openlumbar.phantom.geometry import Spine
from openlumbar.phantom.texture import Texture
from openlumbar.phantom.tissue import Tissue

if TYPE_CHECKING:
    from openlumbar.phantom.scene import Canvas, Window

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]


class Where(NamedTuple):
    """A plane's points relative to the spine.

    Attributes
    ----------
    row
        Of :class:`openlumbar.phantom.geometry.Profile`.
    dx, dy
        To the patient's left of, and behind, the middle of the dural sac, mm.
    ahead
        In front of the bodies, mm.
    """

    row: NDArray[np.int32]
    dx: Floats
    dy: Floats
    ahead: Floats

    def cut(self, window: Window) -> Where:
        """The same of a part of the plane."""
        return Where(*(part[window] for part in self))


def where(canvas: Canvas, spine: Spine) -> Where:
    """Coordinates of a canvas relative to the spine."""
    profile = spine.profile
    row = profile.rows(canvas.z)
    cos = profile.sac_cos[row]
    return Where(
        row,
        canvas.x - profile.sac_x[row],
        (canvas.y - profile.sac_y[row]) * cos,
        (profile.front_y[row] - canvas.y) * cos,
    )


def bounds(mask: Mask) -> Window | None:
    """The smallest part of a plane that holds all of a mask, if it holds anything."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


@dataclass(frozen=True)
class Build:
    """Size of the person about the spine, mm.

    Attributes
    ----------
    half_width
        Half the width of the belly, skin included.
    front_y
        LPS y of the belly's skin in the midline.
    front_fat
        Fat under the skin of belly and flanks.
    """

    half_width: float
    front_y: float
    front_fat: float


@dataclass(frozen=True)
class _Surface:
    """The back and the wall of the belly, mm.

    Attributes
    ----------
    back_gain
        Factor on the fat behind the fascia.
    bulge
        By how much the muscles stand behind the tips of the spinous processes.
    curve
        How the back bends forward to the sides, 1/mm.
    wall
        Thickness of the muscles of the flank.
    dorsal
        Where the wall passes the middle of the back, behind the sac, if continued.
    """

    back_gain: float
    bulge: float
    curve: float
    wall: float
    dorsal: float
    membrane: float
    infiltration: float


@dataclass(frozen=True, eq=False)
class _Kidney:
    """An ellipsoid with a sinus; columns of ``turn``: to the hilum, thickness, length."""

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


class _Line(NamedTuple):
    """A small tube relative to the spine: heights, and there left of and ahead of it."""

    z: Vector
    dx: Vector
    ahead: Vector
    radius: Vector
    flat: float
    tissue: Tissue
    other: tuple[Tissue, float] | None


#: Least depth of muscle and organs below the skin, mm.
SKIN_GAP_MM = 3.0

_SKIN_MM = 1.7
# From the middle of the belly's oval to the back of its wall.
_OVAL_MM = 62.0

_CONTENT: dict[str, tuple[Tissue, Tissue, float]] = {
    "pulp": (Tissue.BOWEL, Tissue.FLUID, 0.35),
    "stool": (Tissue.ORGAN, Tissue.FAT, 0.3),
    "water": (Tissue.FLUID, Tissue.BOWEL, 0.3),
    "gas": (Tissue.AIR, Tissue.BOWEL, 0.06),
}


def _within(x: Floats, y: Floats, half_width: float, half_depth: Floats) -> Floats:
    """About the distance inside an outline between an ellipse and a rectangle, mm."""
    radial = shapes.outline(x, y, half_width, half_depth)
    return np.sqrt(x * x + y * y) * (1 / np.maximum(radial, 0.05) - 1)


def _surface(spine: Spine, rng: np.random.Generator) -> _Surface:
    lean = float(np.clip(1 - spine.anatomy.subcutaneous_mm / 30, 0, 1))
    return _Surface(
        back_gain=float(1 + min(rng.exponential(0.25), 1.2)),
        bulge=float(rng.uniform(2, 6) + 8 * lean * rng.uniform(0.4, 1.0)),
        curve=float(rng.uniform(0.0004, 0.0014)),
        wall=float(rng.uniform(14, 27)),
        dorsal=float(rng.uniform(22, 30)),
        membrane=float(rng.uniform(0.3, 0.65)),
        infiltration=float(np.clip(rng.normal(spine.anatomy.muscle_fat * 0.6, 0.05), 0, 0.35)),
    )


def _behind(spine: Spine, gain: float) -> Floats:
    """Fat behind the fascia by row of the profile, mm."""
    profile, usual = spine.profile, spine.anatomy.subcutaneous_mm
    thick = profile.skin_y - profile.fascia_y
    under = np.minimum(thick, usual)
    # The skin of the lean follows the hollow of the back, which fat fills in others.
    filled = np.clip(0.15 + usual / 28, 0, 1)
    return np.maximum(gain * (under + filled * (thick - under)), 3.5).astype(np.float32)


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
    return _Kidney(centre, frame, tuple(map(float, half)), fat, float(rng.uniform(0.25, 0.5)))


def _colon(spine: Spine, build: Build, side: int, rng: np.random.Generator) -> list[_Loop]:
    """The ascending colon (``side`` -1) is wide, the descending narrow."""
    profile = spine.profile
    heights = np.arange(-70.0, spine.vertebra("L2").centre[2] + rng.uniform(-10, 25), 24.0)
    size = rng.uniform(17, 27) if side < 0 else rng.uniform(9, 16)
    room = build.half_width - build.front_fat - 24 - size
    lateral = min(rng.uniform(84, 100), room) + 6 * np.sin(heights / 40 + rng.uniform(0, 6))
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


def _gut(spine: Spine, build: Build, rng: np.random.Generator) -> list[_Loop]:
    """Loops of small bowel by chance, in front of the spine and beside the psoas."""
    profile, loops = spine.profile, []
    room = build.half_width - build.front_fat - 35
    for n in range(int(rng.integers(60, 140))):
        z, x = rng.uniform(-90, 190), rng.uniform(-room, room)
        row = int(profile.rows(np.array(z, np.float32)))
        deep = float(profile.front_y[row] - build.front_y - build.front_fat - 25)
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


def _lines(spine: Spine, rng: np.random.Generator) -> list[_Line]:
    """Aorta and vena cava with the vessels they fork into, ureters, and small vessels."""
    fork, top = spine.bifurcation_z, 330.0
    flow = (Tissue.VEIN, float(rng.uniform(0, 0.25)))
    slow = (Tissue.VESSEL, float(rng.uniform(0.35, 0.95)))
    trunk, cava = rng.uniform(2, 10), rng.uniform(-19, -13)
    wide, thick = rng.uniform(7.2, 10), rng.uniform(8.5, 12)
    lines: list[_Line] = []

    def tube(points: list[tuple[float, ...]], flat: float, vein: bool) -> None:
        z, dx, ahead, radius = np.array(sorted(points), np.float64).T
        lumen = (Tissue.VEIN, slow) if vein else (Tissue.VESSEL, flow)
        lines.append(_Line(z, dx, ahead, radius, flat, *lumen))

    tube([(fork, trunk, 10, wide), (top, trunk + 3, 11, wide * 1.15)], 1.0, vein=False)
    low = fork - rng.uniform(10, 22)
    tube([(low, cava + 3, 9, thick), (top, cava - 2, 12, thick)], rng.uniform(0.55, 0.9), vein=True)
    first = float(spine.vertebra("L1").centre[2])
    for side in (-1, 1):
        # The crura of the diaphragm.
        low_end = first - rng.uniform(25, 75)
        thick = rng.uniform(3.5, 6)
        crus = ((low_end, 9, 3, 1.5), (first, 15, 3, thick), (first + 90, 20, 4, thick + 1))
        z, dx, ahead, radius = np.array(crus).T
        lines.append(_Line(z, side * dx, ahead, radius, 0.8, Tissue.MUSCLE, None))
        end, rim = rng.uniform(38, 46), low - rng.uniform(32, 45)
        tube(
            [
                (-70, side * (end + 14), 40, 4.2),
                (rim, side * end, 17, 4.6),
                (fork, trunk + side * 3, 11, 6),
            ],
            1.0,
            vein=False,
        )
        tube([(-80, side * 34, 8, 3.2), (rim, side * end, 13, 3.6)], 1.0, vein=False)
        tube(
            [
                (-70, side * (end + 9), 33, 5),
                (rim, side * (end - 2), 6, 5.6),
                (low, cava + 5, 8, 7),
            ],
            0.75,
            vein=True,
        )
        tube([(-80, side * 30, 3, 3.6), (rim, side * (end - 8), 4, 3.8)], 0.8, vein=True)
        for tissue in (Tissue.FLUID, Tissue.VEIN, Tissue.VESSEL):
            at, deep = rng.uniform(30, 52), rng.uniform(-4, 12)
            lines.append(
                _Line(
                    np.array([-60.0, 40.0, 150.0]),
                    side * np.array([at + 8, at, at + 4]),
                    np.array([28.0, 12.0, 6.0]) + deep,
                    np.full(3, rng.uniform(0.9, 1.8)),
                    1.0,
                    tissue,
                    (Tissue.LIGAMENT, 0.4),
                )
            )
    return lines


class Abdomen:
    """All of the trunk but the spine, its muscles and the pelvis.

    Parameters
    ----------
    spine
        What it is built around.
    build
        Size of the person.
    texture
        Of fat and gut.
    rng
        Source of chance.
    """

    def __init__(
        self, spine: Spine, build: Build, texture: Texture, rng: np.random.Generator
    ) -> None:
        self._spine, self._build, self._texture = spine, build, texture
        self._surface = _surface(spine, rng)
        self._thick = _behind(spine, self._surface.back_gain)
        self._kidneys = [_kidney(spine, side, rng) for side in (-1, 1)]
        self._gut = _gut(spine, build, rng)
        self._gut += [loop for side in (-1, 1) for loop in _colon(spine, build, side, rng)]
        self._ribs = [piece for side in (-1, 1) for piece in _ribs(spine, side, rng)]
        self._lines = _lines(spine, rng)
        first = float(spine.vertebra("L1").centre[2])
        self._liver_z = first + rng.uniform(-35, 40)
        self._spleen_z = first + rng.uniform(0, 45)

    # -- skin, fat and the wall ------------------------------------------------------

    def _depth(self, canvas: Canvas, at: Where) -> tuple[Floats, Floats]:
        """Distance below the skin, and below the skin of the back alone, mm."""
        build, surface, profile = self._build, self._surface, self._spine.profile
        square = at.dx * at.dx
        thick = self._thick[at.row]
        # Fat levels the furrow between the muscles of both sides.
        furrow = surface.bulge * (1 - np.exp(-square / 18**2)) / (1 + 0.02 * thick)
        skin = profile.fascia_y[at.row] + thick + furrow
        back = skin - surface.curve * square - canvas.y
        # An oval, flat where it lies on the table.
        middle = profile.sac_y[at.row] + np.float32(surface.dorsal - _OVAL_MM)
        v = canvas.y - middle
        reach = np.where(v > 0, 1.2 * (skin - middle), np.maximum(middle - build.front_y, 50.0))
        return np.minimum(_within(at.dx, v, build.half_width, reach), back), back

    def _wall_depth(self, canvas: Canvas, at: Where) -> Floats:
        """Distance inside the outer face of the belly's wall, mm."""
        build, surface = self._build, self._surface
        middle = surface.dorsal - _OVAL_MM
        v = at.dy - np.float32(middle)
        front = self._spine.profile.sac_y[at.row] + middle - build.front_y - build.front_fat
        reach = np.where(v > 0, np.float32(_OVAL_MM), np.maximum(front, 40.0))
        return _within(at.dx, v, build.half_width - build.front_fat, reach)

    def outline(self, canvas: Canvas, at: Where) -> Floats:
        """Paint skin and fat; returns the depth below the skin, mm."""
        depth, back = self._depth(canvas, at)
        canvas.put(depth > 0, Tissue.SKIN)
        lobes = self._texture.smooth(canvas.x, canvas.y, canvas.z, (5.0, 3.0, 9.0), 21)
        torn = self._texture.smooth(canvas.x, canvas.y, canvas.z, (6.0, 6.0, 9.0), 24)
        septa = np.clip(1 - np.abs(lobes - 0.5) * 28, 0, 1) * np.clip(torn * 2 - 0.7, 0, 1)
        layer = self._thick[at.row] * self._surface.membrane + 6 * (lobes - 0.5)
        membrane = np.clip(1.1 - np.abs(back - layer), 0, 0.5)
        part = np.maximum(0.45 * septa, membrane)
        canvas.put(depth > _SKIN_MM, Tissue.FAT, (Tissue.LIGAMENT, part))
        self._strands(canvas, at)
        return depth

    def cover(self, canvas: Canvas, depth: Floats) -> None:
        """Paint skin, and a little fat, over muscle that would stand out of it."""
        out = (depth < SKIN_GAP_MM) & (canvas.code > 0)
        if out.any():
            canvas.put(out, Tissue.FAT)
            canvas.put(out & (depth < _SKIN_MM), Tissue.SKIN)
            canvas.put(out & (depth < 0), Tissue.AIR)

    def _strands(self, canvas: Canvas, at: Where) -> None:
        """Small nerves, vessels and ligaments in the fat beside the spine."""
        near = (at.dx / 46) ** 2 + ((at.dy + 4) / 24) ** 2 < 1
        window = bounds(near)
        if window is None:
            return
        x, y, z = canvas.points(window)
        fine = self._texture.at(x, y, z, (0.6, 0.6, 3.0), 22)
        # Fewer where no psoas is beside the spine.
        sparse = np.clip((z - self._spine.vertebra("L1").centre[2]) / 60, 0, 0.2)
        part = np.clip((fine - 0.77 - sparse) * 4, 0, 0.6)
        canvas.put(near[window], Tissue.FAT, (Tissue.LIGAMENT, part), window)

    def _muscle_part(self, canvas: Canvas, window: Window) -> Floats:
        """Fat within muscles that carry no code."""
        streaks = self._texture.at(*canvas.points(window), (1.1, 1.1, 6.0), 5)
        return np.clip((streaks - 0.95 + self._surface.infiltration) * 2.2, 0.02, 0.7)

    def _wall(self, canvas: Canvas, at: Where, deep: Floats, inside: Mask) -> Mask:
        """The layered muscles of the flank; returns the cavity they enclose."""
        wide = np.abs(at.dx)
        # An aponeurosis beside the quadratus, three layers of muscle further out.
        begin = 62.0 + 0.33 * np.clip(150 - canvas.z, 0, 110)
        swell = np.clip((wide - begin - 6) / 34, 0, 1)
        dorsal = np.clip((at.dy - self._surface.dorsal + _OVAL_MM + 12) / 30, 0, 1)
        ventral = np.clip(1.25 - (wide / self._build.half_width), 0.45, 1)
        thick = self._surface.wall * ventral
        thick = thick + dorsal * (2.2 + self._surface.wall * swell - thick)
        layer = deep / thick
        wall = inside & (deep > 0) & (layer < 1)
        # Below the iliac crest there is none behind.
        wall &= (dorsal < 0.6) | ((wide > begin - 22) & (canvas.z > 22))
        window = bounds(wall)
        if window is not None:
            part = self._muscle_part(canvas, window)
            between = np.abs((layer[window] * 3 + 0.5) % 1 - 0.5) * thick[window] / 3 < 0.5
            part = np.where(between & (thick[window] > 10), np.maximum(part, 0.7), part)
            canvas.put(wall[window], Tissue.MUSCLE, (Tissue.FAT, part), window)
            rim = wall[window] & (
                (layer[window] > 0.93)
                | (deep[window] < 0.7)
                | ((swell[window] < 0.05) & (dorsal[window] > 0.6))
            )
            canvas.put(rim, Tissue.LIGAMENT, (Tissue.MUSCLE, 0.5), window)
        latissimus = (deep < -1.2) & (deep > -1.2 - 7 * swell) & (canvas.z > 75) & (at.dy > -40)
        latissimus = latissimus & inside
        window = bounds(latissimus)
        if window is not None:
            part = self._muscle_part(canvas, window)
            canvas.put(latissimus[window], Tissue.MUSCLE, (Tissue.FAT, part), window)
        return (deep > thick) & inside & (at.dy < self._surface.dorsal - 8)

    # -- organs ----------------------------------------------------------------------

    def _loop(self, canvas: Canvas, loop: _Loop, cavity: Mask) -> None:
        middle = (loop.ends[0] + loop.ends[1]) / 2
        reach = float(np.linalg.norm(loop.ends[1] - loop.ends[0])) / 2 + loop.radius + 1
        window = canvas.near(middle, reach)
        if window is None:
            return
        x, y, z = canvas.points(window)
        distance = shapes.capsule(x, y, z, tuple(map(tuple, loop.ends)), loop.radius)
        grain = self._texture.at(x, y, z, (1.3, 1.3, 1.3), loop.stir)
        distance = distance + 2.5 * (grain - 0.5) * (loop.content != "gas")
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
        x, y, z = canvas.points(window)
        points = [x - kidney.centre[0], y - kidney.centre[1], z - kidney.centre[2]]
        turn = kidney.turn.astype(np.float32)
        hilar, thick, along = (
            points[0] * turn[0, n] + points[1] * turn[1, n] + points[2] * turn[2, n]
            for n in range(3)
        )
        half = np.array(kidney.half, np.float32)
        radial = np.sqrt((hilar / half[0]) ** 2 + (thick / half[1]) ** 2 + (along / half[2]) ** 2)
        room = inside[window]
        shell = (radial - 1) * half[1]
        canvas.put(room & (shell < kidney.fat), Tissue.FAT, window=window)
        grain = self._texture.at(hilar, thick, along, (2.2, 2.2, 2.2), 3)
        inner = np.clip((0.85 - radial) * 3, 0, 1) * grain
        water = np.clip(kidney.bright + 0.15 * inner, 0, 1)
        canvas.put(room & (shell < 0), Tissue.ORGAN, (Tissue.FLUID, water), window)
        sinus = ((hilar - 0.62 * half[0]) / (0.62 * half[0])) ** 2 + (thick / (0.34 * half[1])) ** 2
        sinus = sinus + (along / (0.5 * half[2])) ** 2 + 0.8 * (grain - 0.5)
        canvas.put(room & (sinus < 1) & (radial < 1.02), Tissue.FAT, (Tissue.VESSEL, 0.12), window)
        pelvis = room & (sinus < 1) & (grain > 0.66) & (radial < 0.95)
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
            ends = (tuple(kidney.hilum + aside), tuple(front + aside))
            tube = shapes.capsule(x, y, z, ends, radius)
            canvas.put(inside[window] & (tube < 0), tissue, (Tissue.VESSEL, 0.5), window)

    def _rib(self, canvas: Canvas, ends: tuple[Vector, Vector]) -> None:
        middle = (ends[0] + ends[1]) / 2
        window = canvas.near(middle, float(np.linalg.norm(ends[1] - ends[0])) / 2 + 8)
        if window is None:
            return
        x, y, z = canvas.points(window)
        # A blade: higher than thick.
        squeezed = [(float(p[0]), float(p[1]), float(0.6 * p[2])) for p in ends]
        tube = shapes.capsule(x, y, z * np.float32(0.6), (squeezed[0], squeezed[1]), 4.0)
        canvas.put(tube < 0, Tissue.CORTEX, window=window)
        canvas.put(tube < -1.4, Tissue.RED_MARROW, (Tissue.YELLOW_MARROW, 0.5), window)

    def paint(self, canvas: Canvas, at: Where, inside: Mask) -> None:
        """Paint the wall of the belly and all within, ribs and vessels excepted."""
        deep = self._wall_depth(canvas, at)
        cavity = self._wall(canvas, at, deep, inside)
        for loop in self._gut:
            self._loop(canvas, loop, cavity)
        self._solid(canvas, at, cavity)
        for kidney in self._kidneys:
            self._renal(canvas, kidney, cavity)
            self._kidney(canvas, kidney, cavity)

    def ribs(self, canvas: Canvas) -> None:
        """Paint the lowest ribs."""
        for ends in self._ribs:
            self._rib(canvas, ends)

    def vessels(self, canvas: Canvas, at: Where) -> None:
        """Paint aorta, vena cava, iliac vessels and ureters."""
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
