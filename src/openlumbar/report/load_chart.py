"""Compression and shear at each disc, task beside task, with their intervals: one small chart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from openlumbar.core.loads import Load, Loads
from openlumbar.report.fonts import FAMILIES
from openlumbar.report.loads import task_colour
from openlumbar.report.svg import Drawing, Pen, Type
from openlumbar.report.wording import number_text, rank

#: On paper: the sheet, room for names of discs, between the plots and at the right.
_WIDTH_MM, _LEFT_MM, _GAP_MM, _RIGHT_MM = 178.0, 15.0, 9.0, 5.0
#: A line of the legend, a plot's head and foot, and a task's line within a disc's.
_LEGEND_MM, _HEAD_MM, _FOOT_MM, _TASK_MM, _PAD_MM = 4.2, 8.0, 6.0, 3.0, 2.2
#: The wider plot's part of the room: compression has the larger numbers.
_WIDER = 0.6
_DOT_PT = 2.1
#: How the chart is read.
CHART_NOTE = "A dot is the load, its line the interval. Shear is positive forward."
_Ends = tuple[float, float | None, float | None]


@dataclass(frozen=True)
class _Plot:
    """A number of a load: how it is read, and what stands above it."""

    title: str
    ends: Callable[[Load], _Ends]


_PLOTS = (
    _Plot("Compression, N", lambda load: (load.compression_n, load.low_n, load.high_n)),
    _Plot(
        "Antero-posterior shear, N",
        lambda load: (load.shear_n, load.shear_low_n, load.shear_high_n),
    ),
)


@dataclass(frozen=True, eq=False)
class _Frame:
    """Where a plot lies, millimetres, and which forces it spans."""

    left: float
    right: float
    top: float
    foot: float
    least: float
    most: float

    def x(self, newtons: float) -> float:
        share = (newtons - self.least) / (self.most - self.least)
        return self.left + (self.right - self.left) * share


def loads_chart(loads: Loads, ink: str) -> Drawing | None:
    """Draw the loads at the discs; None where there are none.

    Parameters
    ----------
    ink
        Of axes and words: ``#rrggbb``, or ``currentColor`` within a page.
    """
    tasks = [
        {load.level: load for load in task.loads if load.place == "joint"} for task in loads.tasks
    ]
    levels = sorted({level for task in tasks for level in task}, key=rank)
    if not levels:
        return None
    top = _LEGEND_MM * len(tasks) + _HEAD_MM
    step = _TASK_MM * len(tasks) + _PAD_MM
    foot = top + step * len(levels)
    drawing = Drawing(_WIDTH_MM, foot + _FOOT_MM)
    _draw_legend(drawing, [task.title for task in loads.tasks], ink)
    _draw_levels(drawing, levels, (top, step), ink)
    room = _WIDTH_MM - _LEFT_MM - _GAP_MM - _RIGHT_MM
    edges = (_LEFT_MM, _LEFT_MM + _WIDER * room), (_LEFT_MM + _WIDER * room + _GAP_MM, None)
    for plot, (left, right) in zip(_PLOTS, edges, strict=True):
        ends = [end for task in tasks for load in task.values() for end in plot.ends(load)]
        least, most = span([end for end in ends if end is not None])
        frame = _Frame(left, right or _WIDTH_MM - _RIGHT_MM, top, foot, least, most)
        _draw_axis(drawing, frame, plot.title, ink)
        for number, task in enumerate(tasks):
            for place, level in enumerate(levels):
                if level in task:
                    y = top + place * step + _PAD_MM / 2 + (number + 0.5) * _TASK_MM
                    _draw_load(drawing, frame, y, plot.ends(task[level]), task_colour(number))
    return drawing


def span(forces: Sequence[float]) -> tuple[float, float]:
    """Round ends of an axis that holds zero and all forces.

    Examples
    --------
    >>> span([120.0, 930.0]), span([-35.0, 260.0])
    ((0.0, 1000.0), (-100.0, 300.0))
    """
    least, most = min(0.0, *forces), max(0.0, *forces)
    if least == most:
        most = 1.0
    step = _step(most - least)
    return float(np.floor(least / step) * step), float(np.ceil(most / step) * step)


def _draw_legend(drawing: Drawing, titles: Sequence[str], ink: str) -> None:
    for number, title in enumerate(titles):
        y = _LEGEND_MM * (number + 0.6)
        colour = task_colour(number)
        drawing.dot(np.array((y, _LEFT_MM + 1.0)), _DOT_PT, colour, Pen(colour, 0.8))
        drawing.text((y, _LEFT_MM + 3.5), title, Type(FAMILIES[0], 8.0, ink))


def _draw_levels(
    drawing: Drawing, levels: Sequence[str], place_mm: tuple[float, float], ink: str
) -> None:
    """Names of discs from head to foot, and a faint line between two."""
    top, step = place_mm
    words = Type(FAMILIES[0], 8.0, ink, anchor="right")
    for place, level in enumerate(levels):
        drawing.text((top + (place + 0.5) * step, _LEFT_MM - 2.0), level, words)
        if place:
            y = top + place * step
            line = np.array(((y, _LEFT_MM), (y, _WIDTH_MM - _RIGHT_MM)))
            drawing.path([line], Pen(ink, 0.3, 0.18))


def _draw_axis(drawing: Drawing, frame: _Frame, title: str, ink: str) -> None:
    drawing.text((frame.top - 3.2, frame.left), title, Type(FAMILIES[0], 7.5, ink, bold=True))
    border = np.array(((frame.foot, frame.left), (frame.foot, frame.right)))
    zero = np.array(((frame.top, frame.x(0.0)), (frame.foot, frame.x(0.0))))
    drawing.path([border], Pen(ink, 0.5, 0.55))
    drawing.path([zero], Pen(ink, 0.5, 0.55))
    for force in ticks(frame.least, frame.most):
        x = frame.x(force)
        drawing.path([np.array(((frame.top, x), (frame.foot, x)))], Pen(ink, 0.3, 0.18))
        words = Type(FAMILIES[0], 7.0, ink, anchor="middle")
        drawing.text((frame.foot + 2.8, x), number_text(force, "N"), words)


def ticks(least: float, most: float) -> list[float]:
    """Some round forces from one end of an axis to the other.

    Examples
    --------
    >>> ticks(0.0, 3000.0), ticks(-200.0, 400.0)
    ([0.0, 1000.0, 2000.0, 3000.0], [-200.0, 0.0, 200.0, 400.0])
    """
    step = _step(most - least)
    first = int(np.ceil(least / step - 1e-9))
    last = int(np.floor(most / step + 1e-9))
    return [number * step for number in range(first, last + 1)]


def _step(width: float) -> float:
    """The least round step that makes at most five parts."""
    unit = 10.0 ** np.floor(np.log10(width))
    return float(next(n * unit for n in (0.2, 0.25, 0.5, 1.0, 2.0) if width <= 5 * n * unit))


def _draw_load(drawing: Drawing, frame: _Frame, y: float, ends: _Ends, colour: str) -> None:
    """A dot, and a line with feet from end to end of the interval."""
    force, low, high = ends
    if low is not None and high is not None:
        feet = [np.array(((y - 0.8, frame.x(end)), (y + 0.8, frame.x(end)))) for end in (low, high)]
        line = np.array(((y, frame.x(low)), (y, frame.x(high))))
        drawing.path([line, *feet], Pen(colour, 0.9, 0.75))
    drawing.dot(np.array((y, frame.x(force))), _DOT_PT, colour, Pen(colour, 0.8))
