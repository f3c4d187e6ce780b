"""One block as it is measured: canonical axes, its structures, and the way back to the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from openlumbar.core import anatomy
from openlumbar.core.levels import LevelRow
from openlumbar.core.volume import Volume
from openlumbar.imaging.frame import Frame, frame_of
from openlumbar.imaging.masks import label_components

Box = tuple[slice, slice, slice]

#: The first or last slice cuts a structure where it holds this part of its largest area.
CUT_PART = 0.25
#: Nearer than this to the picture's border counts as cut by it, mm.
BORDER_MM = 1.2


@dataclass(frozen=True, eq=False)
class Part:
    """The voxels of one structure: the largest component of its code.

    Attributes
    ----------
    code
        Of :mod:`openlumbar.core.anatomy`.
    mask
        ``bool[slice, row, column]``, canonical, cropped.
    origin
        Canonical index of ``mask[0, 0, 0]``.
    picture
        Canonical shape of the whole block.
    spacing_mm
        Of the canonical axes.
    share
        Of the code's voxels that the largest component holds; far below 1, the structure
        lies in pieces.
    """

    code: int
    mask: NDArray[np.bool_]
    origin: tuple[int, int, int]
    picture: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    share: float

    @cached_property
    def centroid(self) -> NDArray[np.float64]:
        """Centre of mass as canonical (slice, row, column), fractions included."""
        return np.argwhere(self.mask).mean(0) + self.origin

    @cached_property
    def place_mm(self) -> NDArray[np.float64]:
        """Centre of mass in the sagittal plane, (y, x): downward and backward, mm."""
        return np.asarray(self.centroid[1:] * np.asarray(self.spacing_mm[1:]), np.float64)

    @cached_property
    def extent(self) -> tuple[int, int]:
        """First and last canonical slice that hold any of it."""
        return self.origin[0], self.origin[0] + self.mask.shape[0] - 1

    @cached_property
    def lean(self) -> float:
        """Slope of the centre's height from slice to slice, on slices that show it well."""
        areas = self.mask.sum((1, 2))
        slices = np.flatnonzero(areas >= 0.5 * areas.max())
        if len(slices) < 3:
            return 0.0
        rows = np.arange(self.mask.shape[1])
        heights = self.mask[slices].sum(2) @ rows / areas[slices] * self.spacing_mm[1]
        return float(np.polyfit(slices * self.spacing_mm[0], heights, 1)[0])

    @cached_property
    def leaves(self) -> tuple[bool, bool]:
        """Whether the block's first and its last slice cut it."""
        areas = self.mask.sum((1, 2))
        first, last = self.extent
        least = CUT_PART * areas.max()
        return (
            first == 0 and bool(areas[0] > least),
            last == self.picture[0] - 1 and bool(areas[-1] > least),
        )

    def on(self, slice_: int) -> NDArray[np.bool_]:
        """``bool[row, column]`` of a canonical slice, cropped like the mask; may be empty."""
        local = slice_ - self.origin[0]
        if 0 <= local < len(self.mask):
            return np.asarray(self.mask[local], bool)
        return np.zeros(self.mask.shape[1:], bool)

    def borders(self, slice_: int) -> tuple[bool, bool, bool, bool]:
        """Whether the picture's upper, lower, front and back border cut it on a slice."""
        plane = self.on(slice_)
        found = []
        for axis in (0, 1):
            places = np.flatnonzero(plane.any(1 - axis)) + self.origin[1 + axis]
            margin = max(BORDER_MM / self.spacing_mm[1 + axis] - 0.5, 0.0)
            last = self.picture[1 + axis] - 1
            found.append(bool(len(places) and places[0] <= margin))
            found.append(bool(len(places) and places[-1] >= last - margin))
        return found[0], found[1], found[2], found[3]


@dataclass(frozen=True, eq=False)
class BlockView:
    """One block in canonical order: slices leftward, rows downward, columns backward.

    Points within a slice are ``(y, x)`` in millimetres, downward and backward, from the
    centre of its first pixel.

    Attributes
    ----------
    series, block
        Name of the series and number of the block.
    labels, bodies
        ``[slice, row, column]`` of codes: everything, and the vertebral bodies alone.
    certainty
        Of the same shape, probability times 255; None for masks that came without it.
    rows
        Names found in this block; may be empty.
    frame, volume
        How the block lies; ``volume`` is the labels in their own order.
    """

    series: str
    block: int
    labels: NDArray[np.uint16]
    bodies: NDArray[np.uint16]
    certainty: NDArray[np.uint8] | None
    rows: tuple[LevelRow, ...]
    frame: Frame
    volume: Volume

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Of slices, rows and columns."""
        return self.frame.spacing_mm

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Height and width of a pixel."""
        return self.spacing_mm[1], self.spacing_mm[2]

    @cached_property
    def parts(self) -> dict[int, Part]:
        """By code: bodies, discs and the canal; sacrum and unknown levels included."""
        boxes = _boxes(self.bodies)
        found = _parts(self.bodies, boxes, self.spacing_mm, ("vertebra",))
        others = ("disc", "canal", "sacrum")
        found.update(_parts(self.labels, self.boxes, self.spacing_mm, others))
        return found

    @cached_property
    def boxes(self) -> dict[int, Box]:
        """By code: what :attr:`labels` holds of it; of a vertebra with its arch."""
        return _boxes(self.labels)

    def to_patient(self, slice_: float, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Map ``[..., 2]`` of (y, x) on a canonical slice to ``[..., 3]`` of LPS, mm."""
        in_plane = np.asarray(points_mm, float) / np.asarray(self.pixel_mm)
        index = np.empty((*in_plane.shape[:-1], 3))
        index[..., 0] = slice_
        index[..., 1:] = in_plane
        return self.volume.to_patient(self.frame.to_original(index, self.volume.shape))

    def original_slice(self, slice_: int) -> int:
        """Number of a canonical slice in the order of the volume."""
        index = self.frame.to_original(np.array([slice_, 0.0, 0.0]), self.volume.shape)
        return round(float(index[self.frame.order[0]]))

    def row(self, level: str) -> LevelRow | None:
        """What was found of a vertebra (``L4``) or disc (``L4-L5``), if names were."""
        return next((row for row in self.rows if row.level == level), None)


def view_of(
    where: tuple[str, int],
    labels: Volume,
    bodies: Volume,
    rows: Sequence[LevelRow] = (),
    certainty: NDArray[np.uint8] | None = None,
) -> BlockView:
    """Look at one block.

    Parameters
    ----------
    where
        Name of the series, number of the block; other blocks' rows are left aside.
    labels, bodies
        ``[k, j, i]`` of codes.
    certainty
        ``uint8[k, j, i]``, or None.
    """
    series, block = where
    frame = frame_of(labels)
    return BlockView(
        series=series,
        block=block,
        labels=frame.canonical(labels.array),
        bodies=frame.canonical(bodies.array),
        certainty=None if certainty is None else frame.canonical(certainty),
        rows=tuple(row for row in rows if row.series == series and row.block == block),
        frame=frame,
        volume=labels,
    )


def _boxes(codes: NDArray[np.uint16]) -> dict[int, Box]:
    found = enumerate(ndimage.find_objects(codes), start=1)
    return {code: box for code, box in found if box is not None}


def _parts(
    codes: NDArray[np.uint16],
    boxes: dict[int, Box],
    spacing_mm: tuple[float, float, float],
    kinds: tuple[str, ...],
) -> dict[int, Part]:
    parts = {}
    for code, box in boxes.items():
        structure = anatomy.BY_CODE.get(code)
        if structure is None or structure.kind not in kinds:
            continue
        origin = (box[0].start, box[1].start, box[2].start)
        mask, share = _largest(codes[box] == code)
        picture = (codes.shape[0], codes.shape[1], codes.shape[2])
        parts[code] = _cropped(Part(code, mask, origin, picture, spacing_mm, share))
    return parts


def _largest(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], float]:
    labels, count = label_components(mask)
    if count < 2:
        return mask, 1.0
    sizes = np.bincount(labels.ravel())[1:]
    return labels == sizes.argmax() + 1, float(sizes.max() / sizes.sum())


def _cropped(part: Part) -> Part:
    """The same with a tight box: the largest component may be smaller than the code's."""
    box = ndimage.find_objects(part.mask.astype(np.uint8))[0]
    o = part.origin
    origin = (o[0] + box[0].start, o[1] + box[1].start, o[2] + box[2].start)
    return Part(part.code, part.mask[box], origin, part.picture, part.spacing_mm, part.share)
