"""DICOM headers → plain, checked facts: one :class:`Frame` for each picture.

Single-frame and enhanced multi-frame objects come out the same. Whether an object is
enhanced is read from its functional groups, never from its SOP class: archives hold
single-frame objects whose file meta says Enhanced MR.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from openlumbar.io.dicom_edge import items_of, read_header, syntax_of, translated, value_of

#: Largest cosine between row and column direction, and largest deviation of their
#: lengths from 1 (PS3.3 C.7.6.2.1.1 asks for unit, perpendicular vectors; writers round).
ORTHOGONAL_TOLERANCE = 2e-3
UNIT_TOLERANCE = 1e-2

#: Bounds of a plausible picture of a person.
MAX_POSITION_MM = 3000.0
SPACING_RANGE_MM = (0.05, 20.0)
MAX_FRAMES = 20_000


@dataclass(frozen=True)
class Person:
    """Who an object is of. Never written to a file."""

    patient_id: str = ""
    name: str = ""
    birth_date: str = ""
    study_date: str = ""
    sex: str = ""
    age: str = ""
    size_m: float | None = None
    weight_kg: float | None = None


@dataclass(frozen=True)
class Placement:
    """Where a frame lies in the patient (LPS, mm; PS3.3 C.7.6.2).

    Attributes
    ----------
    position
        Centre of the first pixel.
    row, column
        Unit directions in which the column index, and the row index, grow.
    spacing_mm
        Between rows, between columns.
    shape
        Rows, columns.
    thickness_mm, step_mm
        Slice Thickness and Spacing Between Slices, when given and positive.
    """

    position: tuple[float, float, float]
    row: tuple[float, float, float]
    column: tuple[float, float, float]
    spacing_mm: tuple[float, float]
    shape: tuple[int, int]
    thickness_mm: float | None = None
    step_mm: float | None = None

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit normal, row × column."""
        return np.cross(self.row, self.column)

    @property
    def centre(self) -> NDArray[np.float64]:
        """Centre of the picture."""
        rows, columns = self.shape
        down = np.multiply(self.column, self.spacing_mm[0] * (rows - 1) / 2)
        right = np.multiply(self.row, self.spacing_mm[1] * (columns - 1) / 2)
        return np.asarray(self.position) + down + right


@dataclass(frozen=True)
class Acquisition:
    """How a frame was acquired (PS3.3 C.8.3.1, C.8.13); times in ms, field in tesla."""

    tr_ms: float | None = None
    te_ms: float | None = None
    ti_ms: float | None = None
    flip_deg: float | None = None
    field_t: float | None = None
    scanning_sequence: tuple[str, ...] = ()
    sequence_variant: tuple[str, ...] = ()
    scan_options: tuple[str, ...] = ()
    patient_position: str = ""
    sequence_name: str = ""
    contrast: str = ""
    fat_suppression: str = ""
    description: str = ""
    image_type: tuple[str, ...] = ()


@dataclass(frozen=True)
class Order:
    """Numbers that tell repeated pictures of one place apart."""

    echo: int | None = None
    temporal: int | None = None
    acquisition: int | None = None
    instance: int | None = None
    b_value: float | None = None


@dataclass(frozen=True)
class Stated:
    """What the header says of directions beside the placement; compared, never used.

    Attributes
    ----------
    patient_orientation
        Letters of the row and of the column direction (PS3.3 C.7.6.1.1.1), or empty.
    lateralities
        Laterality, Image Laterality and Frame Laterality, as far as they are given.
    quadruped
        Anatomical Orientation Type (PS3.3 C.7.6.1.1.1): letters mean other directions.
    location_mm
        Slice Location, of a sign and origin that each vendor chooses.
    """

    patient_orientation: tuple[str, ...] = ()
    lateralities: tuple[str, ...] = ()
    quadruped: bool = False
    location_mm: float | None = None


@dataclass(frozen=True)
class PixelRule:
    """How stored values become intensities (PS3.3 C.7.6.3, C.11.1).

    ``syntax``: UID of the transfer syntax, which says how they are compressed.
    """

    slope: float = 1.0
    intercept: float = 0.0
    inverted: bool = False
    bits: int = 16
    signed: bool = False
    syntax: str = ""


@dataclass(frozen=True)
class Frame:
    """One picture: where, how, and in which file it lies.

    ``index`` counts frames of a multi-frame file from 0; None in a single-frame file.
    """

    path: Path
    uid: str
    index: int | None
    placement: Placement
    acquisition: Acquisition
    order: Order
    pixels: PixelRule
    stated: Stated = Stated()

    @property
    def instance(self) -> str:
        """SOP Instance UID, ``UID#frame`` with frames from 1 when multi-frame."""
        return self.uid if self.index is None else f"{self.uid}#{self.index + 1}"


@dataclass(frozen=True)
class Refusal:
    """Why an object gives no picture.

    ``contradiction``: its geometry is present but impossible, so that nothing else of
    its series can be trusted either.
    """

    reason: str
    contradiction: bool = False


@dataclass(frozen=True)
class DicomObject:
    """One file: its series, its person and its frames, or why it has none."""

    path: Path
    series_uid: str
    series_number: int | None
    study_uid: str
    frame_of_reference: str
    description: str
    maker: str
    person: Person
    frames: tuple[Frame, ...] = ()
    refusals: tuple[Refusal, ...] = field(default_factory=tuple)


_PERSON = (
    "PatientID PatientName PatientBirthDate PatientSex PatientAge PatientSize PatientWeight "
    "StudyDate SeriesDate AcquisitionDate"
)
_SERIES = (
    "SOPClassUID SOPInstanceUID Modality SeriesInstanceUID StudyInstanceUID SeriesNumber "
    "FrameOfReferenceUID SeriesDescription ProtocolName Manufacturer ManufacturerModelName"
)
_GEOMETRY = (
    "Rows Columns PixelSpacing ImagePositionPatient ImageOrientationPatient SliceThickness "
    "SpacingBetweenSlices NumberOfFrames"
)
_PIXELS = (
    "SamplesPerPixel PhotometricInterpretation RescaleSlope RescaleIntercept BitsStored "
    "PixelRepresentation"
)
_ACQUISITION = (
    "RepetitionTime EchoTime InversionTime FlipAngle MagneticFieldStrength ScanningSequence "
    "SequenceVariant ScanOptions SequenceName PulseSequenceName EchoPulseSequence "
    "AcquisitionContrast InversionRecovery ImageType EchoNumbers TemporalPositionIdentifier "
    "AcquisitionNumber InstanceNumber DiffusionBValue"
)
_DIRECTIONS = (
    "PatientOrientation Laterality ImageLaterality AnatomicalOrientationType SliceLocation"
)
_GROUPS = "SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence"
_KEYWORDS = " ".join(
    (_PERSON, _SERIES, _GEOMETRY, _PIXELS, _ACQUISITION, _DIRECTIONS, _GROUPS)
).split()

#: Storage classes that can hold an MR picture. Secondary capture is among them because
#: re-exporters write it over MR data with whole geometry.
_IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.4.4",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.3",
}


def read_object(path: Path) -> DicomObject:
    """Read the header of one file.

    Parameters
    ----------
    path
        A DICOM file, with or without preamble and file meta.

    Returns
    -------
    DicomObject
        With frames, or with the reasons why it has none.

    Raises
    ------
    UnreadableError
        It is not DICOM, or damaged beyond reading.
    """
    dataset = read_header(path, _KEYWORDS)
    with translated(path.name):
        frames, refusals = _frames(path, dataset)
        return DicomObject(
            path=path,
            series_uid=_text(dataset, "SeriesInstanceUID"),
            series_number=_integer(dataset, "SeriesNumber"),
            study_uid=_text(dataset, "StudyInstanceUID"),
            frame_of_reference=_text(dataset, "FrameOfReferenceUID"),
            description=_text(dataset, "SeriesDescription") or _text(dataset, "ProtocolName"),
            maker=" ".join(
                filter(None, (_text(dataset, k) for k in ("Manufacturer", "ManufacturerModelName")))
            ),
            person=_person(dataset),
            frames=frames,
            refusals=refusals,
        )


def _frames(path: Path, dataset: FileDataset) -> tuple[tuple[Frame, ...], tuple[Refusal, ...]]:
    reason = _not_an_mr_image(dataset)
    if reason:
        return (), (Refusal(reason),)
    views = _views(dataset)
    if isinstance(views, Refusal):
        return (), (views,)
    found = [_frame(path, dataset, view, index) for index, view in views]
    frames = tuple(frame for frame in found if isinstance(frame, Frame))
    refusals = tuple(frame for frame in found if isinstance(frame, Refusal))
    return frames, refusals


def _not_an_mr_image(dataset: Dataset) -> str:
    """Say why an object cannot be an MR image by its kind; empty when it can."""
    modality = _text(dataset, "Modality").upper()
    storage = UID(_text(dataset, "SOPClassUID"))
    known = storage.name != str(storage)  # a damaged or private UID has no name
    if known and storage not in _IMAGE_CLASSES:
        return f"not an MR image but {storage.name.removesuffix(' Storage')}"
    if modality not in ("", "MR", "OT"):
        return f"not an MR image but of modality {modality[:16]}"
    colour = _text(dataset, "PhotometricInterpretation").upper()
    if (_integer(dataset, "SamplesPerPixel") or 1) != 1 or not _is_grey(colour):
        return f"a colour picture ({colour[:16] or 'several samples a pixel'}), not intensities"
    return ""


def _is_grey(photometric: str) -> bool:
    return photometric in ("", "MONOCHROME1", "MONOCHROME2")


#: Data sets searched for an element, nearest first.
_View = tuple[Dataset, ...]


def _views(dataset: Dataset) -> list[tuple[int | None, _View]] | Refusal:
    """Where to look up the elements of each frame."""
    per_frame = items_of(dataset, "PerFrameFunctionalGroupsSequence")
    count = _integer(dataset, "NumberOfFrames") or 1
    if per_frame:
        if len(per_frame) != count or count > MAX_FRAMES:
            return Refusal(f"says {count} frames but describes {len(per_frame)}", True)
        shared = _macros(items_of(dataset, "SharedFunctionalGroupsSequence")[:1])
        return [
            (index, (*_macros([group]), *shared, dataset)) for index, group in enumerate(per_frame)
        ]
    if count > 1:
        return Refusal("several frames without a position for each")
    return [(None, (dataset,))]


def _macros(groups: list[Dataset]) -> _View:
    """Open the functional group macros (PS3.3 C.7.6.16): each holds one item."""
    return tuple(
        item
        for group in groups
        for element in group
        if element.VR == "SQ"
        for item in list(element.value)[:1]
    )


def _frame(path: Path, dataset: FileDataset, view: _View, index: int | None) -> Frame | Refusal:
    placement = _placement(view)
    if isinstance(placement, Refusal):
        return placement
    pixels = _pixel_rule(view, syntax_of(dataset))
    if isinstance(pixels, Refusal):
        return pixels
    return Frame(
        path=path,
        uid=_text(dataset, "SOPInstanceUID") or path.name,
        index=index,
        placement=placement,
        acquisition=_acquisition(view),
        order=_order(view),
        pixels=pixels,
        stated=_stated(view),
    )


def _placement(view: _View) -> Placement | Refusal:
    """Check and collect the geometry of a frame (PS3.3 C.7.6.2)."""
    position = _numbers(view, "ImagePositionPatient", 3)
    orientation = _numbers(view, "ImageOrientationPatient", 6)
    spacing = _numbers(view, "PixelSpacing", 2)
    shape = (_first_integer(view, "Rows") or 0, _first_integer(view, "Columns") or 0)
    absent = [
        name
        for name, value in (
            ("ImagePositionPatient", position),
            ("ImageOrientationPatient", orientation),
            ("PixelSpacing", spacing),
        )
        if value is None
    ]
    if position is None or orientation is None or spacing is None:
        return Refusal(f"no place in the patient: {', '.join(absent)} absent or not a number")
    if min(shape) < 2:
        return Refusal(f"{shape[0]} rows and {shape[1]} columns are not a picture")
    wrong = _impossible(position, orientation, spacing)
    if wrong:
        return Refusal(wrong, contradiction=True)
    row, column = _unit(orientation[:3]), _unit(orientation[3:])
    return Placement(
        position=_triple(position),
        row=row,
        column=column,
        spacing_mm=(float(spacing[0]), float(spacing[1])),
        shape=shape,
        thickness_mm=_positive(view, "SliceThickness"),
        step_mm=_positive(view, "SpacingBetweenSlices"),
    )


def _impossible(position: NDArray, orientation: NDArray, spacing: NDArray) -> str:
    low, high = SPACING_RANGE_MM
    if np.abs(position).max() > MAX_POSITION_MM:
        return "its position is metres away from the scanner's centre"
    if spacing.min() < low or spacing.max() > high:
        return f"its pixel spacing {spacing[0]:g} x {spacing[1]:g} mm is impossible"
    lengths = np.linalg.norm(orientation.reshape(2, 3), axis=1)
    if np.abs(lengths - 1).max() > UNIT_TOLERANCE:
        return "its row and column directions are not of length 1"
    if abs(orientation[:3] @ orientation[3:]) > ORTHOGONAL_TOLERANCE:
        return "its row and column directions are not perpendicular"
    return ""


def _acquisition(view: _View) -> Acquisition:
    recovery = _first_text(view, "InversionRecovery") == "YES"
    pulse = {"GRADIENT": "GR", "SPIN": "SE", "BOTH": "SE"}.get(
        _first_text(view, "EchoPulseSequence")
    )
    sequence = _texts(view, "ScanningSequence") or tuple(
        filter(None, (pulse, "IR" if recovery else None))
    )
    return Acquisition(
        tr_ms=_positive(view, "RepetitionTime"),
        te_ms=_positive(view, "EffectiveEchoTime") or _positive(view, "EchoTime"),
        ti_ms=_positive(view, "InversionTimes") or _positive(view, "InversionTime"),
        flip_deg=_positive(view, "FlipAngle"),
        field_t=_positive(view, "MagneticFieldStrength"),
        scanning_sequence=sequence,
        sequence_variant=_texts(view, "SequenceVariant"),
        scan_options=_texts(view, "ScanOptions"),
        patient_position=_first_text(view, "PatientPosition"),
        sequence_name=_first_text(view, "SequenceName") or _first_text(view, "PulseSequenceName"),
        contrast=_first_text(view, "AcquisitionContrast"),
        fat_suppression=_first_text(view, "SpectrallySelectedSuppression"),
        description=_first_text(view, "SeriesDescription") or _first_text(view, "ProtocolName"),
        image_type=_texts(view, "FrameType") or _texts(view, "ImageType"),
    )


def _order(view: _View) -> Order:
    return Order(
        echo=_first_integer(view, "EchoNumbers"),
        temporal=_first_integer(view, "TemporalPositionIndex")
        or _first_integer(view, "TemporalPositionIdentifier"),
        acquisition=_first_integer(view, "FrameAcquisitionNumber")
        or _first_integer(view, "AcquisitionNumber"),
        instance=_first_integer(view, "InstanceNumber"),
        b_value=_positive(view, "DiffusionBValue"),
    )


def _stated(view: _View) -> Stated:
    sides = ("Laterality", "ImageLaterality", "FrameLaterality")
    return Stated(
        patient_orientation=_texts(view, "PatientOrientation"),
        lateralities=tuple(filter(None, (_first_text(view, side).upper() for side in sides))),
        quadruped=_first_text(view, "AnatomicalOrientationType").upper() == "QUADRUPED",
        location_mm=_number(view, "SliceLocation"),
    )


def _pixel_rule(view: _View, syntax: str) -> PixelRule | Refusal:
    slope, intercept = _number(view, "RescaleSlope"), _number(view, "RescaleIntercept")
    if slope == 0:
        return Refusal("its rescale slope is zero")
    return PixelRule(
        slope=1.0 if slope is None else slope,
        intercept=intercept or 0.0,
        inverted=_first_text(view, "PhotometricInterpretation") == "MONOCHROME1",
        bits=_first_integer(view, "BitsStored") or 16,
        signed=_first_integer(view, "PixelRepresentation") == 1,
        syntax=syntax,
    )


def _person(dataset: Dataset) -> Person:
    dates = (_text(dataset, key) for key in ("StudyDate", "SeriesDate", "AcquisitionDate"))
    return Person(
        patient_id=_text(dataset, "PatientID"),
        name=_text(dataset, "PatientName"),
        birth_date=_text(dataset, "PatientBirthDate"),
        study_date=next((date for date in dates if date), ""),
        sex=_text(dataset, "PatientSex").upper(),
        age=_text(dataset, "PatientAge").upper(),
        size_m=_number((dataset,), "PatientSize"),
        weight_kg=_number((dataset,), "PatientWeight"),
    )


# Look-up of single values: text is stripped, numbers are finite or None.


def _first(view: _View, keyword: str) -> object:
    for dataset in view:
        value = value_of(dataset, keyword)
        if value is not None:
            return value
    return None


_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def _clean(value: object) -> str:
    return _CONTROL.sub(" ", str(value)).strip()


def _text(dataset: Dataset, keyword: str) -> str:
    return _first_text((dataset,), keyword)


def _first_text(view: _View, keyword: str) -> str:
    value = _first(view, keyword)
    return "" if value is None else _clean(value)


def _texts(view: _View, keyword: str) -> tuple[str, ...]:
    value = _first(view, keyword)
    if value is None:
        return ()
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    return tuple(_clean(entry).upper() for entry in values if _clean(entry))


def _numbers(view: _View, keyword: str, count: int) -> NDArray[np.float64] | None:
    """Return ``count`` finite numbers; None when they are absent or are no numbers."""
    value = _first(view, keyword)
    if value is None:
        return None
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    try:
        numbers = np.array([float(str(entry)) for entry in values])
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None


def _number(view: _View, keyword: str) -> float | None:
    numbers = _numbers(view, keyword, 1)
    return None if numbers is None else float(numbers[0])


def _positive(view: _View, keyword: str) -> float | None:
    number = _number(view, keyword)
    return number if number is not None and number > 0 else None


def _first_integer(view: _View, keyword: str) -> int | None:
    number = _number(view, keyword)
    return None if number is None else round(number)


def _integer(dataset: Dataset, keyword: str) -> int | None:
    return _first_integer((dataset,), keyword)


def _triple(vector: NDArray) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in vector)
    return x, y, z


def _unit(vector: NDArray) -> tuple[float, float, float]:
    return _triple(vector / np.linalg.norm(vector))
