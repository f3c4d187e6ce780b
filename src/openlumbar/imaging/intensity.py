"""Intensities of an axial slice on one scale, whatever the scanner stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Percentile of the picture that becomes 0, and of what is brighter than the background
#: that becomes 1. In front of the spine a slice is often black (a saturation band, or far
#: from the coil), and how much of it is says nothing of the anatomy.
DARK_PERCENTILE, BRIGHT_PERCENTILE = 0.5, 92.0
#: Part of the way to the 99.5th percentile that counts as brighter than the background.
FOREGROUND = 0.1
#: Brighter than this is cut off, so that fat beside the coil does not dominate.
INTENSITY_CEILING = 1.2


def normalise_slice(picture: NDArray) -> NDArray[np.float32]:
    """Scale one slice to 0 … 1, dark background to bright tissue, and cut it off above.

    Parameters
    ----------
    picture
        ``[row, column]``, any intensity unit; dark margins of any width change little.

    Returns
    -------
    ndarray
        ``float32``, same shape, 0 … :data:`INTENSITY_CEILING`; all zero where the picture
        is even.
    """
    sample = np.asarray(picture[::2, ::2], np.float32)
    low, top = np.percentile(sample, (DARK_PERCENTILE, 99.5))
    tissue = sample[sample > low + FOREGROUND * (top - low)]
    if not top > low:
        return np.zeros(picture.shape, np.float32)
    high = np.percentile(tissue, BRIGHT_PERCENTILE)
    scaled = (picture.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return scaled.clip(0, INTENSITY_CEILING)
