"""Slices of an axial series side by side, each with the outlines of what was found in it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.errors import StageError
from openlumbar.core.exam import Series
from openlumbar.core.palette import colour_of
from openlumbar.core.plane import Plane
from openlumbar.io.analysis import Analysis
from openlumbar.report.axial import axial_sections
from openlumbar.report.axial_viewer import window_of
from openlumbar.report.drawing import outline_mm
from openlumbar.report.fonts import FAMILIES
from openlumbar.report.panel import Panel
from openlumbar.report.parts import AxialSection, AxialSlice
from openlumbar.report.rulers import side_by_side
from openlumbar.report.svg import Drawing, Pen, Type
from openlumbar.report.view import Slab, SliceView
from openlumbar.report.viewer import anatomy_window, grey_of, slab_of

#: Kept around the anatomy in front, behind, right and left; mm of the patient.
_MARGINS_MM = (8.0, 10.0, 8.0, 8.0)
#: Between slices, and for the words above each; mm of paper.
_GAP_MM, _WORDS_MM = 2.0, 4.2
#: No slice is wider than this on paper.
_WIDEST_MM = 84.0
_DPI, _QUALITY, _MM_PER_INCH = 220, 90, 25.4
_INK, _DOUBT = "#1A1A1A", "#B4450C"
#: Of a sheet that is a picture of its own: its room on paper, and how many slices it holds.
_ROOM_MM, _SLICES_A_SHEET = (250.0, 190.0), 20
_TITLE = "Muscles, bone, disc and dural sac"


@dataclass(frozen=True, eq=False)
class _Tile:
    """A slice, and where its picture lies on the sheet: left, top, width, height; mm."""

    one: AxialSlice
    view: SliceView
    place_mm: tuple[float, float, float, float]
    scale: float

    def on_paper(self, yx_mm: NDArray) -> NDArray[np.float64]:
        """Where points (y, x) of the picture, mm of the patient, lie on the sheet."""
        left, top, _, _ = self.place_mm
        return np.asarray(yx_mm * self.scale + (top, left), np.float64)


def spaced(slices: Sequence[AxialSlice], most: int) -> tuple[int, ...]:
    """Places of at most so many slices, evenly from the first to the last.

    Examples
    --------
    >>> spaced([None] * 5, 3), spaced([None] * 2, 3)
    ((0, 2, 4), (0, 1))
    """
    count = min(len(slices), most)
    return tuple(np.rint(np.linspace(0, len(slices) - 1, count)).astype(int).tolist())


def slice_sheet(
    analysis: Analysis, section: AxialSection, places: Sequence[int], room_mm: tuple[float, float]
) -> Panel:
    """Draw some slices of an axial series on one sheet, as large as the room allows.

    Parameters
    ----------
    section
        Of the report of the same analysis.
    places
        Of slices of the section, in the order in which they are to be seen; not empty.
    room_mm
        Width and height of the paper that there is.
    """
    series = next(one for one in analysis.exam.series if one.name == section.series)
    slices = [section.slices[place] for place in places]
    views = _views(analysis, series, slices)
    tiles, size_mm = _tiles(slices, views, room_mm)
    drawing = Drawing(*size_mm)
    for number, tile in enumerate(tiles):
        _draw_tile(drawing, tile, with_sides=number == 0)
    return Panel(
        key="slices",
        title=_TITLE,
        image=_jpeg(tiles, size_mm),
        drawing=drawing.bytes(),
        width_mm=size_mm[0],
        height_mm=size_mm[1],
        image_mm=(0.0, 0.0, *size_mm),
        note=_note(section, places),
    )


def _note(section: AxialSection, places: Sequence[int]) -> str:
    count, of = len(places), len(section.slices)
    some = f"{count} of {of} slices. " if count < of else ""
    flagged = any(section.slices[place].reasons for place in places)
    seen = "From head to foot, seen from the feet: the patient's right is at the left."
    return f"{some}{seen}{' * flagged.' if flagged else ''}"


def draw_slices(analysis: Analysis, series: str, folder: Path) -> tuple[Path, ...]:
    """Write the slices of an axial series with their outlines, as PNG.

    Parameters
    ----------
    series
        Its name.
    folder
        Made if absent; gets ``<series>_slices.png``, or ``<series>_slices-1.png`` … where
        one sheet does not hold all; nothing where no anatomy was found.

    Raises
    ------
    StageError
        The exam has no such axial series.
    """
    sections = {section.series: section for section in axial_sections(analysis)}
    if series not in sections:
        raise StageError(
            f"the exam has no axial series {series}; it has {', '.join(sections) or 'none'}"
        )
    masks = analysis.masks.of(series)
    if masks is None or not any(labels.array.any() for labels in masks.labels):
        return ()
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(
        _write_sheet(analysis, sections[series], places, folder / f"{series}_{name}.png")
        for name, places in _sheets(sections[series])
    )


def _sheets(section: AxialSection) -> list[tuple[str, range]]:
    """Names of a series' sheets, and the slices on each."""
    count = len(section.slices)
    starts = range(0, count, _SLICES_A_SHEET)
    return [
        (
            f"slices-{number}" if len(starts) > 1 else "slices",
            range(start, min(start + _SLICES_A_SHEET, count)),
        )
        for number, start in enumerate(starts, start=1)
    ]


def _write_sheet(
    analysis: Analysis, section: AxialSection, places: Sequence[int], path: Path
) -> Path:
    panel = slice_sheet(analysis, section, places, _ROOM_MM)
    path.write_bytes(side_by_side((panel,), section.series))
    return path


# Where each slice lies ----------------------------------------------------------------


def _views(analysis: Analysis, series: Series, slices: Sequence[AxialSlice]) -> list[SliceView]:
    """Slices as they are looked at, each block cut to its anatomy."""
    slabs: dict[int, Slab] = {}
    for block in {one.block for one in slices}:
        slab = slab_of(analysis, series, block)
        window = anatomy_window(slab, _MARGINS_MM)
        slabs[block] = Slab(slab.image, slab.labels, slab.bodies, window, Plane.AXIAL)
    shown = {
        (block, slab.number(place)): place
        for block, slab in slabs.items()
        for place in range(slab.count)
    }
    return [slabs[one.block].view(shown[one.block, one.slice]) for one in slices]


def _extent(view: SliceView) -> tuple[float, float]:
    """Width and height of a picture, mm of the patient."""
    rows, columns = view.labels.shape
    return columns * view.spacing_mm[1], rows * view.spacing_mm[0]


def _tiles(
    slices: Sequence[AxialSlice], views: Sequence[SliceView], room_mm: tuple[float, float]
) -> tuple[list[_Tile], tuple[float, float]]:
    """Lay the slices out in rows of equal cells; the size of the whole comes with them."""
    extents = np.array([_extent(view) for view in views])
    width, height = extents.max(axis=0).tolist()
    columns, scale = _arranged(len(slices), (width, height), room_mm)
    cell = (width * scale + _GAP_MM, height * scale + _WORDS_MM + _GAP_MM)
    tiles = []
    for number, (one, view, extent) in enumerate(zip(slices, views, extents, strict=True)):
        row, column = divmod(number, columns)
        left = column * cell[0] + (width - extent[0]) * scale / 2
        top = row * cell[1] + _WORDS_MM
        place = (left, top, extent[0] * scale, extent[1] * scale)
        tiles.append(_Tile(one, view, place, scale))
    rows = ceil(len(slices) / columns)
    return tiles, (columns * cell[0] - _GAP_MM, rows * cell[1] - _GAP_MM)


def _arranged(
    count: int, size_mm: tuple[float, float], room_mm: tuple[float, float]
) -> tuple[int, float]:
    """The number of columns that shows slices of a size largest, and their scale."""

    def scale(columns: int) -> float:
        across = (room_mm[0] + _GAP_MM) / columns - _GAP_MM
        down = (room_mm[1] + _GAP_MM) / ceil(count / columns) - _GAP_MM - _WORDS_MM
        return min(min(across, _WIDEST_MM) / size_mm[0], down / size_mm[1])

    best = max(range(1, count + 1), key=scale)
    return best, max(scale(best), 1e-3)


# What is drawn ------------------------------------------------------------------------


def _draw_tile(drawing: Drawing, tile: _Tile, with_sides: bool) -> None:
    for code in np.unique(tile.view.labels[tile.view.labels > 0]).tolist():
        muscle = BY_CODE[code].kind == "muscle"
        pen = Pen(colour_of(code), 0.6 if muscle else 0.45, 1.0, 0.12 if muscle else 0.0)
        rings = outline_mm(tile.view.labels == code, tile.view.spacing_mm)
        if rings:
            drawing.path([tile.on_paper(ring) for ring in rings], pen, closed=True)
    left, top, width, height = tile.place_mm
    words = tile.one.title + (f" · {tile.one.level}" if tile.one.level else "")
    ink = _DOUBT if tile.one.reasons else _INK
    place = (top - _WORDS_MM / 2, left)
    drawing.text(place, words + (" *" if tile.one.reasons else ""), Type(FAMILIES[0], 7.0, ink))
    if with_sides:
        for letter, x, anchor in (("R", left + 0.8, "left"), ("L", left + width - 0.8, "right")):
            mark = Type(FAMILIES[0], 8.0, "#FFFFFF", bold=True, anchor=anchor)
            drawing.text((top + height / 2, x), letter, mark)


def _jpeg(tiles: Sequence[_Tile], size_mm: tuple[float, float]) -> bytes:
    """All pictures on one white sheet."""

    def pixels(mm: float) -> int:
        return round(mm * _DPI / _MM_PER_INCH)

    sheet = Image.new("L", (pixels(size_mm[0]), pixels(size_mm[1])), 255)
    for tile in tiles:
        left, top, width, height = (pixels(mm) for mm in tile.place_mm)
        picture = Image.fromarray(_grey(tile.view))
        sheet.paste(picture.resize((width, height), Image.Resampling.BICUBIC), (left, top))
    out = io.BytesIO()
    sheet.save(out, "jpeg", quality=_QUALITY)
    return out.getvalue()


def _grey(view: SliceView) -> NDArray[np.uint8]:
    window = window_of(view.image, view.labels > 0)
    black, white = window or (0.0, 1.0)
    return grey_of(view.image, black, 255.0 / (white - black))
