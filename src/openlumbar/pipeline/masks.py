"""Masks that other tools made → names, numbers, loads, output folder.

::

    read_exam ──► the series that the mask lies on ─────────────┐
    read_given ──────────────► on_series ──► split_bodies ──► measure_sagittal
     (given.py)               (placing.py)    (measure/)         (measure/)
                                        └──► name_slices ──► measure_axial
                                                (level/)         (measure/)

Names are taken as given: nothing is segmented and nothing counted. Of several masks of one exam,
say a sagittal and an axial one, the sagittal ones name the axial slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import openlumbar
from openlumbar.core.anatomy import (
    BY_CODE,
    SPINAL_CANAL,
    UNKNOWN_DISC,
    UNKNOWN_VERTEBRA,
    VERTEBRAE,
)
from openlumbar.core.codes import scheme
from openlumbar.core.errors import InputError, OptionError
from openlumbar.core.exam import Exam, LeftOut, Series
from openlumbar.core.levels import LevelRow, Levels, Numbering
from openlumbar.core.masks import AxialMask, Masks, SeriesMasks
from openlumbar.core.measurement import Measurement
from openlumbar.core.plane import Plane
from openlumbar.core.progress import Progress, silent
from openlumbar.core.run import Run, peak_memory_mb
from openlumbar.core.volume import Volume
from openlumbar.exam import ReadOptions, read_exam
from openlumbar.imaging.frame import frame_of
from openlumbar.io.analysis import Analysis
from openlumbar.io.outfolder import check_apart, replacing
from openlumbar.level import SeriesLevels, name_slices
from openlumbar.measure import measure_axial, measure_sagittal
from openlumbar.measure.body import split_bodies
from openlumbar.pipeline.findings import Findings, together
from openlumbar.pipeline.given import Given, MaskOptions, of_kind, read_given
from openlumbar.pipeline.loads import loads_of
from openlumbar.pipeline.placing import on_series, placed
from openlumbar.pipeline.results import write_results
from openlumbar.pipeline.stages import Stages


def measure_files(
    inputs: Sequence[Path],
    masks: Sequence[Path],
    out: Path,
    options: MaskOptions | None = None,
    read: ReadOptions | None = None,
    progress: Progress = silent,
) -> Analysis:
    """Measure masks that another tool made, and write the output folder.

    Parameters
    ----------
    inputs
        The images, as :func:`openlumbar.read_exam` takes them.
    masks
        NIfTI or MetaImage of integers, in the same patient space as their images; or DICOM
        Segmentations. One of each series that is to be measured, or of each block of one.
    out
        Absent, empty, or a previous output folder.
    options, read
        How; the defaults when None.
    progress
        Told how far the work is.

    Raises
    ------
    InputError
        An image or mask cannot be read, they do not belong together, or two masks have labels
        in one place.
    OptionError
        ``out`` cannot be used, or an option fits nothing.
    """
    options = options or MaskOptions()
    others = [path for path in (options.bodies, options.subregions) if path]
    check_apart([*inputs, *masks, *others], out)
    with replacing(out) as folder:
        stages = Stages(progress)
        with stages.timed("read"):
            given = [read_given(masks[0], options)]
            given += [read_given(mask, options.of_another()) for mask in masks[1:]]
            exam = read_exam(inputs, read or ReadOptions())
        return write_results(measure_given(exam, given, options, progress), folder, stages, inputs)


def measure_given(
    exam: Exam,
    masks: Sequence[Given],
    options: MaskOptions | None = None,
    progress: Progress = silent,
) -> Analysis:
    """Measure masks on the series of an exam that they are of.

    Parameters
    ----------
    exam
        What :func:`openlumbar.read_exam` found.
    masks
        One of each series, or of each block of one. It may lie on another grid than the image:
        then its labels are interpolated onto the image's, and a warning says so.
    options
        Only ``codes``, ``series`` (of the first mask), ``loads`` and ``noted`` matter here.

    Returns
    -------
    Analysis
        Of those series; with a :class:`~openlumbar.core.run.Failure` for each stage that
        failed.

    Raises
    ------
    InputError
        The exam has no series that such a mask is measured on, or the mask lies elsewhere in
        the patient.
    OptionError
        The exam has several series and none is the one.
    """
    options = options or MaskOptions()
    laid = _laid(exam, masks, options)
    stages = Stages(progress)
    found = _measured(laid, options, stages)
    kept = _only(exam, [one.series for one in laid])
    return Analysis(
        exam=kept,
        masks=Masks(found.masks),
        levels=Levels(found.rows, found.numbering),
        measurements=found.measurements,
        loads=loads_of(exam, found.measurements, found.rows, options.loads, stages),
        run=_run(exam, options, tuple(note for one in laid for note in one.notes), stages),
        failures=tuple(stages.failures),
    )


@dataclass(frozen=True, eq=False)
class _Laid:
    """Masks on the grid of their series.

    Attributes
    ----------
    name
        Of the masks' files.
    bodies
        On each block; None where nobody gave them.
    partly
        Codes that the masks call partly in view.
    """

    name: str
    series: Series
    labels: tuple[Volume, ...]
    bodies: tuple[Volume, ...] | None
    partly: frozenset[int]
    notes: tuple[str, ...]


def _laid(exam: Exam, masks: Sequence[Given], options: MaskOptions) -> list[_Laid]:
    """Masks on their series, sagittal ones first: they name the slices of the others."""
    laid: dict[str, _Laid] = {}
    for number, given in enumerate(masks):
        series = _series_of(exam, given, options.series if number == 0 else None)
        one = _lay(given, series)
        laid[series.name] = _joined(laid[series.name], one) if series.name in laid else one
    return sorted(laid.values(), key=lambda one: one.series.plane is Plane.AXIAL)


def _lay(given: Given, series: Series) -> _Laid:
    labels, notes = on_series(given, series)
    bodies = None
    if given.bodies is not None:
        bodies = tuple(_only_vertebrae(one.labels) for one in placed(given.bodies, series))
    return _Laid(given.name, series, labels, bodies, given.partly_in_view, (*given.notes, *notes))


def _joined(one: _Laid, other: _Laid) -> _Laid:
    """Two masks of one series, as of two of its blocks.

    Raises
    ------
    InputError
        They lie over each other.
    """
    for ours, theirs in zip(one.labels, other.labels, strict=True):
        if ((ours.array > 0) & (theirs.array > 0)).any():
            raise InputError(
                f"{one.name} and {other.name} both have labels in one place of the series "
                f"{one.series.name}; give one mask of each place"
            )
    bodies = one.bodies or other.bodies
    if one.bodies and other.bodies:
        bodies = _over(one.bodies, other.bodies)
    return replace(
        one,
        name=f"{one.name}, {other.name}",
        labels=_over(one.labels, other.labels),
        bodies=bodies,
        partly=one.partly | other.partly,
        notes=(*one.notes, *other.notes),
    )


def _over(ours: tuple[Volume, ...], theirs: tuple[Volume, ...]) -> tuple[Volume, ...]:
    return tuple(
        a.with_array(np.where(a.array > 0, a.array, b.array))
        for a, b in zip(ours, theirs, strict=True)
    )


def _measured(laid: Sequence[_Laid], options: MaskOptions, stages: Stages) -> Findings:
    found: list[Findings] = []
    for one in laid:
        spines = [spine for earlier in found for spine in earlier.spines]
        if one.series.plane is Plane.AXIAL:
            found.append(_axial(one, options.codes, spines, stages))
        else:
            found.append(_sagittal(one, options.codes, stages))
    return together(found)


def _series_of(exam: Exam, given: Given, name: str | None) -> Series:
    """The series that was named, the only one that fits, or the only one on the mask's grid."""
    planes = _planes(given)
    fitting = [one for plane in planes for one in exam.of_plane(plane)]
    if not fitting:
        raise InputError(_nothing_fits(exam, given))
    if name is not None:
        chosen = [series for series in fitting if series.name == name]
        if not chosen:
            names = ", ".join(series.name for series in fitting)
            raise OptionError(f"--series {name}: the series that the mask can be of are {names}")
        return chosen[0]
    fitting = [series for series in fitting if series.plane is fitting[0].plane]
    if len(fitting) == 1:
        return fitting[0]
    same = [s for s in fitting if any(one.same_grid for one in placed(given.labels, s))]
    if len(same) == 1:
        return same[0]
    names = ", ".join(series.name for series in fitting)
    how = f"{len(same)} of them have" if same else "none of them has"
    raise OptionError(
        f"{given.name}: the image has the {fitting[0].plane} series {names}, and {how} the mask's "
        "grid; choose with --series"
    )


def _planes(given: Given) -> tuple[Plane, ...]:
    """Planes that what the mask holds is measured on, the likelier one first.

    Sagittal slices need vertebrae or discs that are told from each other; muscles are
    measured on axial ones, and so are a sac or a disc of whatever level.
    """
    labels = given.labels.array
    unknown = np.isin(labels, (UNKNOWN_VERTEBRA, UNKNOWN_DISC))
    told = bool((of_kind(labels, "vertebra", "disc") & ~unknown).any())
    muscles = bool(of_kind(labels, "muscle").any())
    order = (Plane.AXIAL, Plane.SAGITTAL) if muscles else (Plane.SAGITTAL, Plane.AXIAL)
    return tuple(plane for plane in order if told or plane is Plane.AXIAL)


def _nothing_fits(exam: Exam, given: Given) -> str:
    found = ", ".join(f"{series.name} ({series.plane})" for series in exam.series)
    if not exam.of_plane(Plane.SAGITTAL):
        return f"no sagittal and no axial series among {found}; only those are measured"
    if of_kind(given.labels.array, "muscle").any():
        return f"no axial series among {found}; muscles are measured on those alone"
    return (
        f"{given.name}: its codes do not tell one vertebra or disc from the next; give a mask "
        "that does (of SPINEPS seg-vert, with this one as --subregions)"
    )


def _sagittal(one: _Laid, codes: str, stages: Stages) -> Findings:
    """Names as given, and the numbers of a sagittal series."""
    series, labels = one.series, one.labels
    masks = SeriesMasks(series.name, labels)
    with stages.stage("bodies", series.name):
        # Cut off whole vertebrae where the mask has its own grid.
        masks = replace(masks, bodies=one.bodies or tuple(map(split_bodies, labels)))
    rows = _rows(series, masks, one.partly)
    _check_order(one.name, rows)
    measurements: tuple[Measurement, ...] = ()
    if masks.bodies:
        with stages.stage("measure", series.name):
            measurements = measure_sagittal(series, masks, rows)
    numbering = _numbering(series, codes)
    spine = SeriesLevels(masks, rows, numbering)
    return Findings((masks,), rows, (numbering,), measurements, spines=(spine,))


def _axial(one: _Laid, codes: str, spines: Sequence[SeriesLevels], stages: Stages) -> Findings:
    """A row a slice, named structures as given, and the numbers of an axial series."""
    series, labels = one.series, one.labels
    bodies = one.bodies or tuple(
        volume.with_array(np.zeros_like(volume.array)) for volume in labels
    )
    found = [_taken(volume, body) for volume, body in zip(labels, bodies, strict=True)]
    rows: tuple[LevelRow, ...] = ()
    with stages.stage("level", series.name):
        rows = name_slices(series, found, spines).rows
    measurements: tuple[Measurement, ...] = ()
    with stages.stage("measure", series.name):
        measurements = measure_axial(series, found, rows)
    masks = SeriesMasks(series.name, labels, one.bodies or ())
    named = [row for row in _rows(series, masks, one.partly) if row.level != "unknown"]
    numbering = (_numbering(series, codes),) if named else ()
    return Findings((masks,), (*rows, *named), numbering, measurements)


def _taken(labels: Volume, bodies: Volume) -> AxialMask:
    """A mask as the axial stages have it: nobody knows how certain it is, or of what level."""
    certainty = np.full(labels.shape, 255, np.uint8)
    flags: tuple[tuple[str, ...], ...] = ((),) * labels.shape[0]
    return AxialMask(_unnamed(labels), _unnamed(bodies), certainty, flags)


def _unnamed(volume: Volume) -> Volume:
    """Vertebrae and discs of unknown level; a cord is part of the sac."""
    codes = volume.array.copy()
    for kind, code in (
        ("vertebra", UNKNOWN_VERTEBRA),
        ("disc", UNKNOWN_DISC),
        ("cord", SPINAL_CANAL),
    ):
        codes[of_kind(codes, kind)] = code
    return volume.with_array(codes)


def _only_vertebrae(volume: Volume) -> Volume:
    return volume.with_array(np.where(of_kind(volume.array, "vertebra"), volume.array, 0))


def _rows(series: Series, masks: SeriesMasks, partly: frozenset[int]) -> tuple[LevelRow, ...]:
    """A row for each vertebra, then one for each disc, block by block, from head to foot."""
    rows = []
    for number, volume in enumerate(masks.labels):
        bodies = masks.bodies[number] if masks.bodies else volume
        for kind, home in (("vertebra", bodies), ("disc", volume)):
            here = [
                _row(series, number, home, code, partly)
                for code in map(int, np.unique(home.array))
                if code and BY_CODE[code].kind == kind
            ]
            rows += sorted(here, key=lambda row: -row.z_mm)
    return tuple(rows)


def _row(series: Series, block: int, volume: Volume, code: int, partly: frozenset[int]) -> LevelRow:
    mask = volume.array == code
    centre = np.argwhere(mask).mean(0)
    x, y, z = (round(float(value), 3) for value in volume.to_patient(centre))
    index = int(np.clip(round(centre[0]), 0, volume.shape[0] - 1))
    cut = code in partly or _is_cut(volume.with_array(mask))
    entry = BY_CODE[code]
    name = entry.name.removeprefix("vertebra of ").removeprefix("disc of ").removesuffix(" level")
    return LevelRow(
        series=series.name,
        block=block,
        slice=index,
        instance=series.blocks[block].instances[index],
        structure=entry.kind,
        label=code,
        level=name,
        disc_level=name if entry.kind == "disc" else "",
        level_confidence=0.0 if code in (UNKNOWN_VERTEBRA, UNKNOWN_DISC) else 1.0,
        x_mm=x,
        y_mm=y,
        z_mm=z,
        source="given",
        flags=("partly-in-view",) if cut else (),
    )


def _check_order(name: str, rows: tuple[LevelRow, ...]) -> None:
    """Refuse names that do not follow one another along the spine: the codes are others.

    A spine that runs wholly the other way is measured as what it is: its header is wrong.
    """
    along = [level for level in VERTEBRAE if level != "S2"]  # a sacrum may lie flat
    for block in {row.block for row in rows}:
        heights = {row.level: row.z_mm for row in rows if row.block == block}
        spine = [level for level in along if level in heights]
        steps = [(a, b) for a, b in pairwise(spine) if heights[a] <= heights[b]]
        if 0 < len(steps) < len(spine) - 1:
            upper, lower = steps[0]
            raise InputError(
                f"{name}: {upper} lies below {lower} in the mask; are these the right codes?"
            )


def _is_cut(mask: Volume) -> bool:
    """Whether the picture's upper, lower, front or back border cuts it on any slice."""
    picture: NDArray[np.bool_] = np.any(frame_of(mask).canonical(mask.array), axis=0)
    return bool(picture[[0, -1]].any() or picture[:, [0, -1]].any())


def _numbering(series: Series, codes: str) -> Numbering:
    remark = scheme(codes).remark
    return Numbering(
        series=series.name,
        confidence=1.0,
        flags=("numbering-uncertain",) if remark else (),
        evidence=("the names are those of the mask, taken as given", *([remark] if remark else [])),
    )


def _only(exam: Exam, series: Sequence[Series]) -> Exam:
    others = tuple(
        LeftOut(other.name, "not a series that a mask is of")
        for other in exam.series
        if not any(other is one for one in series)
    )
    kept = tuple(other for other in exam.series if any(other is one for one in series))
    return replace(exam, series=kept, left_out=(*exam.left_out, *others))


def _run(exam: Exam, options: MaskOptions, notes: tuple[str, ...], stages: Stages) -> Run:
    return Run(
        version=openlumbar.__version__,
        options={"codes": options.codes, **options.noted},
        timings=tuple(stages.timings),
        peak_memory_mb=round(peak_memory_mb(), 1),
        warnings=(*exam.warnings, *notes),
    )
