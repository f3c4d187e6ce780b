"""The model in a task: its muscles coloured by activation, and what presses on each disc.

One vector drawing a task, dark as the pictures of slices are: it stands in the page, in the
PDF and, as PNG, in ``pictures/``. Face to the left as in sagittal slices, so that the person
is seen from the left; and from behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.loads import BodyShape, Load, Loads, MuscleLoad, TaskLoads
from openlumbar.report.chart import nice_top
from openlumbar.report.content import NOTICES
from openlumbar.report.fonts import FAMILIES, legible
from openlumbar.report.loads import compression
from openlumbar.report.svg import Drawing, Pen, Type
from openlumbar.report.typeset import typeset
from openlumbar.report.wording import rank, with_unit

_Points = NDArray[np.float64]
#: Left, top, width and height on the sheet, millimetres of paper.
_Box = tuple[float, float, float, float]

#: Of the sheet: all of it, its margin, the column of the whole figure, that of the forces.
_WIDTH_MM, _MARGIN_MM, _FIGURE_MM, _FORCES_MM, _GAP_MM = 178.0, 4.0, 36.0, 25.0, 4.0
#: Room for a heading and for the legend; height of the views, the same for all tasks.
_HEAD_MM, _LEGEND_MM, _VIEWS_MM = 6.5, 27.0, 88.0
_HEIGHT_MM = _HEAD_MM + _VIEWS_MM + _MARGIN_MM
#: The views show the lumbar vertebrae and ends of muscles so near to them, and a margin.
_NEAR_MM, _AROUND_MM = 100.0, 12.0
_BACKGROUND, _INK, _QUIET, _BONE = "#0B0B0D", "#EDEDED", "#9AA0A6", "#DADADA"
#: Bodies beside the vertebrae that the views show: limbs would lie across the muscles.
_TRUNK = ("pelvis", "thorax")
#: Strokes of these, and the sketch of the whole figure.
_STROKE, _BODY = "#5B6168", "#2B2F34"
#: From 0 to 100 %: matplotlib's plasma (CC0) from a fifth on, every step lighter by the same
#: amount to the eye, sampled here so that a page can be written without matplotlib.
RAMP: tuple[str, ...] = (
    "#6A00A8", "#8808A6", "#A51F99", "#BC3587", "#D04D73", "#E16462",
    "#EF7E50", "#F9983E", "#FEB72D", "#FBD724", "#F0F921",
)  # fmt: skip
#: Width of a muscle's line, points: without force, and with the greatest of all tasks.
_THIN_PT, _THICK_PT = 0.45, 2.6
#: Width of limbs and trunk in the sketch of the whole figure, mm of the person.
_LIMB_MM = 70.0
_WEIGHT_MM = 75.0
#: Lines of the forces keep this far apart.
_LINE_MM = 5.0
_MM_PER_POINT = 25.4 / 72


@dataclass(frozen=True)
class _View:
    """A direction to look in: across and down in the picture, millimetres of the person.

    Attributes
    ----------
    project
        From ``[n, 3]`` in ground to ``[n, 2]`` of (down, across).
    """

    title: str
    project: Callable[[_Points], _Points]


#: Face to the left; and from behind, the right side at the right.
_SIDE = _View("From the left", lambda xyz: np.stack((-xyz[:, 1], -xyz[:, 0]), axis=1))
_BACK = _View("From behind", lambda xyz: np.stack((-xyz[:, 1], xyz[:, 2]), axis=1))


@dataclass(frozen=True, eq=False)
class _Stage:
    """A part of the sheet, and which window of the view it shows."""

    drawing: Drawing
    view: _View
    box: _Box
    #: Top, left, bottom and right of what is shown, mm of the person.
    window: tuple[float, float, float, float]

    @property
    def scale(self) -> float:
        """Paper per person."""
        return self.box[2] / (self.window[3] - self.window[1])

    def paper(self, points: Iterable[Sequence[float]]) -> _Points:
        """Where points of the person lie on the sheet, ``[n, 2]`` of (y, x)."""
        seen = self.view.project(np.asarray(tuple(points), float).reshape(-1, 3))
        top, left = self.window[:2]
        return (seen - (top, left)) * self.scale + (self.box[1], self.box[0])

    def line(self, points: Iterable[Sequence[float]], pen: Pen, closed: bool = False) -> None:
        """Draw a line, cut at the window's border."""
        pieces = clipped(self.paper(points), self.box)
        if pieces:
            self.drawing.path(pieces, pen, closed)


def draw_loads(loads: Loads, folder: Path) -> tuple[Path, ...]:
    """Write ``loads_<task>.png`` of each solved task.

    Parameters
    ----------
    folder
        Made if absent, where there is something to draw.

    Raises
    ------
    StageError
        A picture cannot be set.
    """
    titles = {task.task: task.title for task in loads.tasks}
    paths = []
    for name, drawing in task_drawings(loads).items():
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"loads_{name}.png"
        path.write_bytes(_png(drawing, titles[name]))
        paths.append(path)
    return tuple(paths)


def _png(drawing: Drawing, title: str) -> bytes:
    record = {
        "title": legible(title),
        "notice": NOTICES[0],
        "note": PICTURE_NOTE,
        "families": FAMILIES,
        "width_mm": drawing.width_mm,
    }
    return typeset("loads.typ", record, {"drawing.svg": drawing.bytes()}, "png")


#: How the picture is read.
PICTURE_NOTE = (
    "Each line is a fascicle of the model: its colour is its activation, its width its force. "
    "Beside each disc stands its compression."
)


def task_drawings(loads: Loads) -> dict[str, Drawing]:
    """Draw the model in each task, by its name; tasks without vertebrae to draw are left out.

    The widths of muscles have the same scale in all of them.
    """
    most = nice_top([muscle.force_n for task in loads.tasks for muscle in task.muscles])
    return {task.task: _drawing(task, most) for task in loads.tasks if _spine(task)}


def _spine(task: TaskLoads) -> list[BodyShape]:
    return [shape for shape in task.bodies if shape.name.startswith("lumbar")]


def _drawing(task: TaskLoads, most: float) -> Drawing:
    spine = _spine(task)
    near = _near(task, spine)
    windows = _window(_SIDE, near, _AROUND_MM), _window(_BACK, near, _AROUND_MM)
    boxes = _layout(*windows)
    drawing = Drawing(_WIDTH_MM, _HEIGHT_MM)
    _fill(drawing, (0.0, 0.0, _WIDTH_MM, _HEIGHT_MM))
    side, back = (
        _Stage(drawing, view, box, window)
        for view, box, window in zip((_SIDE, _BACK), boxes, windows, strict=True)
    )
    for stage in (side, back):
        _draw_view(stage, task, most)
    _draw_forces(side, task, spine)
    _draw_figure(drawing, task)
    _draw_legend(drawing, most, _HEIGHT_MM - _LEGEND_MM + 5.0)
    return drawing


# Where things lie --------------------------------------------------------------------


def _points_of(shapes: Iterable[BodyShape]) -> _Points:
    points = [point for shape in shapes for line in shape.lines_mm for point in line]
    return np.array(points, float).reshape(-1, 3)


def _near(task: TaskLoads, spine: Sequence[BodyShape]) -> _Points:
    """Points of the vertebrae, and of muscles near them, ``[n, 3]``."""
    bones = _points_of(spine)
    ends = np.array([point for muscle in task.muscles for point in muscle.path_mm]).reshape(-1, 3)
    apart = np.linalg.norm(ends[:, None] - bones[None], axis=2).min(axis=1, initial=np.inf)
    return np.concatenate([bones, ends[apart < _NEAR_MM]])


def _window(view: _View, points: _Points, around_mm: float) -> tuple[float, float, float, float]:
    """Top, left, bottom, right of what a view shows."""
    seen = view.project(points)
    (top, left), (bottom, right) = seen.min(axis=0) - around_mm, seen.max(axis=0) + around_mm
    return float(top), float(left), float(bottom), float(right)


def _layout(
    side: tuple[float, float, float, float], back: tuple[float, float, float, float]
) -> tuple[_Box, _Box]:
    """Both views at one scale, in the middle of the room beside the figure and the forces."""
    widths = side[3] - side[1], back[3] - back[1]
    heights = side[2] - side[0], back[2] - back[0]
    room = _WIDTH_MM - 2 * _MARGIN_MM - _FIGURE_MM - _FORCES_MM - 3 * _GAP_MM
    scale = min(room / sum(widths), _VIEWS_MM / max(heights))
    spare = (room - scale * sum(widths)) / 3 + _GAP_MM
    tops = [_HEAD_MM + (_VIEWS_MM - height * scale) / 2 for height in heights]
    first = _MARGIN_MM + _FIGURE_MM + spare
    second = first + widths[0] * scale + _FORCES_MM + spare
    return (
        (first, tops[0], widths[0] * scale, heights[0] * scale),
        (second, tops[1], widths[1] * scale, heights[1] * scale),
    )


def clipped(line: _Points, box: _Box) -> list[_Points]:
    """The parts of a line that lie in a box.

    Parameters
    ----------
    line
        ``[n, 2]`` of (y, x).
    box
        Left, top, width, height.

    Examples
    --------
    >>> clipped(np.array([[5.0, -10.0], [5.0, 30.0]]), (0.0, 0.0, 20.0, 10.0))[0].tolist()
    [[5.0, 0.0], [5.0, 20.0]]
    """
    left, top, width, height = box
    low, high = np.array((top, left)), np.array((top + height, left + width))
    if len(line) > 1 and np.all((line >= low) & (line <= high)):
        return [line]
    pieces: list[list[_Points]] = []
    joined = False
    for start, end in pairwise(line):
        inside = _inside(start, end, low, high)
        if inside is None:
            joined = False
            continue
        first, last = (start + share * (end - start) for share in inside)
        if joined:
            pieces[-1].append(last)
        else:
            pieces.append([first, last])
        joined = inside[1] == 1.0
    return [np.array(piece) for piece in pieces]


def _inside(
    start: _Points, end: _Points, low: _Points, high: _Points
) -> tuple[float, float] | None:
    """Between which shares of its length a segment lies in a box (Liang and Barsky's way)."""
    enter, leave = 0.0, 1.0
    for from_, step, least, most in zip(start, end - start, low, high, strict=True):
        if step == 0:
            if not least <= from_ <= most:
                return None
            continue
        ends = sorted(((least - from_) / step, (most - from_) / step))
        enter, leave = max(enter, ends[0]), min(leave, ends[1])
    return (enter, leave) if enter < leave else None


# What is drawn -----------------------------------------------------------------------


def colour_of_activation(activation: float) -> str:
    """``#rrggbb`` of an activation 0 … 1; beyond these the nearest.

    Examples
    --------
    >>> colour_of_activation(0.0), colour_of_activation(1.2)
    ('#6A00A8', '#F0F921')
    """
    place = float(np.clip(activation, 0.0, 1.0)) * (len(RAMP) - 1)
    lower = min(int(place), len(RAMP) - 2)
    colours = [[int(RAMP[n][i : i + 2], 16) for i in (1, 3, 5)] for n in (lower, lower + 1)]
    mixed = np.array(colours[0]) + (place - lower) * (np.array(colours[1]) - colours[0])
    return "#" + "".join(f"{round(part):02X}" for part in mixed)


def _fill(drawing: Drawing, box: _Box) -> None:
    left, top, width, height = box
    corners = np.array(
        ((top, left), (top, left + width), (top + height, left + width), (top + height, left))
    )
    drawing.path([corners], Pen(_BACKGROUND, 0.0, 0.0, 1.0), closed=True)


def _draw_view(stage: _Stage, task: TaskLoads, most: float) -> None:
    """One view of the trunk: bones, then muscles, the far side first, active ones on top."""
    _draw_heading(stage)
    for shape in task.bodies:
        if shape.name in _TRUNK:
            for line in shape.lines_mm:
                stage.line(line, Pen(_STROKE, 2.2, 0.5))
    for shape in task.bodies:
        if shape.name.startswith("lumbar"):
            _draw_vertebra(stage, shape)
    for muscle in _ordered(task.muscles, by_side=stage.view is _SIDE):
        stage.line(muscle.path_mm, _pen(muscle, most))


def _draw_heading(stage: _Stage) -> None:
    """What the view is, and from behind which side is which."""
    left, _, width, _ = stage.box
    y, middle = _HEAD_MM - 3.2, left + width / 2
    bold = Type(FAMILIES[0], 8.0, _INK, bold=True, anchor="middle")
    stage.drawing.text((y, middle), stage.view.title, bold)
    if stage.view is _BACK:
        for letter, x in (("L", middle - 16.0), ("R", middle + 16.0)):
            stage.drawing.text((y, x), letter, bold)


def _ordered(muscles: Sequence[MuscleLoad], by_side: bool) -> list[MuscleLoad]:
    return sorted(
        muscles, key=lambda muscle: (by_side and muscle.side == "left", muscle.activation)
    )


def _pen(muscle: MuscleLoad, most: float) -> Pen:
    width = _THIN_PT + (_THICK_PT - _THIN_PT) * muscle.force_n / most
    return Pen(colour_of_activation(muscle.activation), width, 0.9)


def _draw_vertebra(stage: _Stage, shape: BodyShape) -> None:
    """Its outline that faces the viewer, and its open lines."""
    rings = [line for line in shape.lines_mm if len(line) > 2 and line[0] == line[-1]]
    if rings:
        facing = max((stage.paper(ring) for ring in rings), key=_area)
        stage.drawing.path(clipped(facing, stage.box), Pen(_BONE, 0.7, 0.9, 0.16), closed=True)
    for line in shape.lines_mm:
        if line not in rings:
            stage.line(line, Pen(_BONE, 0.7, 0.7))


def _area(ring: _Points) -> float:
    y, x = ring.T
    return float(abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2)


def _draw_forces(stage: _Stage, task: TaskLoads, spine: Sequence[BodyShape]) -> None:
    """The compression of each disc at the right of the view, with a line to the disc."""
    joints = sorted(
        (one for one in task.loads if one.place == "joint"), key=lambda j: rank(j.level)
    )
    discs = _discs(stage, spine)
    told = [(load, discs[load.level]) for load in joints if load.level in discs]
    if not told:
        return
    x = stage.box[0] + stage.box[2]
    heights = _apart([place[0] for _, place in told], _LINE_MM)
    for (load, place), y in zip(told, heights, strict=True):
        line = np.array((place, (y, x - 3.0), (y, x + 0.6)))
        stage.drawing.path([line], Pen(_INK, 0.35, 0.6))
        stage.drawing.dot(place, 1.3, _INK, Pen(_BACKGROUND, 0.4))
        _draw_force(stage.drawing, load, (y, x + 1.4))


def _draw_force(drawing: Drawing, load: Load, place: tuple[float, float]) -> None:
    y, x = place
    drawing.text((y, x), load.level, Type(FAMILIES[0], 7.5, _QUIET))
    words = with_unit(compression(load, ()).value, "N")
    number = Type(FAMILIES[0], 8.0, _INK, bold=True, anchor="right")
    drawing.text((y, x + _FORCES_MM - 2.6), words, number)


def _discs(stage: _Stage, spine: Sequence[BodyShape]) -> dict[str, _Points]:
    """Middle of each disc on the sheet: between the bodies that it joins, or beyond the last."""
    middles = {
        f"L{shape.name.removeprefix('lumbar')}": stage.paper(shape.lines_mm[0][:4]).mean(axis=0)
        for shape in spine
    }
    names = ["T12", "L1", "L2", "L3", "L4", "L5", "S1"]
    found = {
        f"{upper}-{lower}": (middles[upper] + middles[lower]) / 2
        for upper, lower in pairwise(names)
        if upper in middles and lower in middles
    }
    for disc, near, far in (("T12-L1", "L1", "L2"), ("L5-S1", "L5", "L4")):
        if near in middles and far in middles:
            found[disc] = middles[near] + (middles[near] - middles[far]) / 2
    return found


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Heights in the same order, at least a gap apart, their middle kept.

    Examples
    --------
    >>> _apart([10.0, 11.0], 5.0)
    [8.0, 13.0]
    """
    spread = [heights[0]]
    for height in heights[1:]:
        spread.append(max(height, spread[-1] + gap))
    shift = (sum(heights) - sum(spread)) / len(spread)
    return [height + shift for height in spread]


def _draw_figure(drawing: Drawing, task: TaskLoads) -> None:
    """The whole model from the left, small, with what the hands carry."""
    box = (_MARGIN_MM, _HEAD_MM, _FIGURE_MM, _HEIGHT_MM - _HEAD_MM - _LEGEND_MM)
    stage = _Stage(drawing, _SIDE, box, _fitted(task, box))
    limb = _LIMB_MM * stage.scale / _MM_PER_POINT
    for shape in task.bodies:
        if not shape.name.startswith(("load_", "lumbar")):
            for line in shape.lines_mm:
                stage.line(line, Pen(_BODY, limb))
    for muscle in _ordered(task.muscles, by_side=True):
        stage.line(muscle.path_mm, Pen(colour_of_activation(muscle.activation), 0.3, 0.9))
    weights = [shape for shape in task.bodies if shape.name.startswith("load_")]
    for place in stage.paper(_points_of(weights)):
        drawing.dot(place, _WEIGHT_MM / 2 * stage.scale / _MM_PER_POINT, _QUIET, Pen(_INK, 0.6))
    middle = Type(FAMILIES[0], 8.0, _INK, bold=True, anchor="middle")
    drawing.text((_HEAD_MM - 3.2, _MARGIN_MM + _FIGURE_MM / 2), "Posture", middle)


def _fitted(task: TaskLoads, box: _Box) -> tuple[float, float, float, float]:
    """A window of the box's shape around all bodies."""
    top, left, bottom, right = _window(_SIDE, _points_of(task.bodies), _LIMB_MM)
    shape = box[2] / box[3]
    width = max(right - left, (bottom - top) * shape)
    aside, down = (width - right + left) / 2, (width / shape - bottom + top) / 2
    return top - down, left - aside, bottom + down, right + aside


def _draw_legend(drawing: Drawing, most: float, y: float) -> None:
    """What colours and widths stand for, beneath the whole figure."""
    left = _MARGIN_MM
    words = Type(FAMILIES[0], 7.0, _INK)
    drawing.text((y, left), "Activation, %", words)
    right = left + _FIGURE_MM
    for n in range(40):
        x = left + n * _FIGURE_MM / 40
        # Each cell reaches to the end, and the next lies on it: no seams between them.
        corners = ((y + 2.2, x), (y + 2.2, right), (y + 4.8, right), (y + 4.8, x))
        pen = Pen(colour_of_activation((n + 0.5) / 40), 0.0, 0.0, 1.0)
        drawing.path([np.array(corners)], pen, closed=True)
    for share, anchor in ((0.0, "left"), (0.5, "middle"), (1.0, "right")):
        drawing.text(
            (y + 6.8, left + share * _FIGURE_MM),
            f"{100 * share:.0f}",
            Type(FAMILIES[0], 6.5, _QUIET, anchor=anchor),
        )
    drawing.text((y + 12.0, left), "Force, N", words)
    for share, x in ((0.1, 0.0), (0.5, 0.36), (1.0, 0.72)):
        start = left + x * _FIGURE_MM
        width = _THIN_PT + (_THICK_PT - _THIN_PT) * share
        line = np.array(((y + 15.8, start), (y + 15.8, start + 0.26 * _FIGURE_MM)))
        drawing.path([line], Pen(_QUIET, width))
        drawing.text((y + 18.6, start), f"{share * most:g}", Type(FAMILIES[0], 6.5, _QUIET))
