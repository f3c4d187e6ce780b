"""Numbers along the spine as small drawings: head up, as the patient lies beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from openlumbar.core.metrics import MUSCLES
from openlumbar.report.axial import MUSCLE_TITLES
from openlumbar.report.fonts import FAMILIES
from openlumbar.report.parts import AxialSection, AxialSlice
from openlumbar.report.svg import Drawing, Pen, Type

#: Of a drawing, on paper: all of it, and its plots from left, top and bottom.
_WIDTH_MM, HEIGHT_MM = 84.0, 56.0
_LEFT_MM, _TOP_MM, _FOOT_MM, _GAP_MM, _RIGHT_MM = 12.0, 10.5, 6.0, 6.0, 3.0
#: Fewer places than these make no curve.
_LEAST_PLACES = 3
#: Of a side: its colour, which reads on white and on black, and whether its line is broken.
SIDES: dict[str, tuple[str, bool]] = {
    "right": ("#D55E00", True),
    "left": ("#2F86C9", False),
    "": ("#2F9E82", False),
}
_DOT_PT = 1.7


@dataclass(frozen=True)
class Curve:
    """One plot of a chart: a metric of a structure, and what stands above it."""

    metric: str
    title: str


@dataclass(frozen=True, eq=False)
class Chart:
    """A structure along the spine.

    Attributes
    ----------
    key, title
        Of the structure.
    drawing
        Its ink is the colour that it was drawn with.
    heights_mm
        Of each slice of the section: how far below the drawing's upper border it stands.
    """

    key: str
    title: str
    drawing: Drawing
    heights_mm: tuple[float, ...]


_OF_MUSCLE = (
    Curve("csa_cm2", "area, cm²"),
    Curve("fat_fraction_partial_volume_percent", "fat area fraction, %"),
)
_OF_SAC = (Curve("area_mm2", "area, mm²"), Curve("ap_diameter_mm", "antero-posterior, mm"))
_CHARTS: dict[str, tuple[str, tuple[Curve, ...]]] = {
    **{muscle: (MUSCLE_TITLES[muscle], _OF_MUSCLE) for muscle in MUSCLES},
    "dural sac": ("Dural sac", _OF_SAC),
}


@dataclass(frozen=True, eq=False)
class _Frame:
    """Where a plot lies, millimetres: its sides, and the height of each slice."""

    left: float
    right: float
    heights: tuple[float, ...]
    most: float

    def x(self, value: float) -> float:
        return self.left + (self.right - self.left) * value / self.most


def charts_of(section: AxialSection, ink: str, height_mm: float = HEIGHT_MM) -> tuple[Chart, ...]:
    """Draw each structure that was measured at several places along the spine.

    Parameters
    ----------
    ink
        Of axes and words: ``#rrggbb``, or ``currentColor`` within a page.
    height_mm
        Of a chart, on paper.

    Returns
    -------
    tuple of Chart
        Empty where fewer than three places have numbers.
    """
    return tuple(
        _chart(section, structure, ink, height_mm)
        for structure in _CHARTS
        if _places(section.slices, structure) >= _LEAST_PLACES
    )


def _places(slices: Sequence[AxialSlice], structure: str) -> int:
    """How many places along the spine have a number, to a tenth of a millimetre."""
    return len(
        {
            round(one.position_mm, 1)
            for one in slices
            for key, cell in one.cells.items()
            if key[0] == structure and cell.number is not None
        }
    )


def _chart(section: AxialSection, structure: str, ink: str, height_mm: float) -> Chart:
    title, curves = _CHARTS[structure]
    drawing = Drawing(_WIDTH_MM, height_mm)
    heights = _heights(section.slices, height_mm)
    width = (_WIDTH_MM - _LEFT_MM - _GAP_MM - _RIGHT_MM) / 2
    drawing.text((2.4, 0.0), title, Type(FAMILIES[0], 9.0, ink, bold=True))
    _draw_legend(drawing, [side for side in SIDES if _has(section.slices, structure, side)])
    _draw_places(drawing, section, heights, ink)
    for n, curve in enumerate(curves):
        left = _LEFT_MM + n * (width + _GAP_MM)
        most = nice_top(_numbers(section.slices, structure, curve.metric))
        frame = _Frame(left, left + width, heights, most)
        _draw_axes(drawing, frame, curve, ink)
        for side in SIDES:
            _draw_curve(drawing, frame, section.slices, (structure, side, curve.metric))
    return Chart(structure.replace(" ", "-"), title, drawing, heights)


def _heights(slices: Sequence[AxialSlice], height_mm: float) -> tuple[float, ...]:
    """How far below the upper border each slice stands, millimetres."""
    positions = np.array([one.position_mm for one in slices])
    low, high = positions.min(), positions.max()
    shares = (positions - low) / max(high - low, 1e-6)
    return tuple((_TOP_MM + 2 + shares * (height_mm - _TOP_MM - _FOOT_MM - 4)).tolist())


def _has(slices: Sequence[AxialSlice], structure: str, side: str) -> bool:
    drawn = {curve.metric for curve in _CHARTS[structure][1]}
    return any(
        key[:2] == (structure, side) and key[2] in drawn for one in slices for key in one.cells
    )


def _numbers(slices: Sequence[AxialSlice], structure: str, metric: str) -> list[float]:
    return [
        cell.number
        for one in slices
        for key, cell in one.cells.items()
        if (key[0], key[2]) == (structure, metric) and cell.number is not None
    ]


def nice_top(numbers: Sequence[float]) -> float:
    """The least round number that none exceeds.

    Examples
    --------
    >>> nice_top([3.0, 11.2]), nice_top([0.0]), nice_top([51.0])
    (12.0, 1.0, 60.0)
    """
    most = max(numbers, default=0.0)
    if most <= 0:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(most))
    return float(next(n * unit for n in (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10) if n * unit >= most))


# What is drawn -----------------------------------------------------------------------


def _draw_legend(drawing: Drawing, sides: Sequence[str]) -> None:
    """Which line is which side, at the upper right; nothing where there are no sides."""
    x = _WIDTH_MM - _RIGHT_MM
    for side in [side for side in reversed(sides) if side]:
        colour, dashed = SIDES[side]
        drawing.text((2.4, x), side, Type(FAMILIES[0], 7.5, colour, anchor="right"))
        x -= 7.5
        drawing.path([np.array(((2.4, x - 5.0), (2.4, x)))], Pen(colour, 1.1, dashed=dashed))
        x -= 7.5


def _draw_places(
    drawing: Drawing, section: AxialSection, heights: Sequence[float], ink: str
) -> None:
    """Names of discs beside the plots, or millimetres below the first slice."""
    words = Type(FAMILIES[0], 7.0, ink, anchor="right")
    if section.levels:
        marks = [(heights[level.place], level.name) for level in section.levels]
    else:
        marks = _millimetres(section.slices, heights)
        drawing.text((drawing.height_mm - _FOOT_MM + 3.2, _LEFT_MM - 1.5), "mm", words)
    for y, name in marks:
        drawing.text((y, _LEFT_MM - 1.5), name, words)
        line = np.array(((y, _LEFT_MM - 0.5), (y, _WIDTH_MM - _RIGHT_MM)))
        drawing.path([line], Pen(ink, 0.3, 0.18))


def _millimetres(slices: Sequence[AxialSlice], heights: Sequence[float]) -> list[tuple[float, str]]:
    """Round distances below the first slice, and where they stand."""
    positions = [one.position_mm for one in slices]
    low, high = min(positions), max(positions)
    step = next(
        (step for step in (5, 10, 20, 50, 100) if (high - low) / step <= 5), 200
    )  # a handful of marks
    scale = (max(heights) - min(heights)) / max(high - low, 1e-6)
    ticks = np.arange(np.ceil(low / step) * step, high + 1e-6, step)
    return [(min(heights) + (tick - low) * scale, f"{tick:.0f}") for tick in ticks]


def _draw_axes(drawing: Drawing, frame: _Frame, curve: Curve, ink: str) -> None:
    foot = drawing.height_mm - _FOOT_MM
    drawing.text((_TOP_MM - 3.0, frame.left), curve.title, Type(FAMILIES[0], 7.0, ink))
    outline = ((_TOP_MM, frame.left), (foot, frame.left), (foot, frame.right))
    drawing.path([np.array(outline)], Pen(ink, 0.5, 0.55))
    for share in (0.0, 0.5, 1.0):
        x = frame.left + share * (frame.right - frame.left)
        drawing.path([np.array(((foot, x), (foot + 0.9, x)))], Pen(ink, 0.5, 0.55))
        number = Type(FAMILIES[0], 7.0, ink, anchor="middle")
        drawing.text((foot + 3.2, x), f"{share * frame.most:g}", number)


def _draw_curve(
    drawing: Drawing, frame: _Frame, slices: Sequence[AxialSlice], key: tuple[str, str, str]
) -> None:
    """A line within each block, a faint one from block to block; doubtful numbers are rings."""
    colour, dashed = SIDES[key[1]]
    points = [
        (one.block, frame.heights[place], frame.x(cell.number), cell.doubtful)
        for place, one in enumerate(slices)
        if (cell := one.cells.get(key)) is not None and cell.number is not None
    ]
    if not points:
        return
    drawing.path([np.array([(y, x) for _, y, x, _ in points])], Pen(colour, 0.5, 0.4))
    for _, block in groupby(points, key=lambda point: point[0]):
        line = np.array([(y, x) for _, y, x, _ in block])
        drawing.path([line], Pen(colour, 1.1, dashed=dashed))
    for _, y, x, doubtful in points:
        rim = Pen(colour, 0.8)
        drawing.dot(np.array((y, x)), _DOT_PT, colour, rim, filled=not doubtful)


def explained(section: AxialSection) -> str:
    """How a section's charts are read, in a sentence or two."""
    down = "Discs are named" if section.levels else "Millimetres below the first slice"
    return (
        f"From head to foot. {down} at the left. A ring is a doubtful number; withheld ones are "
        "left out. Areas are those in the slice, whatever its tilt."
    )
