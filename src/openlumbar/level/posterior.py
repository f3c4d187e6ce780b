"""Posterior elements: which vertebra each lamina and process belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.imaging.masks import label_components
from openlumbar.level.pieces import SPECK_MM2, Grid, Piece, gather, part_by_cores

#: How far below its body's centre a vertebra's posterior elements lie, in steps from one
#: body to the next: near the canal and at the tip of the spinous process. By eye on SPIDER.
_DROP_NEAR, _DROP_FAR = 0.25, 0.45
#: Distance behind the body's centre at which the drop is near and far, mm.
_NEAR_MM, _FAR_MM = 30.0, 65.0
#: Posterior elements lie between these distances behind the body's centre, mm.
_REACH_MM = (-5.0, 110.0)
#: Spinous processes lean this part of their body's tilt: those of L5 and S1 point almost
#: straight back although the bodies lean forward. By eye on SPIDER.
_LEAN = 0.5
#: A component longer than this many steps may hold two vertebrae.
_TWO = 1.05


@dataclass(frozen=True, eq=False)
class Levels:
    """Where the named levels lie in the sagittal plane, from head to foot.

    Attributes
    ----------
    places
        ``[n, 2]`` of body centres, (row, column) in mm on the cropped grid.
    tilts
        Angle of each body's axis toward the foot from straight down, radians; positive
        when it runs backward, as at the sacrum.
    codes
        Code that posterior elements of each level take.
    """

    places: NDArray[np.float64]
    tilts: NDArray[np.float64]
    codes: NDArray[np.int32]

    @property
    def steps(self) -> NDArray[np.float64]:
        """Distance to the next level, mm, one a level."""
        if len(self.places) < 2:
            return np.full(len(self.places), 33.0)
        gaps = np.linalg.norm(np.diff(self.places, axis=0), axis=1)
        return np.append(gaps, gaps[-1])

    def below(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far points ``[m, 2]`` lie below where each level's posterior elements hang, mm.

        Returns
        -------
        ndarray
            ``[m, n]``, negative above.
        """
        lean = _LEAN * self.tilts
        down = np.stack([np.cos(lean), np.sin(lean)], 1)
        away = points[:, None] - self.places
        behind = away[..., 1] * down[:, 0] - away[..., 0] * down[:, 1]
        part = np.clip((behind - _NEAR_MM) / (_FAR_MM - _NEAR_MM), 0, 1)
        drop = (_DROP_NEAR + part * (_DROP_FAR - _DROP_NEAR)) * self.steps
        return (away * down).sum(-1) - drop


def assign(
    posterior: NDArray[np.bool_],
    bodies: NDArray[np.uint16],
    offset: NDArray[np.float32],
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
    offset
        Distance of each ``[row, column]`` behind the bodies' axis, mm.

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
            codes = _codes_of(part, bodies, offset, levels)
            result[tuple(part.voxels.T)] = codes
    return result


def _separate(piece: Piece) -> list[Piece]:
    if piece.area_mm2 < SPECK_MM2:
        return []
    return part_by_cores(piece, 1.2, SPECK_MM2) if piece.area_mm2 > 4 * SPECK_MM2 else [piece]


def _codes_of(
    piece: Piece, bodies: NDArray[np.uint16], offset: NDArray[np.float32], levels: Levels
) -> NDArray[np.uint16]:
    nothing = np.zeros(len(piece.voxels), np.uint16)
    middle = float(np.median(offset[piece.voxels[:, 1], piece.voxels[:, 2]]))
    if not _REACH_MM[0] < middle < _REACH_MM[1]:
        return nothing
    below = levels.below(piece.voxels[:, 1:] * np.asarray(piece.grid.spacing_mm[1:]))
    centre = np.median(below, axis=0)
    hung = int(np.abs(centre).argmin())
    step = float(np.median(levels.steps))
    low, high = np.percentile(below[:, hung], [5, 95])
    if high - low > _TWO * step:
        return levels.codes[np.abs(below).argmin(1)].astype(np.uint16)
    near = set(levels.codes[max(0, hung - 1) : hung + 2])
    touched = [code for code in _touched(piece, bodies) if code in near]
    if len(touched) == 1:
        return nothing + np.uint16(touched[0])
    return nothing if abs(centre[hung]) > step else nothing + np.uint16(levels.codes[hung])


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
