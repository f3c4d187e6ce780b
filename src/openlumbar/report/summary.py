"""What a person reads at the end of a run: a table a series."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from openlumbar.core.anatomy import STRUCTURES
from openlumbar.core.levels import LevelRow, Numbering
from openlumbar.core.palette import MUSCLE_COLOURS, colour_of
from openlumbar.io.analysis import Analysis
from openlumbar.report.axial import axial_sections
from openlumbar.report.axial_findings import MuscleMean, muscle_means
from openlumbar.report.axial_levels import disc_lines, level_warnings
from openlumbar.report.facts import warnings_of
from openlumbar.report.loads import loads_section
from openlumbar.report.parts import AxialSection, LoadsSection
from openlumbar.report.wording import WITHHELD, number_text


def summary(analysis: Analysis) -> Group:
    """Tables, one a series, and what to know of them.

    Of a sagittal series the named vertebrae and discs, of an axial one the slices that lie
    best in the discs and the means of its muscles; then compression at the discs.
    """
    sections = axial_sections(analysis)
    axial = {section.series for section in sections}
    tables = [
        _series_table(numbering, _of_series(analysis, numbering.series))
        for numbering in analysis.levels.numbering
        if numbering.series not in axial
    ]
    levels = [_level_table(section) for section in sections if section.naming is not None]
    muscles = [
        _muscle_table(section, means)
        for section in sections
        if (means := muscle_means(section.slices))
    ]
    told = (*warnings_of(analysis), *level_warnings(sections))
    loads = loads_section(analysis.loads)
    if loads is not None and loads.missing:
        told = (*told, f"no spinal loads: {loads.missing}")
    solved = [] if loads is None or not loads.tables else [_loads_table(loads)]
    warnings = [Text(f"Note: {warning}") for warning in told]
    return Group(*tables, *levels, *muscles, *solved, *warnings)


def _of_series(analysis: Analysis, series: str) -> list[LevelRow]:
    """Rows of a series from the head downward."""
    rows = [
        row for row in analysis.levels.rows if row.series == series and row.structure != "slice"
    ]
    return sorted(rows, key=lambda row: -row.z_mm)


def _series_table(numbering: Numbering, rows: list[LevelRow]) -> Table:
    flags = ", ".join(numbering.flags)
    caption = f"numbering as a whole: confidence {numbering.confidence:.2f}"
    table = Table(
        "structure",
        "level",
        "confidence",
        "flags",
        title=numbering.series,
        caption=f"{caption}, {flags}" if flags else caption,
        box=box.SIMPLE_HEAD,
    )
    for row in rows:
        level = Text(row.level, style=colour_of(row.label) if row.label else "")
        table.add_row(row.structure, level, f"{row.level_confidence:.2f}", ", ".join(row.flags))
    return table


def _level_table(section: AxialSection) -> Table:
    """The best slice of each disc."""
    naming = section.naming
    sure = naming.confidence if naming is not None else None
    words = naming.title[0].lower() + naming.title[1:] if naming is not None else ""
    caption = words if sure is None else f"{words}, confidence {sure:.2f}"
    heads = ("disc", "best slice", "slices in it", "confidence", "by looks")
    table = Table(*heads, title=section.series, caption=caption, box=box.SIMPLE_HEAD)
    for line in disc_lines(section):
        name = Text(line.name, style=line.colour)
        table.add_row(name, line.title, str(line.slices), line.confidence, line.looks)
    return table


def _muscle_table(section: AxialSection, means: Sequence[MuscleMean]) -> Table:
    heads = ("area R, cm²", "L", "fat R, %", "L", "slices")
    table = Table(
        "muscle",
        *(Column(head, justify="right") for head in heads),
        title=section.series,
        caption=f"means of slices without doubt, of {len(section.slices)}; fat is an area "
        "fraction, not a proton-density fat fraction",
        box=box.SIMPLE_HEAD,
    )
    for mean in means:
        fat = mean.fat_percent or (None, None)
        table.add_row(
            Text(mean.muscle, style=MUSCLE_COLOURS[mean.muscle]),
            *(number_text(area, "cm2") for area in mean.area_cm2),
            *(WITHHELD if share is None else number_text(share, "%") for share in fat),
            str(mean.slices) if mean.slices == mean.fat_slices else _counts(mean),
        )
    return table


def _loads_table(loads: LoadsSection) -> Table:
    """Compression at the discs, task beside task."""
    doubts = "; ".join(doubt.text[0].lower() + doubt.text[1:] for doubt in loads.doubts)
    caption = "estimates of a model, for research use; intervals in brackets"
    table = Table(
        "level",
        *(Column(task.title, justify="right") for task in loads.tasks),
        title="compression, N",
        caption=f"{caption}; {doubts}" if doubts else caption,
        box=box.SIMPLE_HEAD,
    )
    for line in loads.tables[0].lines:
        forces = ("" if pair[0] is None else pair[0].text for pair in line.cells)
        # Brackets are marks of style to rich, unless they come as text.
        table.add_row(Text(line.name, style=line.colour), *map(Text, forces))
    return table


def _counts(mean: MuscleMean) -> str:
    return f"{mean.slices}, fat {mean.fat_slices}"


def structure_table() -> Table:
    """Build the table of ``openlumbar labels``: every code, its name, kind and side."""
    table = Table("code", "name", "kind", "side", box=box.SIMPLE_HEAD)
    for structure in STRUCTURES:
        name = Text(structure.name, style=colour_of(structure.code))
        table.add_row(str(structure.code), name, structure.kind, structure.side or "")
    return table
