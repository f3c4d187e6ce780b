"""Where body, dural sac and posterior elements lie on an axial slice, in millimetres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.masks import AxialTissue

Floats = NDArray[np.float64]
Tissues = NDArray[np.integer]

#: Muscles, as the network numbers them.
MUSCLES = (
    AxialTissue.MULTIFIDUS,
    AxialTissue.ERECTOR_SPINAE,
    AxialTissue.PSOAS,
    AxialTissue.QUADRATUS_LUMBORUM,
)

#: Least area of a sac (a severe stenosis leaves 30 mm²) and of the body or disc beside it.
LEAST_SAC_MM2, _LEAST_BODY_MM2 = 15.0, 150.0
#: A body whose centre lies further from the sac's belongs to something else.
_REACH_MM = 55.0
#: Posterior elements lie within this distance of the sac; further out are ribs and pelvis.
_POSTERIOR_MM = 60.0
#: The spinous process: behind the sac's centre by this much, and this near to the axis.
_SPINOUS_BEHIND_MM, _SPINOUS_ASIDE_MM, _LEAST_SPINOUS_MM2 = 17.0, 10.0, 40.0
#: Say of a pair of muscles, against that of the spine itself, in which way is front.
_PAIR_WEIGHT = 0.25
#: Muscles of a pair are of one size within this factor, and of at least this area.
_PAIR_RATIO, _LEAST_PAIR_MM2 = 3.0, 100.0


@dataclass(frozen=True)
class PlaneGrid:
    """Pixels of a picture and where they lie.

    Attributes
    ----------
    shape
        Rows and columns.
    spacing_mm
        Between rows and between columns.
    centre_mm
        Of the picture, from the centre of the series' own picture: (backward, leftward).
    """

    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    centre_mm: tuple[float, float] = (0.0, 0.0)

    @property
    def pixel_mm2(self) -> float:
        """Area of a pixel."""
        return self.spacing_mm[0] * self.spacing_mm[1]

    @property
    def origin_mm(self) -> Floats:
        """Place of the first pixel's centre."""
        half = (np.array(self.shape) - 1) / 2
        return np.array(self.centre_mm) - half * np.array(self.spacing_mm)

    def cropped(self, rows: slice, columns: slice) -> PlaneGrid:
        """The grid of ``picture[rows, columns]``."""
        spans = [range(n)[part] for n, part in zip(self.shape, (rows, columns), strict=True)]
        middle = self.place_mm(np.array([(span[0] + span[-1]) / 2 for span in spans]))
        shape = (len(spans[0]), len(spans[1]))
        return PlaneGrid(shape, self.spacing_mm, (float(middle[0]), float(middle[1])))

    def place_in(self, whole: PlaneGrid) -> tuple[slice, slice]:
        """Rows and columns of another grid of the same pixels that this one covers."""
        first = np.rint((self.origin_mm - whole.origin_mm) / np.array(self.spacing_mm)).astype(int)
        rows, columns = (slice(a, a + n) for a, n in zip(first, self.shape, strict=True))
        return rows, columns

    def place_mm(self, index: NDArray) -> Floats:
        """Place of pixels ``[..., 2]`` (row, column), in millimetres (backward, leftward)."""
        return np.asarray(self.origin_mm + np.asarray(index) * np.array(self.spacing_mm), float)

    def index_at(self, places_mm: Floats) -> Floats:
        """Row and column of places ``[..., 2]``, fractions allowed."""
        return np.asarray((places_mm - self.origin_mm) / np.array(self.spacing_mm), np.float64)

    def index_of(self, pixels: PlaneGrid) -> NDArray[np.float32]:
        """Row and column here of every pixel of another picture: ``[2, rows, columns]``."""
        spacing = np.array(self.spacing_mm)
        matrix = np.diag(np.array(pixels.spacing_mm) / spacing)
        return affine_index(matrix, (pixels.origin_mm - self.origin_mm) / spacing, pixels.shape)

    def box_around(self, places_mm: Floats) -> tuple[slice, slice]:
        """Rows and columns that hold places ``[n, 2]``, and a pixel more all around."""
        index = (places_mm - self.origin_mm) / np.array(self.spacing_mm)
        first = np.floor(index.min(0)).astype(int) - 1
        last = np.ceil(index.max(0)).astype(int) + 2
        rows, columns = (
            slice(*np.clip((a, b), 0, n)) for a, b, n in zip(first, last, self.shape, strict=True)
        )
        return rows, columns

    def pixels_mm(self) -> tuple[Floats, Floats]:
        """Place of every pixel: ``[rows, 1]`` backward and ``[1, columns]`` leftward."""
        back, left = (
            first + np.arange(count) * step
            for first, count, step in zip(self.origin_mm, self.shape, self.spacing_mm, strict=True)
        )
        return back[:, None], left[None]


def affine_index(matrix: Floats, offset: Floats, shape: tuple[int, int]) -> NDArray[np.float32]:
    """``matrix @ (row, column) + offset`` of every pixel, ``float32[2, rows, columns]``."""
    rows, columns = (np.arange(n) for n in shape)
    return np.stack(
        [
            np.add.outer(matrix[axis, 0] * rows, matrix[axis, 1] * columns + offset[axis])
            for axis in range(2)
        ]
    ).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What a slice's geometry hangs on; places in mm (backward, leftward) as in a PlaneGrid.

    Attributes
    ----------
    body
        Centre of the vertebral body and disc in front of the sac.
    sac
        Centre of the dural sac.
    spinous
        Centre of what is seen of the spinous process; None where there is none.
    front
        Unit vector from back to front of the patient, by the spine and the pairs of muscles.
    body_mask, sac_mask
        Those components, ``bool[row, column]``.
    """

    body: Floats
    sac: Floats
    spinous: Floats | None
    front: Floats
    body_mask: NDArray[np.bool_]
    sac_mask: NDArray[np.bool_]

    @property
    def left(self) -> Floats:
        """Unit vector toward the patient's left, square to ``front``."""
        return np.array([self.front[1], -self.front[0]])

    @property
    def turn_rad(self) -> float:
        """Angle of ``front`` against the picture's upward direction."""
        return float(np.arctan2(-self.front[1], -self.front[0]))


def find_landmarks(tissue: Tissues, grid: PlaneGrid) -> Landmarks | None:
    """Find body, sac and spinous process among what the network calls so.

    Parameters
    ----------
    tissue
        ``[row, column]``, classes of :class:`~openlumbar.core.masks.AxialTissue`, rows from
        front to back, columns toward the patient's left.
    grid
        Of these pixels.

    Returns
    -------
    Landmarks or None
        None without a sac, or without a body near it. Nothing is said yet of whether this
        is a lumbar slice (:mod:`openlumbar.segment.recognise`).
    """
    sac_mask = _largest(tissue == AxialTissue.SAC)
    if sac_mask.sum() * grid.pixel_mm2 < LEAST_SAC_MM2:
        return None
    sac = centre_mm(sac_mask, grid)
    column = (tissue == AxialTissue.BODY) | (tissue == AxialTissue.DISC)
    body_mask = _largest(column, lambda part: _is_near(part, sac, grid))
    if body_mask.sum() * grid.pixel_mm2 < _LEAST_BODY_MM2:
        return None
    body = centre_mm(body_mask, grid)
    length = np.linalg.norm(body - sac)
    if not 0 < length <= _REACH_MM:
        return None
    spine = (body - sac) / length
    spinous = _spinous(tissue == AxialTissue.POSTERIOR, sac, spine, grid)
    toward = body - (sac if spinous is None else spinous)
    toward = toward + _PAIR_WEIGHT * _pairs(tissue, sac, spine, grid)
    front = toward / np.linalg.norm(toward)
    return Landmarks(body, sac, spinous, front, body_mask, sac_mask)


def centre_mm(mask: NDArray[np.bool_], grid: PlaneGrid) -> Floats:
    """Centre of a mask that is not empty, in mm (backward, leftward)."""
    by_row, by_column = mask.sum(1), mask.sum(0)
    row = by_row @ np.arange(len(by_row)) / by_row.sum()
    column = by_column @ np.arange(len(by_column)) / by_column.sum()
    return grid.place_mm(np.array([row, column]))


def aside_mm(grid: PlaneGrid, place: Floats, direction: Floats) -> Floats:
    """Distance ``[row, column]`` of every pixel from ``place`` along a unit vector."""
    back, left = grid.pixels_mm()
    return np.asarray((back - place[0]) * direction[0] + (left - place[1]) * direction[1])


def box_of(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns that hold a mask; none of an empty one."""
    box = ndimage.find_objects(mask.view(np.uint8), max_label=1)[0]
    return box or (slice(0, 0), slice(0, 0))


def _largest(
    mask: NDArray[np.bool_], may_be: Callable[[NDArray[np.intp]], bool] = lambda _: True
) -> NDArray[np.bool_]:
    """The largest component of which ``may_be`` (row and column of each pixel) is true."""
    box = box_of(mask)
    labels, count = ndimage.label(mask[box])
    result = np.zeros_like(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    for label in np.argsort(sizes[1:])[::-1] + 1:
        part = labels == label
        corner = [side.start for side in box]
        if may_be(np.argwhere(part) + corner):
            result[box] = part
            break
    return result


def _is_near(pixels: NDArray[np.intp], place: Floats, grid: PlaneGrid) -> bool:
    """Whether the centre of some pixels lies within reach of a place."""
    away = np.linalg.norm(grid.place_mm(pixels.mean(0)) - place)
    return bool(away <= _REACH_MM)


def _spinous(bone: NDArray[np.bool_], sac: Floats, spine: Floats, grid: PlaneGrid) -> Floats | None:
    """Centre of the posterior elements behind the sac and near the axis."""
    aside = aside_mm(grid, sac, np.array([spine[1], -spine[0]]))
    behind = aside_mm(grid, sac, -spine)
    inside = (behind > _SPINOUS_BEHIND_MM) & (behind < _POSTERIOR_MM)
    found = bone & inside & (np.abs(aside) < _SPINOUS_ASIDE_MM)
    if found.sum() * grid.pixel_mm2 < _LEAST_SPINOUS_MM2:
        return None
    return centre_mm(found, grid)


def _pairs(tissue: Tissues, sac: Floats, spine: Floats, grid: PlaneGrid) -> Floats:
    """Sum over the muscles of the vector from right to left, turned to point to the front."""
    aside = aside_mm(grid, sac, np.array([spine[1], -spine[0]]))
    total = np.zeros(2)
    for muscle in MUSCLES:
        sides = [(tissue == muscle) & half for half in (aside > 0, aside < 0)]
        least, most = sorted(float(side.sum()) * grid.pixel_mm2 for side in sides)
        if least < _LEAST_PAIR_MM2 or most > _PAIR_RATIO * least:
            continue
        across = centre_mm(sides[0], grid) - centre_mm(sides[1], grid)
        total += np.array([-across[1], across[0]])
    return total
