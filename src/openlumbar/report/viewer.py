"""What a browser needs to page through a sagittal block: pictures, outlines, rulers.

Pictures are 8-bit JPEG data URIs. Outlines and rulers are SVG paths in tenths of a
millimetre from the picture's upper left corner, so that they stay sharp at any size and
pixels that are not square need no care.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from openlumbar.core.volume import Volume
from openlumbar.imaging.frame import frame_of
from openlumbar.io.analysis import Analysis
from openlumbar.report.drawing import outline_mm
from openlumbar.report.parts import Cell, Column, LevelSection, Report, Row
from openlumbar.report.pictures import name_places
from openlumbar.report.view import Slab, Window, middle_slice, window_around
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
_UNITS_PER_MM = 10.0


@dataclass(frozen=True)
class Outline:
    """A structure on one slice; ``body`` when it is a vertebral body alone."""

    name: str
    kind: str
    colour: str
    path: str
    body: bool


@dataclass(frozen=True)
class Slide:
    """One slice: its number in the block, picture (empty: none) and outlines."""

    number: int
    picture: str
    outlines: tuple[Outline, ...]

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
class Box:
    """A part of the picture, in SVG units."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Viewer:
    """A sagittal block to page through, from the patient's right to the left.

    Attributes
    ----------
    key
        ``v0``, ``v1`` …
    column
        Key of the report's column with its numbers; empty where there is none.
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
            _slab(analysis, series, block),
            report,
        )
        for number, (series, block) in enumerate(places)
    )


def _bare_column(series: Series, block: int) -> Column:
    """What a block without masks or numbers is called."""
    suffix = f", block {block + 1}" if len(series.blocks) > 1 else ""
    return Column("", series.name + suffix, series.name, block)


def _slab(analysis: Analysis, series: Series, block: int) -> Slab:
    """A block with its masks; without any, nothing is labelled."""
    image = series.blocks[block].volume
    masks = analysis.masks.of(series.name)
    if masks is None:
        nothing = image.with_array(np.zeros(image.shape, np.uint16))
        return Slab(image, nothing, nothing)
    labels = masks.labels[block]
    return Slab(image, labels, masks.bodies[block] if masks.bodies else labels)


def _viewer(key: str, column: Column, slab: Slab, report: Report) -> Viewer:
    pictures, window = _pictures(slab.image)
    numbers = [slab.view(shown).slice for shown in range(len(pictures))]
    outlines = _outlines(slab)
    first = _first(slab)
    apart_mm, *spacing_mm = frame_of(slab.labels).spacing_mm
    spacing = (spacing_mm[0], spacing_mm[1])
    return Viewer(
        key=key,
        column=column.key,
        title=column.title,
        series=column.series,
        whole=_box((slice(0, None), slice(0, None)), _canonical(slab.labels)[0], spacing),
        zoomed=_zoomed(slab, spacing),
        first=first,
        apart_mm=apart_mm,
        window=window,
        slides=tuple(
            Slide(number, picture, shapes)
            for number, picture, shapes in zip(numbers, pictures, outlines, strict=True)
        ),
        names=_names(slab, first),
        rulers=tuple(_rulers(column, slab, numbers, report)),
    )


def _canonical(volume: Volume) -> NDArray:
    return frame_of(volume).canonical(volume.array)


def _first(slab: Slab) -> int:
    """The slice that shows most of the spine's middle; without labels, the central one."""
    try:
        return middle_slice(_canonical(slab.labels))
    except StageError:
        return _canonical(slab.labels).shape[0] // 2


# Pictures ----------------------------------------------------------------------------


def _pictures(image: Volume) -> tuple[list[str], tuple[float, float]]:
    """A data URI a slice, and the grey levels shown as black and white at first."""
    upright = _canonical(image)
    sample = upright[:, ::2, ::2]
    finite = sample[np.isfinite(sample)]
    if not finite.size:
        return [""] * len(upright), (0.0, 255.0)
    percentiles = (_STORED[0], _SHOWN[0], _SHOWN[1], _STORED[1])
    low, black, white, high = np.percentile(finite, percentiles).tolist()
    scale = 255.0 / max(high - low, 1e-6)
    pictures = [_data_uri(_grey(picture, low, scale)) for picture in upright]
    return pictures, ((black - low) * scale, max((white - low) * scale, 1.0))


def _grey(picture: NDArray, low: float, scale: float) -> NDArray[np.uint8]:
    grey = (np.nan_to_num(picture.astype(np.float32)) - low) * scale
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _data_uri(grey: NDArray[np.uint8]) -> str:
    picture = Image.fromarray(grey)
    picture.thumbnail((_MOST_PIXELS, _MOST_PIXELS), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


# Outlines ----------------------------------------------------------------------------


def _outlines(slab: Slab) -> list[tuple[Outline, ...]]:
    """Of each slide: structures whole, then bodies, so that these lie on top."""
    labels, bodies = _canonical(slab.labels), _canonical(slab.bodies)
    spacing = frame_of(slab.labels).spacing_mm[1:]
    found: list[list[Outline]] = [[] for _ in labels]
    for volume, alone in ((labels, False), (bodies, True)):
        for code, window in _windows(volume):
            structure = BY_CODE[code]
            if alone and structure.kind != "vertebra":
                continue
            for shown in range(*window[0].indices(len(volume))):
                path = _contour(volume[shown], code, window[1:], spacing)
                if path:
                    found[shown].append(
                        Outline(structure.name, structure.kind, colour_of(code), path, alone)
                    )
    return [tuple(outlines) for outlines in found]


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
    points = np.rint(yx_mm[:, ::-1] * _UNITS_PER_MM).astype(int)
    steps = np.diff(points, axis=0)
    start = f"M{points[0, 0]} {points[0, 1]}"
    return start + "".join(f"l{x} {y}" for x, y in steps[np.any(steps != 0, axis=1)].tolist())


def _box(window: Window, picture: NDArray, spacing_mm: tuple[float, float]) -> Box:
    (top, bottom), (left, right) = (
        axis.indices(count)[:2] for axis, count in zip(window, picture.shape, strict=True)
    )
    y, x = (mm * _UNITS_PER_MM for mm in spacing_mm)
    return Box(left * x, top * y, (right - left) * x, (bottom - top) * y)


def _zoomed(slab: Slab, spacing_mm: tuple[float, float]) -> Box:
    """Around the anatomy of all slides; the whole picture where there is none."""
    named = np.asarray(_canonical(slab.labels).any(axis=0))
    window = (
        window_around(named, spacing_mm, _MARGINS_MM)
        if named.any()
        else (slice(0, None), slice(0, None))
    )
    return _box(window, named, spacing_mm)


def _names(slab: Slab, shown: int) -> tuple[Name, ...]:
    view = slab.view(shown)
    return tuple(
        Name(
            text=BY_CODE[code].name,
            x=round(place.yx_mm[1] * _UNITS_PER_MM, 1),
            y=round(place.yx_mm[0] * _UNITS_PER_MM, 1),
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
                strokes=tuple(_stroke(line, slab) for line in cell.lines),
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


def _stroke(line: Line, slab: Slab) -> Stroke:
    yx_mm = slab.view(0).place.project(line.points_mm)[:, 1:]
    if line.role == ANCHOR:  # a line of no length has round ends: a dot
        return Stroke(line.role, "".join(_path(point[None]) + "h0" for point in yx_mm))
    return Stroke(line.role, _path(yx_mm))
