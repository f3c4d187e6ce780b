"""Dark bands over muscles and ghosts of motion in an axial slice.

Saturation bands and slices of a crossing block darken muscle and fat alike, over the whole
width of the picture. There brightness tells nothing of fat. Clean muscle is the darkest that
a muscle holds over more than a fascia's width: where even the darker part of a line of it from
side to side lies well below clean muscle, a band crosses it.

Ghosts are copies of bright tissue, displaced along the phase-encoding direction. What of them
falls on air can be seen: air that is not even.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core import anatomy
from openlumbar.measure.axial_slice import AxialSlice, Floats, Mask, Region, grown
from openlumbar.measure.brightness import Scale

#: Muscles that lie side by side in a slice are looked at together, line by line.
GROUPS = (("multifidus", "erector spinae"), ("psoas",), ("quadratus lumborum",))
#: Of the muscle's pixels on a line, from the darkest: this part is looked at, %.
DARKER_PERCENT = 30
#: Darker than this part of clean muscle is in a band.
BAND_LEVEL = 0.72
#: Noise is averaged over this length before (standard deviation), mm.
SMOOTH_MM = 1.2
#: Fewer pixels on a line tell nothing.
LEAST_ON_LINE = 12
#: A narrower band is a fascia, mm.
LEAST_BAND_MM = 2.0
#: Part of a muscle that may lie in a band without harm.
HARMLESS_PART = 0.05

#: Air is looked at from so far outside of the person, mm.
AIR_MM = 8.0
#: The edge of a saturation band is so wide at most, mm.
BAND_EDGE_MM = 20.0
#: Unevenness of air is averaged over this length, mm.
GHOST_MM = 3.0
#: Less air than this tells nothing, mm².
LEAST_AIR_MM2 = 600.0
#: Ghosts above this part of the way from muscle to fat are flagged; above the second they
#: withhold.
GHOST_PART, MUCH_GHOST = 0.05, 0.2


def band_of(slice_: AxialSlice, scale: Scale) -> Mask:
    """Pixels of muscles that a dark band crosses, ``bool[row, column]``."""
    even = np.asarray(slice_.picture / scale.gain / scale.muscle, float)
    sigma = [SMOOTH_MM / step for step in slice_.pixel_mm]
    smooth = ndimage.gaussian_filter(even, sigma)
    back = np.abs(slice_.toward((0.0, 1.0, 0.0)))
    axis = int(back.argmax())
    band = np.zeros(even.shape, bool)
    for group in GROUPS:
        codes = [code for code, part in anatomy.BY_CODE.items() if part.name in group]
        muscle = np.isin(slice_.labels, codes)
        lines = _dark_lines(smooth, muscle, axis, slice_.pixel_mm)
        band |= muscle & np.expand_dims(lines, 1 - axis)
    return band


def _dark_lines(
    smooth: Floats, muscle: Mask, axis: int, pixel_mm: tuple[float, float]
) -> NDArray[np.bool_]:
    """Of each line along the other axis, whether it lies in a band."""
    core = ~grown(~muscle, pixel_mm, 1.0)
    count = core.sum(1 - axis)
    enough = count >= LEAST_ON_LINE
    if not enough.any():
        return np.asarray(enough, bool)
    # What is no muscle sorts to the end of its line.
    lines = np.sort(np.moveaxis(np.where(core, smooth, np.inf), axis, 0)[enough], axis=1)
    places = (DARKER_PERCENT * count[enough]) // 100
    dark = np.zeros(len(enough), bool)
    dark[enough] = lines[np.arange(len(lines)), places] < BAND_LEVEL
    width = max(round(LEAST_BAND_MM / pixel_mm[axis]), 1)
    opened = ndimage.binary_opening(dark, np.ones(width, bool))
    # The band's edges reach further than the lines that it darkens most.
    return np.asarray(ndimage.binary_dilation(opened, np.ones(2 * width + 1, bool)), bool)


def in_band(region: Region, band: Mask) -> bool:
    """Whether a band crosses enough of a muscle to count."""
    crossed = np.count_nonzero(region.mask & band[region.box])
    return bool(crossed > HARMLESS_PART * region.pixels)


def _beside(slice_: AxialSlice, body: Mask) -> Mask:
    """Pixels beside and behind the body: in front of it a saturation band may pass for air."""
    if not body.any():
        return body
    depth = slice_.depth_mm
    return np.asarray(depth > np.percentile(depth[body], 2) + BAND_EDGE_MM, bool)


def ghost_part(slice_: AxialSlice, body: Mask, scale: Scale) -> float:
    """Strength of ghosts in air, as part of the way from muscle to fat; 0 without air.

    The brighter places of the air beside the even rest of it, after averaging the noise.
    """
    air = ~grown(body, slice_.pixel_mm, AIR_MM) & slice_.seen & _beside(slice_, body)
    if air.sum() * slice_.pixel_mm[0] * slice_.pixel_mm[1] < LEAST_AIR_MM2:
        return 0.0
    size = [max(round(GHOST_MM / step), 1) for step in slice_.pixel_mm]
    weight = ndimage.uniform_filter(air.astype(float), size)
    mean = ndimage.uniform_filter(np.where(air, slice_.picture, 0.0), size)
    inside = air & (weight > 0.9)
    if not inside.any():
        return 0.0
    level = mean[inside] / weight[inside]
    above = float(np.percentile(level, 97) - np.median(level))
    middle = float(np.median(scale.gain[body])) if body.any() else 1.0
    return above / (scale.contrast * middle)
