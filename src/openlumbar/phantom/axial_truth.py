"""What is exactly true of muscles, their fat and the dural sac in axial slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL
from openlumbar.core.volume import Volume
from openlumbar.phantom.canvas import Canvas
from openlumbar.phantom.geometry import Spine
from openlumbar.phantom.scene import GridSample, Scene

# Pixel of the plane that stands for the sac's contour, mm.
_FINE_MM = 0.125
# The strip about the midline in which its depth is taken: half its width, half its length
# and the step within it, mm.
_HALF_STRIP_MM = 0.25
_REACH_MM = 30.0
_STEP_MM = 0.05
# Room about the sac's own pixels, mm.
_MARGIN_MM = 2.0


@dataclass(frozen=True)
class MuscleTruth:
    """One muscle of one side in one axial slice.

    Attributes
    ----------
    block, slice
        From 0.
    muscle, side
        As in :mod:`openlumbar.core.anatomy`.
    area_cm2
        Labelled pixels times the area of a pixel.
    fat_fraction
        Mean exact fat part of the labelled voxels, 0 … 1.
    fat_over_half
        Share of the labelled voxels that are more than half fat.
    centroid_mm
        Of the labelled pixels, LPS.
    """

    block: int
    slice: int
    muscle: str
    side: str
    area_cm2: float
    fat_fraction: float
    fat_over_half: float
    centroid_mm: tuple[float, float, float]


@dataclass(frozen=True)
class SacTruth:
    """The dural sac in the middle of one axial slice, from a contour of 1/8 mm.

    Attributes
    ----------
    block, slice
        From 0.
    area_mm2
        Of the sac in the slice's plane.
    ap_diameter_mm
        Its depth on the midline through its centroid, along the front-to-back axis of the
        nearest vertebra as that lies in the slice.
    transverse_diameter_mm
        Its greatest extent square to that axis.
    """

    block: int
    slice: int
    area_mm2: float
    ap_diameter_mm: float
    transverse_diameter_mm: float


def muscles_of(samples: Sequence[GridSample]) -> tuple[MuscleTruth, ...]:
    """Areas, fat and centroids of the muscles of a series, a sample a block."""
    rows: list[MuscleTruth] = []
    for block, sample in enumerate(samples):
        fat = sample.fat_part()
        for k, codes in enumerate(sample.codes):
            present = [BY_CODE[int(code)] for code in np.unique(codes) if code]
            rows.extend(
                _muscle((block, k), structure.code, sample, fat[k])
                for structure in present
                if structure.kind == "muscle"
            )
    return tuple(rows)


def _muscle(
    at: tuple[int, int], code: int, sample: GridSample, fat: NDArray[np.floating]
) -> MuscleTruth:
    block, k = at
    structure, mask = BY_CODE[code], sample.codes[k] == code
    _, height, width = sample.grid.spacing_mm
    j, i = np.argwhere(mask).mean(0)
    x, y, z = sample.grid.to_patient((k, j, i))
    return MuscleTruth(
        block=block,
        slice=k,
        muscle=structure.name,
        side=structure.side or "",
        area_cm2=float(mask.sum() * height * width / 100),
        fat_fraction=float(fat[mask].mean(dtype=np.float64)),
        fat_over_half=float((fat[mask] > 0.5).mean()),
        centroid_mm=(float(x), float(y), float(z)),
    )


def sacs_of(scene: Scene, samples: Sequence[GridSample]) -> tuple[SacTruth, ...]:
    """Area and diameters of the sac in each slice of a series that shows it."""
    rows: list[SacTruth] = []
    for block, sample in enumerate(samples):
        for k, codes in enumerate(sample.codes):
            box = _box(codes == SPINAL_CANAL, sample.grid)
            if box is not None:
                mask = _contour(scene, sample.grid, k, box)
                rows.append(SacTruth(block, k, *_extents(mask, _backward(scene.spine, sample, k))))
    return tuple(rows)


def _box(mask: NDArray[np.bool_], grid: Volume) -> NDArray[np.float64] | None:
    """First and last row and column about a mask, ``[2, 2]``, with a margin."""
    if not mask.any():
        return None
    found = np.argwhere(mask)
    margin = _MARGIN_MM / np.array(grid.spacing_mm[1:])
    return np.array([found.min(0) - margin, found.max(0) + margin])


def _contour(scene: Scene, grid: Volume, k: int, box: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The sac in the plane of a slice, in pixels of 1/8 mm within a box."""
    steps = np.array(grid.spacing_mm[1:])
    rows, columns = np.ceil((box[1] - box[0]) * steps / _FINE_MM).astype(int)
    origin = grid.to_patient((k, *box[0]))
    across, down = (grid.affine[:3, n] / steps[1 - n] * _FINE_MM for n in (0, 1))
    canvas = Canvas(origin, across, down, (int(rows), int(columns)))
    scene.paint(canvas)
    return np.asarray(canvas.code == SPINAL_CANAL)


def _backward(spine: Spine, sample: GridSample, k: int) -> NDArray[np.float64]:
    """The front-to-back axis of the vertebra nearest to the sac, along rows and columns."""
    grid = sample.grid
    j, i = np.argwhere(sample.codes[k] == SPINAL_CANAL).mean(0)
    point = grid.to_patient((k, j, i))
    nearest = min(spine.vertebrae, key=lambda placed: float(np.linalg.norm(placed.centre - point)))
    axes = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    along = np.array([axes[:, n] @ nearest.rotation[:, 1] for n in (1, 0)])
    return along / np.linalg.norm(along)


def _extents(mask: NDArray[np.bool_], backward: NDArray[np.float64]) -> tuple[float, float, float]:
    """Area, depth on the midline, and width of a finely painted mask, mm."""
    points = np.argwhere(mask)
    centre, square = points.mean(0), np.array([-backward[1], backward[0]])
    aside = (points - centre) @ square * _FINE_MM
    # Pixels that a comb of lines along the axis meets, so that no lattice is favoured.
    along = np.arange(-_REACH_MM, _REACH_MM, _STEP_MM)
    lines = np.arange(-_HALF_STRIP_MM, _HALF_STRIP_MM + _STEP_MM / 2, _STEP_MM)
    comb = along[:, None, None] * backward + lines[None, :, None] * square
    at = np.rint(centre + comb / _FINE_MM).astype(int)
    within = ((at >= 0) & (at < mask.shape)).all(-1)
    at[~within] = 0
    depth = (mask[at[..., 0], at[..., 1]] & within).sum() * _STEP_MM / len(lines)
    return len(points) * _FINE_MM**2, float(depth), float(np.ptp(aside) + _FINE_MM)
