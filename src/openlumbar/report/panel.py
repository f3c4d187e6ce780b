"""One picture for print: a slice with rulers on it, and tables of numbers in its margins."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import isotonic_regression

from openlumbar.core.anatomy import SPINAL_CANAL, disc_code, vertebra_code
from openlumbar.core.measurement import ANCHOR, GUIDE, RULER, Line
from openlumbar.core.palette import colour_of
from openlumbar.report.drawing import extent_mm, grey_levels, outline_mm
from openlumbar.report.fonts import FAMILIES
from openlumbar.report.parts import Cell, LevelSection
from openlumbar.report.svg import Drawing, Pen, Type
from openlumbar.report.view import Slab, SliceView
from openlumbar.report.wording import with_unit

Floats = NDArray[np.float64]

#: Of the paper, in millimetres: a name, a column of numbers, the heads above them, a line
#: of text, and from the picture to the text.
_NAME_MM, _NUMBER_MM, _HEAD_MM, _LINE_MM, _GAP_MM = 10.5, 9.5, 4.5, 3.4, 4.5
#: Room for the lordosis beside its picture, on paper.
_LORDOSIS_MM = 21.0
#: How far the lines of the lordosis are drawn out beyond the endplates, on paper.
_BEYOND_MM = 5.0
_MM_PER_INCH = 25.4
#: Of the slice in print: dots to the inch, and the quality of its JPEG.
_DPI, _QUALITY = 300, 95
_INK, _QUIET, _DOUBT, _LEADER, _CASING = "#1A1A1A", "#6B6B6B", "#B4450C", "#9A9A9A", "#000000"
_LORDOSIS_COLOUR = "#E08A00"
#: Nothing is smaller than a head.
_TEXT_PT, _HEAD_PT = 7.5, 6.5
_TEXT = Type(FAMILIES[0], _TEXT_PT, _INK)
_HEAD = Type(FAMILIES[0], _HEAD_PT, _QUIET)
_IN_BODY = Type(FAMILIES[0], _TEXT_PT, "#FFFFFF", bold=True, anchor="middle")


@dataclass(frozen=True)
class Margin:
    """A table beside the picture.

    Attributes
    ----------
    kinds
        Of the sections that get a line.
    metrics, heads
        Of its columns of numbers; without any, every section that is seen gets a line.
    """

    kinds: tuple[str, ...]
    metrics: tuple[str, ...]
    heads: tuple[str, ...]

    @property
    def width_mm(self) -> float:
        """On paper."""
        return _GAP_MM + _NAME_MM + _NUMBER_MM * len(self.metrics)


@dataclass(frozen=True)
class Question:
    """What one panel shows.

    Attributes
    ----------
    key, title
        ``heights`` …, and in words.
    drawn
        Metrics whose lines are drawn, and the colour of their rulers.
    left, right
        Tables beside the picture.
    outlined
        Kinds of structures whose outline is drawn.
    tied_to
        Where a table's leaders end: at the ``structure`` or at the ``ruler``.
    """

    key: str
    title: str
    drawn: dict[str, str]
    left: Margin | None
    right: Margin
    outlined: tuple[str, ...] = ("vertebra", "disc")
    tied_to: str = "structure"


@dataclass(frozen=True)
class Entry:
    """The numbers of a section in one block, by metric."""

    section: LevelSection
    cells: dict[str, Cell]

    @cached_property
    def code(self) -> int | None:
        """Of the structure, where it has one."""
        name = self.section.name
        try:
            return disc_code(name) if self.section.kind == "disc" else vertebra_code(name)
        except KeyError:
            return None

    def lines(self, metrics: Iterable[str]) -> Iterator[tuple[str, Line]]:
        """The lines of some metrics, each with its metric."""
        for metric in metrics:
            if metric in self.cells:
                for line in self.cells[metric].lines:
                    yield metric, line


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture for print: a slice, and a drawing that lies over it and its margins.

    Attributes
    ----------
    key, title
        Of its :class:`Question`.
    image
        The slice as JPEG, grey.
    drawing
        SVG, transparent; its text is text, in the typefaces of
        :mod:`openlumbar.report.fonts`.
    width_mm, height_mm
        Of the drawing on paper, where the smallest text has 6.5 points.
    image_mm
        Left, top, width and height of the slice within it.
    note
        Which slice is shown, and what was measured on others.
    """

    key: str
    title: str
    image: bytes
    drawing: bytes
    width_mm: float
    height_mm: float
    image_mm: tuple[float, float, float, float]
    note: str


@dataclass(frozen=True, eq=False)
class _Placed:
    """An entry, the slice that its drawn lines lie on, and its structure there."""

    entry: Entry
    slice: int | None
    region: NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class _Sheet:
    """A panel while it is drawn; places are (y, x) in millimetres of paper.

    Attributes
    ----------
    shown
        The slice of ``view``, counted from the patient's right.
    image_mm
        Left, top, width and height of the slice on the sheet.
    scale
        Millimetres of paper for one of the patient.
    """

    drawing: Drawing
    view: SliceView
    shown: int
    image_mm: tuple[float, float, float, float]
    scale: float

    @property
    def bottom(self) -> float:
        """Of the picture."""
        return self.image_mm[1] + self.image_mm[3]

    def border(self, side: int) -> float:
        """Left (-1) or right (1) border of the picture."""
        return self.image_mm[0] + (self.image_mm[2] if side > 0 else 0.0)

    def on_paper(self, places_mm: NDArray) -> Floats:
        """Where ``[..., 2]`` of (y, x) in the picture, mm of the patient, lie on the sheet."""
        left, top = self.image_mm[:2]
        return np.asarray(places_mm, float) * self.scale + (top, left)

    def points(self, line: Line) -> Floats:
        """``[n, 2]`` of a line of the patient."""
        return self.on_paper(self.view.place.project(line.points_mm)[:, 1:])

    def dashed(self, slice_: int | None) -> bool:
        """Whether it was measured on another slice than the one shown."""
        return slice_ not in (None, self.shown)


def draw_panel(
    slab: Slab, question: Question, entries: Sequence[Entry], room_mm: tuple[float, float]
) -> Panel:
    """Draw one panel.

    Parameters
    ----------
    slab
        Cut to what is to be seen.
    entries
        From head to foot.
    room_mm
        Width and height of the paper that there is; the panel fills one of the two.
    """
    places = [_slice_of(slab, question, entry) for entry in entries]
    shown = _shown(slab, places)
    placed = [_placed(slab, e, s, shown) for e, s in zip(entries, places, strict=True)]
    sheet = _sheet(slab, question, shown, room_mm)
    _draw_anatomy(sheet, question, placed)
    _draw_lines(sheet, question, placed)
    _draw_margins(sheet, question, placed)
    return Panel(
        key=question.key,
        title=question.title,
        image=_jpeg(sheet),
        drawing=sheet.drawing.bytes(),
        width_mm=sheet.drawing.width_mm,
        height_mm=sheet.drawing.height_mm,
        image_mm=sheet.image_mm,
        note=_note(slab, placed, shown),
    )


def _sheet(slab: Slab, question: Question, shown: int, room_mm: tuple[float, float]) -> _Sheet:
    view = slab.view(shown)
    _, width, height, _ = extent_mm(view)
    left, right = _left_mm(question), question.right.width_mm
    scale = min((room_mm[0] - left - right) / width, (room_mm[1] - _HEAD_MM) / height)
    place = (left, _HEAD_MM, width * scale, height * scale)
    drawing = Drawing(left + width * scale + right, _HEAD_MM + height * scale)
    return _Sheet(drawing, view, shown, place, scale)


def _left_mm(question: Question) -> float:
    if question.left is not None:
        return question.left.width_mm
    return _LORDOSIS_MM if "lordosis_deg" in question.drawn else 0.0


def _jpeg(sheet: _Sheet) -> bytes:
    """The slice in as many pixels as print can show.

    At this quality nothing of JPEG is seen; a PNG of a smooth picture takes ten times the
    room, and a quarter of a second to write.
    """
    _, _, width, height = sheet.image_mm
    size = (round(width * _DPI / _MM_PER_INCH), round(height * _DPI / _MM_PER_INCH))
    picture = Image.fromarray(grey_levels(sheet.view.image))
    out = io.BytesIO()
    picture.resize(size, Image.Resampling.BICUBIC).save(out, "jpeg", quality=_QUALITY)
    return out.getvalue()


# Which slice --------------------------------------------------------------------------


def _slice_of(slab: Slab, question: Question, entry: Entry) -> int | None:
    """The slice, from the right, that most of an entry's drawn lines lie on."""
    points = [point for _, line in entry.lines(question.drawn) for point in line.points_mm]
    if not points:
        return None
    slices = np.rint(slab.slices_of(points)).astype(int).clip(0, slab.count - 1)
    return int(np.bincount(slices).argmax())


def _shown(slab: Slab, places: Sequence[int | None]) -> int:
    """The slice that what is drawn lies nearest to; of equals, the one that has most of it."""
    found = Counter(place for place in places if place is not None)

    def distance(one: int) -> tuple[int, int]:
        return sum(count * abs(one - place) for place, count in found.items()), -found[one]

    return min(sorted(found), key=distance) if found else slab.middle()


def _placed(slab: Slab, entry: Entry, place: int | None, shown: int) -> _Placed:
    if entry.code is None:
        return _Placed(entry, place, None)
    view = slab.view(shown if place is None else place)
    codes = view.labels if entry.section.kind == "disc" else view.bodies
    region = codes == entry.code
    return _Placed(entry, place, region if region.any() else None)


def _note(slab: Slab, placed: Sequence[_Placed], shown: int) -> str:
    """``Slice 7 of 15 (from 0); dashed: L1, T12-L1 from slice 6``."""
    elsewhere: dict[int, list[str]] = {}
    for item in placed:
        if item.slice is not None and item.slice != shown:
            elsewhere.setdefault(item.slice, []).append(item.entry.section.name)
    text = f"Slice {slab.number(shown)} of {slab.count} (from 0)"
    if not elsewhere:
        return text
    others = "; ".join(
        f"{', '.join(names)} from slice {slab.number(place)}"
        for place, names in sorted(elsewhere.items())
    )
    return f"{text}. Dashed: measured on another slice and laid over this one: {others}"


# On the picture -----------------------------------------------------------------------


def _draw_anatomy(sheet: _Sheet, question: Question, placed: Sequence[_Placed]) -> None:
    if "canal" in question.outlined:
        _outline(
            sheet, sheet.view.labels == SPINAL_CANAL, Pen(colour_of(SPINAL_CANAL), 0.7, 1, 0.1)
        )
    for item in placed:
        kind = item.entry.section.kind
        if item.region is None or item.entry.code is None or kind not in question.outlined:
            continue
        width = 0.9 if kind == "vertebra" else 0.6
        dashed = sheet.dashed(item.slice)
        _outline(sheet, item.region, Pen(colour_of(item.entry.code), width, 1.0, 0.12, dashed))
        if question.left is None and kind == "vertebra":
            middle = (np.argwhere(item.region).mean(axis=0) + 0.5) * sheet.view.spacing_mm
            y, x = sheet.on_paper(middle)
            sheet.drawing.text((y, x), item.entry.section.name, _IN_BODY)


def _outline(sheet: _Sheet, region: NDArray[np.bool_], pen: Pen) -> None:
    rings = outline_mm(region, sheet.view.spacing_mm)
    if rings:
        sheet.drawing.path([sheet.on_paper(ring) for ring in rings], pen, closed=True)


def _draw_lines(sheet: _Sheet, question: Question, placed: Sequence[_Placed]) -> None:
    """Guides first, rulers over them; what several metrics share is drawn once."""
    drawn: set[tuple[Any, ...]] = set()
    for role in (GUIDE, RULER, ANCHOR):
        for item in placed:
            for metric, line in item.entry.lines(question.drawn):
                if line.role == role and (role, line.points_mm) not in drawn:
                    drawn.add((role, line.points_mm))
                    dashed = sheet.dashed(item.slice)
                    _DRAWERS[role](sheet, sheet.points(line), question.drawn[metric], dashed)


def _draw_guide(sheet: _Sheet, points: Floats, colour: str, dashed: bool) -> None:
    sheet.drawing.path([points], Pen(colour, 0.4, 0.8, dashed=dashed))


def _draw_ruler(sheet: _Sheet, points: Floats, colour: str, dashed: bool) -> None:
    """A bright line with a dark casing, and a dot at each end: seen on fluid and on bone."""
    sheet.drawing.path([points], Pen(_CASING, 1.6, 0.5))
    sheet.drawing.path([points], Pen(colour, 0.8, dashed=dashed))
    _draw_anchors(sheet, points[[0, -1]], colour, dashed)


def _draw_anchors(sheet: _Sheet, points: Floats, colour: str, dashed: bool) -> None:
    for point in points:
        sheet.drawing.dot(point, 1.0, colour, Pen(_CASING, 0.3))


_DRAWERS = {GUIDE: _draw_guide, RULER: _draw_ruler, ANCHOR: _draw_anchors}


# Beside the picture -------------------------------------------------------------------


def _draw_margins(sheet: _Sheet, question: Question, placed: Sequence[_Placed]) -> None:
    for margin, side in ((question.left, -1), (question.right, 1)):
        if margin is not None:
            _draw_margin(sheet, question, (margin, side), placed)
    for item in placed:
        if "lordosis_deg" in question.drawn and "lordosis_deg" in item.entry.cells:
            _draw_lordosis(sheet, item)


def _draw_margin(
    sheet: _Sheet, question: Question, where: tuple[Margin, int], placed: Sequence[_Placed]
) -> None:
    """A line of text for each section, near its structure and tied to it."""
    margin, side = where
    ends = [
        (item, end)
        for item in placed
        if item.entry.section.kind in margin.kinds
        and (not margin.metrics or any(metric in item.entry.cells for metric in margin.metrics))
        and (end := _leader_end(sheet, question, where, item)) is not None
    ]
    if not ends:
        return
    ends.sort(key=lambda pair: pair[1][0])
    room = (_HEAD_MM + _LINE_MM / 2, sheet.bottom - _LINE_MM / 2)
    heights = spread(np.array([end[0] for _, end in ends]), _LINE_MM, room)
    for (item, end), y in zip(ends, heights, strict=True):
        _draw_leader(sheet, end, y, side)
        _draw_numbers(sheet, where, item, y)
    for head, x in zip(margin.heads, _columns_x(sheet, where)[1], strict=True):
        sheet.drawing.text((_HEAD_MM * 0.45, x), head, replace(_HEAD, anchor="right"))


def spread(wanted: Floats, gap: float, room: tuple[float, float]) -> Floats:
    """Move places apart, as little as can be, until they stand ``gap`` apart within ``room``.

    Parameters
    ----------
    wanted
        Ascending, not empty.
    room
        First and last place that may be used; where it is too small, the gap shrinks.

    Notes
    -----
    The least sum of squared moves: an isotonic regression of the places less their share of
    gaps.

    Examples
    --------
    >>> spread(np.array([10.0, 10.0, 30.0]), 4.0, (0.0, 40.0)).tolist()
    [8.0, 12.0, 30.0]
    """
    low, high = room
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    steps = gap * np.arange(len(wanted))
    moved = isotonic_regression(wanted - steps).x.clip(low, high - steps[-1])
    return np.asarray(moved + steps, np.float64)


def _leader_end(
    sheet: _Sheet, question: Question, where: tuple[Margin, int], item: _Placed
) -> tuple[float, float] | None:
    """Where (y, x) a leader ends; None where there is nothing on the picture to tie it to."""
    margin, side = where
    rulers = [
        sheet.points(line)
        for metric, line in item.entry.lines(margin.metrics)
        if line.role == RULER and metric in question.drawn
    ]
    if item.region is not None and (question.tied_to == "structure" or not rulers):
        y, x = sheet.on_paper(_edge_mm(item.region, sheet.view.spacing_mm, side))
        return float(y), float(x)
    if not rulers:
        return None
    outer = max(rulers, key=lambda points: side * points[:, 1].mean())
    return float(outer[:, 0].mean()), float(side * (side * outer[:, 1]).max())


def _edge_mm(region: NDArray[np.bool_], spacing_mm: tuple[float, float], side: int) -> Floats:
    """Front or back edge of a region at the height of its middle."""
    rows, columns = np.nonzero(region)
    middle = rows[np.abs(rows - rows.mean()).argmin()]
    edge = columns[rows == middle]
    column = edge.max() + 1 if side > 0 else edge.min()
    return np.array(((middle + 0.5) * spacing_mm[0], column * spacing_mm[1]))


def _draw_leader(sheet: _Sheet, end: tuple[float, float], y: float, side: int) -> None:
    """From the structure to the picture's border, and on to its line of text."""
    border = sheet.border(side)
    knee, text = border + side * 0.6, border + side * (_GAP_MM - 1.0)
    sheet.drawing.path([np.array((end, (y, knee), (y, text)))], Pen(_LEADER, 0.4))


def _columns_x(sheet: _Sheet, where: tuple[Margin, int]) -> tuple[float, list[float]]:
    """Left end of the names, and right end of each column of numbers."""
    margin, side = where
    start = sheet.border(1) + _GAP_MM if side > 0 else 0.5
    columns = range(len(margin.metrics))
    return start, [start + _NAME_MM + _NUMBER_MM * (n + 0.82) for n in columns]


def _draw_numbers(sheet: _Sheet, where: tuple[Margin, int], item: _Placed, y: float) -> None:
    start, ends = _columns_x(sheet, where)
    section = item.entry.section
    sheet.drawing.text((y, start), section.name, replace(_TEXT, bold=section.kind == "vertebra"))
    for metric, x in zip(where[0].metrics, ends, strict=True):
        cell = item.entry.cells.get(metric)
        if cell is not None:
            kind = replace(_TEXT, colour=_DOUBT) if cell.doubtful else _TEXT
            sheet.drawing.text((y, x), cell.value, replace(kind, anchor="right"))
            if cell.doubtful:
                sheet.drawing.text((y, x + 0.1), "*", kind)


def _draw_lordosis(sheet: _Sheet, item: _Placed) -> None:
    """Draw both endplates out, and write their angle between them."""
    cell = item.entry.cells["lordosis_deg"]
    fronts = [_drawn_out(sheet, line) for line in cell.lines if line.role == RULER]
    y = _HEAD_MM + 0.45 * sheet.image_mm[3]
    if fronts:
        y = float(np.mean([front[0] for front in fronts]))
        knees = [np.array((front, (front[0], sheet.border(-1) - 2.0))) for front in fronts]
        bracket = np.concatenate((knees[0], *(knee[::-1] for knee in knees[1:])))
        sheet.drawing.path([bracket], Pen(_LORDOSIS_COLOUR, 0.5))
    words = cell.value if cell.withheld else with_unit(cell.text, "°")
    ink = _DOUBT if cell.doubtful else _INK
    number = replace(_TEXT, colour=ink, bold=True)
    sheet.drawing.text((y - _LINE_MM, 0.0), f"Lordosis {item.entry.section.name}", _HEAD)
    sheet.drawing.text((y, 0.0), words + (" *" if cell.doubtful else ""), number)
    sheet.drawing.text((y + _LINE_MM, 0.0), "supine", _HEAD)


def _drawn_out(sheet: _Sheet, line: Line) -> Floats:
    """Extend an endplate at both ends; the front end (y, x) comes back."""
    points = sheet.points(line)
    front, back = points[np.argsort(points[:, 1])][[0, -1]]
    along = (front - back) / np.linalg.norm(front - back)
    ends = [front + _BEYOND_MM * along, front, back, back - _BEYOND_MM * along]
    sheet.drawing.path([np.array(ends[:2]), np.array(ends[2:])], Pen(_LORDOSIS_COLOUR, 0.7))
    return np.asarray(ends[0], np.float64)
