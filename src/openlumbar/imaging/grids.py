"""Labels carried from one grid of the patient to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.volume import Volume

#: Voxel centres of two grids that lie within this part of a voxel of each other are the same.
SAME_VOXEL = 0.05

Floats = NDArray[np.float64]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Placed:
    """Labels on another grid.

    Attributes
    ----------
    labels
        On the grid asked for, of the type given.
    same_grid
        The voxels are the same, but for the order and direction of the axes and how far
        they reach: no label was interpolated.
    inside
        Part of the labelled voxels whose centres lie within the grid asked for, 0 … 1; 1
        where nothing is labelled.
    """

    labels: Volume
    same_grid: bool
    inside: float


def place_labels(labels: Volume, grid: Volume) -> Placed:
    """Bring a label map to another grid by its place in the patient.

    Parameters
    ----------
    labels
        Integers; 0 is background.
    grid
        Whose grid is asked for; its values do not matter.

    Returns
    -------
    Placed
        Between different grids each label is interpolated linearly by itself, and a voxel
        takes the label with the largest part of it: a flat border of a label stays where it
        is, halfway between the voxels of either side. Outside of the old grid there is nothing.
    """
    to_labels = np.asarray(np.linalg.solve(_kji(labels), _kji(grid)), np.float64)
    turned = _turned(labels, grid, to_labels)
    if turned is not None:
        return Placed(grid.with_array(turned), True, _inside(labels, grid))
    resampled = grid.with_array(_resampled(labels, grid, to_labels))
    return Placed(resampled, False, _inside(labels, grid))


def _kji(volume: Volume) -> Floats:
    """The affine from (k, j, i, 1)."""
    return volume.affine[:, [2, 1, 0, 3]]


def _inside(labels: Volume, grid: Volume) -> float:
    voxels = np.argwhere(labels.array)
    if not len(voxels):
        return 1.0
    at = grid.to_index(labels.to_patient(voxels))
    held = ((at >= -0.5) & (at <= np.array(grid.shape) - 0.5)).all(1)
    return float(held.mean())


def _turned(labels: Volume, grid: Volume, to_labels: Floats) -> NDArray | None:
    """The labels with their axes swapped and reversed to fit the grid; None if that cannot be."""
    turn, offset = np.rint(to_labels[:3, :3]), np.rint(to_labels[:3, 3])
    axes = tuple(int(axis) for axis in np.abs(turn).argmax(0))  # of the labels, by the grid's
    if sorted(axes) != [0, 1, 2] or np.abs(turn).sum() != 3:
        return None
    ideal = np.column_stack([turn, offset])
    corners = _corners(np.zeros(3), np.array(grid.shape) - 1.0)
    if np.abs((to_labels[:3] - ideal) @ corners).max() > SAME_VOXEL:
        return None
    back = [bool(turn[axis, number] < 0) for number, axis in enumerate(axes)]
    order = labels.array.transpose(axes)[tuple(slice(None, None, -1 if b else 1) for b in back)]
    # Where the grid's first voxel lies among those of ``order``.
    first = [
        int(size - 1 - offset[axis] if reverse else offset[axis])
        for axis, size, reverse in zip(axes, order.shape, back, strict=True)
    ]
    turned = np.zeros(grid.shape, order.dtype)
    here = [_shared(at, *sizes) for at, *sizes in zip(first, grid.shape, order.shape, strict=True)]
    turned[tuple(mine for mine, _ in here)] = order[tuple(theirs for _, theirs in here)]
    return turned


def _shared(first: int, size: int, other: int) -> tuple[slice, slice]:
    """The voxels that two axes share, on one of ``size`` and on another that it begins on."""
    start, stop = max(0, -first), max(0, -first, min(size, other - first))
    return slice(start, stop), slice(start + first, stop + first)


def _corners(low: Floats, high: Floats) -> Floats:
    """The eight corners of a box of indices, ``[4, 8]``, the last row 1."""
    sides = np.array(list(np.ndindex(2, 2, 2)), float).T
    return np.vstack([low[:, None] + sides * (high - low)[:, None], np.ones(8)])


def _resampled(labels: Volume, grid: Volume, to_labels: Floats) -> NDArray:
    result = np.zeros(grid.shape, labels.array.dtype)
    most, total = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    to_grid = np.asarray(np.linalg.inv(to_labels), np.float64)
    for code, box in enumerate(ndimage.find_objects(labels.array), 1):
        if box is None:
            continue
        low, high = (np.array([getattr(side, end) for side in box]) for end in ("start", "stop"))
        there = _target(to_grid @ _corners(low - 1.0, high + 0.0), grid.shape)
        part = _part(labels.array[box] == code, low, there, to_labels)
        total[there] += part
        better = part > most[there]
        result[there][better] = code
        most[there][better] = part[better]
    result[most <= 1 - total] = 0  # more background than any label
    return result


def _target(corners: Floats, shape: tuple[int, int, int]) -> Box:
    """The part of the grid, perhaps empty, that holds these corners."""
    low = np.clip(np.floor(corners[:3].min(1)), 0, shape).astype(int)
    high = np.clip(np.ceil(corners[:3].max(1)) + 1, 0, shape).astype(int)
    k, j, i = (slice(int(a), int(max(a, b))) for a, b in zip(low, high, strict=True))
    return k, j, i


def _part(
    mask: NDArray[np.bool_], low: NDArray, there: Box, to_labels: Floats
) -> NDArray[np.float32]:
    """How much of each voxel of a part of the grid a mask whose box begins at ``low`` takes."""
    shape = tuple(side.stop - side.start for side in there)
    if 0 in shape:
        return np.zeros(shape, np.float32)
    start = np.array([side.start for side in there])
    offset = to_labels[:3, :3] @ start + to_labels[:3, 3] - low
    return ndimage.affine_transform(
        mask.astype(np.float32),
        to_labels[:3, :3],
        offset,
        output_shape=shape,
        order=1,
        mode="grid-constant",
    )
