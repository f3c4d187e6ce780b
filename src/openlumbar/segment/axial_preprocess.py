"""From an axial series to what the axial network sees; shared with training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.volume import Volume
from openlumbar.imaging.bias import bias_field
from openlumbar.imaging.frame import Frame, axial_frame_of
from openlumbar.imaging.intensity import DARK_PERCENTILE, FOREGROUND, normalise_slice
from openlumbar.imaging.resample import resample_planes, resampled_shape
from openlumbar.segment.landmarks import PlaneGrid

#: Pictures are resampled from pixels of at least this size; finer detail is noise to a
#: network that sees 0.8 mm.
LEAST_SOURCE_MM = 0.6
#: The first pass looks at this many pixels at most (a square of so many a side), coarser than
#: the network's own where the field of view asks for it, but not by more than this factor:
#: the network knows small patients, not smaller ones.
OVERVIEW_PIXELS, MOST_COARSER = 300, 1.25


@dataclass(frozen=True, eq=False)
class Picture:
    """Intensities of a slice and where its pixels lie.

    Attributes
    ----------
    values
        ``float32[row, column]``, rows from front to back, columns toward the patient's left.
    grid
        Of these pixels.
    """

    values: NDArray[np.float32]
    grid: PlaneGrid


def prepare_axial(
    volume: Volume, spacing_mm: tuple[float, float], bias: bool = True
) -> tuple[NDArray[np.float32], Frame]:
    """Orient, correct, resample and normalise an axial volume for the network.

    Parameters
    ----------
    volume
        An axial block, any order of axes.
    spacing_mm
        Row and column spacing of the network's pictures.
    bias
        Whether uneven sensitivity is corrected (N4).

    Returns
    -------
    stack : ndarray
        ``float32[slice, row, column]`` at ``spacing_mm``, each slice normalised by itself;
        slices run upward, rows backward, columns toward the patient's left.
    frame : Frame
        The way back.
    """
    frame = axial_frame_of(volume)
    spacing = frame.spacing_mm[1:]
    pictures = [
        resampled(source_picture(plane, spacing, bias), spacing_mm)
        for plane in frame.canonical(volume.array)
    ]
    return np.stack([normalise_slice(picture.values) for picture in pictures]), frame


def source_picture(plane: NDArray, spacing_mm: tuple[float, float], bias: bool) -> Picture:
    """A slice corrected for uneven sensitivity, in pixels no finer than is of use.

    Parameters
    ----------
    plane
        ``[row, column]``, any intensity unit, rows from front to back.
    spacing_mm
        Between rows and between columns.
    bias
        Whether it is corrected.
    """
    native = Picture(
        plane.astype(np.float32), PlaneGrid((plane.shape[0], plane.shape[1]), spacing_mm)
    )
    row_mm, column_mm = (max(step, LEAST_SOURCE_MM) for step in spacing_mm)
    picture = resampled(native, (row_mm, column_mm))
    if not bias:
        return picture
    # Some files are stored with an offset; sensitivity multiplies what is above it.
    values = picture.values - min(float(picture.values.min()), 0.0)
    field = bias_field(values[None], (1.0, *picture.grid.spacing_mm))[0]
    return Picture(values / field, picture.grid)


def resampled(picture: Picture, spacing_mm: tuple[float, float]) -> Picture:
    """The same field of view in other pixels."""
    grid = picture.grid
    shape = resampled_shape(grid.shape, grid.spacing_mm, spacing_mm)
    values = resample_planes(picture.values, grid.spacing_mm, shape, spacing_mm)
    return Picture(values, PlaneGrid(shape, spacing_mm, grid.centre_mm))


def overview(picture: Picture, pixel_mm: float) -> Picture:
    """What the first pass looks at: the tissue without the air.

    Parameters
    ----------
    picture
        A whole slice.
    pixel_mm
        What the network was trained on; the result's pixels are of this size, or larger in
        a large field of view.
    """
    part = _without_air(picture)
    size_mm = np.sqrt(np.prod(part.grid.shape) * part.grid.pixel_mm2)
    step_mm = float(np.clip(size_mm / OVERVIEW_PIXELS, pixel_mm, MOST_COARSER * pixel_mm))
    return resampled(part, (step_mm, step_mm))


def _without_air(picture: Picture) -> Picture:
    """The rows and columns that show tissue, and a margin of 10 mm."""
    values, grid = picture.values, picture.grid
    low, top = np.percentile(values[::2, ::2], (DARK_PERCENTILE, 99.5))
    tissue = values > low + FOREGROUND * (top - low)
    spans = []
    for axis, step in enumerate(grid.spacing_mm):
        seen = np.flatnonzero(tissue.mean(1 - axis) > 0.02)
        if not len(seen):
            return picture
        margin = round(10 / step)
        spans.append(slice(max(seen[0] - margin, 0), seen[-1] + margin + 1))
    rows, columns = spans
    return Picture(values[rows, columns], grid.cropped(rows, columns))
