"""What DICOM results take over from the images they were made of.

An exam holds no identity (``core/exam.py``), so patient and study are read again from
the input when results are written, and from nowhere else. Tolerant when reading, strict
when writing: whatever the source says is brought to what the standard allows, and what
cannot be is left empty, because an archive refuses a result for one long string.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import MRImageStorage
from pydicom.valuerep import format_number_as_ds

from openlumbar.core.errors import InputError, UnreadableError
from openlumbar.io.dicom_edge import quiet, read_header, value_of
from openlumbar.io.dicom_header import Frame, Placement, read_object
from openlumbar.io.files import FileKind, FoundFile, find_files

#: UTF-8 holds every name that any character set of DICOM holds (PS3.3 C.12.1.1.2).
CHARACTER_SET = "ISO_IR 192"


@dataclass(frozen=True, eq=False)
class SourceImage:
    """One picture that a result refers to.

    Attributes
    ----------
    uid, sop_class
        Of the instance that holds it.
    frame
        Its number from 1 in a multi-frame instance; None in a single-frame one.
    placement
        Where it lies, LPS mm.
    """

    uid: str
    sop_class: str
    frame: int | None
    placement: Placement


@dataclass(frozen=True, eq=False)
class Source:
    """What results of one series take over.

    Attributes
    ----------
    header
        Patient and study (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2), the frame of reference, the
        Patient Position and lossy compression, every value as the standard allows it;
        UTF-8. It has no geometry and no SOP Instance UID of its own.
    images
        By the name of the slice in :class:`openlumbar.core.exam.Block`.
    series_uid, series_number
        Of the source; None when it has no number.
    """

    header: Dataset
    images: Mapping[str, SourceImage]
    series_uid: str
    series_number: int | None


def read_sources(
    inputs: Sequence[Path], wanted: Mapping[str, Collection[str]]
) -> dict[str, Source | InputError]:
    """Find the files of some series again and read their headers, no pixels.

    Parameters
    ----------
    inputs
        What the exam was read from: files, folders, zips or a DICOMDIR.
    wanted
        By the name of a series: its slices as in ``Block.instances``.

    Returns
    -------
    dict
        By the name of a series, its :class:`Source`, or the error that says why it has
        none: not all of its slices were found again, or they have no SOP Instance UID
        that a result could refer to.

    Raises
    ------
    UnreadableError
        An input is gone or cannot be unpacked any more.
    """
    uids = {instance.split("#")[0] for names in wanted.values() for instance in names}
    with find_files(list(inputs)) as found, quiet():
        paths = _paths_of(uids, found.of(FileKind.DICOM))
        return {name: _source_or_error(name, names, paths) for name, names in wanted.items()}


def _paths_of(uids: Collection[str], files: Iterable[FoundFile]) -> dict[str, Path]:
    """First file of each SOP Instance UID, as the intake takes the first of copies."""
    paths: dict[str, Path] = {}
    for file in files:
        try:
            uid = str(value_of(read_header(file.path, ["SOPInstanceUID"]), "SOPInstanceUID"))
        except UnreadableError:
            continue
        uid = uid.strip()
        if uid in uids:
            paths.setdefault(uid, file.path)
        if len(paths) == len(uids):
            break
    return paths


def _source_or_error(
    name: str, instances: Collection[str], paths: Mapping[str, Path]
) -> Source | InputError:
    try:
        return _source(name, instances, paths)
    except InputError as error:
        return error


def _source(name: str, instances: Collection[str], paths: Mapping[str, Path]) -> Source:
    uids = dict.fromkeys(instance.split("#")[0] for instance in instances)
    missing = [uid for uid in uids if uid not in paths]
    if missing:
        raise InputError(
            f"{name}: {len(missing)} of its {len(uids)} files were not found again, or have no "
            "SOP Instance UID, so that no DICOM result can refer to them"
        )
    objects = {uid: read_object(paths[uid]) for uid in uids}
    headers = {uid: read_header(paths[uid], _KEYWORDS) for uid in uids}
    frames = {frame.instance: frame for entry in objects.values() for frame in entry.frames}
    images = {
        instance: _image(frames[instance], headers[frames[instance].uid])
        for instance in instances
        if instance in frames
    }
    if len(images) < len(set(instances)):
        raise InputError(f"{name}: its files changed while they were analysed; run it again")
    first = next(iter(uids))
    series_uid = _matching(_UID)(objects[first].series_uid) or derived_uid("series", first)
    return Source(
        header=_header([headers[uid] for uid in uids], series_uid),
        images=images,
        series_uid=series_uid,
        series_number=objects[first].series_number,
    )


def _image(frame: Frame, header: Dataset) -> SourceImage:
    return SourceImage(
        uid=frame.uid,
        sop_class=_uid(header, "SOPClassUID") or MRImageStorage,
        frame=None if frame.index is None else frame.index + 1,
        placement=frame.placement,
    )


#: Of the UIDs that are made of texts.
_NAMESPACE = uuid.UUID("0f6c1a52-7f0e-4d0b-9a54-6f70656e6c75")


def new_uid() -> str:
    """A UID that nobody else has: each run gives new objects (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def derived_uid(*parts: str) -> str:
    """A UID under 2.25 made of texts: the same texts give the same UID (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, chr(0).join(parts)).int}"


# The header: each element through a rule of its value representation (PS3.5 section 6.2).

_UID = re.compile(r"[0-9.]{1,64}")
_DATE = re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")
_AGE = re.compile(r"\d{3}[DWMY]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    return lambda text: text if pattern.fullmatch(text) else ""


def _short(length: int) -> Callable[[str], str]:
    # A backslash separates values: in a text of one value it is damage.
    return lambda text: text.replace("\\", " ")[:length].strip()


def _name(text: str) -> str:
    """At most three groups of 64 characters and five components (PN)."""
    groups = text.replace("\\", " ").split("=")[:3]
    return "=".join("^".join(group.split("^")[:5])[:64] for group in groups).strip()


def _decimal(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        return ""
    return format_number_as_ds(number) if 0 < number < 1e4 else ""


def _sex(text: str) -> str:
    return text.upper() if text.upper() in ("M", "F", "O") else ""


#: Elements with their rule; those of type 2 are written even when empty.
_REQUIRED: dict[str, Callable[[str], str]] = {
    "PatientName": _name,
    "PatientID": _short(64),
    "PatientBirthDate": _matching(_DATE),
    "PatientSex": _sex,
    "StudyDate": _matching(_DATE),
    "StudyTime": _matching(_TIME),
    "ReferringPhysicianName": _name,
    "StudyID": _short(16),
    "AccessionNumber": _short(16),
}
_OPTIONAL: dict[str, Callable[[str], str]] = {
    "IssuerOfPatientID": _short(64),
    "PatientAge": _matching(_AGE),
    "PatientSize": _decimal,
    "PatientWeight": _decimal,
    "StudyDescription": _short(64),
    "PatientIdentityRemoved": _matching(re.compile("YES|NO")),
    "DeidentificationMethod": _short(64),
    "LossyImageCompression": _matching(re.compile("0[01]")),
    "LossyImageCompressionRatio": _decimal,
    "LossyImageCompressionMethod": _short(16),
    "PatientPosition": _matching(re.compile("[HF]F(S|P|D[LR])")),
}
_UIDS = ("StudyInstanceUID", "FrameOfReferenceUID", "SOPClassUID")
_KEYWORDS = [*_REQUIRED, *_OPTIONAL, *_UIDS, "SpecificCharacterSet"]


def _header(headers: Sequence[Dataset], series_uid: str) -> Dataset:
    """Patient, study and frame of reference, from the first file that tells each of them."""
    clean = Dataset()
    clean.SpecificCharacterSet = CHARACTER_SET
    for keyword, rule in {**_REQUIRED, **_OPTIONAL}.items():
        values = (rule(_text(header, keyword)) for header in headers)
        value = next((value for value in values if value), "")
        if value or keyword in _REQUIRED:
            setattr(clean, keyword, value)
    study = _uid(headers[0], "StudyInstanceUID")
    clean.StudyInstanceUID = study or derived_uid("study", series_uid)
    frames = Counter(filter(None, (_uid(header, "FrameOfReferenceUID") for header in headers)))
    # Files without one still share the coordinates of their series.
    made_up = derived_uid("frame of reference", series_uid)
    clean.FrameOfReferenceUID = frames.most_common(1)[0][0] if frames else made_up
    clean.PositionReferenceIndicator = ""
    return clean


def _uid(header: Dataset, keyword: str) -> str:
    """A UID of digits and points.

    One with a leading zero in a component breaks PS3.5 section 9.1, and is taken as it
    is all the same: the archive knows the study by it.
    """
    return _matching(_UID)(_text(header, keyword))


def _text(header: Dataset, keyword: str) -> str:
    """The first value of an element as text."""
    value = value_of(header, keyword)
    if isinstance(value, MultiValue | list):
        value = value[0] if len(value) else None
    text = "" if value is None else str(value)
    if value_of(header, "SpecificCharacterSet") is None:
        text = _as_utf8(text)
    return _CONTROL.sub(" ", text).strip()


def _as_utf8(text: str) -> str:
    """Undo Latin-1 for text that is UTF-8 and does not say so.

    pydicom reads undeclared text as Latin-1, which never fails; names in Latin-1 hardly
    ever are valid UTF-8 by chance.
    """
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
