"""Clean-up of binary masks on anisotropic grids (design.md, section 4).

All functions take ``[slice, row, column]`` arrays and the spacing of those axes in
millimetres. "In plane" means within one slice: slices of clinical series are often
4 mm apart, so a rule that mixed the two directions would round off the anatomy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Rows or columns of distance that a slice step counts for when only in-plane
#: distances are wanted; far larger than any picture.
_FAR_MM = 1e5

#: Slices further apart than this are not smoothed into each other.
THICK_SLICE_MM = 2.0

_FACES = ndimage.generate_binary_structure(3, 1)
_IN_PLANE = _FACES & (np.arange(3) == 1)[:, None, None]


def label_components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the face-connected components of a mask.

    Returns
    -------
    labels, count
        ``int32`` of the mask's shape, 1 … ``count``.
    """
    labels, count = ndimage.label(mask, _FACES)
    return labels, int(count)


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The face-connected component with the most voxels; empty stays empty."""
    labels, count = label_components(mask)
    if count < 2:
        return mask.astype(bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill the holes of every slice; a hole is background that the mask encloses in plane."""
    framed = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    labels, count = ndimage.label(~framed, _IN_PLANE)
    outside = np.zeros(count + 1, bool)
    outside[labels[:, 0, 0]] = True  # the frame is one component in every slice
    return ~outside[labels[:, 1:-1, 1:-1]]


def in_plane_distance(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Distance in mm of each voxel of the mask to the nearest background of its slice.

    The picture's border is no background: a structure that it cuts is not thinned there.
    """
    distance = ndimage.distance_transform_edt(mask, sampling=(_FAR_MM, *spacing_mm[1:]))
    return np.minimum(distance, _FAR_MM)


def best_slice_area(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """Largest area of the mask on any one slice, mm²."""
    return float(mask.sum((1, 2)).max(initial=0) * spacing_mm[1] * spacing_mm[2])


def drop_small(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float], area_mm2: float
) -> NDArray[np.bool_]:
    """Remove components whose area on their best slice is below ``area_mm2``."""
    labels, count = label_components(mask)
    if count == 0:
        return mask.astype(bool)
    counts = np.stack([np.bincount(plane.ravel(), minlength=count + 1) for plane in labels])
    keep = counts.max(0) * spacing_mm[1] * spacing_mm[2] >= area_mm2
    keep[0] = False
    return keep[labels]


def smooth_edges(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float], sigma_mm: float = 0.6
) -> NDArray[np.bool_]:
    """Round off the stair-steps of a mask's edge without moving a straight edge.

    A Gaussian of ``sigma_mm`` in every direction, cut at one half; a straight edge stays
    where it is. Directions sampled more coarsely than :data:`THICK_SLICE_MM` are left
    alone. The picture's border mirrors, so that structures it cuts keep their cut.
    """
    sigma = [sigma_mm / step if step <= THICK_SLICE_MM else 0.0 for step in spacing_mm]
    blurred = ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="nearest", truncate=3.0)
    return blurred > 0.5


def main_components(mask: NDArray[np.bool_], least_share: float) -> NDArray[np.bool_]:
    """The largest component and all that have at least ``least_share`` of its voxels.

    A fractured body or one seen on slices far apart may honestly lie in several parts.
    """
    labels, count = label_components(mask)
    if count < 2:
        return mask.astype(bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= max(1.0, least_share * sizes.max()))[labels] & mask
