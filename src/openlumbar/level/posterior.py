"""Posterior elements: which vertebra each lamina and process belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.imaging.masks import label_components
from openlumbar.level.pieces import SPECK_MM2, Grid, Piece, gather, part_by_cores

#: How far below its body's centre a vertebra's posterior elements lie, in steps from one
#: body to the next: near the canal and at the tip of the spinous process. By eye on SPIDER.
_DROP_NEAR, _DROP_FAR = 0.25, 0.45
#: Distance behind the bodies' axis at which the drop is near and far, mm.
_NEAR_MM, _FAR_MM = 30.0, 65.0
#: Posterior elements lie between these offsets behind the bodies' axis, mm.
_REACH_MM = (-5.0, 110.0)
#: A component longer than this many steps may hold two vertebrae.
_TWO = 1.05


@dataclass(frozen=True, eq=False)
class Levels:
    """Where the named levels lie on the curve.

    Attributes
    ----------
    along_mm
        Arc length of each level's body centre, ascending.
    codes
        Code that posterior elements of each level take.
    """

    along_mm: NDArray[np.float64]
    codes: NDArray[np.int32]

    def steps(self) -> NDArray[np.float64]:
        """Distance to the next level, mm, one a level."""
        if len(self.along_mm) < 2:
            return np.full(len(self.along_mm), 33.0)
        gaps = np.diff(self.along_mm)
        return np.append(gaps, gaps[-1])


def assign(
    posterior: NDArray[np.bool_],
    bodies: NDArray[np.uint16],
    maps: tuple[NDArray[np.float32], NDArray[np.float32]],
    levels: Levels,
    grid: Grid,
) -> NDArray[np.uint16]:
    """Codes of the posterior elements.

    A component that touches the body of one vertebra alone (its pedicles) goes to it; else
    a component goes to the level it hangs behind; one that spans several is cut between them.

    Parameters
    ----------
    posterior
        ``[slice, row, column]``, canonical.
    bodies
        Codes of the named bodies on the same grid.
    maps
        Arc length and offset of each ``[row, column]``.

    Returns
    -------
    ndarray
        ``uint16``, 0 where nothing was assigned.
    """
    result = np.zeros(posterior.shape, np.uint16)
    if not len(levels.codes):
        return result
    labels, count = label_components(posterior)
    for piece in gather(labels, count, 0, grid):
        for part in _separate(piece):
            codes = _codes_of(part, bodies, maps, levels)
            result[tuple(part.voxels.T)] = codes
    return result


def _separate(piece: Piece) -> list[Piece]:
    if piece.area_mm2 < SPECK_MM2:
        return []
    return part_by_cores(piece, 1.2, SPECK_MM2) if piece.area_mm2 > 4 * SPECK_MM2 else [piece]


def _codes_of(piece: Piece, bodies, maps, levels: Levels) -> NDArray[np.uint16]:
    rows, columns = piece.voxels[:, 1], piece.voxels[:, 2]
    along, offset = maps[0][rows, columns], maps[1][rows, columns]
    middle = float(np.median(offset))
    if not _REACH_MM[0] < middle < _REACH_MM[1]:
        return np.zeros(len(rows), np.uint16)
    step = float(np.median(levels.steps()))
    hung = np.array([_nearest(a, o, levels) for a, o in [(np.median(along), middle)]])[0]
    low, high = np.percentile(along, [5, 95])
    if high - low > _TWO * step:
        return levels.codes[_nearest(along, offset, levels)].astype(np.uint16)
    touched = _touched(piece, bodies)
    if touched:
        near = [code for code in touched if code in levels.codes[max(0, hung - 1) : hung + 2]]
        if len(near) == 1:
            return np.full(len(rows), near[0], np.uint16)
    if _too_far(np.median(along), middle, levels, step):
        return np.zeros(len(rows), np.uint16)
    return np.full(len(rows), levels.codes[hung], np.uint16)


def _nearest(along, offset, levels: Levels):
    """Index of the level whose posterior elements belong at these places."""
    part = np.clip((np.asarray(offset) - _NEAR_MM) / (_FAR_MM - _NEAR_MM), 0, 1)
    drop = _DROP_NEAR + part * (_DROP_FAR - _DROP_NEAR)
    centres = levels.along_mm + drop[..., None] * levels.steps()
    return np.abs(centres - np.asarray(along)[..., None]).argmin(-1)


def _too_far(along: float, offset: float, levels: Levels, step: float) -> bool:
    nearest = int(_nearest(along, offset, levels))
    return abs(along - levels.along_mm[nearest]) > 1.6 * step


def _touched(piece: Piece, bodies: NDArray[np.uint16]) -> list[int]:
    """Codes of bodies that more than a few voxels of the piece lie against in their slice."""
    low = np.maximum(piece.voxels.min(0) - 2, 0)
    high = piece.voxels.max(0) + 3
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    local = np.zeros(bodies[box].shape, bool)
    local[tuple((piece.voxels - low).T)] = True
    ring = ndimage.binary_dilation(local, np.ones((1, 3, 3), bool), iterations=2)
    codes, counts = np.unique(bodies[box][ring], return_counts=True)
    return [int(c) for c, n in zip(codes, counts, strict=True) if c and n > 10]
