"""Dark bands over muscles and ghosts of motion in an axial slice.

Saturation bands and slices of a crossing block darken muscle and fat alike, over the whole
width of the picture. There brightness tells nothing of fat. No anatomy steps from bright to
dark all the way from side to side: where nearly every place of a line does, a band begins, and
where nearly every one steps back, it ends.

Ghosts are copies of bright tissue, displaced along the phase-encoding direction. What of them
falls on air can be seen: air that is not even.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.measure.axial_slice import AxialSlice, Mask, Region, grown
from openlumbar.measure.brightness import Scale

#: A step is looked for between this far in front and as far behind a line, mm.
STEP_MM = 3.0
#: Noise is averaged before, over this length across lines and along them (standard
#: deviation), mm.
ACROSS_MM, ALONG_MM = 1.0, 3.0
#: All but this part of a line, %, steps by more than this, as logarithm. A wrong step up
#: would darken all in front of it: fewer may differ there. Of steps down, all but that
#: part step by most of it too.
BUT_DOWN_PERCENT, BUT_UP_PERCENT, LEAST_STEP, MOST_STEP = 30, 20, 0.22, 0.16
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
    lines = _in_band(_steps(picture, inside, pixel_mm))
    dark = np.broadcast_to(lines[:, None], inside.shape)
    return np.asarray(np.moveaxis(dark[::backward], 0, axis), bool)


def _backward(slice_: AxialSlice) -> tuple[int, int]:
    """Axis of the array that runs from front to back, and 1 or -1 for its sense."""
    back = slice_.toward((0.0, 1.0, 0.0))
    axis = int(np.abs(back).argmax())
    return axis, 1 if back[axis] > 0 else -1


def _steps(
    picture: NDArray[np.floating], inside: Mask, pixel_mm: tuple[float, float]
) -> NDArray[np.intp]:
    """Of each line from front to back: -1 where it turns dark, 1 where it turns bright."""
    sigma = (ACROSS_MM / pixel_mm[0], ALONG_MM / pixel_mm[1])
    smooth = ndimage.gaussian_filter(np.asarray(picture, float), sigma)
    level = np.where(inside, np.log(np.maximum(smooth, 1e-6)), np.nan)
    reach = max(round(STEP_MM / pixel_mm[0]), 1)
    change = np.full(level.shape, np.nan)
    change[reach:-reach] = level[2 * reach :] - level[: -2 * reach]
    count = np.isfinite(change).sum(1)
    ordered = np.sort(change, axis=1)  # what is no number sorts to the end
    steps = np.zeros(len(change), np.intp)
    for line in np.flatnonzero(count * pixel_mm[1] >= LEAST_LINE_MM):
        down, up = (count[line] * but // 100 for but in (BUT_DOWN_PERCENT, BUT_UP_PERCENT))
        falls = ordered[line, [count[line] - 1 - down, count[line] - 1 - up]]
        if (falls < (-LEAST_STEP, -MOST_STEP)).all():
            steps[line] = -1
        elif ordered[line, up] > LEAST_STEP:
            steps[line] = 1
    return steps


def _in_band(steps: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Of each line, whether it lies between a step down and the next one up."""
    found = np.flatnonzero(steps)
    dark = np.zeros(len(steps), bool)
    if not len(found):
        return dark
    state = bool(steps[found[0]] > 0)
    dark[: found[0]] = state
    for line, following in zip(found, [*found[1:], len(steps)], strict=True):
        state = bool(steps[line] < 0)
        # The step itself is neither.
        dark[line] = True
        dark[line + 1 : following] = state
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
