"""Pictures of what was measured: one panel a question, so that each number stays legible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.errors import StageError
from openlumbar.core.plane import Plane
from openlumbar.io.analysis import Analysis
from openlumbar.report.content import NOTICES, report_of
from openlumbar.report.fonts import FAMILIES, legible
from openlumbar.report.panel import Entry, Margin, Panel, Question, draw_panel
from openlumbar.report.parts import Cell, Column, LevelSection, Report
from openlumbar.report.typeset import typeset
from openlumbar.report.view import Slab, window_around

#: Kept around bodies and discs, above, below, in front and behind; mm of the patient.
_MARGINS_MM = (8.0, 8.0, 10.0, 26.0)

#: Of a panel in a picture of its own: as high as is legible on a screen.
_ROOMS_MM = dict.fromkeys(("heights", "angles", "canal"), (150.0, 120.0))

_WHITE, _YELLOW, _ROSE, _AMBER = "#FFFFFF", "#FFE45C", "#FF8FA3", "#FFB000"

QUESTIONS: tuple[Question, ...] = (
    Question(
        "heights",
        "Heights of vertebrae and discs, mm",
        {
            "anterior_height_mm": _WHITE,
            "middle_height_mm": _WHITE,
            "posterior_height_mm": _WHITE,
            "height_mm": _YELLOW,
        },
        Margin(
            ("vertebra",),
            ("anterior_height_mm", "middle_height_mm", "posterior_height_mm"),
            ("ant.", "mid.", "post."),
        ),
        Margin(("disc",), ("height_mm",), ("height",)),
    ),
    Question(
        "angles",
        "Lordosis, segmental angles and slips, supine",
        {"segmental_angle_deg": _WHITE, "lordosis_deg": _AMBER, "listhesis_mm": _ROSE},
        None,
        Margin(("disc",), ("segmental_angle_deg", "listhesis_mm"), ("angle, °", "slip, mm")),
    ),
    Question(
        "canal",
        "Spinal canal, antero-posterior diameter, mm",
        {"ap_diameter_mm": _YELLOW},
        None,
        Margin(("disc", "vertebra"), ("ap_diameter_mm",), ("diameter",)),
        ("vertebra", "disc", "canal"),
        "ruler",
    ),
)

#: Of a block without any number, so that at least its anatomy can be checked.
UNMEASURED = Question(
    "anatomy", "Anatomy; nothing was measured", {}, None, Margin(("vertebra", "disc"), (), ())
)


def ruler_panels(
    analysis: Analysis, report: Report, column: Column, rooms_mm: Mapping[str, tuple[float, float]]
) -> tuple[Panel, ...]:
    """Draw what was measured in one block, a panel a question that it answers.

    Parameters
    ----------
    report
        Of the same analysis.
    column
        Of the report: which block.
    rooms_mm
        By the key of each question that is to be answered: width and height on paper.

    Returns
    -------
    tuple of Panel
        In the order of :data:`QUESTIONS`, those that have a number, be it withheld; of a
        block without any, :data:`UNMEASURED` in the room of the first. Empty where the block
        has no bodies or discs.

    Notes
    -----
    A panel shows one slice, the one that its lines lie nearest to. Lines and outlines of
    other slices are laid onto it straight from the side, which keeps their lengths and
    angles, and are dashed; the panel's note names them.
    """
    slab = _slab(analysis, column)
    if slab is None:
        return ()
    entries = _entries(report, report.columns.index(column))
    asked = [q for q in QUESTIONS if q.key in rooms_mm and _answered(q, entries)]
    if any(_answered(question, entries) for question in QUESTIONS):
        return tuple(draw_panel(slab, q, entries, rooms_mm[q.key]) for q in asked)
    return (draw_panel(slab, UNMEASURED, entries, next(iter(rooms_mm.values()))),)


def _answered(question: Question, entries: Sequence[Entry]) -> bool:
    return any(metric in entry.cells for entry in entries for metric in question.drawn)


def draw_rulers(analysis: Analysis, series: str, folder: Path) -> tuple[Path, ...]:
    """Write the panels of each measured block of a series, side by side, as PNG.

    Parameters
    ----------
    series
        Its name.
    folder
        Made if absent; gets ``<series>_rulers.png``, or ``<series>_block-1_rulers.png`` …;
        nothing where no anatomy was found, and of an axial series, whose slices
        :func:`openlumbar.report.sheet.draw_slices` draws.

    Raises
    ------
    StageError
        The exam has no such series.
    """
    by_name = {one.name: one for one in analysis.exam.series}
    if series not in by_name:
        raise StageError(f"the exam has no series {series}; it has {', '.join(by_name) or 'none'}")
    if by_name[series].plane is Plane.AXIAL:
        return ()
    report = report_of(analysis)
    paths = []
    for column in (column for column in report.columns if column.series == series):
        panels = ruler_panels(analysis, report, column, _ROOMS_MM)
        if panels:
            stem = by_name[series].stem(column.block)
            path = folder / f"{stem}_rulers.png"
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(side_by_side(panels, stem))
            paths.append(path)
    return tuple(paths)


def panel_records(
    panels: Sequence[Panel], name: str = ""
) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """What a template needs to know of panels, and their files.

    Parameters
    ----------
    name
        Before the names of the files, to tell several blocks apart.
    """
    records, files = [], {}
    by_content: dict[bytes, str] = {}
    for panel in panels:
        # Panels mostly show the same slice, which is then stored once.
        image = by_content.setdefault(panel.image, f"{name}{panel.key}.jpg")
        files[image] = panel.image
        files[f"{name}{panel.key}.svg"] = panel.drawing
        records.append(
            {
                "key": panel.key,
                "title": panel.title,
                "image": image,
                "drawing": f"{name}{panel.key}.svg",
                "size_mm": (panel.width_mm, panel.height_mm),
                "image_mm": panel.image_mm,
                "note": panel.note,
            }
        )
    return records, files


def side_by_side(panels: Sequence[Panel], title: str) -> bytes:
    """Panels in a row under a title, as PNG."""
    records, files = panel_records(panels)
    record = {
        "title": legible(title),
        "notice": NOTICES[0],
        "families": FAMILIES,
        "panels": records,
    }
    return typeset("rulers.typ", record, files, "png")


def _slab(analysis: Analysis, column: Column) -> Slab | None:
    """The block, cut to its bodies and discs; None where it has none."""
    masks = analysis.masks.of(column.series)
    series = next(one for one in analysis.exam.series if one.name == column.series)
    if masks is None:
        return None
    labels = masks.labels[column.block]
    bodies = masks.bodies[column.block] if masks.bodies else labels
    slab = Slab(series.blocks[column.block].volume, labels, bodies)
    codes = slab.frame.canonical(labels.array)
    discs = [code for code, structure in BY_CODE.items() if structure.kind == "disc"]
    solid = slab.frame.canonical(bodies.array) > 0
    seen = np.any(solid | np.isin(codes, discs), axis=0)
    if not seen.any():
        return None
    return replace(slab, window=window_around(seen, slab.frame.spacing_mm[1:], _MARGINS_MM))


def _entries(report: Report, place: int) -> tuple[Entry, ...]:
    """Sections from head to foot with the numbers of one column."""
    return tuple(
        Entry(section, cells_of(section, place)) for section in (*report.spine, *report.levels)
    )


def cells_of(section: LevelSection, place: int) -> dict[str, Cell]:
    """Numbers of a section in one column, by metric; of several of one metric the first."""
    cells: dict[str, Cell] = {}
    for row in section.rows:
        cell = row.cells[place]
        if cell is not None:
            cells.setdefault(row.metric, cell)
    return cells
