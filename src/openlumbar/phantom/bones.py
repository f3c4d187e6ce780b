"""Vertebrae and discs: where they are, and what they are made of."""

from __future__ import annotations

import numpy as np

from openlumbar.core import anatomy as codes
from openlumbar.core.masks import Tissue as Region
from openlumbar.phantom import shapes
from openlumbar.phantom.anatomy import ENDPLATE_GAP_MM, VertebraSpec
from openlumbar.phantom.canvas import Canvas, Floats, Mask
from openlumbar.phantom.discs import disc_frame, disc_gaps, disc_inside
from openlumbar.phantom.geometry import PlacedDisc, PlacedVertebra, Spine
from openlumbar.phantom.texture import Texture
from openlumbar.phantom.tissue import Tissue

_SACRAL_REGION = {"S1": Region.S1, "S2": Region.S2}


class Bones:
    """All vertebrae and discs of a placed spine.

    Parameters
    ----------
    spine
        What is painted.
    texture
        Of marrow and discs.
    rng
        Source of chance.
    """

    def __init__(self, spine: Spine, texture: Texture, rng: np.random.Generator) -> None:
        self._spine, self._texture = spine, texture
        # Thickness of the cortex of the arches.
        self._cortex_mm = float(rng.uniform(0.5, 1.3))

    def arches(self, canvas: Canvas) -> None:
        """Paint posterior elements, and the sacrum but for its bodies."""
        for placed in self._spine.vertebrae:
            self._arch(canvas, placed)

    def discs(self, canvas: Canvas) -> None:
        """Paint discs, and the ligament about each."""
        for disc in self._spine.discs:
            self._disc(canvas, disc)

    def bodies(self, canvas: Canvas) -> None:
        """Paint vertebral bodies, those of the sacrum included."""
        for placed in self._spine.vertebrae:
            self._body(canvas, placed)

    def _arch(self, canvas: Canvas, placed: PlacedVertebra) -> None:
        spec = placed.spec
        sacral = spec.name.startswith("S")
        middle = shapes.arch_of(spec).centre_y + (0.0 if sacral else 12.0)
        centre = placed.to_patient((0.0, middle, -0.25 * spec.height_mm))
        window = canvas.near(centre, 62.0)
        if window is None:
            return
        local = canvas.local(window, placed)
        distance = (shapes.sacral_arch if sacral else shapes.posterior_elements)(spec, *local)
        if sacral:
            distance = np.minimum(distance, shapes.sacral_wing(spec, *local))
        code = codes.SACRUM if sacral else codes.vertebra_code(spec.name)
        label = (code, Region.SACRUM if sacral else Region.POSTERIOR)
        grain = self._texture.at(*local, (0.7, 0.7, 0.9), 7)
        yellow = np.clip(spec.yellow + 0.5 * (grain - 0.5), 0, 1)
        canvas.put(distance < 0.5, Tissue.CORTEX, window=window)
        canvas.put(distance < 0, Tissue.CORTEX, window=window, label=label)
        marrow = distance < -self._cortex_mm
        canvas.put(marrow, Tissue.RED_MARROW, (Tissue.YELLOW_MARROW, yellow), window, label)

    def _body(self, canvas: Canvas, placed: PlacedVertebra) -> None:
        spec = placed.spec
        radius = 0.5 * np.hypot(np.hypot(spec.width_mm, spec.depth_mm), spec.height_mm) + 3
        window = canvas.near(placed.centre, float(radius))
        if window is None:
            return
        x, y, z = canvas.local(window, placed)
        shape = shapes.body(spec, x, y, z)
        if spec.name in ("S3", "S4", "S5"):
            label = (codes.SACRUM, Region.SACRUM)
        else:
            label = (codes.vertebra_code(spec.name), _SACRAL_REGION.get(spec.name, Region.BODY))
        # The body of a sacral segment has no cortex towards its wings.
        bare = canvas.region[window] != Region.SACRUM
        canvas.put(bare & (shape.whole < ENDPLATE_GAP_MM), Tissue.CORTEX, window=window)
        marrow = shape.whole < 0
        canvas.put(
            marrow,
            Tissue.RED_MARROW,
            (Tissue.YELLOW_MARROW, self._yellow(spec, (x, y, z), shape)),
            window,
            label,
        )
        if not spec.name.startswith("S"):
            slit, vein = _basivertebral(spec, (x, y, z))
            canvas.put(marrow & slit, Tissue.YELLOW_MARROW, (Tissue.VEIN, vein), window, label)

    def _yellow(
        self,
        spec: VertebraSpec,
        at: tuple[Floats, Floats, Floats],
        shape: shapes.BodyDistance,
    ) -> Floats:
        """Fat part of the marrow at each point."""
        seed = sum(map(ord, spec.name))
        grain = self._texture.at(*at, (0.7, 0.7, 0.9), seed)
        patch = self._texture.at(*at, (3.0, 3.0, 3.0), seed + 1)
        yellow = spec.yellow + 0.45 * (grain - 0.5) + 0.3 * (patch - 0.5)
        for change, plate in zip(spec.modic, (shape.top, shape.bottom), strict=True):
            if change > 0:
                yellow = yellow + change * np.clip(1.2 + (plate + 1.5 * patch) / 6, 0, 1)
        if spec.haemangioma_mm > 0:
            x, y, z = at
            spot = (x - 3) ** 2 + (y + 3) ** 2 + (z - 2) ** 2 < spec.haemangioma_mm**2
            yellow = np.where(spot, 0.8 + 0.4 * grain, yellow)
        return np.clip(yellow, 0, 1).astype(np.float32)

    def _disc(self, canvas: Canvas, placed: PlacedDisc) -> None:
        frame = disc_frame(placed)
        spec = frame.spec
        window = canvas.near(frame.centre, 0.5 * float(np.hypot(spec.width_mm, spec.depth_mm)) + 8)
        if window is None:
            return
        x, y, z = canvas.local(window, frame)
        below, above = disc_gaps(placed, canvas.points(window))
        side, radial = shapes.wall((spec.width_mm, spec.depth_mm), x, y, 1.0)
        inside = disc_inside(placed, frame, (x, y, z), (below, above))
        level = below / np.maximum(below + above, 0.1) - 0.5
        core = (radial / 0.88) ** 2 + (level / 0.46) ** 2
        healthy = (1 - placed.spec.degeneration) ** 1.3
        grain = self._texture.at(x, y, z, (1.5, 1.5, 0.8), 11)
        cleft = 0.25 * np.exp(-((level / 0.09) ** 2)) * (radial < 0.6)
        nucleus = np.clip(1.5 * (1.1 - core), 0, 1) * healthy * (0.85 + 0.3 * grain) - cleft
        label = (codes.disc_code(placed.spec.name), Region.DISC)
        canvas.put(
            (below > -0.2) & (above > -0.2) & (side < placed.spec.bulge_mm + 0.9),
            Tissue.LIGAMENT,
            window=window,
        )
        canvas.put(inside, Tissue.ANNULUS, (Tissue.NUCLEUS, np.clip(nucleus, 0, 1)), window, label)


def _basivertebral(spec: VertebraSpec, at: tuple[Floats, Floats, Floats]) -> tuple[Mask, Floats]:
    """The vein in a body, a funnel that opens towards the back wall: where, how full."""
    x, y, z = at
    deep = np.clip(y / np.float32(spec.depth_mm), 0, 1)
    funnel = np.maximum(np.abs(z) / (0.4 + 3.2 * deep), np.abs(x) / (2 + 11 * deep))
    return (funnel < 1) & (deep > 0.1), np.clip(0.8 - 0.8 * funnel, 0, 0.55)
