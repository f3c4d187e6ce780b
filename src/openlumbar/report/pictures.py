"""The picture a person checks: a sagittal slice, plain and with named anatomy, or axial slices."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.errors import StageError
from openlumbar.core.exam import Series
from openlumbar.core.levels import LevelRow, Levels
from openlumbar.core.masks import SeriesMasks
from openlumbar.core.palette import colour_of, tint
from openlumbar.core.plane import Plane
from openlumbar.io.analysis import Analysis
from openlumbar.report.drawing import Look, draw_image, draw_region, extent_mm
from openlumbar.report.names import name_places
from openlumbar.report.sheet import draw_slices
from openlumbar.report.view import SliceView, sagittal_view, window_around

NOTICE = "Research use only – not for diagnosis"

#: Millimetres kept around the labelled anatomy: above, below, in front, behind.
_MARGINS_MM = (12.0, 12.0, 42.0, 14.0)
_SCALE_BAR_MM = 50.0
#: Half the height of a name: this far names stay from the upper and lower border.
_NAME_MM = 4.0
_PANEL_HEIGHT_IN = 8.0
_DPI = 130
#: Half the time of the default level, for a file a seventh larger.
_PNG = {"compress_level": 4}
_BACKGROUND = "#0B0B0D"
_TEXT = "#EDEDED"


def cropped(view: SliceView) -> SliceView:
    """Keep the labelled anatomy and a margin around it."""
    return view.crop(window_around(view.labels > 0, view.spacing_mm, _MARGINS_MM))


def draw_series(analysis: Analysis, name: str, folder: Path) -> tuple[Path, ...]:
    """Draw each block of a series in which anatomy was found.

    Parameters
    ----------
    name
        Of the series.
    folder
        Made if absent; gets ``<series>.png``, or ``<series>_block-1.png`` …; of an axial
        series what :func:`openlumbar.report.sheet.draw_slices` writes.

    Raises
    ------
    StageError
        The series has no masks.
    """
    masks = analysis.masks.of(name)
    if masks is None:
        raise StageError(f"series {name} has no masks, so there is no picture of it")
    series = next(series for series in analysis.exam.series if series.name == name)
    if series.plane is Plane.AXIAL:
        return draw_slices(analysis, name, folder)
    paths = []
    for block, labels in enumerate(masks.labels):
        if not labels.array.any():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{series.stem(block)}.png"
        _draw_block(series, block, masks, analysis.levels, path)
        paths.append(path)
    return tuple(paths)


def _draw_block(series: Series, block: int, masks: SeriesMasks, levels: Levels, path: Path) -> None:
    # matplotlib takes half a second to load; this is its one door (design.md, section 1).
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    bodies = masks.bodies[block] if masks.bodies else None
    view = cropped(sagittal_view(series.blocks[block].volume, masks.labels[block], bodies))
    height_mm, width_mm = (n * mm for n, mm in zip(view.labels.shape, view.spacing_mm, strict=True))
    rows = [row for row in levels.rows if row.series == series.name]
    panel = _PANEL_HEIGHT_IN * width_mm / height_mm
    caption = _caption(series, block, view, levels, columns=round(2 * panel * 12))
    head, foot = 0.42, 0.30 + 0.19 * len(caption)
    figure = Figure((2 * panel + 0.1, _PANEL_HEIGHT_IN + head + foot), facecolor=_BACKGROUND)
    FigureCanvasAgg(figure)
    _draw_frame(figure, series, caption, head, foot)
    total = _PANEL_HEIGHT_IN + head + foot
    for column in (0, 1):
        left = column * (panel + 0.1) / (2 * panel + 0.1)
        place = (left, foot / total, panel / (2 * panel + 0.1), _PANEL_HEIGHT_IN / total)
        axes = figure.add_axes(place)
        draw_image(axes, view)
        if column:
            _draw_anatomy(axes, view)
            _draw_names(axes, view, rows)
        else:
            _draw_scale_bar(axes, view)
        left_mm, right_mm, bottom_mm, top_mm = extent_mm(view)
        axes.set(xlim=(left_mm, right_mm), ylim=(bottom_mm, top_mm))
    figure.savefig(path, dpi=_DPI, facecolor=_BACKGROUND, pil_kwargs=_PNG)


def _draw_anatomy(axes: Any, view: SliceView) -> None:
    """Translucent fill with a thin outline; a body's outline is stronger than the rest's."""
    for code in np.unique(view.labels[view.labels > 0]):
        kind = BY_CODE[int(code)].kind
        fill, line = (0.16, 0.7) if kind == "canal" else (0.30, 0.7)
        draw_region(
            axes, view.labels == code, view.spacing_mm, Look(colour_of(int(code)), line, fill)
        )
    for code in np.unique(view.bodies[view.bodies > 0]):
        draw_region(axes, view.bodies == code, view.spacing_mm, Look(colour_of(int(code)), 1.3))


def _draw_names(axes: Any, view: SliceView, rows: list[LevelRow]) -> None:
    """Write each name in front of its body or disc; a flagged one carries a star."""
    from matplotlib import patheffects

    flagged = {row.label for row in rows if row.flags}
    _, _, bottom, top = extent_mm(view)
    for code, place in name_places(view).items():
        disc = BY_CODE[code].kind == "disc"
        y, x = place.yx_mm
        axes.text(
            x,
            min(max(y, top + _NAME_MM), bottom - _NAME_MM),
            BY_CODE[code].name + (" *" if code in flagged else ""),
            color=tint(colour_of(code), 0.0 if disc else 0.25),
            fontsize=8.5 if disc else 13,
            fontweight="normal" if disc else "bold",
            ha="right",
            va="top" if place.below else "center",
            clip_on=True,
            path_effects=[patheffects.withStroke(linewidth=2.5, foreground=_BACKGROUND)],
        )


def _draw_scale_bar(axes: Any, view: SliceView) -> None:
    _, right, bottom, _ = extent_mm(view)
    end, y = right - 6.0, bottom - 7.0
    axes.plot((end - _SCALE_BAR_MM, end), (y, y), color=_TEXT, linewidth=2.0)
    axes.text(
        end - _SCALE_BAR_MM / 2,
        y - 2.5,
        f"{_SCALE_BAR_MM / 10:.0f} cm",
        color=_TEXT,
        fontsize=9,
        ha="center",
        va="bottom",
    )


def _caption(
    series: Series, block: int, view: SliceView, levels: Levels, columns: int
) -> list[str]:
    """Lines under the picture: the numbering as a whole, then every flag."""
    count = series.blocks[block].volume.shape[0]
    sentences = [f"slice {view.slice} of {count} (from 0)"]
    for numbering in levels.numbering:
        if numbering.series == series.name:
            flags = f" ({', '.join(numbering.flags)})" if numbering.flags else ""
            sentences.append(f"confidence of the numbering {numbering.confidence:.2f}{flags}")
    sentences += [
        f"{row.level}*: {', '.join(row.flags)}"
        for row in sorted(levels.rows, key=lambda row: -row.z_mm)
        if row.series == series.name and row.flags
    ]
    return textwrap.wrap("  ·  ".join(sentences), max(columns, 40))


def _draw_frame(figure: Any, series: Series, caption: list[str], head: float, foot: float) -> None:
    height = figure.get_figheight()
    known = series.weighting.value in series.name
    title = series.name if known else f"{series.name}  ·  {series.weighting.value}"
    figure.text(0.015, 1 - head / 2 / height, title, color=_TEXT, fontsize=12, va="center")
    figure.text(
        0.985, 1 - head / 2 / height, NOTICE, color="#9A9A9A", fontsize=8.5, ha="right", va="center"
    )
    figure.text(
        0.015,
        (foot - 0.1) / height,
        "\n".join(caption),
        color="#C8C8C8",
        fontsize=9,
        va="top",
        linespacing=1.3,
    )
