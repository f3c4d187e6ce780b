"""From a series to what the sagittal network sees, and back; shared with training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.volume import Volume
from openlumbar.imaging.resample import resample_planes, resampled_shape

#: Percentiles of a series that become 0 and 1.
INTENSITY_PERCENTILES = (0.5, 99.5)
#: Brighter than this is cut off, so that fat beside a surface coil does not dominate.
INTENSITY_CEILING = 1.2


@dataclass(frozen=True)
class NetworkFrame:
    """How ``[k, j, i]`` of a sagittal volume becomes ``[slice, row, column]``.

    Rows run from superior to inferior and columns from anterior to posterior. Only
    transposition and reversal of axes are involved, never interpolation.

    Attributes
    ----------
    transpose
        True where the volume's column axis is the one nearest to superior–inferior.
    flip_rows, flip_columns
        Whether the axis has to be reversed after the transposition.
    """

    transpose: bool
    flip_rows: bool
    flip_columns: bool

    @classmethod
    def of(cls, volume: Volume) -> NetworkFrame:
        """Read the frame off a sagittal volume's affine."""
        along_i, along_j = volume.affine[:3, 0], volume.affine[:3, 1]
        # Superior is +z and posterior +y in LPS.
        transpose = abs(along_i[2]) / np.linalg.norm(along_i) > abs(along_j[2]) / np.linalg.norm(
            along_j
        )
        rows, columns = (along_i, along_j) if transpose else (along_j, along_i)
        return cls(bool(transpose), bool(rows[2] > 0), bool(columns[1] < 0))

    def apply(self, array: NDArray) -> NDArray:
        """View ``[..., j, i]`` as ``[..., row, column]``."""
        if self.transpose:
            array = array.swapaxes(-1, -2)
        if self.flip_rows:
            array = array[..., ::-1, :]
        return array[..., ::-1] if self.flip_columns else array

    def undo(self, array: NDArray) -> NDArray:
        """View ``[..., row, column]`` as ``[..., j, i]``."""
        if self.flip_columns:
            array = array[..., ::-1]
        if self.flip_rows:
            array = array[..., ::-1, :]
        return array.swapaxes(-1, -2) if self.transpose else array

    def spacing_mm(self, volume: Volume) -> tuple[float, float]:
        """Row and column spacing in this frame."""
        _, along_j, along_i = volume.spacing_mm
        return (along_i, along_j) if self.transpose else (along_j, along_i)


def normalise(stack: NDArray) -> NDArray[np.float32]:
    """Scale a series to 0 … 1 between its percentiles and cut it off above.

    Parameters
    ----------
    stack
        ``[slice, row, column]`` of one block, any intensity unit.
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


def prepare(
    volume: Volume, spacing_mm: tuple[float, float]
) -> tuple[NDArray[np.float32], NetworkFrame]:
    """Orient, normalise and resample a sagittal volume for the network.

    Returns
    -------
    stack : ndarray
        ``float32[slice, row, column]`` at ``spacing_mm``.
    frame : NetworkFrame
        The way back.
    """
    frame = NetworkFrame.of(volume)
    oriented = frame.apply(volume.array)
    own = frame.spacing_mm(volume)
    rows, columns = oriented.shape[-2:]
    shape = resampled_shape((rows, columns), own, spacing_mm)
    return resample_planes(normalise(oriented), own, shape, spacing_mm), frame
