"""From tissue maps to single pieces: bodies, sacral segments and discs one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.masks import Tissue
from openlumbar.imaging.masks import in_plane_distance, label_components

#: Classes of bone that stand in the column, one upon the other.
COLUMN = (Tissue.BODY, Tissue.S1, Tissue.S2)
#: Eroding a body by this much cuts osteophyte bridges but leaves a collapsed body, mm.
CORE_MM = 2.0
#: A piece below this area on its best slice is a speck, mm².
SPECK_MM2 = 20.0
#: Nearer than this to the picture's border counts as cut by it, mm.
BORDER_MM = 1.2
#: Radii tried one after the other to part two bodies that touch broadly, mm.
_WAISTS_MM = (3.0, 4.0, 5.0, 6.5, 8.0, 10.0)


@dataclass(frozen=True, eq=False)
class Grid:
    """The part of a canonical ``[slice, row, column]`` grid that holds anything.

    Attributes
    ----------
    shape
        Voxels of this part.
    spacing_mm
        Spacing of the axes.
    origin
        Index of this part's first voxel in the whole picture.
    picture
        Shape of the whole picture.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin: tuple[int, int, int]
    picture: tuple[int, int, int]

    @property
    def pixel_mm2(self) -> float:
        """Area of a pixel within a slice."""
        return self.spacing_mm[1] * self.spacing_mm[2]


@dataclass(frozen=True, eq=False)
class Piece:
    """A set of voxels that should be one structure.

    Attributes
    ----------
    voxels
        ``int32[n, 3]`` canonical indices.
    tissue
        ``uint8[n]`` values of :class:`~openlumbar.core.masks.Tissue`.
    grid
        What the indices refer to.
    """

    voxels: NDArray[np.int32]
    tissue: NDArray[np.uint8]
    grid: Grid

    @cached_property
    def centroid(self) -> NDArray[np.float64]:
        """Mean index (slice, row, column)."""
        return self.voxels.mean(0)

    @cached_property
    def place(self) -> NDArray[np.float64]:
        """Centroid in the sagittal plane, (row, column) in mm."""
        return self.centroid[1:] * np.asarray(self.grid.spacing_mm[1:])

    @cached_property
    def best_slice(self) -> int:
        """Slice with the largest area."""
        return int(np.bincount(self.voxels[:, 0]).argmax())

    @cached_property
    def area_mm2(self) -> float:
        """Area on the best slice."""
        return float(np.bincount(self.voxels[:, 0]).max() * self.grid.pixel_mm2)

    def share(self, tissue: int) -> float:
        """Fraction of the voxels that the network gave this tissue."""
        return float((self.tissue == tissue).mean())

    def touches(self, axis: int, end: int) -> bool:
        """Whether the best slice reaches the picture's border (end 0 or −1) within a millimetre."""
        margin = BORDER_MM / self.grid.spacing_mm[axis]
        places = self.voxels[self.voxels[:, 0] == self.best_slice, axis] + self.grid.origin[axis]
        last = self.grid.picture[axis] - 1
        inside = places <= margin if end == 0 else places >= last - margin
        return bool(inside.sum() >= 3)

    @cached_property
    def is_cut(self) -> bool:
        """Whether a border of the picture cuts the piece on its best slice."""
        return any(self.touches(axis, end) for axis in (1, 2) for end in (0, -1))

    def only(self, chosen: NDArray[np.bool_]) -> Piece:
        """The part of the piece where ``chosen`` (one entry a voxel) holds."""
        return Piece(self.voxels[chosen], self.tissue[chosen], self.grid)


def join(pieces: Sequence[Piece]) -> Piece:
    """One piece out of several."""
    return Piece(
        np.concatenate([piece.voxels for piece in pieces]),
        np.concatenate([piece.tissue for piece in pieces]),
        pieces[0].grid,
    )


def column_pieces(tissue: NDArray[np.uint8], grid: Grid) -> list[Piece]:
    """Bodies and sacral segments, each class on its own, cut where they touch by bridges."""
    pieces: list[Piece] = []
    for value in COLUMN:
        pieces += _cored(tissue == value, value, grid)
    return _large_enough(pieces)


def disc_pieces(tissue: NDArray[np.uint8], grid: Grid) -> list[Piece]:
    """Components of disc; discs rarely touch, and are too thin to be eroded."""
    labels, count = label_components(tissue == Tissue.DISC)
    return _large_enough(gather(labels, count, Tissue.DISC, grid))


def _large_enough(pieces: Iterable[Piece]) -> list[Piece]:
    """Drop specks, except at the picture's upper border, where a body may just begin."""
    return [p for p in pieces if p.area_mm2 >= SPECK_MM2 or p.touches(1, 0)]


def gather(labels: NDArray[np.int32], count: int, tissue: int, grid: Grid) -> list[Piece]:
    """Pieces from a label array, without a pass over the whole array for each."""
    voxels = np.argwhere(labels > 0).astype(np.int32)
    numbers = labels[labels > 0]
    order = np.argsort(numbers, kind="stable")
    voxels, numbers = voxels[order], numbers[order]
    ends = np.searchsorted(numbers, np.arange(1, count + 2))
    parts = [voxels[a:b] for a, b in pairwise(ends) if b > a]
    return [Piece(part, np.full(len(part), tissue, np.uint8), grid) for part in parts]


def _cored(mask: NDArray[np.bool_], tissue: int, grid: Grid) -> list[Piece]:
    """Components of the mask, those with several cores cut between the cores."""
    labels, count = label_components(mask)
    pieces: list[Piece] = []
    for piece in gather(labels, count, tissue, grid):
        large = piece.area_mm2 > 4 * SPECK_MM2
        pieces += part_by_cores(piece, CORE_MM, 2 * SPECK_MM2) if large else [piece]
    return pieces


def part_by_cores(piece: Piece, radius_mm: float, least_mm2: float) -> list[Piece]:
    """Cut a piece between what is left of it after an in-plane erosion.

    Parameters
    ----------
    radius_mm
        Depth of the erosion.
    least_mm2
        A core counts when its area on its best slice reaches this.
    """
    origin = piece.voxels.min(0) - [0, 1, 1]
    shape = piece.voxels.max(0) - origin + [1, 2, 2]
    local = piece.voxels - origin
    box = np.zeros(shape, bool)
    box[tuple(local.T)] = True
    # Beyond the picture's border the structure goes on: nothing is eroded there.
    box = _continued(box, piece)
    cores, count = label_components(in_plane_distance(box, piece.grid.spacing_mm) > radius_mm)
    cores, count = _keep_large(cores, count, piece.grid.pixel_mm2, least_mm2)
    if count < 2:
        return [piece]
    near = ndimage.distance_transform_edt(
        cores == 0, sampling=piece.grid.spacing_mm, return_distances=False, return_indices=True
    )
    owner = cores[tuple(near[:, local[:, 0], local[:, 1], local[:, 2]])]
    return [piece.only(owner == number) for number in range(1, count + 1)]


def _continued(box: NDArray[np.bool_], piece: Piece) -> NDArray[np.bool_]:
    for axis in (1, 2):
        places = piece.voxels[:, axis] + piece.grid.origin[axis]
        low, high = places.min(), places.max()
        edge = [slice(None)] * 3
        inner = [slice(None)] * 3
        if low == 0:
            edge[axis], inner[axis] = slice(0, 1), slice(1, 2)
            box[tuple(edge)] = box[tuple(inner)]
        if high == piece.grid.picture[axis] - 1:
            edge[axis], inner[axis] = slice(-1, None), slice(-2, -1)
            box[tuple(edge)] = box[tuple(inner)]
    return box


def _keep_large(
    cores: NDArray[np.int32], count: int, pixel_mm2: float, least_mm2: float
) -> tuple[NDArray[np.int32], int]:
    if count == 0:
        return cores, 0
    areas = np.stack([np.bincount(plane.ravel(), minlength=count + 1) for plane in cores]).max(0)
    keep = areas * pixel_mm2 >= least_mm2
    keep[0] = False
    number = np.where(keep, np.cumsum(keep), 0)
    return number[cores], int(keep.sum())


def part_in(piece: Piece, along_mm: NDArray[np.float64], count: int) -> list[Piece]:
    """Part a piece that holds ``count`` bodies, from head to foot.

    Deeper and deeper erosions look for a waist; where there is none the cuts go where the
    piece is narrowest near equal parts.

    Parameters
    ----------
    along_mm
        Arc length of each voxel along the spine's curve.
    """
    share = piece.area_mm2 / count
    for radius in _WAISTS_MM:
        parts = part_by_cores(piece, radius, 0.12 * share)
        if len(parts) == count and min(p.area_mm2 for p in parts) > 0.35 * share:
            return parts
    return _cut_at_waists(piece, along_mm, count)


def _cut_at_waists(piece: Piece, along_mm: NDArray[np.float64], count: int) -> list[Piece]:
    low, high = np.percentile(along_mm, [1, 99])
    edges = np.arange(low, high + 1.0, 1.0)
    profile = ndimage.gaussian_filter1d(np.histogram(along_mm, edges)[0].astype(float), 1.5)
    part = (high - low) / count
    cuts = []
    for number in range(1, count):
        middle = low + number * part
        window = np.flatnonzero(np.abs(edges[:-1] + 0.5 - middle) < 0.25 * part)
        cuts.append(edges[window[profile[window].argmin()]] + 0.5 if len(window) else middle)
    owner = np.searchsorted(cuts, along_mm)
    parts = [piece.only(owner == number) for number in range(count)]
    return [p for p in parts if len(p.voxels)]
