"""Angles between endplates: lordosis, and what segments and discs share with it."""

from __future__ import annotations

from collections.abc import Iterable
from math import hypot

from openlumbar.core.measurement import RULER
from openlumbar.measure.column import L1, LAST_DISC, S1
from openlumbar.measure.disc import Disc, read_disc
from openlumbar.measure.endplates import Endplate, angle_between
from openlumbar.measure.reading import NEIGHBOUR, Reading, Source, Stroke, angle_sensitivity
from openlumbar.measure.state import MeasuredBlock


def lordosis_reading(block: MeasuredBlock) -> Reading:
    """Cobb angle between L1's and S1's upper endplate, each in its own middle slice."""
    lower, slice_ = sacral_plate(block)
    last = S1 if S1 in block.axes else LAST_DISC
    codes = tuple(code for code in (L1, last) if code in block.axes)
    flags = pair_trouble(block, codes)
    of = Source("spine", "L1-S1", codes, None, beside(block, codes))
    upper = block.body(L1).upper if L1 in block.axes else None
    if upper is None or lower is None or flags:
        return of.nothing("lordosis_deg", flags or NEIGHBOUR)
    slices = block.middles[L1].slice, slice_
    return of.number(
        "lordosis_deg", angle_between(upper, lower), *angle_strokes((upper, lower), slices)
    )


def sacral_plate(block: MeasuredBlock) -> tuple[Endplate | None, int]:
    """S1's upper endplate; where S1 has no mask, the lower border of the disc above it."""
    if S1 in block.axes:
        return block.body(S1).upper, block.middles[S1].slice
    if LAST_DISC not in block.axes:
        return None, 0
    slice_ = block.middles[LAST_DISC].slice
    disc = read_disc(block.view.parts[LAST_DISC], slice_, block.axes[LAST_DISC])
    return (disc.lower_border if isinstance(disc, Disc) else None), slice_


def angle_strokes(
    plates: tuple[Endplate, Endplate], slices: tuple[int, int]
) -> tuple[tuple[Stroke, ...], float]:
    """The two lines, and the angle's sensitivity to their ends."""
    lines = zip(slices, plates, strict=True)
    strokes = tuple(Stroke(RULER, slice_, plate.line) for slice_, plate in lines)
    return strokes, hypot(*(angle_sensitivity(plate.length_mm) for plate in plates))


def beside(block: MeasuredBlock, codes: Iterable[int]) -> tuple[str, ...]:
    """What is doubted of the slices that several structures are looked at in."""
    known = [block.middles[code] for code in codes if code in block.middles]
    return tuple(dict.fromkeys(word for middle in known for word in middle.flags))


def pair_trouble(block: MeasuredBlock, codes: Iterable[int]) -> tuple[str, ...]:
    """Flags that forbid a number which rests on several structures."""
    words = [word for code in codes for word in block.trouble(code)]
    if "fused" in words:
        return ("fused",)
    return NEIGHBOUR if words else ()
