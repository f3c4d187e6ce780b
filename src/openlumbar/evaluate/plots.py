"""Bland–Altman plots of a comparison, as figures 5 and 6 of Hess et al. 2023."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openlumbar.core.palette import VERTEBRA_COLOURS
from openlumbar.evaluate.comparison import Comparison, Row
from openlumbar.evaluate.matching import Compared, State

_COLUMNS = 3
_PANEL_IN = (4.3, 3.5)
_DPI = 120
_INK, _SOFT, _FAINT = "#22262B", "#5A636E", "#CFCFCF"
_PLAIN = "#2F86C9"
#: Where nothing is known of the spread, the plot reaches this part of the values.
_LEAST_REACH = 0.02


def draw_bland_altman(comparison: Comparison, path: Path) -> Path | None:
    """Draw one panel for each quantity of table 6 with numbers in both.

    Points have the colour of their level; the lines are bias and limits of agreement, the bands
    their 95 % intervals.

    Returns
    -------
    Path or None
        The PNG; None where nothing was compared.
    """
    panels = [row for row in comparison.overall if row.compared]
    if not panels:
        return None
    from matplotlib.figure import Figure

    rows = math.ceil((len(panels) + 1) / _COLUMNS)  # one more for the legend
    size = (_COLUMNS * _PANEL_IN[0], rows * _PANEL_IN[1])
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for axis, row in zip(axes, panels, strict=False):
        _panel(axis, row, _points(comparison.numbers, row), comparison)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    _legend(axes[len(panels)], _levels(comparison))
    figure.savefig(path, dpi=_DPI)
    return path


def _points(numbers: Sequence[Compared], row: Row) -> list[Compared]:
    return [n for n in numbers if n.quantity == row.quantity and n.state is State.COMPARED]


def _mark(level: str) -> dict[str, Any]:
    """How a point of a level is drawn; thoracic ones, whose colours recur, are squares."""
    return {
        "marker": "s" if level.startswith("T") else "o",
        "markersize": 4.7,
        "linestyle": "",
        "color": VERTEBRA_COLOURS.get(level.partition("-")[0], _PLAIN),
        "markeredgecolor": _INK,
        "markeredgewidth": 0.4,
        "zorder": 3,
    }


def _levels(comparison: Comparison) -> list[str]:
    """The colours that occur, named by the vertebra that gives them."""
    seen = {
        n.level.partition("-")[0]
        for row in comparison.overall
        for n in _points(comparison.numbers, row)
    }
    return [name for name in VERTEBRA_COLOURS if name in seen]


def _panel(axis: Any, row: Row, points: Sequence[Compared], comparison: Comparison) -> None:
    unit = row.quantity.unit
    means = [((n.reference or 0.0) + (n.other or 0.0)) / 2 for n in points]
    differences = [n.difference or 0.0 for n in points]
    axis.axhline(0, color=_FAINT, linewidth=0.9, zorder=0)
    for mean, difference, point in zip(means, differences, points, strict=True):
        axis.plot(mean, difference, **_mark(point.level))
    _lines(axis, row)
    axis.set_ylim(*_reach(row, means, differences))
    axis.set_title(row.quantity.title, fontsize=10, loc="left", color=_INK, wrap=True)
    axis.set_xlabel(f"mean of the two, {unit}", fontsize=9, color=_SOFT)
    axis.set_ylabel(f"{comparison.other} − {comparison.reference}, {unit}", fontsize=9, color=_SOFT)
    axis.tick_params(labelsize=8, colors=_SOFT)
    axis.spines[["top", "right"]].set_visible(False)


def _reach(row: Row, means: Sequence[float], differences: Sequence[float]) -> tuple[float, float]:
    """Equal ends about 0, wide enough for the points and the intervals of the limits."""
    ends = [abs(value) for value in differences]
    if row.agreement is not None:
        ends += [abs(end) for end in (row.agreement.lower_interval + row.agreement.upper_interval)]
    reach = max(1.08 * max(ends), _LEAST_REACH * max(abs(mean) for mean in means), 1e-6)
    return -reach, reach


def _lines(axis: Any, row: Row) -> None:
    found = row.agreement
    if found is None:
        return
    lines = (
        (found.bias, found.bias_interval, "-"),
        (found.lower, found.lower_interval, "--"),
        (found.upper, found.upper_interval, "--"),
    )
    for place, interval, style in lines:
        axis.axhspan(*interval, color=_PLAIN, alpha=0.10, linewidth=0, zorder=1)
        axis.axhline(place, color=_SOFT, linestyle=style, linewidth=1.1, zorder=2)
        axis.annotate(
            f"{place:+.3g}",
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 2),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=_INK,
            zorder=4,
        )


def _legend(axis: Any, levels: Sequence[str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    dots = [Line2D([], [], label=f"{name}, disc below {name}", **_mark(name)) for name in levels]
    lines = [
        Line2D([], [], color=_SOFT, label="bias"),
        Line2D([], [], color=_SOFT, linestyle="--", label="limits of agreement (± 1.96 SD)"),
        Patch(color=_PLAIN, alpha=0.10, label="95 % interval of each"),
    ]
    axis.legend(handles=[*dots, *lines], loc="center left", frameon=False, fontsize=9)
