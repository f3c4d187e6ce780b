"""Where the slices of an axial series cut the spine: lines on a sagittal picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.io.analysis import Analysis
from openlumbar.report.drawing import extent_mm, grey_levels
from openlumbar.report.parts import AxialSection, Report
from openlumbar.report.view import Slab, SliceView
from openlumbar.report.viewer import UNITS_PER_MM, Box, Name, Viewer, data_uri, slab_of

#: Side of the picture, pixels, and the quality of its JPEG.
_PIXELS, _QUALITY = 512, 80
#: Part of the slices that must cross the sagittal picture: else the two are of other places.
_LEAST_CROSSING = 0.5

Line = tuple[float, float, float, float]


@dataclass(frozen=True)
class Locator:
    """A sagittal picture with a line for each axial slice.

    Attributes
    ----------
    title
        Of the sagittal series.
    picture
        Data URI.
    whole, zoomed
        The picture, and the part of it to show; all places are in SVG units from its corner.
    names
        Of vertebrae, each beside its body.
    lines
        Of each slice of the section: x and y of its front end and of its back end; None
        where it does not cross the picture's plane.
    """

    title: str
    picture: str
    whole: Box
    zoomed: Box
    names: tuple[Name, ...]
    lines: tuple[Line | None, ...]


def locator_of(
    analysis: Analysis, report: Report, viewers: Sequence[Viewer], section: AxialSection
) -> Locator | None:
    """Lay the slices of an axial series onto the sagittal picture that is shown first.

    Parameters
    ----------
    report, viewers
        Of the same analysis; the viewers of its sagittal blocks.

    Returns
    -------
    Locator or None
        None without a sagittal picture, where the headers give another frame of reference,
        or where fewer than half of the slices cross the picture.

    Notes
    -----
    A line runs where the axial slice meets the plane of the picture, from the border of the
    axial picture in front to that behind.
    """
    viewer = _sagittal(viewers, report)
    if viewer is None or _frame(analysis, viewer.series) != _frame(analysis, section.series):
        return None
    block = next((c.block for c in report.columns if c.key == viewer.column), 0)
    sagittal = _slab(analysis, viewer.series, block).view(viewer.first)
    lines = _lines(analysis, section, sagittal)
    if sum(line is not None for line in lines) < _LEAST_CROSSING * len(lines):
        return None
    return Locator(
        title=viewer.title,
        picture=data_uri(grey_levels(sagittal.image), _PIXELS, _QUALITY),
        whole=viewer.whole,
        zoomed=viewer.zoomed,
        names=tuple(name for name in viewer.names if not name.disc),
        lines=lines,
    )


def _sagittal(viewers: Sequence[Viewer], report: Report) -> Viewer | None:
    """The viewer that the report opens with, if it has pictures."""
    shown = [viewer for viewer in viewers if viewer.has_pictures]
    return next((v for v in shown if v.column == report.primary), next(iter(shown), None))


def _frame(analysis: Analysis, name: str) -> object:
    """Frame of reference of a series; None where the files have none, as NIfTI."""
    series = next(one for one in analysis.exam.series if one.name == name)
    return series.facts.get("frame_of_reference_uid")


def _slab(analysis: Analysis, series: str, block: int) -> Slab:
    return slab_of(analysis, next(s for s in analysis.exam.series if s.name == series), block)


def _lines(
    analysis: Analysis, section: AxialSection, sagittal: SliceView
) -> tuple[Line | None, ...]:
    slabs = {
        block: _slab(analysis, section.series, block)
        for block in {one.block for one in section.slices}
    }
    shown = {
        (block, slab.number(place)): place
        for block, slab in slabs.items()
        for place in range(slab.count)
    }
    return tuple(
        _line(slabs[one.block].view(shown[one.block, one.slice]), sagittal)
        for one in section.slices
    )


def _line(axial: SliceView, sagittal: SliceView) -> Line | None:
    """Where an axial slice meets the plane of a sagittal picture; SVG units."""
    _, width, depth, _ = extent_mm(axial)
    ends = [_meeting(axial, sagittal, y, width) for y in (0.0, depth)]
    if ends[0] is None or ends[1] is None:
        return None
    places = sagittal.place.project(np.array(ends))[:, 1:]
    _, across, down, _ = extent_mm(sagittal)
    if not _crosses(places, (down, across)):
        return None
    (y0, x0), (y1, x1) = (places * UNITS_PER_MM).round(1).tolist()
    return x0, y0, x1, y1


def _meeting(
    axial: SliceView, sagittal: SliceView, y_mm: float, width_mm: float
) -> NDArray[np.float64] | None:
    """The point (LPS) of a row of an axial picture that lies in the sagittal plane."""
    _, down, across = axial.place.axes
    out = sagittal.place.axes[0]
    start = axial.place.corner_mm + y_mm * down
    toward = float(across @ out)
    if abs(toward) < 0.1:  # within 6° of lying in the plane: no sagittal picture, or no axial one
        return None
    x_mm = float((sagittal.place.corner_mm - start) @ out) / toward
    if not 0 <= x_mm <= width_mm:
        return None
    point: NDArray[np.float64] = start + x_mm * across
    return point


def _crosses(places: NDArray[np.float64], size_mm: tuple[float, float]) -> bool:
    """Whether any part of a line between two (y, x) lies within the picture."""
    points = np.linspace(places[0], places[1], 50)
    return bool(np.any(np.all((points >= 0) & (points <= size_mm), axis=1)))
