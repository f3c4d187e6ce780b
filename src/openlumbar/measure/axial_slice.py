"""One axial slice as it is measured: its structures, its picture, and the way to the patient.

Points within a slice are ``(y, x)`` in millimetres along the rows' and columns' own order, from
the centre of the first pixel: nothing is turned, so that a grid stored in another order gives
the same numbers. Front and back, left and right are read from the affine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from openlumbar.core import anatomy
from openlumbar.core.volume import Volume
from openlumbar.imaging.masks import label_components

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Box = tuple[slice, slice]

#: Nearer than this to the picture's border, or to a rim without signal, counts as cut by it, mm.
BORDER_MM = 1.2
#: A structure that meets the border over a shorter length than this only grazes it, mm.
GRAZE_MM = 2.0
#: A structure of fewer pixels is none.
LEAST_PIXELS = 12
#: The certainty's change is looked for this far to either side of an edge, mm.
REACH_MM = 3.0
#: Width of that change where a mask came without certainty, mm: as for the sagittal network.
NEUTRAL_WIDTH_MM = 0.9
#: Certainty of a mask that came without.
NEUTRAL_CERTAINTY = 0.9


@dataclass(frozen=True, eq=False)
class Region:
    """The pixels of one structure in one slice.

    Attributes
    ----------
    code
        Of :mod:`openlumbar.core.anatomy`.
    mask
        ``bool[row, column]``, cropped to :data:`REACH_MM` around it.
    origin
        Row and column of ``mask[0, 0]``.
    pixel_mm
        Height and width of a pixel.
    certainty
        ``float64[row, column]``, 0 … 1, cropped alike; None for a mask that came without.
    cut
        Whether the border of the picture, or of what was imaged in it, cuts the structure.
    """

    code: int
    mask: Mask
    origin: tuple[int, int]
    pixel_mm: tuple[float, float]
    certainty: Floats | None
    cut: bool

    @property
    def box(self) -> Box:
        """Where :attr:`mask` lies in the slice."""
        (row, column), (rows, columns) = self.origin, self.mask.shape
        return slice(row, row + rows), slice(column, column + columns)

    @cached_property
    def pixels(self) -> int:
        """How many there are."""
        return int(self.mask.sum())

    @property
    def area_mm2(self) -> float:
        """Pixels times the area of one."""
        return self.pixels * self.pixel_mm[0] * self.pixel_mm[1]

    @cached_property
    def centroid_mm(self) -> Floats:
        """Centre of mass, (y, x)."""
        return np.asarray((np.argwhere(self.mask).mean(0) + self.origin) * self.pixel_mm, float)

    @cached_property
    def perimeter_mm(self) -> float:
        """Length of the outline, by Crofton's formula along rows and columns."""
        framed = np.pad(self.mask, 1)
        steps = [np.count_nonzero(np.diff(framed, axis=axis)) for axis in (0, 1)]
        height, width = self.pixel_mm
        return float(np.pi / 4 * (steps[0] * width + steps[1] * height))

    @cached_property
    def share(self) -> float:
        """Part of the pixels that the largest piece holds; far below 1, it lies in pieces."""
        labels, count = label_components(self.mask[None])
        if count < 2:
            return 1.0
        sizes = np.bincount(labels.ravel())[1:]
        return float(sizes.max() / sizes.sum())

    @cached_property
    def mean_certainty(self) -> float:
        """Mean probability of the structure's pixels."""
        if self.certainty is None:
            return NEUTRAL_CERTAINTY
        return float(self.certainty[self.mask].mean())

    @cached_property
    def edge_width_mm(self) -> float:
        """Mean length over which the probability changes across the outline.

        The area between certainty and 1 near the outline, over the outline's length; a
        logistic edge of scale ``s`` gives ``2 s ln 2``.
        """
        if self.certainty is None:
            return NEUTRAL_WIDTH_MM
        near = grown(self.mask, self.pixel_mm, REACH_MM) & grown(
            ~self.mask, self.pixel_mm, REACH_MM
        )
        doubt = float((1 - self.certainty[near]).sum()) * self.pixel_mm[0] * self.pixel_mm[1]
        return min(doubt / self.perimeter_mm, 2 * REACH_MM)


@dataclass(frozen=True, eq=False)
class AxialSlice:
    """One slice of a block.

    Attributes
    ----------
    number
        Of the block, from 0.
    labels, bodies
        ``[row, column]`` of codes: everything, and the vertebral bodies alone.
    certainty
        ``uint8[row, column]``, probability times 255; None for masks that came without it.
    picture
        ``float32[row, column]``, finite; 0 where the picture is not.
    seen
        ``bool[row, column]``: what was imaged; not what is no number, nor a rim of one
        value that meets the picture's border.
    volume
        The block's labels, for where they lie.
    """

    number: int
    labels: NDArray[np.uint16]
    bodies: NDArray[np.uint16]
    certainty: NDArray[np.uint8] | None
    picture: NDArray[np.float32]
    seen: Mask
    volume: Volume

    @cached_property
    def pixel_mm(self) -> tuple[float, float]:
        """Height and width of a pixel."""
        return self.volume.spacing_mm[1], self.volume.spacing_mm[2]

    @cached_property
    def regions(self) -> dict[int, Region]:
        """By code of :mod:`openlumbar.core.anatomy`; vertebrae by their bodies alone."""
        found = self._regions(self.labels, ("muscle", "disc", "canal"))
        return found | self._regions(self.bodies, ("vertebra",))

    def of_kind(self, kind: str) -> list[Region]:
        """Regions of one kind of structure, the largest first."""
        found = [r for code, r in self.regions.items() if anatomy.BY_CODE[code].kind == kind]
        return sorted(found, key=lambda region: -region.pixels)

    def to_patient(self, points_mm: ArrayLike) -> Floats:
        """Map ``[..., 2]`` of (y, x) to ``[..., 3]`` of LPS millimetres."""
        in_plane = np.asarray(points_mm, float) / np.asarray(self.pixel_mm)
        index = np.empty((*in_plane.shape[:-1], 3))
        index[..., 0] = self.number
        index[..., 1:] = in_plane
        return self.volume.to_patient(index)

    def toward(self, direction: Sequence[float]) -> Floats:
        """Unit vector (y, x) nearest to a direction in LPS."""
        steps = self.volume.affine[:3, [1, 0]] / np.asarray(self.pixel_mm)
        within = np.asarray(direction, float) @ steps
        return np.asarray(within / max(float(np.linalg.norm(within)), 1e-9), float)

    @cached_property
    def depth_mm(self) -> Floats:
        """``[row, column]``: how far back each pixel lies within the slice."""
        back = self.toward((0.0, 1.0, 0.0)) * self.pixel_mm
        rows, columns = self.labels.shape
        depth = np.arange(rows)[:, None] * back[0] + np.arange(columns)[None] * back[1]
        return np.asarray(depth, float)

    @cached_property
    def normal(self) -> Floats:
        """Unit vector square to the slice, LPS, toward the head."""
        affine = self.volume.affine
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        normal /= np.linalg.norm(normal)
        return np.asarray(normal if normal[2] >= 0 else -normal, float)

    def _regions(self, codes: NDArray[np.uint16], kinds: tuple[str, ...]) -> dict[int, Region]:
        present = np.flatnonzero(np.bincount(codes.ravel()))
        place = np.zeros(int(present[-1]) + 1, np.int32)
        place[present] = np.arange(1, len(present) + 1)  # boxes of 5000 codes take their time
        found = {}
        for code, box in zip(present.tolist(), ndimage.find_objects(place[codes]), strict=True):
            structure = anatomy.BY_CODE.get(code)
            if structure is not None and structure.kind in kinds:
                found[code] = self._region(code, box, codes)
        return found

    def _region(self, code: int, box: Box, codes: NDArray[np.uint16]) -> Region:
        wide = _widened(box, self.pixel_mm, self.labels.shape)
        mask = codes[wide] == code
        certainty = None if self.certainty is None else self.certainty[wide].astype(float) / 255
        origin = (wide[0].start, wide[1].start)
        cut = _meets(mask, self.seen[wide], self.pixel_mm)
        return Region(code, mask, origin, self.pixel_mm, certainty, cut)


def grown(mask: Mask, pixel_mm: tuple[float, float], reach_mm: float) -> Mask:
    """A mask with all pixels that lie within a square of that half-width about one of it."""
    for axis, step in enumerate(pixel_mm):
        size = 2 * max(round(reach_mm / step), 1) + 1  # one pixel at least
        mask = ndimage.maximum_filter1d(mask, size, axis=axis, mode="constant")
    return mask


def _widened(box: Box, pixel_mm: tuple[float, float], shape: tuple[int, ...]) -> Box:
    reach = [int(np.ceil(REACH_MM / step)) + 1 for step in pixel_mm]
    rows, columns = (
        slice(max(part.start - r, 0), min(part.stop + r, size))
        for part, r, size in zip(box, reach, shape, strict=True)
    )
    return rows, columns


def _meets(mask: Mask, seen: Mask, pixel_mm: tuple[float, float]) -> bool:
    """Whether a structure ends at the border of what was imaged, and not in a single corner.

    Both are cropped alike, with a margin wherever the picture goes on.
    """
    outside = grown(np.pad(~seen, 1, constant_values=True), pixel_mm, BORDER_MM)[1:-1, 1:-1]
    depth = [max(round(BORDER_MM / step), 1) * step for step in pixel_mm]
    area = np.count_nonzero(mask & outside) * pixel_mm[0] * pixel_mm[1]
    return bool(area >= GRAZE_MM * max(depth))


def seen_of(picture: NDArray[np.floating]) -> Mask:
    """What was imaged: all but no-numbers, and the rim of zeros that meets the border.

    Scanners and archives fill what they did not image, or turned in, with one value. Air
    has noise.

    Parameters
    ----------
    picture
        ``[row, column]``.
    """
    finite = np.isfinite(picture)
    if not finite.any():
        return finite
    empty = ~finite | (picture == picture[finite].min())
    framed = np.pad(empty, 1, constant_values=True)
    labels, _ = ndimage.label(framed)
    return np.asarray(labels != labels[0, 0], bool)[1:-1, 1:-1]
