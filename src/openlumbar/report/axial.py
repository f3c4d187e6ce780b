"""What a report says of axial series: muscles, their fat and the dural sac, slice by slice.

Plain data, as it is printed. No reference ranges, and no threshold of what is much or little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

from openlumbar.core.anatomy import SPINAL_CANAL
from openlumbar.core.exam import Series, Weighting
from openlumbar.core.levels import LevelRow
from openlumbar.core.masks import SeriesMasks
from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import METRICS, MUSCLES
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.io.analysis import Analysis
from openlumbar.report.axial_findings import axial_findings
from openlumbar.report.axial_levels import looks_of, lumbar_count, naming_of, slice_name
from openlumbar.report.cells import cell_of
from openlumbar.report.parts import (
    AxialHead,
    AxialLevel,
    AxialSection,
    AxialSlice,
    AxialTable,
    Cell,
    Doubt,
)
from openlumbar.report.wording import GRAVITY, UNITS, flag_text, rank

#: What stands wherever a fat fraction is shown.
FAT_NOTE = "Area fraction of T1- or T2-weighted images, not a proton-density fat fraction."
#: By side of the patient, in the order in which a picture shows them.
SIDES: dict[str, str] = {"right": "R", "left": "L", "": ""}
#: Muscles as heads of columns.
MUSCLE_TITLES: dict[str, str] = {
    "multifidus": "Multifidus",
    "erector spinae": "Erector spinae",
    "psoas": "Psoas",
    "quadratus lumborum": "Quadratus",
}

#: Tables of muscles: key, title, metric, note.
_OF_MUSCLES: tuple[tuple[str, str, str, str], ...] = (
    ("csa", "Cross-sectional area", "csa_cm2", ""),
    ("lean", "Lean area", "lean_csa_cm2", "Area less its fat by partial volume."),
    ("fat", "Fat area fraction", "fat_fraction_partial_volume_percent", FAT_NOTE),
    ("asymmetry", "Asymmetry of areas", "asymmetry_percent", ""),
    ("ratio", "Muscle-to-disc ratio", "muscle_to_disc_ratio", ""),
    ("kmeans", "Fat by k-means", "fat_fraction_kmeans_percent", FAT_NOTE),
    ("otsu", "Fat by Otsu's threshold", "fat_fraction_otsu_percent", FAT_NOTE),
    ("mixture", "Fat by a mixture of two", "fat_fraction_mixture_percent", FAT_NOTE),
)
#: The one table of the rest: structure, metric, head.
_OF_THE_REST: tuple[tuple[str, str, str], ...] = (
    ("dural sac", "area_mm2", "Sac area"),
    ("dural sac", "ap_diameter_mm", "Sac AP"),
    ("dural sac", "transverse_diameter_mm", "Sac transverse"),
    ("disc", "area_mm2", "Disc area"),
    ("slice", "tilt_deg", "Tilt"),
)

#: What tells a level by its muscles, each side: structure, metric, head.
_TEMPLATE: tuple[tuple[str, str, str], ...] = (
    ("quadratus lumborum", "beyond_erector_spinae_mm", "Quadratus beyond erector"),
    ("psoas", "roundness", "Psoas roundness"),
    ("multifidus", "back_muscle_share_percent", "Multifidus of back"),
)
_TEMPLATE_NOTE = (
    "The muscles as a template for the level (after Cho et al. 2022): how much further outward "
    "quadratus lumborum reaches than erector spinae, how round psoas is (1 is a circle), and the "
    "share of multifidus in the muscles of the back."
)

_Key = tuple[str, str, str]
_Place = tuple[int, int]


def axial_sections(analysis: Analysis) -> tuple[AxialSection, ...]:
    """Put what is known of each axial series into words and numbers.

    Parameters
    ----------
    analysis
        Whole; axial series without masks or numbers are fine.

    Returns
    -------
    tuple of AxialSection
        One a series, in the exam's order.
    """
    axial = analysis.exam.of_plane(Plane.AXIAL)
    shared = Counter(series.weighting for series in axial)
    return tuple(
        _section(analysis, series, f"a{n}", _title(series, shared[series.weighting] == 1))
        for n, series in enumerate(axial)
    )


def _title(series: Series, unique: bool) -> str:
    known = series.weighting is not Weighting.UNKNOWN
    return f"Axial {series.weighting}" if unique and known else series.name


def _section(analysis: Analysis, series: Series, key: str, title: str) -> AxialSection:
    rows = [
        row
        for row in analysis.levels.rows
        if row.series == series.name and row.structure == "slice"
    ]
    measured = [m for m in analysis.measurements if m.series == series.name and m.slice is not None]
    slices = _slices(analysis, series, key, rows)
    levels = _levels(analysis, series.name, key, slices)
    return AxialSection(
        key=key,
        title=title,
        series=series.name,
        slices=slices,
        first=_first(slices),
        levels=levels,
        tables=_tables([one.cells for one in slices]),
        level_tables=_tables([level.cells for level in levels]),
        findings=axial_findings(slices, measured),
        doubts=_doubts(slices, rows, measured, title),
        measured=bool(measured),
        naming=naming_of(analysis, series.name, slices),
    )


# Slices ------------------------------------------------------------------------------


def _slices(
    analysis: Analysis, series: Series, key: str, rows: Sequence[LevelRow]
) -> tuple[AxialSlice, ...]:
    """All slices of all blocks, from head to foot."""
    cells = _cells(analysis, series.name, key)
    discs = {(m.block, m.slice): m.level for m in analysis.measurements if m.series == series.name}
    known = {(row.block, row.slice): row for row in rows}
    looks = looks_of(analysis.levels, series.name)
    lumbar = lumbar_count(name for row in rows for name in (row.level, row.disc_level))
    places = slice_places(series, analysis.masks.of(series.name))
    top = max((z for _, z in places), default=0.0)

    def of(place: _Place, z: float) -> AxialSlice:
        row = known.get(place)
        disc = row.disc_level if row is not None else discs.get(place, "")
        return AxialSlice(
            block=place[0],
            slice=place[1],
            title=_slice_title(series, place),
            level=(row.level if row is not None else "") or disc,
            disc_level=disc,
            position_mm=top - z,
            cells=cells.get(place, {}),
            reasons=tuple(flag_text(flag) for flag in row.flags) if row is not None else (),
            name=slice_name(row, lumbar) if row is not None else None,
            looks=looks.get(place),
        )

    return tuple(of(place, z) for place, z in places)


def _slice_title(series: Series, place: _Place) -> str:
    block, slice_ = place
    return f"block {block + 1}, slice {slice_}" if len(series.blocks) > 1 else f"slice {slice_}"


def _cells(analysis: Analysis, series: str, key: str) -> dict[_Place, dict[_Key, Cell]]:
    """Numbers of a series by block and slice."""
    found: dict[_Place, dict[_Key, Cell]] = {}
    for number, m in enumerate(analysis.measurements):
        if m.series == series and m.slice is not None:
            of_slice = found.setdefault((m.block, m.slice), {})
            of_slice[m.structure, m.side, m.metric] = cell_of(number, m, key)
    return found


def slice_places(series: Series, masks: SeriesMasks | None) -> list[tuple[_Place, float]]:
    """Blocks and slices of an axial series from head to foot, each with its height.

    Parameters
    ----------
    masks
        Of the series. Where a slice shows the dural sac, the height is the sac's, so that
        tilted blocks are told apart by where they cut the spine, not by where they end.

    Returns
    -------
    list of ((block, slice), z)
        z is LPS, millimetres; blocks stay whole.
    """
    blocks = []
    for number, block in enumerate(series.blocks):
        labels = masks.labels[number] if masks is not None else None
        heights = _heights(block.volume, labels)
        of_block = [((number, k), z) for k, z in enumerate(heights)]
        blocks.append(sorted(of_block, key=lambda place: -place[1]))
    blocks.sort(key=lambda block: -float(np.mean([z for _, z in block])))
    return [place for block in blocks for place in block]


def _heights(image: Volume, labels: Volume | None) -> list[float]:
    """Where each slice cuts the sac, or else what is labelled, or else its middle: z."""
    middle = (np.array(image.shape[1:]) - 1) / 2
    centres: list[np.ndarray] = []
    for k in range(image.shape[0]):
        codes = labels.array[k] if labels is not None else np.zeros((1, 1), np.uint16)
        sac = codes == SPINAL_CANAL
        region = np.argwhere(sac if sac.any() else codes > 0)
        centres.append(region.mean(axis=0) if len(region) else middle)
    indices = np.column_stack((np.arange(image.shape[0]), np.array(centres)))
    return [float(z) for z in image.to_patient(indices)[:, 2]]


def _first(slices: Sequence[AxialSlice]) -> int:
    """The slice nearest to the middle of those that lack hardly any number."""
    given = [sum(not cell.withheld for cell in one.cells.values()) for one in slices]
    # A slice that lacks a tenth of the numbers is as good as one that has them all.
    rich = [place for place, count in enumerate(given) if count >= 0.9 * max(given)]
    return min(rich, key=lambda place: abs(place - (len(slices) - 1) / 2))


def _levels(
    analysis: Analysis, series: str, key: str, slices: Sequence[AxialSlice]
) -> tuple[AxialLevel, ...]:
    """Discs with numbers of their own, or with a slice that lies best in them."""
    cells: dict[str, dict[_Key, Cell]] = {}
    for number, m in enumerate(analysis.measurements):
        if m.series == series and m.slice is None and m.level:
            cells.setdefault(m.level, {})[m.structure, m.side, m.metric] = cell_of(number, m, key)
    best = {one.name.best for one in slices if one.name is not None and one.name.best}
    return tuple(
        AxialLevel(name, _place_of(name, slices), cells.get(name, {}))
        for name in sorted(best | cells.keys(), key=lambda name: (rank(name), name))
    )


def _place_of(disc: str, slices: Sequence[AxialSlice]) -> int:
    """The slice that lies best in a disc, or the middle one of those in it, or nearest to it."""
    for place, one in enumerate(slices):
        if one.name is not None and one.name.best == disc:
            return place
    near = [place for place, one in enumerate(slices) if one.disc_level == disc]
    within = [place for place in near if slices[place].level == disc] or near
    return within[len(within) // 2] if within else 0


# Tables ------------------------------------------------------------------------------


def _tables(lines: Sequence[dict[_Key, Cell]]) -> tuple[AxialTable, ...]:
    seen = {key for cells in lines for key in cells}
    wanted = [
        (
            (key, title, note),
            [
                ((muscle, side, metric), MUSCLE_TITLES[muscle])
                for muscle in MUSCLES
                for side in SIDES
            ],
        )
        for key, title, metric, note in _OF_MUSCLES
    ]
    rest = [((structure, "", metric), head) for structure, metric, head in _OF_THE_REST]
    wanted.insert(3, (("sac", "Dural sac, disc and slice", ""), rest))
    template = [
        ((muscle, side, metric), head) for muscle, metric, head in _TEMPLATE for side in SIDES
    ]
    wanted.insert(5, (("template", "Configuration of the muscles", _TEMPLATE_NOTE), template))
    tables = (
        _table(words, [column for column in columns if column[0] in seen], lines)
        for words, columns in wanted
    )
    return tuple(table for table in tables if table.heads)


def _table(
    words: tuple[str, str, str],
    columns: Sequence[tuple[_Key, str]],
    lines: Sequence[dict[_Key, Cell]],
) -> AxialTable:
    key, title, note = words
    heads = tuple(
        AxialHead(head, SIDES[side], UNITS[METRICS[structure, metric].unit][0])
        for (structure, side, metric), head in columns
    )
    rows = tuple(
        (place, tuple(cells.get(number) for number, _ in columns))
        for place, cells in enumerate(lines)
        if any(number in cells for number, _ in columns)
    )
    return AxialTable(key, title, note, heads, rows)


# Doubts ------------------------------------------------------------------------------


def _doubts(
    slices: Sequence[AxialSlice],
    rows: Sequence[LevelRow],
    measured: Sequence[Measurement],
    title: str,
) -> tuple[Doubt, ...]:
    """Every flag of the series, gravest first, with the slices that it stands on."""
    flags = {flag for row in rows for flag in row.flags} | {f for m in measured for f in m.flags}
    return tuple(
        _doubt(flag, slices, rows, [m for m in measured if flag in m.flags], title)
        for flag in sorted(flags, key=GRAVITY.index)
    )


def _doubt(
    flag: str,
    slices: Sequence[AxialSlice],
    rows: Sequence[LevelRow],
    marked: Sequence[Measurement],
    title: str,
) -> Doubt:
    where: set[tuple[int, int | None]] = {
        (row.block, row.slice) for row in rows if flag in row.flags
    }
    where |= {(m.block, m.slice) for m in marked}
    found = [one for one in slices if (one.block, one.slice) in where]
    everywhere = len(found) == len(slices) > 1
    return Doubt(
        flag=flag,
        text=flag_text(flag),
        levels=("all slices",) if everywhere else slices_text(found),
        columns=(title,),
        numbers=len(marked),
        withheld=sum(m.value is None for m in marked),
    )


def slices_text(slices: Iterable[AxialSlice]) -> tuple[str, ...]:
    """Slices in few words, a phrase a block: ``block 2, slices 0–3, 5``.

    Examples
    --------
    >>> one = AxialSlice(0, 3, "slice 3", "", "", 0.0, {})
    >>> slices_text([one])
    ('slice 3',)
    """
    phrases = []
    for _, group in groupby(slices, key=lambda one: one.block):
        same = list(group)
        head, _, _ = same[0].title.rpartition("slice ")
        numbers = sorted(one.slice for one in same)
        plural = "s" if len(numbers) > 1 else ""
        phrases.append(f"{head}slice{plural} {_runs(numbers)}")
    return tuple(phrases)


def _runs(numbers: Sequence[int]) -> str:
    """``0–3, 5`` of ascending numbers."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
