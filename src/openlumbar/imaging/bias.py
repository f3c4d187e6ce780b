"""Uneven sensitivity of the receiving coil: N4 on a coarse grid.

N4 (Tustison et al., IEEE Trans Med Imaging 2010, as in SimpleITK) is Xia's first step
(Xia et al. 2019, section 2.2). Sensitivity is smooth, so that a coarse picture is enough to
find it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from openlumbar.imaging.resample import resample_planes, resampled_shape

#: Pixels along the longer side of the picture that N4 sees.
COARSE_PIXELS = 32
#: Fewest coarse pixels along a side, and in the mask, that a field is fitted to.
LEAST_PIXELS, LEAST_INSIDE = 8, 40
#: Without a mask: what is brighter than this part of the 99th percentile is fitted to.
FOREGROUND = 0.06

# N4's own settings. Ours: on phantom slices with known falloff they leave the least of it
# without making up a field where there was none.
_ITERATIONS = 15
_CONTROL_POINTS = 4
_FWHM = 1.1
_THREADS = Lock()


def bias_field(
    stack: NDArray,
    spacing_mm: tuple[float, float, float],
    mask: NDArray[np.bool_] | None = None,
    iterations: int = _ITERATIONS,
) -> NDArray[np.float32]:
    """Estimate the smooth sensitivity that multiplies each slice.

    Parameters
    ----------
    stack
        ``[slice, row, column]`` of one block, intensities from 0.
    spacing_mm
        Between slices, rows and columns. Each slice is fitted by itself, which is faster
        than one fit in three dimensions, and right for slices that were made apart.
    mask
        ``bool[slice, row, column]``: where the field is fitted; elsewhere it is continued.
        All that is brighter than the background when None.
    iterations
        Of N4: nearly all of its time. Fewer leave more of the falloff.

    Returns
    -------
    ndarray
        ``float32``, same shape, mean 1 within the mask of each slice; ones for a slice too
        small, too even or too dark to say anything. ``stack / bias_field(…)`` is the
        corrected picture. The same picture gives the same field, bit for bit.
    """
    field = np.ones(stack.shape, np.float32)
    in_plane = (spacing_mm[1], spacing_mm[2])
    with _one_thread():
        for index, picture in enumerate(stack):
            inside = None if mask is None else mask[index]
            field[index] = _slice_field(picture, in_plane, inside, iterations)
    return field


def _slice_field(
    picture: NDArray,
    spacing_mm: tuple[float, float],
    mask: NDArray[np.bool_] | None,
    iterations: int,
) -> NDArray[np.float32]:
    """The field of one slice ``[row, column]``."""
    extent_mm = max(n * step for n, step in zip(picture.shape, spacing_mm, strict=True))
    step_mm = (extent_mm / COARSE_PIXELS,) * 2
    rows, columns = picture.shape
    shape = resampled_shape((rows, columns), spacing_mm, step_mm)
    coarse = resample_planes(np.asarray(picture, np.float32), spacing_mm, shape, step_mm)
    inside = coarse > FOREGROUND * np.percentile(coarse, 99)
    if mask is not None:
        inside = resample_planes(mask.astype(np.float32), spacing_mm, shape, step_mm) > 0.5
    inside &= coarse > 0
    if min(shape) < LEAST_PIXELS or inside.sum() < LEAST_INSIDE or not np.ptp(coarse[inside]):
        return np.ones((rows, columns), np.float32)
    log_field = _n4(coarse, inside, iterations)
    log_field -= np.log(np.exp(log_field[inside]).mean())
    return np.exp(resample_planes(log_field, step_mm, (rows, columns), spacing_mm))


def _n4(
    coarse: NDArray[np.float32], inside: NDArray[np.bool_], iterations: int
) -> NDArray[np.float32]:
    """Logarithm of the field of a coarse picture, ``float32[row, column]``."""
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([iterations])
    n4.SetNumberOfControlPoints([_CONTROL_POINTS] * 2)
    n4.SetBiasFieldFullWidthAtHalfMaximum(_FWHM)
    picture = SimpleITK.GetImageFromArray(coarse)
    n4.Execute(picture, SimpleITK.GetImageFromArray(inside.astype(np.uint8)))
    return SimpleITK.GetArrayFromImage(n4.GetLogBiasFieldAsImage(picture))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep SimpleITK to one thread: so coarse a picture takes twice as long on two.

    The number is one of the whole process, so callers of several threads wait for each other.
    """
    with _THREADS:
        before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        try:
            yield
        finally:
            SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
