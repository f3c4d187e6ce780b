"""What a browser needs to page through slices: pictures, outlines, rulers.

Pictures are 8-bit JPEG data URIs. Outlines and rulers are SVG paths in tenths of a
millimetre from the picture's upper left corner, so that they stay sharp at any size and
pixels that are not square need no care.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.errors import StageError
from openlumbar.core.exam import Series
from openlumbar.core.measurement import ANCHOR, Line
from openlumbar.core.palette import colour_of
from openlumbar.core.plane import Plane
from openlumbar.io.analysis import Analysis
from openlumbar.report.drawing import outline_mm
from openlumbar.report.names import name_places
from openlumbar.report.parts import Cell, Column, LevelSection, Report, Row
from openlumbar.report.view import Slab, Window, window_around
from openlumbar.report.wording import with_unit

#: Millimetres kept around the anatomy when zoomed in: above, below, in front, behind.
_MARGINS_MM = (10.0, 10.0, 34.0, 16.0)
#: Pictures with more pixels a side are made smaller: a browser shows no more.
_MOST_PIXELS = 768
_JPEG_QUALITY = 88
#: Percentiles of intensity that become 0 and 255, and those first shown as black and
#: white: fluid, the brightest fiftieth, saturates, which brings out bone and discs.
_STORED, _SHOWN = (0.1, 99.9), (1.0, 98.0)
#: SVG units a millimetre.
UNITS_PER_MM = 10.0


@dataclass(frozen=True)
class Outline:
    """A structure on one slice; ``body`` when it is a vertebral body alone."""

    name: str
    kind: str
    colour: str
    path: str
    body: bool


@dataclass(frozen=True)
class Box:
    """A part of the picture, in SVG units."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Overlay:
    """A translucent picture (PNG within the page) over a slice, and where it lies on it."""

    picture: str
    box: Box


@dataclass(frozen=True)
class Slide:
    """One slice.

    Attributes
    ----------
    number
        In its block, from 0.
    title
        ``slice 7 of 0–14``, as a person is told where he is.
    picture
        Data URI; empty where there is none.
    box
        Where the picture lies; outlines and rulers count from its corner.
    overlay
        What lies over the picture where it is asked for; None where there is nothing.
    """

    number: int
    title: str
    picture: str
    box: Box
    outlines: tuple[Outline, ...]
    overlay: Overlay | None = None

    @property
    def names(self) -> str:
        """Names of what is seen, joined by spaces; names themselves hold none."""
        return " ".join(dict.fromkeys(outline.name.replace(" ", "_") for outline in self.outlines))


@dataclass(frozen=True)
class Name:
    """A structure's name and the point it ends at, in SVG units."""

    text: str
    x: float
    y: float
    disc: bool
    below: bool
    colour: str


@dataclass(frozen=True)
class Stroke:
    """A line of a ruler: its role (``ruler``, ``guide``, ``anchor``) and its path."""

    role: str
    path: str


@dataclass(frozen=True)
class Ruler:
    """The lines of one number.

    Attributes
    ----------
    cell
        Key of the number in the report.
    slide
        Which slide it lies on.
    label
        Level, metric and number, as a tooltip shows them.
    """

    cell: str
    slide: int
    group: str
    label: str
    doubtful: bool
    strokes: tuple[Stroke, ...]


@dataclass(frozen=True)
class Viewer:
    """Slices to page through: a sagittal block from the patient's right to the left.

    An axial series has one viewer for all its blocks, from head to foot
    (:mod:`openlumbar.report.axial_viewer`).

    Attributes
    ----------
    key
        ``v0``, ``v1`` …
    plane
        ``sagittal`` or ``axial``.
    column
        Key of the report's column or axial section with its numbers; empty where there is
        none.
    whole, zoomed
        The picture, and the part of it that holds the anatomy.
    first
        The slide to open with.
    apart_mm
        From slice to slice.
    window
        Lowest and highest of the 256 grey levels that are told apart at first.
    """

    key: str
    plane: Plane
    column: str
    title: str
    series: str
    whole: Box
    zoomed: Box
    first: int
    apart_mm: float
    window: tuple[float, float]
    slides: tuple[Slide, ...]
    names: tuple[Name, ...]
    rulers: tuple[Ruler, ...]

    @property
    def has_pictures(self) -> bool:
        """False for NIfTI or MHA input loaded back without its images."""
        return any(slide.picture for slide in self.slides)


def viewers_of(analysis: Analysis, report: Report) -> tuple[Viewer, ...]:
    """A viewer for each sagittal block, with or without masks, in the exam's order."""
    columns = {(column.series, column.block): column for column in report.columns}
    places = [
        (series, block)
        for series in analysis.exam.of_plane(Plane.SAGITTAL)
        for block in range(len(series.blocks))
    ]
    return tuple(
        _viewer(
            f"v{number}",
            columns.get((series.name, block)) or _bare_column(series, block),
            slab_of(analysis, series, block),
            report,
        )
        for number, (series, block) in enumerate(places)
    )


def _bare_column(series: Series, block: int) -> Column:
    """What a block without masks or numbers is called."""
    suffix = f", block {block + 1}" if len(series.blocks) > 1 else ""
    return Column("", series.name + suffix, series.name, block)


def slab_of(analysis: Analysis, series: Series, block: int) -> Slab:
    """A block with its masks, as its plane is looked at; without any, nothing is labelled."""
    image = series.blocks[block].volume
    masks = analysis.masks.of(series.name)
    if masks is None:
        nothing = image.with_array(np.zeros(image.shape, np.uint16))
        return Slab(image, nothing, nothing, plane=series.plane)
    labels = masks.labels[block]
    bodies = masks.bodies[block] if masks.bodies else labels
    return Slab(image, labels, bodies, plane=series.plane)


def _viewer(key: str, column: Column, slab: Slab, report: Report) -> Viewer:
    pictures, window = _pictures(slab)
    numbers = [slab.view(shown).slice for shown in range(len(pictures))]
    bare = bare_viewer(key, column, slab)
    titles = (f"slice {number} of 0–{len(numbers) - 1}" for number in numbers)
    return replace(
        bare,
        window=window,
        slides=tuple(
            Slide(number, title, picture, bare.whole, shapes)
            for number, title, picture, shapes in zip(
                numbers, titles, pictures, outlines_of(slab), strict=True
            )
        ),
        rulers=tuple(_rulers(column, slab, numbers, report)),
    )


def bare_viewer(key: str, column: Column, slab: Slab) -> Viewer:
    """A sagittal viewer without its slides and rulers, which take time to make."""
    first = _first(slab)
    return Viewer(
        key=key,
        plane=Plane.SAGITTAL,
        column=column.key,
        title=column.title,
        series=column.series,
        whole=box_of((slice(0, None), slice(0, None)), slab),
        zoomed=box_of(anatomy_window(slab, _MARGINS_MM), slab),
        first=first,
        apart_mm=slab.frame.spacing_mm[0],
        window=(0.0, 255.0),
        slides=(),
        names=_names(slab, first),
        rulers=(),
    )


def _first(slab: Slab) -> int:
    """The slice that shows most of the spine's middle; without labels, the central one."""
    try:
        return slab.middle()
    except StageError:
        return slab.count // 2


# Pictures ----------------------------------------------------------------------------


def _pictures(slab: Slab) -> tuple[list[str], tuple[float, float]]:
    """A data URI a slice, and the grey levels shown as black and white at first."""
    upright = slab.frame.canonical(slab.image.array)
    sample = upright[:, ::2, ::2]
    finite = sample[np.isfinite(sample)]
    if not finite.size:
        return [""] * len(upright), (0.0, 255.0)
    percentiles = (_STORED[0], _SHOWN[0], _SHOWN[1], _STORED[1])
    low, black, white, high = np.percentile(finite, percentiles).tolist()
    scale = 255.0 / max(high - low, 1e-6)
    pictures = [
        data_uri(grey_of(picture, low, scale), _MOST_PIXELS, _JPEG_QUALITY) for picture in upright
    ]
    return pictures, ((black - low) * scale, max((white - low) * scale, 1.0))


def grey_of(picture: NDArray, low: float, scale: float) -> NDArray[np.uint8]:
    """Intensities less ``low``, times ``scale``, as grey levels; what is not finite is black."""
    grey = (np.nan_to_num(picture.astype(np.float32), nan=low) - low) * scale
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def data_uri(grey: NDArray[np.uint8], most_pixels: int, quality: int) -> str:
    """A picture as JPEG within a page, made smaller where a side has too many pixels."""
    picture = Image.fromarray(grey)
    picture.thumbnail((most_pixels, most_pixels), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


# Outlines ----------------------------------------------------------------------------


def outlines_of(slab: Slab) -> list[tuple[Outline, ...]]:
    """Of each slide: structures whole, then bodies, so that these lie on top."""
    spacing_mm = (slab.frame.spacing_mm[1], slab.frame.spacing_mm[2])
    found: list[list[Outline]] = [[] for _ in range(slab.count)]
    for volume, alone in ((slab.labels, False), (slab.bodies, True)):
        codes = slab.frame.canonical(volume.array)
        for code, window in _windows(codes):
            if alone and BY_CODE[code].kind != "vertebra":
                continue
            for shown in range(*window[0].indices(len(codes))):
                path = _contour(codes[shown], code, window[1:], spacing_mm)
                if path:
                    found[shown].append(_outline(code, path, alone))
    return [tuple(outlines) for outlines in found]


def _outline(code: int, path: str, body: bool) -> Outline:
    structure = BY_CODE[code]
    name = f"{structure.name}, {structure.side}" if structure.side else structure.name
    kind = structure.name.replace(" ", "-") if structure.kind == "muscle" else structure.kind
    return Outline(name, kind, colour_of(code), path, body)


def _windows(labels: NDArray) -> Iterator[tuple[int, tuple[slice, slice, slice]]]:
    """The smallest box around each code that is present."""
    for code, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is not None:
            yield code, window


def _contour(labels: NDArray, code: int, window: Window, spacing_mm: tuple[float, float]) -> str:
    """SVG path around a code on one slice, looked for in a window of rows and columns."""
    corner_mm = np.array((window[0].start, window[1].start)) * spacing_mm
    rings = outline_mm(labels[window] == code, spacing_mm)
    return "".join(_path(ring[:-1] + corner_mm) + "z" for ring in rings)


def _path(yx_mm: NDArray[np.float64]) -> str:
    """Relative SVG path through points (y, x) in millimetres."""
    points = np.rint(yx_mm[:, ::-1] * UNITS_PER_MM).astype(int)
    steps = np.diff(points, axis=0)
    start = f"M{points[0, 0]} {points[0, 1]}"
    return start + "".join(f"l{x} {y}" for x, y in steps[np.any(steps != 0, axis=1)].tolist())


def box_of(window: Window, slab: Slab) -> Box:
    """Where a window of rows and columns lies, from the corner of the whole picture."""
    shape = [slab.labels.shape[axis] for axis in slab.frame.order[1:]]
    (top, bottom), (left, right) = (
        axis.indices(count)[:2] for axis, count in zip(window, shape, strict=True)
    )
    y, x = (mm * UNITS_PER_MM for mm in slab.frame.spacing_mm[1:])
    return Box(left * x, top * y, (right - left) * x, (bottom - top) * y)


def anatomy_window(slab: Slab, margins_mm: tuple[float, float, float, float]) -> Window:
    """Around the anatomy of all slides; the whole picture where there is none."""
    named = np.asarray(slab.frame.canonical(slab.labels.array).any(axis=0))
    if not named.any():
        return slice(0, None), slice(0, None)
    return window_around(named, slab.frame.spacing_mm[1:], margins_mm)


def _names(slab: Slab, shown: int) -> tuple[Name, ...]:
    view = slab.view(shown)
    return tuple(
        Name(
            text=BY_CODE[code].name,
            x=round(place.yx_mm[1] * UNITS_PER_MM, 1),
            y=round(place.yx_mm[0] * UNITS_PER_MM, 1),
            disc=BY_CODE[code].kind == "disc",
            below=place.below,
            colour=colour_of(code),
        )
        for code, place in name_places(view).items()
    )


# Rulers ------------------------------------------------------------------------------


def _rulers(column: Column, slab: Slab, numbers: Sequence[int], report: Report) -> Iterator[Ruler]:
    for section, row, cell in _cells_of(column, report):
        if cell.lines:
            yield Ruler(
                cell=cell.key,
                slide=_slide_of(cell, slab, numbers),
                group=row.group,
                label=label_of(section, row, cell),
                doubtful=cell.doubtful,
                strokes=tuple(stroke_of(line, slab) for line in cell.lines),
            )


def _cells_of(column: Column, report: Report) -> Iterator[tuple[LevelSection, Row, Cell]]:
    for section in (*report.spine, *report.levels):
        for row in section.rows:
            for cell in row.cells:
                if cell is not None and cell.column == column.key:
                    yield section, row, cell


def label_of(section: LevelSection, row: Row, cell: Cell) -> str:
    """Level, metric and number in one line."""
    number = "not reported" if cell.withheld else with_unit(cell.text, row.unit)
    return f"{section.name} · {row.title} · {number}"


def _slide_of(cell: Cell, slab: Slab, numbers: Sequence[int]) -> int:
    """The slide of a number; of a number of all slices, the one nearest to its lines."""
    if cell.slice in numbers:
        return numbers.index(cell.slice)
    points = np.array([point for line in cell.lines for point in line.points_mm])
    nearest = round(float(slab.slices_of(points).mean()))
    return min(max(nearest, 0), len(numbers) - 1)


def stroke_of(line: Line, slab: Slab) -> Stroke:
    """A line of the patient laid onto the pictures of its block."""
    yx_mm = slab.view(0).place.project(line.points_mm)[:, 1:]
    if line.role == ANCHOR:  # a line of no length has round ends: a dot
        return Stroke(line.role, "".join(_path(point[None]) + "h0" for point in yx_mm))
    return Stroke(line.role, _path(yx_mm))
