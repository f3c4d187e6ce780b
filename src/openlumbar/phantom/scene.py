"""The whole phantom as something that can be asked, at any point, what is there.

A plane of points is painted back to front: the body's outline, soft tissue, arches, the
dural sac, discs, bodies. Each vertebra is evaluated only where the plane comes near it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.masks import AXIAL_OF_MUSCLE
from openlumbar.core.volume import Volume
from openlumbar.phantom.abdomen import SKIN_GAP_MM, Abdomen, Build
from openlumbar.phantom.anatomy import Anatomy
from openlumbar.phantom.bones import Bones
from openlumbar.phantom.canal import Canal, draw_rootlets
from openlumbar.phantom.canvas import Canvas, Floats
from openlumbar.phantom.frame import where
from openlumbar.phantom.geometry import Spine, place
from openlumbar.phantom.muscles import Muscles
from openlumbar.phantom.pelvis import Pelvis
from openlumbar.phantom.texture import Texture
from openlumbar.phantom.tissue import Tissue


@dataclass(frozen=True, eq=False)
class GridSample:
    """What the phantom is on a grid, before any image is made of it.

    Attributes
    ----------
    tissue, other, mix
        ``[k, n, j, i]``: ``n`` planes through the thickness of slice ``k``;
        ``mix`` in 255ths.
    codes
        ``uint16[k, j, i]`` in the middle of each slice: codes of
        :mod:`openlumbar.core.anatomy`.
    regions
        ``uint8[k, j, i]``, likewise: classes of :class:`openlumbar.core.masks.Tissue`.
    thickness_mm
        Of the slices.
    landmarks
        ``uint8[k, j, i]`` in the middle of each slice, values of
        :class:`openlumbar.phantom.canvas.Landmark`; empty where nobody asked.
    """

    grid: Volume
    tissue: NDArray[np.uint8]
    other: NDArray[np.uint8]
    mix: NDArray[np.uint8]
    codes: NDArray[np.uint16]
    regions: NDArray[np.uint8]
    thickness_mm: float
    landmarks: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8))

    @property
    def spine(self) -> NDArray[np.uint16]:
        """The codes without those of muscles, which sagittal series do not name."""
        return np.where(np.isin(self.codes, list(AXIAL_OF_MUSCLE)), np.uint16(0), self.codes)

    def fat_part(self) -> Floats:
        """Fat in each voxel, 0 … 1: ``float32[k, j, i]``.

        The part of :attr:`Tissue.FAT`, averaged through the slice as the signal is
        (:func:`profile_weights`). Fat within marrow does not count.
        """
        fat = np.zeros(self.grid.shape, np.float32)
        for n, weight in enumerate(profile_weights(self.tissue.shape[1])):
            second = self.mix[:, n].astype(np.float32) / np.float32(255)
            fat += weight * (1 - second) * (self.tissue[:, n] == Tissue.FAT)
            fat += weight * second * (self.other[:, n] == Tissue.FAT)
        return fat


def profile_weights(planes: int) -> NDArray[np.float32]:
    """Weight of each plane through a slice; they sum to 1.

    A real slice profile has soft edges: of three or more planes the outer ones weigh less.
    """
    weights = np.ones(planes, np.float32)
    if planes > 1:
        weights[[0, -1]] = 0.6
    return weights / weights.sum()


def _build(spine: Spine, rng: np.random.Generator) -> Build:
    """Size of the trunk about a spine, by body mass index and chance."""
    anatomy = spine.anatomy
    index = anatomy.mass_kg / anatomy.height_m**2
    middle = float(spine.vertebra("L3").centre[1])
    return Build(
        half_width=max(152 + 3.0 * (index - 25), 140),
        front_y=middle - 95 - 5.0 * (index - 22) - rng.uniform(0, 15),
        front_fat=anatomy.subcutaneous_mm * rng.uniform(0.6, 1.2),
    )


class Scene:
    """A placed anatomy with its soft tissue.

    Parameters
    ----------
    anatomy
        What to build.
    rng
        Source of chance for textures, muscles, organs and rootlets.

    Attributes
    ----------
    spine
        The anatomy put in place.
    canal
        Dural sac, nerves, ligaments and facet joints.
    """

    def __init__(self, anatomy: Anatomy, rng: np.random.Generator) -> None:
        self.spine: Spine = place(anatomy)
        texture = Texture(rng)
        build = _build(self.spine, rng)
        rng.uniform()  # Once the liver's edge; kept so that later draws stay what they were.
        rootlets = draw_rootlets(self.spine, rng, 18)
        # Apart from the images' chance, which does not move with what is drawn here.
        apart = np.random.default_rng(rng.integers(2**63))
        self._abdomen = Abdomen(self.spine, build, texture, apart)
        self._pelvis = Pelvis(self.spine, texture, apart)
        self._muscles = Muscles(self.spine, texture, apart)
        self.canal = Canal(self.spine, texture, rootlets, apart)
        self._bones = Bones(self.spine, texture, apart)

    def paint(self, canvas: Canvas) -> None:
        """Paint all that the plane of a canvas cuts."""
        at = where(canvas, self.spine)
        depth = self._abdomen.outline(canvas, at)
        inside = depth > SKIN_GAP_MM
        self._abdomen.paint(canvas, at, inside)
        self._pelvis.muscles(canvas, inside)
        self._muscles.paint(canvas, inside)
        self._pelvis.bones(canvas, inside)
        self._abdomen.finish(canvas, at)
        self.canal.ligaments(canvas, at)
        self.canal.roots(canvas)
        self.canal.joints(canvas)
        self._bones.arches(canvas)
        self.canal.sac(canvas, at)
        self._bones.discs(canvas)
        self._bones.bodies(canvas)

    def sample(
        self, grid: Volume, thickness_mm: float, planes: int = 3, spread: float = 0.0
    ) -> GridSample:
        """Evaluate the phantom on a grid.

        Parameters
        ----------
        grid
            Only its shape and affine are used.
        thickness_mm
            Of the slices; may be less or more than their distance.
        planes
            Odd number of planes through a slice, for partial volume.
        spread
            How far, in pixels, planes are moved within themselves, those of either half of
            the slice in opposite directions: partial volume of a pixel along with that of
            the slice, so that lines thinner than a pixel are not broken into dots. The
            middle plane, whose codes are the truth, stays.
        """
        slices, rows, columns = grid.shape
        shape = (slices, planes, rows, columns)
        tissue, other = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        mix = np.zeros(shape, np.uint8)
        codes, regions = np.zeros(grid.shape, np.uint16), np.zeros(grid.shape, np.uint8)
        landmarks = np.zeros(grid.shape, np.uint8)
        across, down, step = grid.affine[:3, 0], grid.affine[:3, 1], grid.affine[:3, 2]
        through = step / np.linalg.norm(step) * thickness_mm
        for k in range(slices):
            for n in range(planes):
                offset = through * ((n + 0.5) / planes - 0.5)
                offset = offset + np.sign(n - planes // 2) * spread * (across + 0.5 * down)
                canvas = Canvas(
                    grid.affine[:3, 3] + k * step + offset, across, down, (rows, columns)
                )
                self.paint(canvas)
                tissue[k, n], other[k, n] = canvas.tissue, canvas.other
                mix[k, n] = np.rint(canvas.mix * 255)
                if n == planes // 2:
                    codes[k], regions[k] = canvas.code, canvas.region
                    landmarks[k] = canvas.landmarks()
        return GridSample(grid, tissue, other, mix, codes, regions, thickness_mm, landmarks)
