"""Files → :class:`Exam`: the door of the intake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openlumbar.core.errors import InputError
from openlumbar.core.exam import Exam, LeftOut, Subject, Weighting
from openlumbar.exam.dicom_series import Findings, read_objects, series_of
from openlumbar.exam.directions import mark_apart
from openlumbar.exam.duplicates import without_copied_series
from openlumbar.exam.patients import (
    SubjectFacts,
    choose,
    override,
    patient_of,
    subject_entity,
    subject_of,
)
from openlumbar.exam.volume_series import read_volumes, stem_of
from openlumbar.io.dicom_edge import quiet
from openlumbar.io.dicom_header import DicomObject
from openlumbar.io.files import FileKind, FoundFile, FoundFiles, find_files


@dataclass(frozen=True)
class ReadOptions:
    """What the user may say about the input.

    Attributes
    ----------
    patient
        Patient ID, Patient's Name or BIDS subject (``sub-05``) to pick.
    weighting
        Overrides headers and names, for every series.
    subject
        Facts that override those of the headers, one by one.
    """

    patient: str | None = None
    weighting: Weighting | None = None
    subject: Subject | None = None


def read_exam(
    inputs: Sequence[str | Path] | str | Path, options: ReadOptions = ReadOptions()
) -> Exam:
    """Read one exam.

    Parameters
    ----------
    inputs
        Folders, zips, a DICOMDIR, or DICOM, NIfTI and MetaImage files.
    options
        What the user says about them.

    Returns
    -------
    Exam
        At least one series, in LPS millimetres; all else is in ``left_out`` with the
        reason in one sentence.

    Raises
    ------
    PatientError
        Files of several patients, or none of the one asked for.
    UnreadableError
        An input does not exist or cannot be unpacked.
    InputError
        Nothing that can be used was found; the message gives the reasons.
    """
    paths = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    if not paths:
        raise InputError("no input was given; give a folder, a zip or image files")
    with find_files(paths) as found, quiet():
        findings, facts = _read(found, options)
    left_out = (*findings.left_out, *found.left_out, *_other_files(found))
    if not findings.series:
        raise InputError(_nothing(paths, found, left_out))
    series, apart = mark_apart(findings.series)
    return Exam(
        series=series,
        left_out=left_out,
        subject=override(facts.subject, options.subject),
        warnings=(*findings.warnings, *facts.warnings, *apart),
    )


def _read(found: FoundFiles, options: ReadOptions) -> tuple[Findings, SubjectFacts]:
    objects, broken = read_objects(found.of(FileKind.DICOM))
    found_volumes = found.of(FileKind.NIFTI, FileKind.MHA)
    objects, volumes, others = _of_one_patient(objects, found_volumes, options.patient)
    findings = series_of(objects, options.weighting)
    taken = [series.name for series in findings.series]
    series, left_out = read_volumes(volumes, options.weighting, taken)
    findings.series, copies = without_copied_series([*findings.series, *series])
    findings.left_out += [*broken, *left_out, *copies, *others]
    return findings, subject_of(objects)


def _of_one_patient(
    objects: list[DicomObject], volumes: Sequence[FoundFile], patient: str | None
) -> tuple[list[DicomObject], list[FoundFile], list[LeftOut]]:
    """Keep one patient's files and those that name nobody when only one is there.

    DICOM patients and BIDS subjects are different names for people; each kind has to
    agree in itself, and one that was asked for may be of either kind.
    """
    of_objects = [patient_of(entry.person, patient) for entry in objects]
    of_volumes = [subject_entity(stem_of(file.name)) for file in volumes]
    if patient is not None:
        choose([*of_objects, *of_volumes], patient)
        people, subjects = _kept(of_objects, patient), _kept(of_volumes, patient)
    else:
        people = _kept(of_objects, choose(of_objects, None))
        subjects = _kept(of_volumes, choose(of_volumes, None))
    mine = [entry for entry, keep in zip(objects, people, strict=True) if keep]
    files = [file for file, keep in zip(volumes, subjects, strict=True) if keep]
    dropped = len(objects) - len(mine) + len(volumes) - len(files)
    others = [LeftOut("other patients", "files of another patient, or of none", dropped)]
    return mine, files, others if dropped else []


def _kept(names: Sequence[str], chosen: str) -> list[bool]:
    """A file is kept when it is of the one chosen, or nameless beside nobody else."""
    alone = set(names) <= {chosen, ""} and (chosen in names or not any(names))
    return [name == chosen or (alone and not name) for name in names]


#: Files that belong to a BIDS data set or a disc and need no mention.
_COMPANIONS = (".json", ".tsv", ".bval", ".bvec", ".raw", ".zraw")


def _other_files(found: FoundFiles) -> list[LeftOut]:
    """Count what is no image by its first bytes."""
    others = [
        file
        for file in found.of(FileKind.OTHER, FileKind.ZIP, FileKind.DICOMDIR)
        if not file.name.lower().endswith(_COMPANIONS)
    ]
    if not others:
        return []
    return [LeftOut("other files", "not a DICOM, NIfTI or MetaImage file", len(others))]


def _nothing(paths: Sequence[str | Path], found: FoundFiles, left_out: Sequence[LeftOut]) -> str:
    given = ", ".join(str(path) for path in paths[:3]) + (", …" if len(paths) > 3 else "")
    if not found.files and not left_out:
        return f"{given}: there are no files in it; a folder with MR images is expected"
    reasons: Counter[str] = Counter()
    for entry in left_out:
        reasons[f"{entry.name}: {entry.reason}"] += entry.files
    shown = [
        f"{reason} ({count} files)" if count > 1 else reason
        for reason, count in list(reasons.items())[:8]
    ]
    more = f"; and {len(reasons) - 8} more" if len(reasons) > 8 else ""
    return f"{given}: no series that can be used. {'; '.join(shown) or 'No image files'}{more}"
