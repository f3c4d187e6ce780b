"""From the network's classes on one slice to named structures with clean outlines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core import anatomy
from openlumbar.core.masks import AXIAL_OF_MUSCLE, AxialTissue
from openlumbar.imaging.masks import fill_holes
from openlumbar.segment.landmarks import MUSCLES, Landmarks, PlaneGrid, Tissues, box_of
from openlumbar.segment.sides import left_of_midline_mm, split_sides


def _side_code(kind: int, side: str) -> int:
    return next(
        code
        for code, muscle in AXIAL_OF_MUSCLE.items()
        if muscle == kind and anatomy.BY_CODE[code].side == side
    )


#: Codes of the left and right side of each muscle of the network.
SIDES: dict[int, tuple[int, int]] = {
    kind: (_side_code(kind, "left"), _side_code(kind, "right")) for kind in MUSCLES
}

#: A second part of a muscle stays where it has this share of the largest and this area, and
#: lies this near: fat may part the erector spinae, but specks and gluteal muscle are errors.
_SECOND_SHARE, _LEAST_SECOND_MM2, _SECOND_APART_MM = 0.25, 60.0, 8.0
#: Less of a muscle than this is a speck; the smallest true section, of the psoas at L1, is
#: about 100 mm².
_LEAST_MUSCLE_MM2 = 30.0
#: Fewer posterior elements than this are specks. Facets and tips of processes are small.
_LEAST_POSTERIOR_MM2 = 20.0
#: Nothing of the vertebra lies further from the sac; the wings of the sacrum reach so far.
_VERTEBRA_MM = 75.0
#: Body within the disc, or disc within the body, of less than this, or than this share of the
#: two, belongs to the other.
_LEAST_PART_MM2, _LEAST_PART = 25.0, 0.08


@dataclass(frozen=True, eq=False)
class CleanSlice:
    """Named structures of one slice.

    Attributes
    ----------
    codes
        ``uint16[row, column]``, codes of :mod:`openlumbar.core.anatomy`: muscles with their
        side, vertebra and disc of unknown level, spinal canal for the sac.
    body
        ``bool[row, column]``: the vertebral body alone.
    """

    codes: NDArray[np.uint16]
    body: NDArray[np.bool_]


def clean_slice(tissue: Tissues, landmarks: Landmarks, grid: PlaneGrid) -> CleanSlice:
    """Name what belongs together and drop what does not.

    Parameters
    ----------
    tissue
        ``[row, column]``, classes of :class:`~openlumbar.core.masks.AxialTissue`.
    landmarks, grid
        Of these pixels.

    Returns
    -------
    CleanSlice
        Each muscle of one part or two large ones a side and without holes; one sac; one body
        with its disc, and the posterior elements around the sac.
    """
    codes = np.zeros(tissue.shape, np.uint16)
    column = filled(landmarks.body_mask)
    disc = column & _disc_part(tissue, column, grid.pixel_mm2)
    body = column & ~disc
    bone = _posterior(tissue == AxialTissue.POSTERIOR, landmarks, grid)
    _paint(codes, body, anatomy.UNKNOWN_VERTEBRA)
    _paint(codes, disc, anatomy.UNKNOWN_DISC)
    _paint(codes, filled(landmarks.sac_mask), anatomy.SPINAL_CANAL)
    _paint(codes, bone, anatomy.UNKNOWN_VERTEBRA)
    _paint_muscles(codes, tissue, left_of_midline_mm(landmarks, grid), grid)
    return CleanSlice(codes, body)


def _paint_muscles(
    codes: NDArray[np.uint16], tissue: Tissues, left_mm: NDArray[np.float64], grid: PlaneGrid
) -> None:
    boxes = {muscle: box_of(tissue == muscle) for muscle in SIDES}
    for muscle, box in boxes.items():
        sides = split_sides(tissue[box] == muscle, left_mm[box])
        for code, side in zip(SIDES[muscle], sides, strict=True):
            _paint(codes[box], _muscle_parts(side, grid.spacing_mm), code)
    for muscle, box in boxes.items():  # when all stand, so that no hole takes another's pixels
        for code in SIDES[muscle]:
            _paint(codes[box], filled(codes[box] == code), code)


def _paint(codes: NDArray[np.uint16], mask: NDArray[np.bool_], code: int) -> None:
    """Write a code where no other stands yet."""
    codes[mask & (codes == 0)] = code


def filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask with its holes."""
    box, result = box_of(mask), mask.copy()
    result[box] = fill_holes(mask[box][None])[0]
    return result


def parts_of_size(mask: NDArray[np.bool_], least_pixels: float) -> NDArray[np.bool_]:
    """The connected parts of a mask with at least so many pixels."""
    box, result = box_of(mask), mask.copy()
    labels, _ = ndimage.label(mask[box])
    keep = np.bincount(labels.ravel(), minlength=1) >= least_pixels
    keep[0] = False
    result[box] = keep[labels]
    return result


def _muscle_parts(mask: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """The largest part, and the second where it is large too and near."""
    labels, count = ndimage.label(mask)
    areas = np.bincount(labels.ravel(), minlength=count + 3) * np.prod(spacing_mm)
    areas[0] = 0
    second, first = np.argsort(areas)[-2:]
    if areas[first] < _LEAST_MUSCLE_MM2:
        return np.zeros_like(mask)
    largest = np.asarray(labels == first)
    if areas[second] < max(_SECOND_SHARE * areas[first], _LEAST_SECOND_MM2):
        return largest
    other = labels == second
    away = ndimage.distance_transform_edt(~largest, sampling=spacing_mm)
    return largest | other if away[other].min() <= _SECOND_APART_MM else largest


def _posterior(mask: NDArray[np.bool_], landmarks: Landmarks, grid: PlaneGrid) -> NDArray[np.bool_]:
    back, left = grid.pixels_mm()
    near = np.hypot(back - landmarks.sac[0], left - landmarks.sac[1]) < _VERTEBRA_MM
    return parts_of_size(mask & near, _LEAST_POSTERIOR_MM2 / grid.pixel_mm2)


def _disc_part(tissue: Tissues, column: NDArray[np.bool_], pixel_mm2: float) -> NDArray[np.bool_]:
    """What of body and disc together is disc, without islands of one in the other."""
    least = max(_LEAST_PART_MM2 / pixel_mm2, _LEAST_PART * column.sum())
    disc = parts_of_size(column & (tissue == AxialTissue.DISC), least)
    return column & ~parts_of_size(column & ~disc, least)
