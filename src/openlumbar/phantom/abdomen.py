"""What lies around the spine and its muscles: skin, fat, belly wall, organs and vessels.

None of it carries a code; it is there because real slices confuse it with muscle. All
sizes are generic and ours. Each part is drawn by chance once, then painted wherever a
plane cuts it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openlumbar.phantom import shapes
from openlumbar.phantom.canvas import Canvas, Floats, Mask, Window
from openlumbar.phantom.frame import Where, bounds
from openlumbar.phantom.geometry import Spine
from openlumbar.phantom.organs import Organs, Room
from openlumbar.phantom.texture import Texture
from openlumbar.phantom.tissue import Tissue
from openlumbar.phantom.vessels import Vessels


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
    membrane
        Where a membrane parts the fat of the back, 0 at the skin, 1 at the fascia.
    infiltration
        Fat in the muscles of the wall, 0 … 1.
    """

    back_gain: float
    bulge: float
    curve: float
    wall: float
    dorsal: float
    membrane: float
    infiltration: float


#: Least depth of muscle and organs below the skin, mm.
SKIN_GAP_MM = 3.0

_SKIN_MM = 1.7
# From the middle of the belly's oval to the back of its wall.
_OVAL_MM = 62.0


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
        inner = build.front_fat + 24.0
        room = Room(build.half_width - inner, build.front_y + inner)
        self._organs = Organs(spine, room, texture, rng)
        self._vessels = Vessels(spine, rng)

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
        oval = _within(at.dx, v, build.half_width, reach)
        return -shapes.rounded_intersection(-oval, -back, 30.0), back

    def _wall_depth(self, canvas: Canvas, at: Where) -> Floats:
        """Distance inside the outer face of the belly's wall, mm."""
        build, surface = self._build, self._surface
        middle = self._spine.profile.sac_y[at.row] + np.float32(surface.dorsal - _OVAL_MM)
        v = canvas.y - middle
        front = middle - build.front_y - build.front_fat
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
        membrane = np.clip(1.1 - np.abs(back - layer), 0, 0.5) * np.clip(1.7 - 2 * torn, 0, 1)
        part = np.maximum(0.45 * septa, membrane)
        canvas.put(depth > _SKIN_MM, Tissue.FAT, (Tissue.LIGAMENT, part))
        self._strands(canvas, at)
        return depth

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
        wall = inside & (deep > 0) & (deep < thick)
        # Below the iliac crest there is none behind.
        wall &= (dorsal < 0.6) | ((wide > begin - 22) & (canvas.z > 22))
        self._layers(canvas, wall, (deep, thick, (swell < 0.05) & (dorsal > 0.6)))
        broad = 7 * swell * np.clip((at.dy + 45) / 25, 0, 1) * np.clip((canvas.z - 70) / 25, 0, 1)
        latissimus = (deep < -1.2) & (deep > -1.2 - broad)
        self._muscle(canvas, latissimus & inside)
        return (deep > thick) & inside & (at.dy < self._surface.dorsal - 8)

    def _layers(self, canvas: Canvas, wall: Mask, at: tuple[Floats, Floats, Mask]) -> None:
        """Three layers of muscle between fasciae; ``at``: depth, thickness, aponeurosis."""
        window = bounds(wall)
        if window is None:
            return
        wall, deep, thick, tendon = wall[window], at[0][window], at[1][window], at[2][window]
        layer = deep / thick
        fat = self._muscle_part(canvas, window)
        between = np.abs((layer * 3 + 0.5) % 1 - 0.5) * thick / 3 < 0.5
        fat = np.where(between & (thick > 10), np.maximum(fat, 0.7), fat)
        canvas.put(wall, Tissue.MUSCLE, (Tissue.FAT, fat), window)
        fascia = wall & ((layer > 0.93) | (deep < 0.7) | tendon)
        canvas.put(fascia, Tissue.LIGAMENT, (Tissue.MUSCLE, 0.5), window)

    def _muscle(self, canvas: Canvas, mask: Mask) -> None:
        window = bounds(mask)
        if window is not None:
            fat = self._muscle_part(canvas, window)
            canvas.put(mask[window], Tissue.MUSCLE, (Tissue.FAT, fat), window)

    def paint(self, canvas: Canvas, at: Where, inside: Mask) -> None:
        """Paint the wall of the belly and the organs."""
        cavity = self._wall(canvas, at, self._wall_depth(canvas, at), inside)
        self._organs.paint(canvas, at, cavity)

    def finish(self, canvas: Canvas, at: Where) -> None:
        """Paint what may lie over muscles: the lowest ribs and the great vessels."""
        self._organs.ribs(canvas)
        self._vessels.paint(canvas, at)
