"""What has been found in a block so far: slices, bodies, and what forbids a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from openlumbar.core import anatomy
from openlumbar.measure.column import (
    LAST_DISC,
    S1,
    S2,
    Segment,
    course_axes,
    segments_of,
    vertebrae_of,
)
from openlumbar.measure.midline import Middle, middle_of
from openlumbar.measure.outline import down_of, outline_of
from openlumbar.measure.vertebra import Body, Fit, read_body
from openlumbar.measure.view import BlockView, Part

#: Bodies nearer than this without a disc between them are fused, mm.
FUSED_MM = 1.0
#: A body this much higher than the highest of the two above and below is two in one.
TOO_HIGH = 1.5
#: Cosine between a disc's long axis and the square to the spine's course, at the least.
LEAST_ALONG = 0.64
#: A code whose largest piece is less than this part of it is torn.
LEAST_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class MeasuredBlock:
    """A block with what has been measured in it so far."""

    view: BlockView
    _bodies: dict[tuple[int, int], Body] = field(default_factory=dict)

    @cached_property
    def free(self) -> list[int]:
        """Codes of the vertebrae above the sacrum, from head to foot."""
        return [code for code in vertebrae_of(self.view) if code not in (S1, S2)]

    @cached_property
    def segments(self) -> list[Segment]:
        """Places of discs from head to foot."""
        return segments_of(self.view)

    @cached_property
    def axes(self) -> dict[int, NDArray[np.float64]]:
        """By code: backward, square to the spine's course; of S1 along the disc on it.

        Behind a slipped L5 the course turns so sharply that what is square to it runs along
        the front of the sacrum.
        """
        axes = course_axes(self.view)
        if S1 in axes and LAST_DISC in axes:
            axes[S1] = _long_axis(self.view, self.view.parts[LAST_DISC], axes[LAST_DISC])
        return axes

    @cached_property
    def middles(self) -> dict[int, Middle]:
        """By code: the slice each vertebra and disc is measured in."""
        return {code: middle_of(self.view, self.view.parts[code]) for code in self.axes}

    @cached_property
    def fused(self) -> frozenset[int]:
        """Codes of vertebrae that touch a neighbour without a disc between."""
        codes = {
            code
            for code in self.axes
            if (row := self.view.row(anatomy.BY_CODE[code].name)) and "fused" in row.flags
        }
        for segment in self.segments:
            if segment.disc not in self.view.parts and self._touch(segment):
                codes.update(code for code in (segment.above, segment.below) if code is not None)
        return frozenset(codes)

    def _touch(self, segment: Segment) -> bool:
        if segment.above is None or segment.below is None:
            return False
        upper, lower = self.body(segment.above), self.body(segment.below)
        if upper.lower is None or lower.upper is None:
            return False
        apart = lower.upper.points.mean(0) - upper.lower.points.mean(0)
        return float(apart @ down_of(lower.upper.axis)) < FUSED_MM

    def body(self, code: int, slice_: int | None = None) -> Body:
        """A vertebra in a slice, its own middle one when None."""
        key = (code, self.middles[code].slice if slice_ is None else slice_)
        if key not in self._bodies:
            part = self.view.parts[code]
            self._bodies[key] = read_body(part, key[1], self.axes[code], free=code != S1)
        return self._bodies[key]

    def trouble(self, code: int) -> tuple[str, ...]:
        """Flags that forbid any number of a structure."""
        if code in self.fused:
            return ("fused",)
        torn = self.view.parts[code].share < LEAST_SHARE
        return ("irregular-outline",) if torn or self._is_two(code) else ()

    def fit(self, code: int) -> Fit | tuple[str, ...]:
        """Trapezoid and anchor points in a vertebra's own slice, or why there are none."""
        flags, body = self.trouble(code), self.body(code)
        return flags or body.flags if body.fit is None or flags else body.fit

    def _is_two(self, code: int) -> bool:
        """Whether a body is so much higher than all near it that it must be two in one."""
        if code not in self.free or self.body(code).fit is None:
            return False
        place = self.free.index(code)
        near = [self.body(c).fit for c in self.free[max(place - 2, 0) : place + 3]]
        heights = sorted((float(fit.heights_mm.max()) for fit in near if fit), reverse=True)
        own = self.body(code).fit
        highest = own is not None and float(own.heights_mm.max()) == heights[0]
        return len(heights) > 1 and highest and heights[0] > TOO_HIGH * heights[1]

    def heights(self, code: int | None) -> NDArray[np.float64] | None:
        """Anterior, middle, posterior height where they can be trusted."""
        fit = None if code is None else self.fit(code)
        return fit.heights_mm if isinstance(fit, Fit) else None


def _long_axis(view: BlockView, disc: Part, expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a disc in its middle slice; the expected one where it is no longer than thick."""
    slice_ = middle_of(view, disc).slice
    outline = outline_of(disc.on(slice_), view.pixel_mm, disc.origin[1:])
    if outline is None or abs(outline.axis @ expected) < LEAST_ALONG:
        return expected
    return outline.axis
