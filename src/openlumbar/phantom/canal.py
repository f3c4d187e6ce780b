"""What lies in and about the spinal canal: dural sac, nerves, fat, ligaments, joints.

All sizes are generic and ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openlumbar.core import anatomy as codes
from openlumbar.core.masks import Tissue as Region
from openlumbar.phantom import shapes
from openlumbar.phantom.canvas import Canvas, Floats, Mask
from openlumbar.phantom.frame import Where, bounds
from openlumbar.phantom.geometry import PlacedVertebra, Spine
from openlumbar.phantom.texture import Texture
from openlumbar.phantom.tissue import Tissue


def draw_rootlets(spine: Spine, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Rootlets by chance: ``[count, 4]``.

    Side and depth of each within the sac, relative to its half axes; the height where it
    ends; and a phase, radian.
    """
    return np.stack(
        [
            rng.uniform(-0.85, 0.85, count),
            rng.uniform(0.15, 0.85, count),
            rng.uniform(-60, spine.conus_z, count),
            rng.uniform(0, 6.3, count),
        ],
        axis=1,
    )


class Canal:
    """The soft parts in and about the spinal canal.

    Parameters
    ----------
    spine
        That it belongs to.
    texture
        Of fat and ligaments.
    rootlets
        From :func:`draw_rootlets`.
    rng
        Source of chance.

    Attributes
    ----------
    pear
        How far the sac's cross-section is from an ellipse, with a blunt point behind; its
        depth in the midline stays that of the ellipse. 0 is an ellipse.
    """

    def __init__(
        self,
        spine: Spine,
        texture: Texture,
        rootlets: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> None:
        self._spine, self._texture = spine, texture
        self.pear = float(np.clip(rng.normal(0.06, 0.04), -0.02, 0.14))
        more = draw_rootlets(spine, rng, int(rng.integers(4, 16)))
        self._rootlets = np.concatenate([rootlets, more])
        self._rootlet_radius = float(rng.uniform(0.6, 0.95))
        # Parts of fluid in the facet joints, and of other than fibres in ligaments.
        self._effusion = float(rng.uniform(0.1, 0.8))
        self._flavum_mm = float(rng.uniform(2.2, 4.2))
        self._interspinous_fat = float(rng.uniform(-0.5, 0.1))

    def ligaments(self, canvas: Canvas, at: Where) -> None:
        """Paint foraminal and epidural fat, and the ligaments of the midline."""
        window = bounds((np.abs(at.dx) < 28) & (at.dy > -20) & (at.dy < 70))
        if window is None:
            return
        at = at.cut(window)
        profile, wide = self._spine.profile, np.abs(at.dx)
        grain = self._texture.at(*canvas.points(window), (1.2, 1.0, 2.2), 6)
        fascia = profile.fascia_y[at.row] - canvas.y[window]
        between = (wide < 4.5) & (at.dy > 8) & (fascia > 0)
        fat = np.clip(1.5 * grain + self._interspinous_fat, 0, 1)
        canvas.put(between, Tissue.LIGAMENT, (Tissue.FAT, fat), window)
        supraspinous = (wide < 1.2 + 1.3 * fascia) & (fascia > -0.4) & (fascia < 1.6)
        supraspinous &= canvas.z[window] > -25
        canvas.put(supraspinous, Tissue.LIGAMENT, (Tissue.FAT, 0.2), window)
        foramen = ((wide - 16) / 11) ** 2 + ((at.dy + 2) / 12) ** 2 < 1
        foramen &= canvas.code[window] == 0
        vessels = np.clip(2.5 * grain - 1.7, 0, 0.8)
        canvas.put(foramen, Tissue.FAT, (Tissue.VESSEL, vessels), window)
        # The flaval ligaments line a roof over the sac; fat fills it.
        half_width = profile.sac_half_width[at.row] + np.float32(2.5)
        roof = wide / half_width + np.maximum(at.dy - 2, 0) / np.float32(12.0)
        thick = np.float32(self._flavum_mm) / (0.75 * half_width)
        flavum = (roof < 1 + thick) & (at.dy > -1) & (wide < 14)
        canvas.put(flavum, Tissue.LIGAMENT, (Tissue.MUSCLE, 0.35), window)
        canvas.put((roof < 1) & (at.dy > -12), Tissue.FAT, window=window)

    def roots(self, canvas: Canvas) -> None:
        """Paint the pair of roots below each vertebra's pedicles."""
        for placed in self._spine.vertebrae:
            if placed.spec.name not in ("S3", "S4", "S5"):
                self._pair_of_roots(canvas, placed)

    def joints(self, canvas: Canvas) -> None:
        """Paint capsules, cartilage and fluid of the facet joints of T12 and below."""
        for placed in self._spine.vertebrae:
            if placed.spec.name.startswith(("T12", "L")):
                self._pair_of_joints(canvas, placed)

    def _pair_of_roots(self, canvas: Canvas, placed: PlacedVertebra) -> None:
        spec = placed.spec
        middle = placed.to_patient((0.0, shapes.arch_of(spec).centre_y, -0.4 * spec.height_mm))
        window = canvas.near(middle, 38.0)
        if window is None:
            return
        distance = shapes.nerve_roots(spec, *canvas.local(window, placed))
        distance[canvas.code[window] != 0] = 1.0
        canvas.put(distance < 0, Tissue.NERVE, (Tissue.FAT, 0.1), window)

    def _pair_of_joints(self, canvas: Canvas, placed: PlacedVertebra) -> None:
        """The facet joints below a vertebra."""
        spec = placed.spec
        height, arch = spec.height_mm, shapes.arch_of(spec)
        window = canvas.near(placed.to_patient((0.0, arch.centre_y + 9, -0.66 * height)), 32.0)
        if window is None:
            return
        x, y, z = canvas.local(window, placed)
        wide, deep = arch.half_width + 4.0, arch.centre_y + 8.5
        ends = ((wide, deep, -0.45 * height), (wide, deep, -0.85 * height))
        distance = shapes.capsule(np.abs(x), y, z, ends, 8.0)
        canvas.put(distance < 0, Tissue.LIGAMENT, (Tissue.MUSCLE, 0.3), window)
        gap = np.abs(shapes.facet_joint(spec, np.abs(x), y))
        part = (Tissue.FLUID, self._effusion)
        canvas.put((distance < -0.8) & (gap < 2.0), Tissue.CARTILAGE, part, window)

    def sac(self, canvas: Canvas, at: Where) -> None:
        """Paint the dural sac with the cord and the rootlets in it."""
        window = bounds((np.abs(at.dx) < 20) & (np.abs(at.dy) < 20))
        if window is None:
            return
        at, profile = at.cut(window), self._spine.profile
        depth = np.maximum(profile.sac_half_depth[at.row], 0.05)
        width = np.maximum(profile.sac_half_width[at.row], 0.05)
        # Forward by as much as the point behind adds, so that its ends stay where they were.
        u, v = at.dx / width, at.dy / depth + np.float32(self.pear)
        radius = np.sqrt(u * u + v * v) + np.float32(1e-6)
        back = v / radius
        inside = radius / (1 + np.float32(self.pear) * back * (4 * back * back - 3))
        exists = depth > 0.8
        rim = (inside - 1) * np.minimum(width, depth)
        dura = exists & (rim > 0) & (rim < 0.9)
        canvas.put(dura, Tissue.LIGAMENT, (Tissue.FAT, 0.3), window)
        sac = np.zeros(canvas.code.shape, bool)
        sac[window] = exists & (inside < 1)
        canvas.put(sac, Tissue.CSF, label=(codes.SPINAL_CANAL, Region.CANAL))
        part = sac[window]
        self._nerves(canvas, sac, (at.dx[part], at.dy[part]), (width[part], depth[part]))

    def _nerves(
        self, canvas: Canvas, sac: Mask, at: tuple[Floats, Floats], half: tuple[Floats, Floats]
    ) -> None:
        """The cord down to the conus, and the rootlets of the cauda equina below."""
        (x, y), (width, depth), z = at, half, canvas.z[sac]
        if z.size == 0:
            return
        tissue, mix = canvas.tissue[sac], canvas.mix[sac]
        other = canvas.other[sac]
        taper = np.clip((z - self._spine.conus_z) / 28, 0, 1) ** 0.6 + 1e-3
        cord = (x / (4.6 * taper)) ** 2 + ((y - 0.6) / (3.7 * taper)) ** 2 < 1
        spread = np.clip((self._spine.conus_z + 25 - z) / 40, 0.25, 1)
        wide, deep = width * spread, depth * spread
        for side, back, end, phase in self._rootlets:
            if z.max() < end:
                continue
            px = side * wide + 0.8 * np.sin(z / 23 + phase)
            py = back * deep + 0.6 * np.sin(z / 31 + 2 * phase)
            near = ((x - px) ** 2 + (y - py) ** 2 < self._rootlet_radius**2) & (z > end)
            tissue[near], mix[near], other[near] = Tissue.NERVE, 0.05, Tissue.CSF
        tissue[cord], mix[cord] = Tissue.CORD, 0
        canvas.tissue[sac], canvas.mix[sac], canvas.other[sac] = tissue, mix, other
