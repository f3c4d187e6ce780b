"""Class activation maps: where on a slice the level classifier found what spoke for its level.

A map is coarse, a few hundred cells: it is stored as a small PNG of 32 shades, a kilobyte a
slice, and the browser makes it smooth.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openlumbar.core.levels import SliceLooks
from openlumbar.report.view import Slab
from openlumbar.report.viewer import UNITS_PER_MM, Box, Overlay

#: From nothing to the greatest activation, as red, green and blue: ours, from deep red over
#: orange to pale yellow, lighter from step to step, so that it reads on a grey picture.
_RAMP = np.array([(110, 0, 20), (190, 30, 20), (240, 110, 20), (255, 190, 50), (255, 250, 190)])
#: How many shades there are, and the opacity of the strongest.
_SHADES, _STRONGEST = 32, 0.72


def overlay_of(looks: SliceLooks | None, slab: Slab) -> Overlay | None:
    """The map of a slice, turned as its picture is; None where there is none.

    Parameters
    ----------
    looks
        Of a slice of the slab's block.
    """
    found = turned(looks, slab)
    if found is None:
        return None
    values, (top, left, bottom, right) = found
    y, x = (mm * UNITS_PER_MM for mm in slab.frame.spacing_mm[1:])
    return Overlay(_png(values), Box(left * x, top * y, (right - left) * x, (bottom - top) * y))


def turned(
    looks: SliceLooks | None, slab: Slab
) -> tuple[NDArray[np.float64], tuple[float, float, float, float]] | None:
    """A map and its box as the slab's pictures are looked at.

    Returns
    -------
    values : ndarray
        ``[row, column]``, 0 … 1 of its own greatest value.
    box : tuple of float
        First row, first column, last row + 1 and last column + 1 of the picture's pixels.

    Or None where there is no map.
    """
    if looks is None or not looks.activation or slab.frame.order[0] != 0:
        return None
    values = np.array(looks.activation, float)[None].transpose(slab.frame.order)
    flips = tuple(slice(None, None, -1 if flip else 1) for flip in slab.frame.flip)
    ends = {1: looks.box[::2], 2: looks.box[1::2]}
    box = []
    for axis in (1, 2):
        source = slab.frame.order[axis]
        low, high = ends[source]
        count = slab.labels.shape[source]
        box.append((count - high, count - low) if slab.frame.flip[axis] else (low, high))
    (top, bottom), (left, right) = box
    return values[flips][0] / 100.0, (top, left, bottom, right)


def _shades() -> NDArray[np.float64]:
    """``[shade, 4]``: red, green, blue and opacity, 0 … 1."""
    share = np.linspace(0.0, 1.0, _SHADES)
    steps = np.linspace(0.0, 1.0, len(_RAMP))
    colours = [np.interp(share, steps, channel) / 255 for channel in _RAMP.T]
    return np.column_stack((*colours, _STRONGEST * share**1.2))


def _png(values: NDArray[np.float64]) -> str:
    """Shares as a PNG of few colours, each with an opacity of its own."""
    shades = np.rint(255 * _shades()).astype(np.uint8)
    picture = Image.fromarray(np.rint(values.clip(0, 1) * (_SHADES - 1)).astype(np.uint8), "P")
    picture.putpalette(shades[:, :3].tobytes())
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True, transparency=shades[:, 3].tobytes())
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def blended(grey: NDArray[np.uint8], share: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A map laid over a picture.

    Parameters
    ----------
    grey
        ``[row, column]``.
    share
        0 … 1, of any shape: it is stretched over the picture.

    Returns
    -------
    ndarray
        ``uint8[row, column, 3]``.
    """
    size = (grey.shape[1], grey.shape[0])
    fine = Image.fromarray(share.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    shades = _shades()[np.rint(np.asarray(fine).clip(0, 1) * (_SHADES - 1)).astype(int)]
    opacity = shades[..., 3:]
    mixed = 255 * shades[..., :3] * opacity + grey[..., None] * (1 - opacity)
    return np.asarray(np.rint(mixed), np.uint8)
