"""Masks that were given, brought to the grid of the image that they are of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import GeometryError
from openlumbar.core.exam import Series
from openlumbar.core.volume import Volume
from openlumbar.imaging.grids import Placed, place_labels
from openlumbar.pipeline.given import Given

#: Less than this part of the labels inside the image, and the two do not belong together.
LEAST_INSIDE = 0.5
#: Less than this, and it is said.
MOSTLY_INSIDE = 0.98


def placed(labels: Volume, series: Series) -> tuple[Placed, ...]:
    """Labels on the grid of each block of a series.

    Where they lie on the very grid of some blocks, they are of those, and the others, which
    may cross them at an angle, get none.
    """
    found = [place_labels(labels, block.volume) for block in series.blocks]
    own = any(one.same_grid and one.inside > 0 for one in found)
    return tuple(_emptied(one) if own and not one.same_grid else one for one in found)


def _emptied(one: Placed) -> Placed:
    nothing = one.labels.with_array(np.zeros_like(one.labels.array))
    return Placed(nothing, same_grid=True, inside=0.0)


def on_series(given: Given, series: Series) -> tuple[tuple[Volume, ...], list[str]]:
    """The labels on each block, and what that did to them.

    Raises
    ------
    GeometryError
        They lie elsewhere in the patient.
    """
    parts = placed(given.labels, series)
    inside = min(1.0, sum(one.inside for one in parts))
    ours, theirs = _grid(series.blocks[0].volume), _grid(given.labels)
    if inside < LEAST_INSIDE:
        raise GeometryError(
            f"{given.name}: only {inside:.0%} of its labels lie within the image {series.name}: "
            f"the mask is {theirs}, the image {ours}; give the image that it was made from, or a "
            "mask that has kept its place in the patient"
        )
    if not any(one.same_grid for one in parts):
        _check_place(given, series)
    notes = []
    if inside < MOSTLY_INSIDE:
        notes.append(f"{1 - inside:.0%} of the labels of {given.name} lie outside of the image")
    if not all(one.same_grid for one in parts):
        notes.append(
            f"{given.name} lies on another grid ({theirs}) than the image ({ours}): its labels "
            "were interpolated onto the image's grid, and numbers are no finer than the coarser"
        )
    return tuple(one.labels for one in parts), notes


def _check_place(given: Given, series: Series) -> None:
    """Refuse a mask of the image's size in another place: its header was lost on the way.

    Raises
    ------
    GeometryError
        Interpolating it would give plausible numbers of nothing.
    """
    mask = given.labels
    for image in (block.volume for block in series.blocks):
        if sorted(image.shape) != sorted(mask.shape):
            continue
        apart = np.linalg.norm(_middle(image) - _middle(mask))
        as_fine = np.allclose(sorted(image.spacing_mm), sorted(mask.spacing_mm), rtol=0.01)
        if not as_fine or apart > max(image.spacing_mm):
            raise GeometryError(
                f"{given.name}: has the size of the image {series.name} but not its place in the "
                f"patient ({_grid(mask)}, the image {_grid(image)}); copy the image's header "
                "(affine) onto the mask"
            )


def _middle(volume: Volume) -> NDArray[np.float64]:
    return volume.to_patient((np.array(volume.shape) - 1) / 2)


def _grid(volume: Volume) -> str:
    size = " × ".join(str(count) for count in volume.shape)
    step = " × ".join(f"{step:.2f}" for step in volume.spacing_mm)
    x, y, z = _middle(volume)
    return f"{size} at {step} mm around ({x:.0f}, {y:.0f}, {z:.0f})"
