"""Muscles, their fat and the dural sac at each disc, right beside left: one small chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openlumbar.core.metrics import MUSCLES
from openlumbar.report.axial import MUSCLE_TITLES
from openlumbar.report.chart import SIDES, nice_top
from openlumbar.report.fonts import FAMILIES
from openlumbar.report.parts import AxialLevel, AxialSection
from openlumbar.report.svg import Drawing, Pen, Type

#: On paper: the sheet, room for the names of discs, a plot's head and foot, a disc's line.
_WIDTH_MM, _LEFT_MM, _HEAD_MM, _FOOT_MM, _LINE_MM, _GAP_MM = 178.0, 14.0, 6.0, 5.5, 4.6, 5.0
_TITLE_MM, _DOT_PT = 5.0, 2.1


@dataclass(frozen=True)
class _Plot:
    """A number of a structure: which, and what stands above it."""

    structure: str
    metric: str
    title: str


#: Two rows of plots: columns are structures.
_AREAS = (
    *(_Plot(muscle, "csa_cm2", "area, cm²") for muscle in MUSCLES),
    _Plot("dural sac", "area_mm2", "area, mm²"),
)
_FATS = (
    *(_Plot(muscle, "fat_fraction_partial_volume_percent", "fat, %") for muscle in MUSCLES),
    _Plot("dural sac", "ap_diameter_mm", "antero-posterior, mm"),
)
_TITLES = {**MUSCLE_TITLES, "dural sac": "Dural sac"}


def disc_chart(section: AxialSection, ink: str) -> Drawing | None:
    """Draw what was measured at the discs; None where that is nothing, or at one disc alone.

    Parameters
    ----------
    ink
        Of axes and words: ``#rrggbb``, or ``currentColor`` within a page.
    """
    levels = [level for level in section.levels if level.cells]
    if len(levels) < 2:
        return None
    row_mm = _HEAD_MM + _LINE_MM * len(levels) + _FOOT_MM
    drawing = Drawing(_WIDTH_MM, _TITLE_MM + 2 * row_mm)
    width = (_WIDTH_MM - _LEFT_MM - _GAP_MM * len(_AREAS)) / len(_AREAS)
    for row, plots in enumerate((_AREAS, _FATS)):
        top = _TITLE_MM + row * row_mm
        _draw_discs(drawing, levels, top, ink)
        for n, plot in enumerate(plots):
            left = _LEFT_MM + n * (width + _GAP_MM)
            if row == 0:
                words = Type(FAMILIES[0], 8.0, ink, bold=True)
                drawing.text((2.2, left), _TITLES[plot.structure], words)
            _draw_plot(drawing, levels, plot, (left, top, width), ink)
    return drawing


def _line(top: float, place: int) -> float:
    """Middle of a disc's line."""
    return top + _HEAD_MM + (place + 0.5) * _LINE_MM


def _draw_discs(drawing: Drawing, levels: Sequence[AxialLevel], top: float, ink: str) -> None:
    for place, level in enumerate(levels):
        words = Type(FAMILIES[0], 7.5, ink, anchor="right")
        drawing.text((_line(top, place), _LEFT_MM - 2.0), level.name, words)


def _draw_plot(
    drawing: Drawing,
    levels: Sequence[AxialLevel],
    plot: _Plot,
    place_mm: tuple[float, float, float],
    ink: str,
) -> None:
    left, top, width = place_mm
    numbers = [
        cell.number
        for level in levels
        for side in SIDES
        if (cell := level.cell(plot.structure, side, plot.metric)) is not None
        if cell.number is not None
    ]
    if not numbers:
        return
    most = nice_top(numbers)
    _draw_axis(drawing, plot.title, most, (left, top, width, len(levels)), ink)
    for line, level in enumerate(levels):
        _draw_level(drawing, level, plot, (_line(top, line), left, width / most))


def _draw_axis(
    drawing: Drawing,
    title: str,
    most: float,
    place_mm: tuple[float, float, float, int],
    ink: str,
) -> None:
    left, top, width, count = place_mm
    upper, foot = top + _HEAD_MM, top + _HEAD_MM + count * _LINE_MM
    drawing.text((upper - 2.6, left), title, Type(FAMILIES[0], 7.0, ink))
    for place in range(count):
        y = _line(top, place)
        drawing.path([np.array(((y, left), (y, left + width)))], Pen(ink, 0.3, 0.18))
    outline = np.array(((upper, left), (foot, left), (foot, left + width)))
    drawing.path([outline], Pen(ink, 0.5, 0.55))
    for share, anchor in ((0.0, "middle"), (1.0, "middle")):
        words = Type(FAMILIES[0], 6.5, ink, anchor=anchor)
        drawing.text((foot + 2.4, left + share * width), f"{share * most:g}", words)


def _draw_level(
    drawing: Drawing, level: AxialLevel, plot: _Plot, place_mm: tuple[float, float, float]
) -> None:
    """A dot a side, joined: the longer the line, the more the sides differ."""
    y, left, scale = place_mm
    dots = [
        (left + cell.number * scale, colour, cell.doubtful)
        for side, (colour, _) in SIDES.items()
        if (cell := level.cell(plot.structure, side, plot.metric)) is not None
        if cell.number is not None
    ]
    if len(dots) > 1:
        ends = np.array([(y, dots[0][0]), (y, dots[-1][0])])
        drawing.path([ends], Pen("#8A8A8A", 1.0, 0.7))
    for x, colour, doubtful in dots:
        drawing.dot(np.array((y, x)), _DOT_PT, colour, Pen(colour, 0.8), filled=not doubtful)
