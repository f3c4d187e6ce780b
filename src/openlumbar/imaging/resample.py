"""In-plane resampling of stacks by separable, area-preserving linear interpolation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=32)  # the slices of a series ask for the same ones
def interpolation_matrix(
    count_in: int, spacing_in: float, count_out: int, spacing_out: float
) -> NDArray[np.float32]:
    """Weights ``[count_out, count_in]`` that resample one axis about its common centre.

    Parameters
    ----------
    count_in, count_out
        Samples along the axis.
    spacing_in, spacing_out
        Their distance, in one unit.

    Notes
    -----
    Linear where samples come closer, a triangle as wide as the new spacing where they
    move apart, so that nothing finer than the new grid folds back. Rows sum to one.
    The matrix is kept for the next caller and cannot be written to.
    """
    centre_in, centre_out = (count_in - 1) / 2, (count_out - 1) / 2
    positions = (np.arange(count_out) - centre_out) * spacing_out / spacing_in + centre_in
    reach = max(1.0, spacing_out / spacing_in)
    distance = np.abs(positions[:, None].clip(0, count_in - 1) - np.arange(count_in)[None])
    weights = np.clip(1 - distance / reach, 0, None)
    matrix = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    matrix.flags.writeable = False
    return matrix


def resampled_shape(
    shape: tuple[int, int], spacing_in: tuple[float, float], spacing_out: tuple[float, float]
) -> tuple[int, int]:
    """Rows and columns that cover the same field of view at another spacing.

    Parameters
    ----------
    shape
        Rows and columns, at least one each.
    spacing_in, spacing_out
        Row and column spacing in millimetres.
    """
    rows, columns = (
        max(1, round(n * old / new))
        for n, old, new in zip(shape, spacing_in, spacing_out, strict=True)
    )
    return rows, columns


def resample_planes(
    planes: NDArray,
    spacing_in: tuple[float, float],
    shape_out: tuple[int, int],
    spacing_out: tuple[float, float],
) -> NDArray[np.float32]:
    """Resample ``[..., rows, columns]`` to another grid with the same centre.

    Parameters
    ----------
    planes
        Any number of leading axes.
    spacing_in, spacing_out
        Row and column spacing in millimetres.
    shape_out
        Rows and columns of the result.

    Returns
    -------
    ndarray
        ``float32[..., *shape_out]``; beyond the old grid the nearest value goes on.
    """
    rows_in, columns_in = planes.shape[-2:]
    same = np.allclose(spacing_in, spacing_out, rtol=1e-3)
    if same and shape_out == (rows_in, columns_in):
        return planes.astype(np.float32, copy=False)
    rows = interpolation_matrix(rows_in, spacing_in[0], shape_out[0], spacing_out[0])
    columns = interpolation_matrix(columns_in, spacing_in[1], shape_out[1], spacing_out[1])
    return rows @ planes.astype(np.float32, copy=False) @ columns.T
