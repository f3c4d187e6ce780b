"""An axial series at a glance: every slice's place along the spine, by geometry and by looks.

Slices run from left to right as they run from head to foot, the spine runs downward. What the
classifier holds likely is a field of blue; where the sagittal discs put a slice is a dot. Where
one reading counts a level more than the other, dots and field run side by side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.levels import SliceLooks
from openlumbar.report.axial_levels import place_of
from openlumbar.report.fonts import FAMILIES
from openlumbar.report.parts import AxialSection, AxialSlice
from openlumbar.report.svg import Drawing, Pen, Type

#: Of a drawing, on paper: its plot from left, right and top, a step from disc to disc, a line
#: beneath the plot, and what stands under all.
_WIDTH_MM, _LEFT_MM, _RIGHT_MM, _TOP_MM = 178.0, 18.0, 3.0, 14.0
_STEP_MM, _LINE_MM, _FOOT_MM, _GAP_MM = 7.6, 4.0, 6.5, 2.0
#: Places that are drawn beyond the first and the last disc; what lies further stands there.
_BEYOND = 0.75
#: Columns between blocks, and how wide a column gets at most.
_BLOCK_GAP, _WIDEST_MM = 0.7, 8.0
#: Colours that read on white and on black.
_LOOKS, _MEASURED, _DOUBT = "#2F86C9", "#D55E00", "#C77700"
#: How the chart is read.
STACK_NOTE = (
    "Slices from head to foot, left to right. Dots and the blue field should run together: where "
    "they run side by side, one of the two readings counts a level more. A line marks the slice "
    "that lies best in its disc."
)
#: Shades of the field; what is less likely than the first is left white.
_SHADES = (0.05, 0.15, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True, eq=False)
class StackChart:
    """The drawing, and how far from its left border each slice of the section stands."""

    drawing: Drawing
    lefts_mm: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _Plot:
    """Where things lie on the sheet, millimetres."""

    drawing: Drawing
    ink: str
    lumbar: int
    lefts: tuple[float, ...]
    column: float

    @property
    def foot(self) -> float:
        return _TOP_MM + _STEP_MM * (self.lumbar + 2 * _BEYOND)

    def y(self, place: float) -> float:
        return _TOP_MM + _STEP_MM * float(np.clip(place + _BEYOND, 0, self.lumbar + 2 * _BEYOND))

    def words(self, size: float, anchor: str = "left", bold: bool = False) -> Type:
        return Type(FAMILIES[0], size, self.ink, bold, anchor)

    def cell(self, x: float, top: float, bottom: float) -> NDArray[np.float64]:
        """Corners of a column's part."""
        left, right = x - self.column / 2, x + self.column / 2
        return np.array([(top, left), (top, right), (bottom, right), (bottom, left)])

    def shaded(self, cells: Sequence[tuple[NDArray, float]], colour: str) -> None:
        """Draw cells, each as strongly as its probability; a path a shade keeps files small."""
        of_shade: dict[float, list[NDArray]] = defaultdict(list)
        for corners, chance in cells:
            shade = max((shade for shade in _SHADES if shade <= chance), default=0.0)
            if shade:
                of_shade[shade].append(corners)
        for shade, found in of_shade.items():
            self.drawing.path(found, Pen(colour, 0.0, 0.0, 0.85 * shade), closed=True)


def stack_chart(section: AxialSection, ink: str) -> StackChart | None:
    """Draw where each slice of a series lies; None where nothing says so.

    Parameters
    ----------
    section
        Of the report.
    ink
        Of axes and words: ``#rrggbb``, or ``currentColor`` within a page.
    """
    naming = section.naming
    known = any(one.name is not None or one.looks is not None for one in section.slices)
    if naming is None or not known:
        return None
    lefts, column = _columns(section.slices)
    lines = _lines(section.slices)
    height = (
        _TOP_MM + _STEP_MM * (naming.lumbar + 2 * _BEYOND) + _GAP_MM
        + _LINE_MM * len(lines) + _FOOT_MM
    )  # fmt: skip
    plot = _Plot(Drawing(_WIDTH_MM, height), ink, naming.lumbar, lefts, column)
    _draw_legend(plot, section.slices)
    _draw_field(plot, section.slices)
    _draw_scale(plot)
    _draw_best(plot, section.slices)
    _draw_names(plot, section.slices)
    _draw_lines(plot, section.slices, lines)
    _draw_blocks(plot, section.slices)
    return StackChart(plot.drawing, lefts)


def _columns(slices: Sequence[AxialSlice]) -> tuple[tuple[float, ...], float]:
    """Middle of each slice's column, and how wide one is; millimetres."""
    blocks = np.array([one.block for one in slices])
    jumps = np.concatenate(([0], np.cumsum(np.diff(blocks) != 0)))
    places = np.arange(len(slices)) + 0.5 + _BLOCK_GAP * jumps
    room = _WIDTH_MM - _LEFT_MM - _RIGHT_MM
    column = min(room / (places[-1] + 0.5), _WIDEST_MM)
    return tuple((_LEFT_MM + places * column).tolist()), float(column)


# The plot ----------------------------------------------------------------------------


def _draw_legend(plot: _Plot, slices: Sequence[AxialSlice]) -> None:
    """What dots, rings and the field stand for: of what there is."""
    found = [one.name for one in slices if one.name is not None]
    x, y = _LEFT_MM, 3.0
    kinds = [(True, "by the sagittal discs"), (False, "named by the looks of the stack")]
    for measured, words in kinds:
        if any(name.measured is measured for name in found):
            rim = Pen(_MEASURED, 0.9)
            plot.drawing.dot(np.array((y, x + 1.5)), 2.0, _MEASURED, rim, filled=measured)
            plot.drawing.text((y, x + 3.8), words, plot.words(7.5))
            x += 8.0 + 1.32 * len(words)
    if any(one.looks is not None for one in slices):
        for n, shade in enumerate(_SHADES):
            left, right = x + 2.2 * n, x + 2.2 * (n + 1)
            sides = (y - 1.3, left), (y - 1.3, right), (y + 1.3, right), (y + 1.3, left)
            pen = Pen(_LOOKS, 0.0, 0.0, 0.85 * shade)
            plot.drawing.path([np.array(sides)], pen, closed=True)
        words = "how likely, by the looks of the slice alone"
        plot.drawing.text((y, x + 2.2 * len(_SHADES) + 1.5), words, plot.words(7.5))


def _draw_field(plot: _Plot, slices: Sequence[AxialSlice]) -> None:
    """What the classifier holds likely, a column a slice."""
    cells = [
        cell
        for x, one in zip(plot.lefts, slices, strict=True)
        if one.looks is not None
        for cell in _cells(plot, x, one.looks)
    ]
    plot.shaded(cells, _LOOKS)


def _cells(plot: _Plot, x: float, looks: SliceLooks) -> list[tuple[NDArray, float]]:
    found = [
        (place, chance)
        for name, chance in zip(looks.classes, looks.probability, strict=True)
        if (place := place_of(name, lumbar=plot.lumbar)) is not None
    ]
    places = sorted(place for place, _ in found)
    half = min((b - a for a, b in pairwise(places)), default=1.0) / 2
    return [
        (plot.cell(x, plot.y(place - half), plot.y(place + half)), chance)
        for place, chance in found
    ]


def _draw_scale(plot: _Plot) -> None:
    """Discs as lines across, with their names; vertebrae between them."""
    left, right = _LEFT_MM, plot.lefts[-1] + plot.column / 2
    for disc in range(plot.lumbar + 1):
        line = np.array(((plot.y(disc), left), (plot.y(disc), right)))
        plot.drawing.path([line], Pen(plot.ink, 0.4, 0.4))
        plot.drawing.text(
            (plot.y(disc), left - 1.5), _disc(disc, plot.lumbar), plot.words(7.5, "right")
        )
    border = ((_TOP_MM, left), (plot.foot, left), (plot.foot, right))
    plot.drawing.path([np.array(border)], Pen(plot.ink, 0.5, 0.55))


def _disc(place: int, lumbar: int) -> str:
    """Name of a disc by its place."""
    upper = "T12" if place == 0 else f"L{place}"
    return f"{upper}-{'S1' if place == lumbar else f'L{place + 1}'}"


def _draw_best(plot: _Plot, slices: Sequence[AxialSlice]) -> None:
    """A line down to each slice that lies best in its disc, and the disc's name above it."""
    for x, one in zip(plot.lefts, slices, strict=True):
        if one.name is not None and one.name.best:
            line = np.array(((_TOP_MM - 1.0, x), (plot.y(one.name.place), x)))
            plot.drawing.path([line], Pen(_MEASURED, 0.6, 0.8))
            words = Type(FAMILIES[0], 7.5, plot.ink, bold=True, anchor="middle")
            plot.drawing.text((_TOP_MM - 3.0, x), one.name.best, words)


def _draw_names(plot: _Plot, slices: Sequence[AxialSlice]) -> None:
    """A dot a slice, joined within each block."""
    dots = [
        (one.block, plot.y(one.name.place), x, one.name)
        for x, one in zip(plot.lefts, slices, strict=True)
        if one.name is not None
    ]
    for _, block in groupby(dots, key=lambda dot: dot[0]):
        plot.drawing.path([np.array([(y, x) for _, y, x, _ in block])], Pen(_MEASURED, 0.7, 0.6))
    radius = float(np.clip(plot.column * 0.75, 1.3, 2.0))
    for _, y, x, name in dots:
        size = 1.35 * radius if name.best else radius
        place = np.array((y, x))
        plot.drawing.dot(place, size, _MEASURED, Pen(_MEASURED, 0.8), filled=name.measured)


# Beneath it --------------------------------------------------------------------------

_Chance = Callable[[AxialSlice], float]


def _lines(slices: Sequence[AxialSlice]) -> list[tuple[str, str, _Chance]]:
    """What stands beneath the plot: words, colour, and how strong each slice's cell is."""
    signs = {sign for one in slices if one.looks is not None for sign in one.looks.signs}
    lines = [(sign, _LOOKS, _sign(sign)) for sign in sorted(signs, reverse=True)]
    if any(_other(one) >= _SHADES[1] for one in slices):
        lines.append(("no level", _LOOKS, _other))
    if any(one.reasons for one in slices):
        lines.append(("flagged", _DOUBT, lambda one: float(bool(one.reasons))))
    return lines


def _sign(name: str) -> _Chance:
    return lambda one: one.looks.signs.get(name, 0.0) if one.looks is not None else 0.0


def _other(one: AxialSlice) -> float:
    """Probability that the slice shows no level at all."""
    if one.looks is None:
        return 0.0
    return dict(zip(one.looks.classes, one.looks.probability, strict=True)).get("other", 0.0)


def _draw_lines(
    plot: _Plot, slices: Sequence[AxialSlice], lines: Sequence[tuple[str, str, _Chance]]
) -> None:
    for n, (words, colour, chance) in enumerate(lines):
        middle = plot.foot + _GAP_MM + (n + 0.5) * _LINE_MM
        plot.drawing.text((middle, _LEFT_MM - 1.5), words, plot.words(7.0, "right"))
        cells = [
            (plot.cell(x, middle - 1.4, middle + 1.4), chance(one))
            for x, one in zip(plot.lefts, slices, strict=True)
        ]
        plot.shaded(cells, colour)


def _draw_blocks(plot: _Plot, slices: Sequence[AxialSlice]) -> None:
    """Names of blocks, or of the first and last slice of the only one."""
    y = plot.drawing.height_mm - 2.6
    placed = list(zip(plot.lefts, slices, strict=True))
    blocks = [list(group) for _, group in groupby(placed, key=lambda item: item[1].block)]
    if len(blocks) == 1:
        ends = {0: blocks[0][0], -1: blocks[0][-1]}
        for end, (x, one) in ends.items():
            anchor = "left" if end == 0 else "right"
            edge = x + (-0.5 if end == 0 else 0.5) * plot.column
            plot.drawing.text((y, edge), one.title, plot.words(7.0, anchor))
        return
    for block in blocks:
        x = (block[0][0] + block[-1][0]) / 2
        plot.drawing.text((y, x), f"block {block[0][1].block + 1}", plot.words(7.0, "middle"))
