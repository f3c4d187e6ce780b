"""``report.html``: one file that opens with a double click, with no network and no server.

The template gets plain data and escapes all of it; what moves in the page is a script in
the template that reads attributes and switches classes. Without the script, or on paper,
the page shows the middle slice of each series with its rulers, and every number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from openlumbar.core.loads import Loads
from openlumbar.core.metrics import MUSCLES
from openlumbar.core.palette import MUSCLE_COLOURS
from openlumbar.io.analysis import Analysis
from openlumbar.report.axial import FAT_NOTE, MUSCLE_TITLES
from openlumbar.report.axial_levels import (
    disc_lines,
    level_colour,
    likeliest,
    looks_text,
    short_class,
)
from openlumbar.report.axial_viewer import axial_viewers_of, label_of_number
from openlumbar.report.chart import charts_of, explained
from openlumbar.report.content import report_of
from openlumbar.report.disc_chart import disc_chart
from openlumbar.report.level_maps import MAP_NOTE, level_maps
from openlumbar.report.load_chart import CHART_NOTE, loads_chart
from openlumbar.report.load_pictures import PICTURE_NOTE, task_drawings
from openlumbar.report.locator import locator_of
from openlumbar.report.parts import GROUPS, LevelSection, Report, Row
from openlumbar.report.stack import STACK_NOTE, stack_chart
from openlumbar.report.viewer import Viewer, label_of, viewers_of
from openlumbar.report.wording import confidence_text, with_unit

#: What the tables beside the picture show, and how their columns are headed.
_AT_A_GLANCE: dict[str, dict[str, str]] = {
    "vertebra": {
        "anterior_height_mm": "Anterior",
        "middle_height_mm": "Middle",
        "posterior_height_mm": "Posterior",
        "wedge_ratio": "Wedge",
        "rotation_deg": "Rotation",
        "ap_diameter_mm": "Canal",
    },
    "disc": {
        "height_mm": "Height",
        "disc_height_index": "Index",
        "segmental_angle_deg": "Segment",
        "listhesis_mm": "Slip",
        "ap_diameter_mm": "Canal",
    },
}
_TITLES = {"vertebra": "Vertebrae", "disc": "Discs"}
#: Rulers that are drawn before anyone asks: more would hide the picture.
_SHOWN_AT_FIRST = ("heights", "discs", "canal")


@dataclass(frozen=True)
class SliceHead:
    """Heading of the numbers of one slice; ``sided`` where right and left have one each."""

    metric: str
    title: str
    unit: str
    hint: str = ""
    sided: bool = True


_SLICE_HEADS = (
    SliceHead("csa_cm2", "Area", "cm²"),
    SliceHead("lean_csa_cm2", "Lean area", "cm²"),
    SliceHead("fat_fraction_partial_volume_percent", "Fat", "%", FAT_NOTE),
    SliceHead("asymmetry_percent", "Asym.", "%", "Asymmetry of areas", sided=False),
)
#: Beneath them: structure, metric, title, unit.
_SLICE_REST = (
    ("dural sac", "area_mm2", "Dural sac", "mm²"),
    ("dural sac", "ap_diameter_mm", "antero-posterior", "mm"),
    ("dural sac", "transverse_diameter_mm", "transverse", "mm"),
    ("disc", "area_mm2", "Disc", "mm²"),
    ("slice", "tilt_deg", "Slice tilted", "°"),
)
#: Tables that are shown at the discs, where levels are known.
_AT_DISCS = ("csa", "fat", "sac", "template")
#: Switches of the axial picture: kind of outline, title.
_STRUCTURES = {
    **{muscle.replace(" ", "-"): MUSCLE_TITLES[muscle] for muscle in MUSCLES},
    "vertebra": "Bone",
    "disc": "Disc",
    "canal": "Dural sac",
}


@dataclass(frozen=True)
class Head:
    """Heading of a column, and the unit of what stands under it."""

    title: str
    unit: str


@dataclass(frozen=True)
class Glance:
    """The few numbers of each vertebra or disc that are read first.

    ``lines`` holds the levels that were measured, from head to foot, and of each a row of
    the report for each of ``heads``, None where that number was not measured.
    """

    title: str
    heads: tuple[Head, ...]
    lines: tuple[tuple[LevelSection, tuple[Row | None, ...]], ...]


def write_html(analysis: Analysis, path: Path) -> None:
    """Write the report as one self-contained file (UTF-8).

    Parameters
    ----------
    analysis
        Whole; any part of it may be missing (no sagittal series, no masks, no numbers).
    path
        Replaced if there.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    path.write_text(html_of(analysis), encoding="utf-8")


def html_of(analysis: Analysis) -> str:
    """The page that :func:`write_html` writes."""
    report = report_of(analysis)
    viewers = viewers_of(analysis, report)
    axial = axial_viewers_of(analysis, report)
    opened = next((v.key for v in viewers if v.column == report.primary), "")
    return _template().render(
        report=report,
        viewers=viewers,
        opened=opened or next((v.key for v in viewers), ""),
        glances=_glances(report.levels),
        groups=_groups(report),
        shown_at_first=_SHOWN_AT_FIRST,
        axial_viewers=axial,
        sac_rulers=any(viewer.rulers for viewer in axial),
        structures=_structures(axial),
        locators={
            viewer.key: locator_of(analysis, report, viewers, section)
            for viewer, section in zip(axial, report.axial, strict=True)
        },
        overlays=any(slide.overlay for viewer in axial for slide in viewer.slides),
        stacks={section.key: stack_chart(section, "currentColor") for section in report.axial},
        disc_lines={section.key: disc_lines(section) for section in report.axial},
        disc_charts={section.key: disc_chart(section, "currentColor") for section in report.axial},
        maps={section.key: level_maps(analysis, section) for section in report.axial},
        stack_note=STACK_NOTE,
        map_note=MAP_NOTE,
        charts={section.key: charts_of(section, "currentColor") for section in report.axial},
        muscles=[(muscle, MUSCLE_TITLES[muscle], MUSCLE_COLOURS[muscle]) for muscle in MUSCLES],
        slice_heads=_SLICE_HEADS,
        slice_rest=_SLICE_REST,
        at_discs=_AT_DISCS,
        fat_note=FAT_NOTE,
        **_of_loads(analysis.loads),
    )


def _of_loads(loads: Loads | None) -> dict[str, object]:
    """What is drawn of the loads."""
    return {
        "load_chart": None if loads is None else loads_chart(loads, "currentColor"),
        "load_chart_note": CHART_NOTE,
        "load_drawings": {} if loads is None else task_drawings(loads),
        "load_picture_note": PICTURE_NOTE,
    }


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("openlumbar.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals.update(
        label_of=label_of,
        label_of_number=label_of_number,
        confidence_text=confidence_text,
        with_unit=with_unit,
        explained=explained,
        level_colour=level_colour,
        likeliest=likeliest,
        looks_text=looks_text,
        short_class=short_class,
    )
    return environment.get_template("report.html.j2")


def _glances(levels: Sequence[LevelSection]) -> tuple[Glance, ...]:
    glances = (_glance(kind, [s for s in levels if s.kind == kind]) for kind in _AT_A_GLANCE)
    return tuple(glance for glance in glances if glance.heads)


def _glance(kind: str, levels: Sequence[LevelSection]) -> Glance:
    levels = [level for level in levels if level.rows]
    units = {row.metric: row.unit for level in levels for row in level.rows}
    metrics = [metric for metric in _AT_A_GLANCE[kind] if metric in units]
    return Glance(
        title=_TITLES[kind],
        heads=tuple(Head(_AT_A_GLANCE[kind][metric], units[metric]) for metric in metrics),
        lines=tuple((level, tuple(level.row(metric) for metric in metrics)) for level in levels),
    )


def _groups(report: Report) -> dict[str, str]:
    """The groups that have something to draw."""
    drawn = {
        row.group
        for section in (*report.spine, *report.levels)
        for row in section.rows
        for cell in row.cells
        if cell is not None and cell.lines
    }
    return {key: title for key, title in GROUPS.items() if key in drawn}


def _structures(viewers: Sequence[Viewer]) -> list[tuple[str, str, str]]:
    """Kind, title and colour of what is seen in any axial slice."""
    colours: dict[str, str] = {}
    for viewer in viewers:
        for slide in viewer.slides:
            for outline in slide.outlines:
                colours.setdefault(outline.kind, outline.colour)
    return [(kind, title, colours[kind]) for kind, title in _STRUCTURES.items() if kind in colours]
