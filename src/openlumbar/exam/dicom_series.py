"""DICOM files → series: read, split, decode, order, name, and say what is left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from openlumbar.core.errors import GeometryError, UnreadableError
from openlumbar.core.exam import LeftOut, Series, Weighting
from openlumbar.core.plane import Plane
from openlumbar.exam.blocks import build_blocks, plane_of_slices
from openlumbar.exam.directions import direction_warnings
from openlumbar.exam.duplicates import without_copied_series, without_copies
from openlumbar.exam.grouping import (
    Part,
    RawSeries,
    by_series,
    is_secondary,
    reason_to_leave_out,
    repeats,
    split,
)
from openlumbar.exam.weighting import weighting_of
from openlumbar.io.dicom_header import DicomObject, Frame, read_object
from openlumbar.io.dicom_pixels import Slice, read_slices
from openlumbar.io.directions import side_flags
from openlumbar.io.files import FoundFile


@dataclass
class Findings:
    """Collects what becomes of each file."""

    series: list[Series] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_objects(files: Sequence[FoundFile]) -> tuple[list[DicomObject], list[LeftOut]]:
    """Read the header of every file; the unreadable ones are counted, not fatal."""
    objects: list[DicomObject] = []
    broken = 0
    for file in files:
        try:
            objects.append(read_object(file.path))
        except UnreadableError:
            broken += 1
    if not broken:
        return objects, []
    return objects, [LeftOut("damaged files", "cannot be read as DICOM", broken)]


def series_of(objects: Sequence[DicomObject], weighting: Weighting | None) -> Findings:
    """Turn the DICOM objects of one patient into series.

    Parameters
    ----------
    objects
        Of one patient, in any order.
    weighting
        Overrides what the headers say.

    Returns
    -------
    Findings
        Series with their pixels, what was left out and why, and warnings.
    """
    found = Findings()
    secondary: set[str] = set()
    for raw in by_series(objects):
        _add_series(raw, weighting, found, secondary)
    found.series, copies = without_copied_series(found.series)
    found.series, derived = _without_derived(found.series, secondary)
    found.left_out += [*copies, *derived]
    found.warnings += _exam_warnings(objects, found.series)
    return found


def _add_series(
    raw: RawSeries, weighting: Weighting | None, found: Findings, secondary: set[str]
) -> None:
    contradiction = next((entry for entry in raw.refusals if entry.contradiction), None)
    if contradiction is not None:
        found.left_out.append(LeftOut(raw.name, contradiction.reason, len(raw.objects)))
        return
    reasons = Counter(entry.reason for entry in raw.refusals)
    found.left_out += [LeftOut(raw.name, reason, count) for reason, count in reasons.items()]
    if not raw.frames:
        return
    shared = _series_warnings(raw, reasons)
    parts = [whole for part in split(raw.frames) for whole in _repetitions(part)]
    for part in parts:
        try:
            series = _series(raw, part, weighting, shared)
        except (GeometryError, UnreadableError) as error:
            found.left_out.append(LeftOut(raw.name, str(error), len(part.frames)))
            continue
        series = replace(series, name=_unique(series.name, found.series))
        found.series.append(series)
        if is_secondary(part):
            secondary.add(series.name)


def _repetitions(part: Part) -> list[Part]:
    """Part a series that shows the same places several times, first time first."""
    times = repeats(part.frames)
    if len(times) == 1:
        return [part]
    why = (*part.split_by, "repetition")
    return [Part(frames, why, number) for number, frames in enumerate(times, 1)]


def _series_warnings(raw: RawSeries, reasons: Counter[str]) -> list[str]:
    warnings = []
    if reasons:
        count = sum(reasons.values())
        warnings.append(f"{count} of its pictures are left out: {'; '.join(reasons)}")
    if len({entry.frame_of_reference for entry in raw.objects}) > 1:
        warnings.append("its files name different frames of reference; their coordinates are used")
    return warnings


def _series(
    raw: RawSeries, part: Part, weighting: Weighting | None, shared: Sequence[str]
) -> Series:
    """Build one series.

    Raises
    ------
    GeometryError
        It is not of a kind that is used, or contradicts itself: the message says why.
    UnreadableError
        None of its pixels can be decoded.
    """
    reason = reason_to_leave_out(part)
    if reason:
        raise GeometryError(reason)
    plane = plane_of_slices([frame.placement for frame in part.frames])
    if plane is Plane.OBLIQUE:
        raise GeometryError("oblique: no slice lies near the sagittal, coronal or axial plane")
    slices, undecoded = _decoded(part.frames)
    kept, copies = without_copies(slices)
    if min(entry.pixels.min() for entry in kept) == max(entry.pixels.max() for entry in kept):
        raise GeometryError("empty: all pixels have one value")
    blocks, notes = build_blocks(kept, plane)
    acquisition = part.frames[0].acquisition
    contrast = weighting or weighting_of(acquisition)
    doubts = direction_warnings([entry.frame for entry in kept], plane)
    warnings = [*shared, *_split_warnings(part), *undecoded, *notes, *doubts]
    if copies:
        warnings.append(f"{copies} pictures are there more than once; each is used once")
    if contrast is Weighting.UNKNOWN:
        warnings.append("the weighting cannot be told from the header")
    return Series(
        name=f"{raw.name}_{plane}-{contrast}",
        plane=plane,
        weighting=contrast,
        blocks=blocks,
        source="dicom",
        facts=_facts(raw, part.frames[0]),
        warnings=tuple(warnings),
        flags=side_flags(doubts),
    )


def _decoded(frames: Sequence[Frame]) -> tuple[list[Slice], list[str]]:
    """Decode pixels; a slice that cannot be decoded is missing, and said so."""
    found = list(read_slices(frames))
    slices = [entry for entry in found if isinstance(entry, Slice)]
    failed = len(found) - len(slices)
    if not slices:
        raise UnreadableError("none of its pixels can be decoded: truncated or damaged")
    note = f"{failed} of {len(found)} pictures cannot be decoded and are missing"
    return slices, [note] if failed else []


def _split_warnings(part: Part) -> list[str]:
    if not part.split_by:
        return []
    return [f"one of several parts of its series, told apart by {' and '.join(part.split_by)}"]


def _unique(name: str, others: Sequence[Series]) -> str:
    taken = {series.name for series in others}
    count = 2
    unique = name
    while unique in taken:
        unique = f"{name}-{count}"
        count += 1
    return unique


def _facts(raw: RawSeries, frame: Frame) -> dict[str, str | float | int | None]:
    """Header facts for the record; identity stays out of them."""
    first = raw.objects[0]
    acquisition = frame.acquisition
    return {
        "series_number": first.series_number,
        "series_instance_uid": first.series_uid,
        "study_instance_uid": first.study_uid,
        "frame_of_reference_uid": first.frame_of_reference,
        "description": _without_identity(first),
        "manufacturer": first.maker,
        "repetition_time_ms": acquisition.tr_ms,
        "echo_time_ms": acquisition.te_ms,
        "inversion_time_ms": acquisition.ti_ms,
        "flip_angle_deg": acquisition.flip_deg,
        "field_strength_t": acquisition.field_t,
        "scanning_sequence": "\\".join(acquisition.scanning_sequence),
        "scan_options": "\\".join(acquisition.scan_options),
        "patient_position": acquisition.patient_position,
        "echo_number": frame.order.echo,
        "slice_thickness_mm": frame.placement.thickness_mm,
    }


def _without_identity(entry: DicomObject) -> str:
    """Return the description, unless somebody typed the patient's name or ID into it."""
    person = entry.person
    words = [*re.split(r"[\^=\s,]+", person.name), person.patient_id]
    text = entry.description.casefold()
    named = any(len(word) > 2 and word.casefold() in text for word in words)
    return "" if named else entry.description


def _without_derived(
    series: Sequence[Series], secondary: set[str]
) -> tuple[list[Series], list[LeftOut]]:
    """Prefer originals: a derived series goes when an original shows the same.

    Derived series without an original stay, because re-exporters mark all they write.
    """
    originals = {(entry.plane, entry.weighting) for entry in series if entry.name not in secondary}
    kept: list[Series] = []
    left_out: list[LeftOut] = []
    for entry in series:
        if entry.name not in secondary:
            kept.append(entry)
        elif (entry.plane, entry.weighting) in originals:
            files = sum(len(block.instances) for block in entry.blocks)
            reason = "derived from another series; an original of its plane and weighting is there"
            left_out.append(LeftOut(entry.name, reason, files))
        else:
            note = "its pictures are marked as derived (ImageType)"
            kept.append(replace(entry, warnings=(*entry.warnings, note)))
    return kept, left_out


def _exam_warnings(objects: Sequence[DicomObject], series: Sequence[Series]) -> list[str]:
    warnings = []
    frames = {entry.facts["frame_of_reference_uid"] for entry in series}
    if len(frames) > 1:
        warnings.append(
            f"the series name {len(frames)} frames of reference; their coordinates are taken as one"
        )
    uids = {
        (entry.study_uid, entry.series_number, entry.series_uid)
        for entry in objects
        if entry.frames and entry.series_number is not None
    }
    if len(uids) > len({(study, number) for study, number, _ in uids}):
        warnings.append("several series of one study carry the same Series Number")
    studies = {entry.study_uid for entry in objects if entry.frames}
    if len(studies) > 1:
        warnings.append(f"the files belong to {len(studies)} studies of the patient")
    return warnings
