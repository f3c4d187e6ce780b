"""Smooth random fields that can be asked for at any point, cheaply."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import ndtr

_SIZE = 64
_SIGMA = 1.7


class Texture:
    """A periodic random field, uniform in 0 … 1, repeated every 64 cells.

    Parameters
    ----------
    rng
        Source of chance.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        noise = gaussian_filter(rng.standard_normal((_SIZE,) * 3), _SIGMA, mode="wrap")
        self._field = ndtr(noise / noise.std()).astype(np.float32)
        self._table = self._field.ravel()

    def at(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.float32],
        z: NDArray[np.float32],
        cell_mm: tuple[float, float, float],
        shift: int = 0,
    ) -> NDArray[np.float32]:
        """Values at points; grains are about four cells across.

        Parameters
        ----------
        cell_mm
            Size of a cell along x, y and z.
        shift
            Fields with different shifts look unlike each other.
        """
        # Stepping up by chance in place of interpolating: an even, repeatable dither
        # hides the cells for the price of one look-up.
        dither = x * np.float32(7.548777) + y * np.float32(5.698403) + z * np.float32(6.180340)
        dither -= np.floor(dither)
        # A large offset keeps the truncation one-sided at negative coordinates.
        i, j, k = (
            ((axis / np.float32(size)) + (dither + np.float32(4096 + 17 * shift))).astype(np.int32)
            & 63
            for axis, size in zip((x, y, z), cell_mm, strict=True)
        )
        return self._table[(k << 12) | (j << 6) | i]

    def linear(
        self,
        points_mm: tuple[NDArray[np.float32], ...],
        cell_mm: tuple[float, float, float],
        shift: int = 0,
    ) -> NDArray[np.float32]:
        """Interpolated values at scattered points ``(x, y, z)``; see :meth:`at`."""
        cells = [
            axis / np.float32(size) + np.float32(17 * shift)
            for axis, size in zip(points_mm[::-1], cell_mm[::-1], strict=True)
        ]
        return map_coordinates(self._field, cells, order=1, mode="grid-wrap", prefilter=False)

    def smooth(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.float32],
        z: NDArray[np.float32],
        cell_mm: tuple[float, float, float],
        shift: int = 0,
    ) -> NDArray[np.float32]:
        """Like :meth:`at` on a plane of points ``[j, i]``, but without visible cells.

        The field is interpolated at every fourth point and the plane filled in between,
        which is exact enough when cells are several points wide.
        """
        rows, columns = x.shape
        at_j = np.linspace(0, rows - 1, max(rows // 4, 2)).astype(int)
        at_i = np.linspace(0, columns - 1, max(columns // 4, 2)).astype(int)
        few = np.ix_(at_j, at_i)
        points = [
            axis[few] / size + 17 * shift
            for axis, size in zip((z, y, x), cell_mm[::-1], strict=True)
        ]
        coarse = map_coordinates(self._field, points, order=1, mode="grid-wrap")
        j = np.interp(np.arange(rows), at_j, np.arange(len(at_j)))
        i = np.interp(np.arange(columns), at_i, np.arange(len(at_i)))
        return _bilinear(coarse, j.astype(np.float32), i.astype(np.float32))


def _bilinear(
    coarse: NDArray[np.float32], j: NDArray[np.float32], i: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Separable linear interpolation at fractional rows ``j`` and columns ``i``."""
    low_j = np.minimum(j.astype(int), len(coarse) - 2)
    part = (j - low_j)[:, None]
    rows = coarse[low_j] * (1 - part) + coarse[low_j + 1] * part
    low_i = np.minimum(i.astype(int), coarse.shape[1] - 2)
    part = (i - low_i)[None, :]
    return rows[:, low_i] * (1 - part) + rows[:, low_i + 1] * part
