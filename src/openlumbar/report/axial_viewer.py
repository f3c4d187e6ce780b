"""What a browser needs to page through an axial series: all its blocks, from head to foot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.metrics import METRICS
from openlumbar.core.plane import Plane
from openlumbar.io.analysis import Analysis
from openlumbar.report.activation import overlay_of
from openlumbar.report.cells import group_of
from openlumbar.report.parts import AxialSection, AxialSlice, Cell, Report
from openlumbar.report.view import Slab
from openlumbar.report.viewer import (
    Box,
    Outline,
    Ruler,
    Slide,
    Viewer,
    anatomy_window,
    box_of,
    data_uri,
    grey_of,
    outlines_of,
    slab_of,
    stroke_of,
)
from openlumbar.report.wording import UNITS, with_unit

#: Millimetres kept around the anatomy when zoomed in: in front, behind, right and left.
_MARGINS_MM = (10.0, 22.0, 12.0, 12.0)
#: Pixels of all axial pictures of a page, and the least and most of a picture's side.
_ALL_PIXELS, _LEAST_PIXELS, _MOST_PIXELS = 6e6, 256, 512
_JPEG_QUALITY = 85
#: Percentiles of intensity that are shown as black and as white at first.
_BLACK, _WHITE = 1.0, 99.0
#: Of 255: the grey level that white is stored as, so that brighter fat can be looked into.
_WHITE_LEVEL = 170.0


@dataclass(frozen=True, eq=False)
class _BlockSlides:
    """A block, and where its picture lies on the sheet that all blocks share."""

    slab: Slab
    box: Box

    @cached_property
    def outlines(self) -> list[tuple[Outline, ...]]:
        return outlines_of(self.slab)

    @cached_property
    def shown(self) -> dict[int, int]:
        """From a slice's number in the block to its place from the feet."""
        return {self.slab.number(place): place for place in range(self.slab.count)}

    def picture(self, number: int) -> NDArray:
        """Intensities ``[row, column]`` as they are looked at."""
        image: NDArray = self.slab.frame.canonical(self.slab.image.array)[self.shown[number]]
        return image

    def codes(self, number: int) -> NDArray:
        """Labels ``[row, column]`` as they are looked at."""
        codes: NDArray = self.slab.frame.canonical(self.slab.labels.array)[self.shown[number]]
        return codes


def axial_viewers_of(analysis: Analysis, report: Report) -> tuple[Viewer, ...]:
    """A viewer for each axial series, with or without masks, in the exam's order.

    Parameters
    ----------
    report
        Of the same analysis.

    Notes
    -----
    Surface coils see the back brightly and the belly hardly at all, and the ends of the stack
    less than its middle: each slice has its own window, set by the labelled anatomy, which
    subcutaneous fat beside the coil then does not darken.
    """
    count = sum(len(section.slices) for section in report.axial)
    pixels = int(np.clip(np.sqrt(_ALL_PIXELS / max(count, 1)), _LEAST_PIXELS, _MOST_PIXELS))
    return tuple(
        _viewer(analysis, section, f"x{n}", pixels) for n, section in enumerate(report.axial)
    )


def _viewer(analysis: Analysis, section: AxialSection, key: str, pixels: int) -> Viewer:
    series = next(one for one in analysis.exam.series if one.name == section.series)
    slabs = [slab_of(analysis, series, block) for block in range(len(series.blocks))]
    whole, blocks = _laid_out(slabs)
    return Viewer(
        key=key,
        plane=Plane.AXIAL,
        column=section.key,
        title=section.title,
        series=section.series,
        whole=whole,
        zoomed=_zoomed(blocks, whole),
        first=section.first,
        apart_mm=slabs[0].frame.spacing_mm[0],
        window=(0.0, _WHITE_LEVEL),
        slides=tuple(_slide(one, blocks[one.block], pixels) for one in section.slices),
        names=(),
        rulers=tuple(_rulers(section.slices, blocks)),
    )


def _laid_out(slabs: Sequence[Slab]) -> tuple[Box, list[_BlockSlides]]:
    """A sheet that holds the largest picture, and every block in its middle."""
    boxes = [box_of((slice(0, None), slice(0, None)), slab) for slab in slabs]
    width, height = max(box.width for box in boxes), max(box.height for box in boxes)
    placed = [
        Box((width - box.width) / 2, (height - box.height) / 2, box.width, box.height)
        for box in boxes
    ]
    blocks = [_BlockSlides(slab, box) for slab, box in zip(slabs, placed, strict=True)]
    return Box(0.0, 0.0, width, height), blocks


def _zoomed(blocks: Sequence[_BlockSlides], whole: Box) -> Box:
    """Around the anatomy of every block that has any."""
    found = []
    for block in blocks:
        if block.slab.labels.array.any():
            part = box_of(anatomy_window(block.slab, _MARGINS_MM), block.slab)
            found.append((block.box.x + part.x, block.box.y + part.y, part.width, part.height))
    if not found:
        return whole
    x, y, width, height = np.array(found).T
    left, top = float(x.min()), float(y.min())
    return Box(left, top, float((x + width).max()) - left, float((y + height).max()) - top)


def _slide(one: AxialSlice, block: _BlockSlides, pixels: int) -> Slide:
    level = f" · {one.level}" if one.level else ""
    return Slide(
        number=one.slice,
        title=one.title + level,
        picture=_data_uri(block.picture(one.slice), block.codes(one.slice) > 0, pixels),
        box=block.box,
        outlines=block.outlines[block.shown[one.slice]],
        overlay=overlay_of(one.looks, block.slab),
    )


def _data_uri(picture: NDArray, anatomy: NDArray[np.bool_], pixels: int) -> str:
    window = window_of(picture, anatomy)
    if window is None:
        return ""
    black, white = window
    return data_uri(grey_of(picture, black, _WHITE_LEVEL / (white - black)), pixels, _JPEG_QUALITY)


def window_of(picture: NDArray, anatomy: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Intensities to show as black and as white, so that muscles are told from their fat.

    Parameters
    ----------
    picture, anatomy
        ``[row, column]``: intensities, and what is labelled; without any, all is weighed.

    Returns
    -------
    tuple of float or None
        None where no intensity is finite.
    """
    finite = np.isfinite(picture)
    if not finite.any():
        return None
    weighed = picture[finite & anatomy] if (finite & anatomy).any() else picture[finite]
    black = float(np.percentile(picture[finite], _BLACK))
    white = float(np.percentile(weighed, _WHITE))
    return black, max(white, black + 1e-6)


def _rulers(slices: Sequence[AxialSlice], blocks: Sequence[_BlockSlides]) -> Iterator[Ruler]:
    for place, one in enumerate(slices):
        for key, cell in one.cells.items():
            if cell.lines:
                yield Ruler(
                    cell=cell.key,
                    slide=place,
                    group=group_of(key[0], key[2]),
                    label=label_of_number(one, key, cell),
                    doubtful=cell.doubtful,
                    strokes=tuple(stroke_of(line, blocks[one.block].slab) for line in cell.lines),
                )


def label_of_number(one: AxialSlice, key: tuple[str, str, str], cell: Cell) -> str:
    """Slice, structure, metric and number in one line; ``key`` as in :class:`AxialSlice`."""
    structure, side, metric = key
    known = METRICS[structure, metric]
    number = "not reported" if cell.withheld else with_unit(cell.text, UNITS[known.unit][0])
    of = f"{structure}, {side}" if side else structure
    return f"{one.title} · {of} · {known.title} · {number}"
