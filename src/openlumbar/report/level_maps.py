"""Where the classifier looked at each disc: mean activation maps in a frame around the sac."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from openlumbar.io.analysis import Analysis
from openlumbar.report.activation import blended, turned
from openlumbar.report.axial_levels import likeliest
from openlumbar.report.axial_viewer import window_of
from openlumbar.report.fonts import FAMILIES
from openlumbar.report.panel import Panel
from openlumbar.report.parts import AxialSection, AxialSlice
from openlumbar.report.svg import Drawing, Type
from openlumbar.report.view import Slab, SliceView
from openlumbar.report.viewer import grey_of, slab_of

#: A mean map: millimetres in front of the sac, behind it and to each side; psoas, muscles of
#: the back, kidneys and the wings of the ilium are in it.
_FRONT_MM, _BACK_MM, _SIDE_MM = 75.0, 95.0, 130.0
#: Of a tile: pixels a millimetre of the patient; on paper its width, gaps and words.
_PIXELS_A_MM, _ACROSS, _GAP_MM, _WORDS_MM = 1.6, 3, 2.5, 8.6
_QUALITY = 85
#: Pixels of a tile to one of its map, each way.
_COARSER = 4
_INK, _QUIET = "#1A1A1A", "#6B6B6B"
#: How mean maps are read.
MAP_NOTE = (
    "Mean class activation map of the slices of each disc, over the slice that lies best in it: "
    "the brighter, the more a place speaks for that disc. A map shows where the classifier "
    "looked, not that it looked at the right thing."
)


@dataclass(frozen=True, eq=False)
class LevelMap:
    """The mean map at a disc, over the picture of the slice that lies best in it.

    Attributes
    ----------
    disc
        Its name.
    place
        Of that slice, in :attr:`AxialSection.slices`.
    count
        How many slices the mean is of.
    picture
        ``uint8[row, column, 3]``.
    """

    disc: str
    place: int
    count: int
    picture: NDArray[np.uint8]

    @property
    def words(self) -> str:
        """Of how many slices it is the mean."""
        return f"mean of {self.count} slices" if self.count > 1 else "one slice"

    @property
    def uri(self) -> str:
        """As a JPEG within a page."""
        out = io.BytesIO()
        Image.fromarray(self.picture).save(out, "jpeg", quality=_QUALITY)
        return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def level_maps(analysis: Analysis, section: AxialSection) -> tuple[LevelMap, ...]:
    """Mean activation map of each disc level that has any, from head to foot.

    The map of a slice counts where slice and map are of that disc; it is laid into a frame
    around the sac's centre, and the mean of all is laid over the best slice.

    Parameters
    ----------
    section
        Of the report of the same analysis.
    """
    if not any(one.looks is not None for one in section.slices):
        return ()
    slabs = _slabs(analysis, section)
    means = (_mean(section, level.name, level.place, slabs) for level in section.levels)
    return tuple(mean for mean in means if mean is not None)


def map_panel(tiles: Sequence[LevelMap], room_mm: float) -> Panel:
    """Mean maps side by side, for print.

    Parameters
    ----------
    tiles
        Not empty.
    room_mm
        Width of the paper that there is.
    """
    width = (room_mm + _GAP_MM) / _ACROSS - _GAP_MM
    height = width * (_FRONT_MM + _BACK_MM) / (2 * _SIDE_MM)
    rows = ceil(len(tiles) / _ACROSS)
    size = (room_mm, rows * (height + _WORDS_MM + _GAP_MM) - _GAP_MM)
    drawing = Drawing(*size)
    places = [
        (
            (n % _ACROSS) * (width + _GAP_MM),
            (n // _ACROSS) * (height + _WORDS_MM + _GAP_MM) + _WORDS_MM,
        )
        for n in range(len(tiles))
    ]
    for tile, (left, top) in zip(tiles, places, strict=True):
        _write(drawing, tile, left, top)
    return Panel(
        key="looks",
        title="Where the classifier looked",
        image=_sheet(tiles, places, size, width),
        drawing=drawing.bytes(),
        width_mm=size[0],
        height_mm=size[1],
        image_mm=(0.0, 0.0, *size),
        note=MAP_NOTE,
    )


def _slabs(analysis: Analysis, section: AxialSection) -> dict[int, Slab]:
    series = next(one for one in analysis.exam.series if one.name == section.series)
    return {
        block: slab_of(analysis, series, block) for block in {one.block for one in section.slices}
    }


def _mean(section: AxialSection, disc: str, best: int, slabs: dict[int, Slab]) -> LevelMap | None:
    near = [
        one for one in section.slices if one.level == disc and one.looks is not None
        and one.looks.activation
    ]  # fmt: skip
    # A map shows what speaks for the likeliest class: of this disc, where any slice has it.
    own = [one for one in near if one.looks is not None and likeliest(one.looks)[0] == disc] or near
    maps = [found for one in own if (found := _laid_out(one, slabs[one.block])) is not None]
    if not maps:
        return None
    mean = np.mean(maps, axis=0)
    mean = mean / max(float(mean.max()), 1e-6)
    return LevelMap(disc, best, len(maps), blended(_picture(section.slices[best], slabs), mean))


def _grid(coarser: int = 1) -> NDArray[np.float64]:
    """``[2, rows, columns]``: middles of pixels, mm behind and to the left of the sac's centre."""
    rows, columns = (
        (np.arange(round((before + behind) * _PIXELS_A_MM / coarser)) + 0.5)
        * (coarser / _PIXELS_A_MM)
        - before
        for before, behind in ((_FRONT_MM, _BACK_MM), (_SIDE_MM, _SIDE_MM))
    )
    return np.array(np.meshgrid(rows, columns, indexing="ij"))


def _centre(one: AxialSlice, view: SliceView) -> NDArray[np.float64]:
    """The sac in the picture (y, x), mm; the picture's middle where the slice has no name."""
    if one.name is None:
        return np.array(view.labels.shape) * view.spacing_mm / 2
    return np.asarray(view.place.project(one.name.sac_mm)[1:], np.float64)


def _view(one: AxialSlice, slab: Slab) -> SliceView:
    shown = {slab.number(place): place for place in range(slab.count)}
    return slab.view(shown[one.slice])


def _laid_out(one: AxialSlice, slab: Slab) -> NDArray[np.float64] | None:
    """A slice's map on the grid around its sac, coarsely; nothing beyond its box."""
    laid = turned(one.looks, slab)
    if laid is None:
        return None
    values, (top, left, bottom, right) = laid
    view = _view(one, slab)
    centre = _centre(one, view)
    pixels = [
        (grid + middle) / mm
        for grid, middle, mm in zip(_grid(_COARSER), centre, view.spacing_mm, strict=True)
    ]
    ends = ((top, bottom), (left, right))
    shares = np.array(
        [(pixel - low) / (high - low) for pixel, (low, high) in zip(pixels, ends, strict=True)]
    )
    cells = shares * np.reshape(values.shape, (2, 1, 1)) - 0.5
    found = ndimage.map_coordinates(values, cells, order=1, mode="nearest")
    return np.where(np.all((shares >= 0) & (shares <= 1), axis=0), found, 0.0)


def _picture(one: AxialSlice, slabs: dict[int, Slab]) -> NDArray[np.uint8]:
    """The slice around its sac, grey; black beyond it."""
    view = _view(one, slabs[one.block])
    window = window_of(view.image, view.labels > 0)
    black, white = window or (0.0, 1.0)
    grey = grey_of(view.image, black, 235.0 / (white - black))
    centre = _centre(one, view)
    pixels = [
        (grid + middle) / mm - 0.5
        for grid, middle, mm in zip(_grid(), centre, view.spacing_mm, strict=True)
    ]
    return np.asarray(ndimage.map_coordinates(grey, pixels, order=1), np.uint8)


def _write(drawing: Drawing, tile: LevelMap, left: float, top: float) -> None:
    drawing.text((top - 5.6, left), tile.disc, Type(FAMILIES[0], 8.5, _INK, bold=True))
    drawing.text((top - 2.1, left), tile.words, Type(FAMILIES[0], 7.0, _QUIET))


def _sheet(
    tiles: Sequence[LevelMap],
    places: Sequence[tuple[float, float]],
    size_mm: tuple[float, float],
    width_mm: float,
) -> bytes:
    """All tiles on one white sheet, as JPEG."""
    pixels = tiles[0].picture.shape[1] / width_mm
    sheet = Image.new("RGB", (round(size_mm[0] * pixels), round(size_mm[1] * pixels)), "white")
    for tile, (left, top) in zip(tiles, places, strict=True):
        sheet.paste(Image.fromarray(tile.picture), (round(left * pixels), round(top * pixels)))
    out = io.BytesIO()
    sheet.save(out, "jpeg", quality=_QUALITY)
    return out.getvalue()
