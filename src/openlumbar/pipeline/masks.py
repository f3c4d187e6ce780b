"""Masks that other tools made → names, numbers, output folder.

::

    read_exam ──► the series that the mask lies on ──────────────┐
    read_label_map ──► translate ──► place_labels ──► split_bodies ──► measure_sagittal
         (io/)         (core/codes)   (imaging/)      (measure/)        (measure/)

Names are taken as given: nothing is segmented and nothing counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import openlumbar
from openlumbar.core.anatomy import (
    BY_CODE,
    SACRUM,
    SPINAL_CANAL,
    SPINAL_CORD,
    UNKNOWN_DISC,
    UNKNOWN_VERTEBRA,
    VERTEBRAE,
)
from openlumbar.core.codes import (
    SPINEPS_BODY,
    SPINEPS_ENDPLATES,
    SPINEPS_SUBREGION_ENDPLATES,
    scheme,
    translate,
)
from openlumbar.core.errors import GeometryError, InputError, OptionError
from openlumbar.core.exam import Exam, LeftOut, Series
from openlumbar.core.levels import LevelRow, Levels, Numbering
from openlumbar.core.masks import Masks, SeriesMasks
from openlumbar.core.measurement import Measurement
from openlumbar.core.plane import Plane
from openlumbar.core.progress import Progress, silent
from openlumbar.core.run import Run, peak_memory_mb
from openlumbar.core.volume import Volume
from openlumbar.exam import ReadOptions, read_exam
from openlumbar.imaging.frame import frame_of
from openlumbar.imaging.grids import Placed, place_labels
from openlumbar.io.analysis import Analysis
from openlumbar.io.dicom_seg_read import read_segmentation
from openlumbar.io.files import FileKind, kind_of
from openlumbar.io.label_map import read_label_map
from openlumbar.io.outfolder import check_apart, replacing
from openlumbar.measure import measure_sagittal
from openlumbar.measure.body import split_bodies
from openlumbar.pipeline.results import write_results
from openlumbar.pipeline.stages import Stages

#: Less than this part of the labels inside the image, and the two do not belong together.
LEAST_INSIDE = 0.5
#: Less than this, and it is said.
MOSTLY_INSIDE = 0.98

_NO_SUBREGIONS = (
    "SPINEPS' vertebra mask has no canal, so none is measured and bodies are told from posterior "
    "elements by the gap that it leaves; its subregion mask, given with --subregions, has both"
)


@dataclass(frozen=True)
class MaskOptions:
    """How a mask of another tool is measured.

    Attributes
    ----------
    codes
        A name of :data:`openlumbar.core.codes.SCHEMES`.
    bodies
        A mask, in the same codes, of the vertebral bodies alone; without it they are cut
        off whole vertebrae at the canal's front.
    subregions
        SPINEPS' other mask (``seg-spine``), which has canal, sacrum and bodies.
    series
        Name of the series that the mask is of, where the input has several.
    noted
        What else was given: written to ``run.json`` and used for nothing. Never an
        identity or a path.
    """

    codes: str = "openlumbar"
    bodies: Path | None = None
    subregions: Path | None = None
    series: str | None = None
    noted: Mapping[str, str | float | int | None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Given:
    """A mask in our codes, on its own grid.

    Attributes
    ----------
    name
        Of its file.
    labels
        ``uint16[k, j, i]`` of codes of :mod:`openlumbar.core.anatomy`.
    bodies
        The vertebral bodies alone, on a grid of their own; None where nobody gave them.
    partly_in_view
        Codes that the mask itself calls partly in view.
    notes
        Sentences for a person.
    """

    name: str
    labels: Volume
    bodies: Volume | None = None
    partly_in_view: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


def measure_files(
    inputs: Sequence[Path],
    mask: Path,
    out: Path,
    options: MaskOptions | None = None,
    read: ReadOptions | None = None,
    progress: Progress = silent,
) -> Analysis:
    """Measure a mask that another tool made, and write the output folder.

    Parameters
    ----------
    inputs
        The image, as :func:`openlumbar.read_exam` takes it.
    mask
        NIfTI or MetaImage of integers, in the same patient space as the image; or a DICOM
        Segmentation.
    out
        Absent, empty, or a previous output folder.
    options, read
        How; the defaults when None.
    progress
        Told how far the work is.

    Raises
    ------
    InputError
        Image or mask cannot be read, or do not belong together.
    OptionError
        ``out`` cannot be used, or an option fits nothing.
    """
    options = options or MaskOptions()
    others = [path for path in (options.bodies, options.subregions) if path]
    check_apart([*inputs, mask, *others], out)
    with replacing(out) as folder:
        stages = Stages(progress)
        with stages.timed("read"):
            given = read_given(mask, options)
            exam = read_exam(inputs, read or ReadOptions())
        return write_results(measure_given(exam, given, options, progress), folder, stages, inputs)


def read_given(mask: Path, options: MaskOptions) -> Given:
    """Read a mask, and what comes with it, into our codes.

    Raises
    ------
    InputError
        As :func:`openlumbar.io.label_map.read_label_map` and
        :func:`openlumbar.core.codes.translate`, or it holds nothing that can be measured.
    OptionError
        Subregions or bodies were given where they do not belong.
    """
    if options.subregions and (options.codes != "spineps" or options.bodies):
        raise OptionError("--subregions goes with --codes spineps, and without --bodies")
    given = _read(mask, options.codes)
    if options.subregions:
        given = _with_subregions(given, options.subregions)
    elif options.codes == "spineps":
        given = replace(given, notes=(*given.notes, _NO_SUBREGIONS))
    if options.bodies:
        given = replace(given, bodies=_read(options.bodies, options.codes).labels)
    _check_measurable(given)
    return given


def _read(path: Path, codes: str) -> Given:
    """One file in our codes."""
    if path.is_file() and kind_of(path) is FileKind.DICOM:
        if codes != "openlumbar":
            raise OptionError(
                f"{path.name}: a DICOM segmentation says itself what it holds; give it with "
                "--codes openlumbar"
            )
        labels, notes = read_segmentation(path)
        return Given(path.name, labels, notes=notes)
    found = read_label_map(path)
    volume = found.volume
    if codes == "spineps":
        volume = volume.with_array(_with_endplates(volume))
    given = _translated(path.name, volume, codes)
    return replace(given, notes=(*found.warnings, *given.notes))


def _translated(name: str, volume: Volume, codes: str) -> Given:
    try:
        found = translate(volume.array, codes, "openlumbar")
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    labels = volume.with_array(found.labels)
    return Given(name, labels, None, found.partly_in_view, found.notes)


def _with_endplates(vertebrae: Volume) -> NDArray[np.uint16]:
    """SPINEPS' vertebra mask with each endplate given to the vertebra that it lies on.

    Its integer (200 + X) is that of the disc between the two, so it does not say which.
    """
    whole = vertebrae.array.copy()
    box = next(iter(ndimage.find_objects((whole > 0).astype(np.uint8))), None)
    codes = whole[box] if box else whole
    endplates, bone = np.isin(codes, SPINEPS_ENDPLATES), (codes > 0) & (codes < 100)
    if endplates.any() and bone.any():
        nearest = ndimage.distance_transform_edt(
            ~bone, sampling=vertebrae.spacing_mm, return_distances=False, return_indices=True
        )
        codes[endplates] = codes[tuple(axis[endplates] for axis in nearest)]
    return whole


def _with_subregions(given: Given, path: Path) -> Given:
    """Add what SPINEPS has in its other mask: bodies, canal, cord, sacrum."""
    found = read_label_map(path).volume
    parts = place_labels(found, given.labels)
    if not parts.same_grid:
        raise GeometryError(
            f"{path.name}: lies on another grid than {given.name}; give both masks of one run"
        )
    others = _translated(path.name, parts.labels, "spineps-subregions").labels.array
    labels = given.labels.array
    added = np.isin(others, (SPINAL_CORD, SPINAL_CANAL, SACRUM)) & (labels == 0)
    labels = np.where(added, others, labels)
    is_body = np.isin(parts.labels.array, (*SPINEPS_BODY, *SPINEPS_SUBREGION_ENDPLATES))
    bodies = np.where(is_body & _of_kind(labels, "vertebra"), labels, 0)
    return replace(
        given, labels=given.labels.with_array(labels), bodies=given.labels.with_array(bodies)
    )


def _of_kind(labels: NDArray, *kinds: str) -> NDArray[np.bool_]:
    return np.isin(labels, [code for code, entry in BY_CODE.items() if entry.kind in kinds])


def _check_measurable(given: Given) -> None:
    found = [BY_CODE[int(code)] for code in np.unique(given.labels.array) if code]
    spine = [entry for entry in found if entry.kind in ("vertebra", "disc")]
    if not spine:
        raise InputError(
            f"{given.name}: holds {', '.join(dict.fromkeys(entry.name for entry in found))} only; "
            "so far vertebrae, discs and the canal are measured, on sagittal series"
        )
    if all(entry.code in (UNKNOWN_VERTEBRA, UNKNOWN_DISC) for entry in spine):
        raise InputError(
            f"{given.name}: its codes do not tell one vertebra or disc from the next; give a mask "
            "that does (of SPINEPS seg-vert, with this one as --subregions)"
        )


def measure_given(
    exam: Exam, given: Given, options: MaskOptions | None = None, progress: Progress = silent
) -> Analysis:
    """Measure a mask on the series of an exam that it is of.

    Parameters
    ----------
    exam
        What :func:`openlumbar.read_exam` found.
    given
        The mask. It may lie on another grid than the image: then its labels are
        interpolated onto the image's, and a warning says so.
    options
        Only ``codes``, ``series`` and ``noted`` matter here.

    Returns
    -------
    Analysis
        Of that one series; with a :class:`~openlumbar.core.run.Failure` for each stage that
        failed.

    Raises
    ------
    InputError
        The exam has no sagittal series, or the mask lies elsewhere in the patient.
    OptionError
        The exam has several series and none is the one.
    """
    options = options or MaskOptions()
    series = _series_of(exam, given, options.series)
    labels, notes = _on_series(given, series)
    stages = Stages(progress)
    masks = SeriesMasks(series.name, labels)
    with stages.stage("bodies", series.name):
        masks = replace(masks, bodies=_bodies(given, series, labels))
    rows = _rows(series, masks, given.partly_in_view)
    _check_order(given.name, rows)
    measurements: tuple[Measurement, ...] = ()
    if masks.bodies:
        with stages.stage("measure", series.name):
            measurements = tuple(measure_sagittal(series, masks, rows))
    return Analysis(
        exam=_only(exam, series),
        masks=Masks((masks,)),
        levels=Levels(rows, (_numbering(series, options.codes),)),
        measurements=measurements,
        run=_run(exam, options, (*given.notes, *notes), stages),
        failures=tuple(stages.failures),
    )


def _series_of(exam: Exam, given: Given, name: str | None) -> Series:
    """The sagittal series that was named, the only one, or the only one on the mask's grid."""
    sagittal = exam.of_plane(Plane.SAGITTAL)
    names = ", ".join(series.name for series in sagittal)
    if not sagittal:
        found = ", ".join(f"{series.name} ({series.plane})" for series in exam.series)
        raise InputError(f"no sagittal series among {found}; so far only those are measured")
    if name is not None:
        chosen = [series for series in sagittal if series.name == name]
        if not chosen:
            raise OptionError(f"--series {name}: the sagittal series are {names}")
        return chosen[0]
    if len(sagittal) == 1:
        return sagittal[0]
    same = [series for series in sagittal if _placed(given.labels, series)[0].same_grid]
    if len(same) == 1:
        return same[0]
    how = f"{len(same)} of them have" if same else "none of them has"
    raise OptionError(
        f"{given.name}: the image has the sagittal series {names}, and {how} the mask's grid; "
        "choose with --series"
    )


def _placed(labels: Volume, series: Series) -> tuple[Placed, ...]:
    return tuple(place_labels(labels, block.volume) for block in series.blocks)


def _on_series(given: Given, series: Series) -> tuple[tuple[Volume, ...], list[str]]:
    """The labels on each block, and what that did to them.

    Raises
    ------
    GeometryError
        They lie elsewhere in the patient.
    """
    placed = _placed(given.labels, series)
    inside = min(1.0, sum(one.inside for one in placed))
    ours, theirs = _grid(series.blocks[0].volume), _grid(given.labels)
    if inside < LEAST_INSIDE:
        raise GeometryError(
            f"{given.name}: only {inside:.0%} of its labels lie within the image {series.name}: "
            f"the mask is {theirs}, the image {ours}; give the image that it was made from, or a "
            "mask that has kept its place in the patient"
        )
    _check_place(given, series)
    notes = []
    if inside < MOSTLY_INSIDE:
        notes.append(f"{1 - inside:.0%} of the labels of {given.name} lie outside of the image")
    if not all(one.same_grid for one in placed):
        notes.append(
            f"{given.name} lies on another grid ({theirs}) than the image ({ours}): its labels "
            "were interpolated onto the image's grid, and numbers are no finer than the coarser"
        )
    return tuple(one.labels for one in placed), notes


def _check_place(given: Given, series: Series) -> None:
    """Refuse a mask of the image's size in another place: its header was lost on the way.

    Raises
    ------
    GeometryError
        Interpolating it would give plausible numbers of nothing.
    """
    mask = given.labels
    for image in (block.volume for block in series.blocks):
        if sorted(image.shape) != sorted(mask.shape):
            continue
        apart = np.linalg.norm(_middle(image) - _middle(mask))
        as_fine = np.allclose(sorted(image.spacing_mm), sorted(mask.spacing_mm), rtol=0.01)
        if not as_fine or apart > max(image.spacing_mm):
            raise GeometryError(
                f"{given.name}: has the size of the image {series.name} but not its place in the "
                f"patient ({_grid(mask)}, the image {_grid(image)}); copy the image's header "
                "(affine) onto the mask"
            )


def _middle(volume: Volume) -> NDArray[np.float64]:
    return volume.to_patient((np.array(volume.shape) - 1) / 2)


def _grid(volume: Volume) -> str:
    size = " × ".join(str(count) for count in volume.shape)
    step = " × ".join(f"{step:.2f}" for step in volume.spacing_mm)
    x, y, z = _middle(volume)
    return f"{size} at {step} mm around ({x:.0f}, {y:.0f}, {z:.0f})"


def _bodies(given: Given, series: Series, labels: tuple[Volume, ...]) -> tuple[Volume, ...]:
    """Bodies as given, else cut off whole vertebrae where the mask has its own grid."""
    if given.bodies is not None:
        placed = _placed(given.bodies, series)
        return tuple(_only_vertebrae(one.labels) for one in placed)
    return tuple(split_bodies(volume) for volume in labels)


def _only_vertebrae(volume: Volume) -> Volume:
    return volume.with_array(np.where(_of_kind(volume.array, "vertebra"), volume.array, 0))


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


def _only(exam: Exam, series: Series) -> Exam:
    others = tuple(
        LeftOut(other.name, "not the series that the mask is of")
        for other in exam.series
        if other is not series
    )
    return replace(exam, series=(series,), left_out=(*exam.left_out, *others))


def _run(exam: Exam, options: MaskOptions, notes: tuple[str, ...], stages: Stages) -> Run:
    return Run(
        version=openlumbar.__version__,
        options={"codes": options.codes, **options.noted},
        timings=tuple(stages.timings),
        peak_memory_mb=round(peak_memory_mb(), 1),
        warnings=(*exam.warnings, *notes),
    )
