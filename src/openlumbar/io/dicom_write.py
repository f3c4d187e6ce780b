"""Writing ordinary single-frame MR images (MR Image Storage, PS3.3 A.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from openlumbar.core.errors import OptionError
from openlumbar.core.exam import Subject
from openlumbar.core.volume import Volume

#: Largest stored value; 12 bits are what scanners write.
MAX_STORED = 4095


@dataclass(frozen=True)
class MrStudy:
    """What all series of one written study share.

    Attributes
    ----------
    entropy
        UIDs are made from this text alone, so that the same study gets the same UIDs.
    patient_name, patient_id
        DICOM person name (``Family^Given``) and identifier.
    date
        ``YYYYMMDD``.
    """

    entropy: str
    patient_name: str
    patient_id: str
    subject: Subject
    description: str
    date: str = "20240101"
    manufacturer: str = "OpenLumbar"
    model: str = "phantom"


@dataclass(frozen=True)
class MrSeries:
    """How one series was acquired.

    Attributes
    ----------
    number
        Series Number, also part of its UIDs.
    tr_ms, te_ms, ti_ms
        Times; ``ti_ms`` 0 without inversion.
    thickness_mm
        Of a slice, which may differ from the distance between slices.
    picture
        Value 3 of Image Type (PS3.3 C.7.6.1.1.2): ``OTHER``, or ``WATER``, ``FAT`` …
    frame
        Name of its frame of reference (PS3.3 C.7.4.1); series of one name share a UID.
    """

    number: int
    description: str
    tr_ms: float
    te_ms: float
    thickness_mm: float
    ti_ms: float = 0.0
    field_t: float = 1.5
    echo_train: int = 1
    fat_saturated: bool = False
    flip_deg: float = 90.0
    gradient_echo: bool = False
    picture: str = "OTHER"
    frame: str = "frame"


def uid_of(study: MrStudy, *parts: object) -> str:
    """The UID of a part of a study; the same parts give the same UID."""
    # One text with separators: pydicom joins its sources, so that 1, 11 would be 11, 1.
    return generate_uid(entropy_srcs=["/".join([study.entropy, *(str(part) for part in parts)])])


def write_mr_series(
    blocks: Sequence[Volume], series: MrSeries, study: MrStudy, folder: Path
) -> tuple[Path, ...]:
    """Write a series, one file a slice, block after block.

    Parameters
    ----------
    blocks
        Regular grids ``[k, j, i]``, LPS, with values of 0 … 4095 (rounded on writing).
    folder
        Made if absent; files are ``IM-0001.dcm`` and so on.

    Returns
    -------
    tuple of Path
        The files in the order of their Instance Numbers.

    Raises
    ------
    OptionError
        There is no block, or values lie outside of 0 … 4095.
    """
    if not blocks:
        raise OptionError(f"series {series.number} has no block; give at least one volume")
    for volume in blocks:
        low, high = float(volume.array.min()), float(volume.array.max())
        if not (low >= 0 and high <= MAX_STORED):
            raise OptionError(
                f"series {series.number}: values are {low:g} … {high:g}, but 12 bits hold "
                f"0 … {MAX_STORED}; scale the volume first"
            )
    folder.mkdir(parents=True, exist_ok=True)
    window = _window(blocks)
    paths: list[Path] = []
    for volume in blocks:
        for k in range(volume.shape[0]):
            dataset = _header(series, study, len(paths) + 1)
            _add_window(dataset, window)
            _add_plane(dataset, volume, k)
            _add_pixels(dataset, volume.array[k])
            path = folder / f"IM-{len(paths) + 1:04d}.dcm"
            dataset.save_as(path, enforce_file_format=True)
            paths.append(path)
    return tuple(paths)


def instance_uids(count: int, series: MrSeries, study: MrStudy) -> tuple[str, ...]:
    """SOP Instance UIDs that :func:`write_mr_series` gives to ``count`` slices."""
    return tuple(uid_of(study, "series", series.number, n + 1) for n in range(count))


def _ds(*numbers: float | np.floating) -> list[str]:
    """Decimal strings of at most 16 characters (PS3.5 6.2, DS)."""
    return [format_number_as_ds(float(number)) for number in numbers]


def _header(series: MrSeries, study: MrStudy, number: int) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = uid_of(study, "series", series.number, number)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    _add_patient(dataset, study)
    _add_study(dataset, study)
    _add_series(dataset, series, study)
    _add_acquisition(dataset, series)
    dataset.InstanceNumber = number
    return dataset


def _add_patient(dataset: Dataset, study: MrStudy) -> None:
    """PS3.3 C.7.1.1 and C.7.2.2."""
    subject = study.subject
    dataset.PatientName = study.patient_name
    dataset.PatientID = study.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = subject.sex or ""
    if subject.age_years is not None:
        dataset.PatientAge = f"{int(subject.age_years):03d}Y"
    if subject.height_m is not None:
        dataset.PatientSize = f"{subject.height_m:.3f}"
    if subject.mass_kg is not None:
        dataset.PatientWeight = f"{subject.mass_kg:.1f}"


def _add_study(dataset: Dataset, study: MrStudy) -> None:
    """PS3.3 C.7.2.1, C.7.5.1."""
    dataset.StudyInstanceUID = uid_of(study, "study")
    dataset.StudyID = "1"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = study.description
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(dataset, keyword, study.date)
    for keyword in ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"):
        setattr(dataset, keyword, "120000")
    dataset.Manufacturer = study.manufacturer
    dataset.ManufacturerModelName = study.model


def _add_series(dataset: Dataset, series: MrSeries, study: MrStudy) -> None:
    """PS3.3 C.7.3.1, C.7.4.1."""
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = uid_of(study, "series", series.number)
    dataset.SeriesNumber = series.number
    dataset.SeriesDescription = series.description
    dataset.BodyPartExamined = "LSPINE"
    dataset.PatientPosition = "HFS"
    dataset.FrameOfReferenceUID = uid_of(study, series.frame)
    dataset.PositionReferenceIndicator = ""


def _add_acquisition(dataset: Dataset, series: MrSeries) -> None:
    """PS3.3 C.8.3.1."""
    dataset.ImageType = ["ORIGINAL", "PRIMARY", series.picture]
    dataset.AcquisitionNumber = 1
    echo = "GR" if series.gradient_echo else "SE"
    dataset.ScanningSequence = [echo, "IR"] if series.ti_ms > 0 else echo
    dataset.SequenceVariant = "SP" if series.gradient_echo else "SK"
    dataset.ScanOptions = "FS" if series.fat_saturated else ""
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime = _ds(series.tr_ms)[0]
    dataset.EchoTime = _ds(series.te_ms)[0]
    if series.ti_ms > 0:
        dataset.InversionTime = _ds(series.ti_ms)[0]
    dataset.EchoTrainLength = series.echo_train
    dataset.EchoNumbers = 1
    dataset.MagneticFieldStrength = _ds(series.field_t)[0]
    dataset.FlipAngle = _ds(series.flip_deg)[0]
    dataset.SliceThickness = _ds(series.thickness_mm)[0]


def _add_plane(dataset: Dataset, volume: Volume, k: int) -> None:
    """PS3.3 C.7.6.2: the row direction is that of growing columns, so ``i`` comes first."""
    slice_step, row_step, column_step = volume.spacing_mm
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    position = volume.affine[:3, 3] + k * volume.affine[:3, 2]
    dataset.ImageOrientationPatient = _ds(*axes[:, 0], *axes[:, 1])
    dataset.ImagePositionPatient = _ds(*position)
    dataset.PixelSpacing = _ds(row_step, column_step)
    dataset.SpacingBetweenSlices = _ds(slice_step)[0]
    dataset.SliceLocation = _ds(float(position @ np.cross(axes[:, 0], axes[:, 1])))[0]


def _add_pixels(dataset: Dataset, picture: NDArray) -> None:
    """PS3.3 C.7.6.3, with 12 of 16 bits as C.8.3.1.1 allows."""
    stored = np.rint(picture).astype("<u2")
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = stored.tobytes()


def _window(blocks: Sequence[Volume]) -> tuple[float, float]:
    """Centre and width (PS3.3 C.11.2): black to the brightest half percent."""
    high = max(float(np.percentile(volume.array, 99.5)) for volume in blocks)
    return max(high, 2.0) / 2, max(high, 2.0)


def _add_window(dataset: Dataset, window: tuple[float, float]) -> None:
    dataset.WindowCenter, dataset.WindowWidth = (f"{value:.0f}" for value in window)
