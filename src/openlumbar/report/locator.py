"""Where the slices of an axial series cut the spine: lines on a sagittal picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openlumbar.io.analysis import Analysis
from openlumbar.report.axial_levels import level_colour
from openlumbar.report.drawing import extent_mm, grey_levels
from openlumbar.report.fonts import FAMILIES
from openlumbar.report.panel import Panel
from openlumbar.report.parts import AxialSection, AxialSlice, Report
from openlumbar.report.svg import Drawing, Pen, Type
from openlumbar.report.view import Slab, SliceView
from openlumbar.report.viewer import (
    UNITS_PER_MM,
    Box,
    Name,
    Viewer,
    bare_viewer,
    data_uri,
    slab_of,
)

#: Side of the picture, pixels, and the quality of its JPEG.
_PIXELS, _QUALITY = 512, 80
#: Room on paper for the names of discs beside the picture.
_NAMES_MM = 12.0
#: Of lines of slices without a level.
_PLAIN = "#7CC9FF"
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
    colours
        Of each line: that of the slice's level, or one for all where none is known.
    best
        Of each line the disc that its slice lies best in, or nothing.
    """

    title: str
    picture: str
    whole: Box
    zoomed: Box
    names: tuple[Name, ...]
    lines: tuple[Line | None, ...]
    colours: tuple[str, ...]
    best: tuple[str, ...]


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
    axial picture in front to that behind. Series of two frames of reference are of one place
    only where the slices were placed among the sagittal discs.
    """
    viewer = _sagittal(viewers, report)
    return None if viewer is None else _located(analysis, report, viewer, section)


def printed_locator(analysis: Analysis, report: Report, section: AxialSection) -> Locator | None:
    """The same on the sagittal block that the report shows first, where no page has viewers."""
    column = next((c for c in report.columns if c.key == report.primary), None)
    if column is None:
        return None
    slab = _slab(analysis, column.series, column.block)
    viewer = bare_viewer("", column, slab)
    if not np.isfinite(slab.view(viewer.first).image).any():
        return None
    return _located(analysis, report, viewer, section)


def _located(
    analysis: Analysis, report: Report, viewer: Viewer, section: AxialSection
) -> Locator | None:
    placed = any(one.name is not None and one.name.measured for one in section.slices)
    same = _frame(analysis, viewer.series) == _frame(analysis, section.series)
    if not (same or placed):
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
        colours=tuple(_colour(one) for one in section.slices),
        best=tuple(one.name.best if one.name is not None else "" for one in section.slices),
    )


def _colour(one: AxialSlice) -> str:
    return level_colour(one.level) if one.name is not None else _PLAIN


def places_panel(found: Locator, room_mm: tuple[float, float]) -> Panel:
    """Draw a locator for print, as large as the room allows.

    Parameters
    ----------
    room_mm
        Width and height of the paper that there is.
    """
    box = found.zoomed
    scale = min((room_mm[0] - _NAMES_MM) / box.width, room_mm[1] / box.height)
    width, height = box.width * scale, box.height * scale
    drawing = Drawing(width + _NAMES_MM, height)
    _draw_lines(drawing, found, scale)
    for name in found.names:
        place = ((name.y - box.y) * scale, (name.x - box.x) * scale)
        if 1 < place[0] < height - 1:
            _draw_name(drawing, name, place)
    return Panel(
        key="places",
        title="Where the slices lie",
        image=_cut(found),
        drawing=drawing.bytes(),
        width_mm=width + _NAMES_MM,
        height_mm=height,
        image_mm=(0.0, 0.0, width, height),
        note=f"{found.title}. Each line is an axial slice in the colour of its level; thick: the "
        "slice that lies best in its disc.",
    )


def _draw_lines(drawing: Drawing, found: Locator, scale: float) -> None:
    """A line a slice; the disc of each best one stands beside the picture."""
    for line, colour, best in zip(found.lines, found.colours, found.best, strict=True):
        piece = _within(line, found.zoomed) if line is not None else None
        if piece is None:
            continue
        pen = Pen(colour, 1.3 if best else 0.5, 1.0 if best else 0.75)
        drawing.path([piece * scale], pen)
        if best:
            edge = found.zoomed.width * scale
            words = Type(FAMILIES[0], 7.5, "#1A1A1A", bold=True)
            drawing.text((float(piece[1, 0]) * scale, edge + 1.5), best, words)


def _draw_name(drawing: Drawing, name: Name, place_mm: tuple[float, float]) -> None:
    """A vertebra's name on a dark ground, so that it reads on any picture."""
    y, x = place_mm
    left = x - 1.6 * len(name.text) - 0.9
    ground = ((y - 1.7, left), (y - 1.7, x + 0.6), (y + 1.7, x + 0.6), (y + 1.7, left))
    drawing.path([np.array(ground)], Pen("#0B0B0D", 0.0, 0.0, 0.72), closed=True)
    drawing.text(
        place_mm, name.text, Type(FAMILIES[0], 8.0, name.colour, bold=True, anchor="right")
    )


def _within(line: Line, box: Box) -> NDArray[np.float64] | None:
    """The part of a line inside a box, ``[2, 2]`` of (y, x) from its corner."""
    x0, y0, x1, y1 = line
    points = np.linspace((y0 - box.y, x0 - box.x), (y1 - box.y, x1 - box.x), 200)
    inside = np.all((points >= 0) & (points <= (box.height, box.width)), axis=1)
    return points[inside][[0, -1]] if inside.sum() > 1 else None


def _cut(found: Locator) -> bytes:
    """The part of the picture that is shown, as JPEG."""
    picture = Image.open(io.BytesIO(base64.b64decode(found.picture.partition(",")[2])))
    x, y = picture.width / found.whole.width, picture.height / found.whole.height
    box = found.zoomed
    window = (box.x * x, box.y * y, (box.x + box.width) * x, (box.y + box.height) * y)
    out = io.BytesIO()
    picture.crop(window).save(out, "jpeg", quality=_QUALITY)
    return out.getvalue()


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
