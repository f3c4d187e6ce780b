"""What is exactly true of axial slices: their level, muscles and fat, the dural sac."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL
from openlumbar.core.volume import Volume
from openlumbar.phantom.canvas import Canvas
from openlumbar.phantom.discs import disc_frame
from openlumbar.phantom.geometry import Spine
from openlumbar.phantom.grids import disc_curve
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


@dataclass(frozen=True)
class PlaceTruth:
    """Where one axial slice lies along the spine.

    Attributes
    ----------
    block, slice
        From 0.
    position
        Where the slice's plane cuts the curve through the middles of the discs, on the scale
        of :data:`openlumbar.core.levels.POSITIONS`: T12-L1 at 0, L1-L2 at 1 and so on.
    level
        Vertebra or disc that the plane cuts on the spine's axis, which runs from the middle
        of one endplate to the next.
    disc_level
        The disc nearest to ``position``.
    within
        Where it cuts that part of the axis: 0 at the upper and 1 at the lower endplate.
    tilt_deg
        Between the slice and the plane of ``disc_level``, in space.
    distance_mm
        Of that disc's middle from the slice's plane.
    """

    block: int
    slice: int
    position: float
    level: str
    disc_level: str
    within: float
    tilt_deg: float
    distance_mm: float


def places_of(spine: Spine, grids: Sequence[Volume]) -> tuple[PlaceTruth, ...]:
    """Levels of the slices of a series, a grid a block.

    A plane that cuts the axis more than once counts where it is nearest to the middle of its
    picture; beyond the spine's ends, the last vertebra stands for all that follows.
    """
    return tuple(
        _placed(spine, grid, (block, k))
        for block, grid in enumerate(grids)
        for k in range(grid.shape[0])
    )


def _placed(spine: Spine, grid: Volume, at: tuple[int, int]) -> PlaceTruth:
    block, k = at
    _, rows, columns = grid.shape
    middle = grid.to_patient((k, (rows - 1) / 2, (columns - 1) / 2))
    normal = grid.affine[:3, 2] / np.linalg.norm(grid.affine[:3, 2])
    curve = disc_curve(spine)
    place = _cut(curve.centres, middle, normal)
    names, ends = _axis(spine)
    along = _cut(ends, middle, normal)
    part = min(int(along), len(names) - 1)
    nearest = int(np.clip(round(place), 0, len(curve.names) - 1))
    up = disc_frame(spine.discs[nearest]).rotation[:, 2]
    return PlaceTruth(
        block=block,
        slice=k,
        position=place - curve.names.index("T12-L1"),
        level=names[part],
        disc_level=curve.names[nearest],
        within=float(np.clip(along - part, 0.0, 1.0)),
        tilt_deg=float(np.degrees(np.arccos(np.clip(abs(up @ normal), 0.0, 1.0)))),
        distance_mm=float(abs((curve.centres[nearest] - middle) @ normal)),
    )


def _axis(spine: Spine) -> tuple[list[str], NDArray[np.float64]]:
    """Vertebrae and discs in turn, and the middles of the endplates that bound them."""
    names: list[str] = []
    ends: list[NDArray[np.float64]] = []
    for index, placed in enumerate(spine.vertebrae):
        half = placed.spec.height_mm / 2
        ends += [placed.to_patient((0.0, 0.0, sign * half)) for sign in (1, -1)]
        names.append(placed.spec.name)
        if index < len(spine.vertebrae) - 1:
            below = spine.vertebrae[index + 1].spec.name
            names.append(f"{placed.spec.name}-{below}")
    return names, np.array(ends)


def _cut(
    points: NDArray[np.float64], middle: NDArray[np.float64], normal: NDArray[np.float64]
) -> float:
    """Where a plane cuts a polyline, in points from its first; its ends stand for beyond."""
    height = (points - middle) @ normal
    crossing = np.flatnonzero(height[:-1] * height[1:] <= 0)
    if not len(crossing):
        return float(np.argmin(np.abs(height)))
    part = height[crossing] / (height[crossing] - height[crossing + 1] + 1e-12)
    at = points[crossing] + part[:, None] * (points[crossing + 1] - points[crossing])
    nearest = int(np.argmin(np.linalg.norm(at - middle, axis=1)))
    return float(crossing[nearest] + part[nearest])


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
