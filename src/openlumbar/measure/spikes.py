"""Osteophytes and bridges taken off a body before shapes are fitted around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: What a disc of this radius cannot enter stands out from the body, mm …
RADIUS_MM = 3.0
#: … and is a spike where it reaches further than this from what the disc can fill, mm. The
#: corner of a square reaches 1.24 mm: corners stay as they are.
REACH_MM = 2.2


def without_spikes(mask: NDArray[np.bool_], pixel_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Take off spikes; a mask that has none comes back as it is.

    Parameters
    ----------
    mask
        ``bool[row, column]``.
    pixel_mm
        Height and width of a pixel.
    """
    framed = np.pad(mask, 1)
    depth = ndimage.distance_transform_edt(framed, sampling=pixel_mm)
    core = depth > RADIUS_MM
    if not core.any():
        return mask
    away = ndimage.distance_transform_edt(~core, sampling=pixel_mm)
    beyond = framed & (away > RADIUS_MM)
    labels, count = ndimage.label(beyond, np.ones((3, 3)))
    if count == 0:
        return mask
    reach = ndimage.maximum(away, labels, np.arange(1, count + 1)) - RADIUS_MM
    spike = np.concatenate([[False], reach > REACH_MM])
    return np.asarray((framed & ~spike[labels])[1:-1, 1:-1], bool)
