"""Dark bands over muscles and ghosts of motion in an axial slice.

Saturation bands and slices of a crossing block darken muscle and fat alike, over the whole
width of the picture. There brightness tells nothing of fat. A wide edge of tissue can step
from bright to dark nearly all the way from side to side, as muscles do before the fat of a
flat back; but the brightest part of each line is fat, and no anatomy dims that too. A band
begins where both step, and lasts until fat is bright again.

Ghosts are copies of bright tissue, displaced along the phase-encoding direction. What of them
falls on air can be seen: air that is not even.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.measure.axial_slice import AxialSlice, Floats, Mask, Region, grown
from openlumbar.measure.brightness import Scale

#: A step is looked for between this far in front and as far behind a line, mm.
STEP_MM = 3.0
#: So a sharp edge is seen on twice as much of the lines about it. On less than this it is none,
#: mm.
EDGE_MM = 3.5
#: Noise is averaged before, over this length across lines and along them (standard
#: deviation), mm.
ACROSS_MM, ALONG_MM = 1.0, 3.0
#: All but this part of a line, %, steps by more than this, as logarithm; all but the second
#: part by most of it.
BUT_PERCENT, LEAST_STEP = 30, 0.22
BUT_FEW_PERCENT, MOST_STEP = 20, 0.16
#: The brightest part of a line, %, is fat, whatever else the line runs through.
BRIGHTEST_PERCENT = 6
#: Fat has come back to this part of the step where a band ends.
BACK_PART = 0.5
#: A band is so wide at least, mm.
LEAST_BAND_MM = 3.0
#: Shorter lines tell nothing, mm.
LEAST_LINE_MM = 60.0
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


def band_of(slice_: AxialSlice, body: Mask) -> Mask:
    """Where a dark band lies, ``bool[row, column]``.

    Parameters
    ----------
    body
        ``bool[row, column]``: see :func:`openlumbar.measure.brightness.body_of`.
    """
    axis, backward = _backward(slice_)
    picture = np.moveaxis(slice_.picture, axis, 0)[::backward]
    inside = np.moveaxis(body, axis, 0)[::backward]
    pixel_mm = slice_.pixel_mm if axis == 0 else slice_.pixel_mm[::-1]
    lines = _in_band(*_lines(picture, inside, pixel_mm), pixel_mm[0])
    dark = np.broadcast_to(lines[:, None], inside.shape)
    return np.asarray(np.moveaxis(dark[::backward], 0, axis), bool)


def _backward(slice_: AxialSlice) -> tuple[int, int]:
    """Axis of the array that runs from front to back, and 1 or -1 for its sense."""
    back = slice_.toward((0.0, 1.0, 0.0))
    axis = int(np.abs(back).argmax())
    return axis, 1 if back[axis] > 0 else -1


def _lines(
    picture: NDArray[np.floating], inside: Mask, pixel_mm: tuple[float, float]
) -> tuple[NDArray[np.intp], Floats]:
    """Of each line from front to back: its step, and how bright fat is on it.

    The step is -1 where the line turns dark, 1 where it turns bright, else 0; the brightness
    a logarithm, no number where the line is too short to tell.
    """
    sigma = (ACROSS_MM / pixel_mm[0], ALONG_MM / pixel_mm[1])
    smooth = ndimage.gaussian_filter(np.asarray(picture, np.float32), sigma)
    level = np.where(inside, np.log(np.maximum(smooth, 1e-6)), np.nan)
    fat = _from_above(level, BRIGHTEST_PERCENT)
    fat[inside.sum(1) * pixel_mm[1] < LEAST_LINE_MM] = np.nan
    reach = max(round(STEP_MM / pixel_mm[0]), 1)
    change = _change(level, reach)
    change[np.isfinite(change).sum(1) * pixel_mm[1] < LEAST_LINE_MM] = np.nan
    of_fat = _change(fat[:, None], reach)[:, 0]
    steps = np.zeros(len(level), np.intp)
    seen_on = max(round(EDGE_MM / pixel_mm[0]), 1)
    for sign in (-1, 1):
        found = _all_change(sign * change) & (sign * of_fat > LEAST_STEP)
        steps[ndimage.binary_opening(found, np.ones(seen_on))] = sign
    return steps, fat


def _change(level: Floats, reach: int) -> Floats:
    """From so many lines in front of each line to as many behind it."""
    change = np.full(level.shape, np.nan)
    change[reach:-reach] = level[2 * reach :] - level[: -2 * reach]
    return change


def _all_change(change: Floats) -> Mask:
    """Of each line, whether it turns brighter as a whole."""
    most = -_from_above(-change, BUT_PERCENT) > LEAST_STEP
    return np.asarray(most & (-_from_above(-change, BUT_FEW_PERCENT) > MOST_STEP), bool)


def _from_above(level: Floats, percent: float) -> Floats:
    """Of each line, the value that this part of its numbers exceeds; none where it has none."""
    ordered = np.sort(level, axis=1)  # what is no number sorts to the end
    count = np.isfinite(level).sum(1)
    place = np.maximum(count - 1 - (count * percent / 100).astype(int), 0)
    return np.asarray(ordered[np.arange(len(level)), place], float)


def _in_band(steps: NDArray[np.intp], fat: Floats, pixel_mm: float) -> Mask:
    """Of each line, whether it lies on the dark side of a step, as far as the band's other edge.

    That is a step back, or where fat is bright again: an edge may be too soft for a step.
    """
    dark = np.zeros(len(steps), bool)
    reach = max(round(STEP_MM / pixel_mm), 1)
    for line in np.flatnonzero(steps):
        into = -int(steps[line])  # toward the dark side: backward after a step down
        bright = fat[line - into * reach]
        limit = bright - BACK_PART * (bright - fat[line + into * reach])
        over = (fat[line::into] >= limit) | (steps[line::into] == -steps[line])
        back = np.flatnonzero(over[reach:])
        end = reach + int(back[0]) if len(back) else len(over)
        if end * pixel_mm >= LEAST_BAND_MM:
            dark[line : (line + into * end if line + into * end >= 0 else None) : into] = True
    return dark


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
