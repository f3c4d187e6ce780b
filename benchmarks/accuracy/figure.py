"""Bland–Altman plots of predicted against annotated masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from accuracy.pairs import Pair
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

_PANELS = (
    ("disc", "height_mm", "Disc height, height_mm"),
    ("disc", "bounding_height_mm", "Disc height, bounding_height_mm (Hess)"),
    ("vertebra", "anterior_height_mm", "Anterior vertebral height"),
    ("vertebra", "middle_height_mm", "Middle vertebral height"),
    ("vertebra", "posterior_height_mm", "Posterior vertebral height"),
)
_BLUE, _ORANGE, _GREY = "#0072B2", "#E69F00", "#666666"


def bland_altman(pairs: Mapping[str, Sequence[Pair]], path: Path) -> None:
    """Draw five metrics.

    Parameters
    ----------
    pairs
        By role, ``report`` and ``tune``; bias and limits are those of ``report`` alone.
    path
        PNG to write.
    """
    figure = Figure(figsize=(13, 7.6), layout="constrained")
    axes = figure.subplots(2, 3)
    for axis, (structure, metric, title) in zip(axes.flat, _PANELS, strict=False):
        for role, colour, face in (("report", _BLUE, _BLUE), ("tune", _ORANGE, "none")):
            points = _points(pairs[role], structure, metric)
            if len(points):
                axis.scatter(*points.T, s=16, edgecolors=colour, facecolors=face, linewidths=0.9)
        _limits(axis, _points(pairs["report"], structure, metric))
        axis.set_title(title, fontsize=11, loc="left")
        axis.set_xlabel("mean of the two, mm")
        axis.set_ylabel("predicted − annotated, mm")
        axis.spines[["top", "right"]].set_visible(False)
    _legend(axes.flat[len(_PANELS)])
    figure.savefig(path, dpi=110)


def _points(pairs: Sequence[Pair], structure: str, metric: str) -> np.ndarray:
    """``[n, 2]``: mean and difference."""
    chosen = [p for p in pairs if (p.structure, p.metric) == (structure, metric)]
    both = [(p.truth, p.value) for p in chosen if p.truth is not None and p.value is not None]
    truth, value = np.array(both, float).reshape(-1, 2).T
    return np.stack([(truth + value) / 2, value - truth], axis=1)


def _limits(axis: Axes, points: np.ndarray) -> None:
    """Bias, and bias ± 1.96 standard deviations."""
    bias, spread = points[:, 1].mean(), points[:, 1].std(ddof=1)
    reach = max(3.0, 1.08 * np.abs(points[:, 1]).max(), abs(bias) + 2.2 * spread)
    axis.set_ylim(-reach, reach)
    axis.axhline(0, color="#CCCCCC", linewidth=0.8, zorder=0)
    for place, style in ((bias, "-"), (bias - 1.96 * spread, "--"), (bias + 1.96 * spread, "--")):
        axis.axhline(place, color=_GREY, linestyle=style, linewidth=1)
        axis.annotate(
            f"{place:+.2f}",
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 2),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=_GREY,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
        )


def _legend(axis: Axes) -> None:
    axis.set_axis_off()
    handles = [
        Line2D([], [], marker="o", linestyle="", color=_BLUE, label="report patients"),
        Line2D([], [], marker="o", linestyle="", color=_ORANGE, mfc="none", label="tune patients"),
        Line2D([], [], color=_GREY, label="bias (report)"),
        Line2D([], [], color=_GREY, linestyle="--", label="bias ± 1.96 SD (report)"),
    ]
    axis.legend(handles=handles, loc="upper left", frameon=False, fontsize=10)
    text = (
        "One point a level and patient, predicted masks against\n"
        "those of SPIDER (van der Graaf et al. 2024, CC BY 4.0),\n"
        "measured by the same rules. Research use."
    )
    axis.text(0.03, 0.28, text, transform=axis.transAxes, fontsize=9, color=_GREY)
