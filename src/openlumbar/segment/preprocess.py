"""From a series to what the sagittal network sees, and back; shared with training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.volume import Volume
from openlumbar.imaging.frame import Frame, frame_of
from openlumbar.imaging.resample import resample_planes, resampled_shape

#: Percentiles of a series that become 0 and 1.
INTENSITY_PERCENTILES = (0.5, 99.5)
#: Brighter than this is cut off, so that fat beside a surface coil does not dominate.
INTENSITY_CEILING = 1.2


def normalise(stack: NDArray) -> NDArray[np.float32]:
    """Scale a series to 0 … 1 between its percentiles and cut it off above.

    Parameters
    ----------
    stack
        ``[slice, row, column]`` of one block, any intensity unit.

    Returns
    -------
    ndarray
        ``float32``, same shape, 0 … :data:`INTENSITY_CEILING`; all zero where the
        percentiles are one value.
    """
    sample = stack[..., ::3, ::3]
    low, high = np.percentile(sample, INTENSITY_PERCENTILES)
    if not high > low:
        return np.zeros(stack.shape, np.float32)
    scaled = (stack.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return scaled.clip(0, INTENSITY_CEILING)


def neighbours(
    count: int, spacing_mm: float, limits_mm: tuple[float, float, float]
) -> NDArray[np.intp]:
    """Indices of the slices on either side that lie nearest to the ideal distance.

    Parameters
    ----------
    count
        Number of slices.
    spacing_mm
        Distance between neighbouring slices.
    limits_mm
        Least, ideal and greatest distance.

    Returns
    -------
    ndarray
        ``[slice, 3]``: the slice itself, one neighbour, the other; the slice again
        where there is none.
    """
    least, ideal, greatest = limits_mm
    away = max(1, round(ideal / spacing_mm))
    if not least <= away * spacing_mm <= greatest:
        away = 0
    middle = np.arange(count)
    table = np.stack([middle, middle - away, middle + away], 1)
    outside = (table < 0) | (table >= count)
    return np.where(outside, middle[:, None], table)


def prepare(volume: Volume, spacing_mm: tuple[float, float]) -> tuple[NDArray[np.float32], Frame]:
    """Orient, normalise and resample a sagittal volume for the network.

    Parameters
    ----------
    volume
        A sagittal block, any order of axes.
    spacing_mm
        Row and column spacing of the network's pictures.

    Returns
    -------
    stack : ndarray
        ``float32[slice, row, column]`` at ``spacing_mm``; slices run leftward, rows
        downward, columns backward.
    frame : Frame
        The way back.
    """
    frame = frame_of(volume)
    oriented = frame.canonical(volume.array)
    _, row_mm, column_mm = frame.spacing_mm
    rows, columns = oriented.shape[1:]
    shape = resampled_shape((rows, columns), (row_mm, column_mm), spacing_mm)
    return resample_planes(normalise(oriented), (row_mm, column_mm), shape, spacing_mm), frame
