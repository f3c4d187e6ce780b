"""Small DICOM files for tests: an easy MR series, and a knob for each defect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1, generate_uid

MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4.1"

#: Row and column directions (LPS) of the usual planes.
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def tilted_axial(degrees: float) -> tuple[float, ...]:
    """Axial plane turned about the left-right axis."""
    angle = np.radians(degrees)
    return (1.0, 0.0, 0.0, 0.0, float(np.cos(angle)), float(np.sin(angle)))


def picture(seed: int, rows: int = 16, columns: int = 12) -> NDArray[np.uint16]:
    """Deterministic values, different for each seed."""
    return np.random.default_rng(seed).integers(0, 1000, (rows, columns), dtype=np.uint16)


def mr_slice(
    position: Sequence[float],
    orientation: Sequence[float] = SAGITTAL,
    pixels: NDArray | None = None,
    **elements: Any,
) -> Dataset:
    """One MR image; ``elements`` replace or (with None) remove any element."""
    values = picture(0) if pixels is None else pixels
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    defaults: dict[str, Any] = {
        "SOPClassUID": MR_STORAGE,
        "SOPInstanceUID": generate_uid(),
        "Modality": "MR",
        "StudyInstanceUID": "1.2.3.1",
        "SeriesInstanceUID": "1.2.3.1.1",
        "FrameOfReferenceUID": "1.2.3.9",
        "SeriesNumber": 1,
        "PatientID": "P1",
        "PatientName": "Test^Person",
        "ImageType": ["ORIGINAL", "PRIMARY", "M"],
        "ScanningSequence": "SE",
        "RepetitionTime": 3500.0,
        "EchoTime": 100.0,
        "Rows": values.shape[-2],
        "Columns": values.shape[-1],
        "PixelSpacing": [0.8, 0.5],
        "SliceThickness": 4.0,
        "ImagePositionPatient": [float(value) for value in position],
        "ImageOrientationPatient": [float(value) for value in orientation],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelData": values.astype("<u2").tobytes(),
    }
    for keyword, value in {**defaults, **elements}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def stack(
    count: int = 5,
    orientation: Sequence[float] = SAGITTAL,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
    step: float = 4.0,
    seed: int = 0,
    shape: tuple[int, int] = (16, 12),
    **elements: Any,
) -> list[Dataset]:
    """Parallel slices, each with values of its own."""
    normal = np.cross(orientation[:3], orientation[3:])
    return [
        mr_slice(
            np.asarray(origin) + index * step * normal,
            orientation,
            picture(seed + index, *shape),
            InstanceNumber=index + 1,
            **elements,
        )
        for index in range(count)
    ]


def save(datasets: Iterable[Dataset], folder: Path, prefix: str = "im") -> list[Path]:
    """Write data sets as files with a preamble."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, dataset in enumerate(datasets):
        path = folder / f"{prefix}{index:04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def enhanced(slices: Sequence[Dataset]) -> Dataset:
    """One Enhanced MR object of the slices of :func:`stack`: shared orientation."""
    first = slices[0]
    whole = mr_slice(
        (0, 0, 0),
        SAGITTAL,
        np.frombuffer(first.PixelData, "<u2").reshape(first.Rows, first.Columns),
    )
    for keyword in (
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "EchoTime",
        "RepetitionTime", "ScanningSequence", "SliceThickness",
    ):  # fmt: skip
        delattr(whole, keyword)
    whole.SOPClassUID = ENHANCED_MR_STORAGE
    whole.NumberOfFrames = len(slices)
    whole.PixelData = b"".join(entry.PixelData for entry in slices)
    shared = Dataset()
    shared.PlaneOrientationSequence = _one(
        ImageOrientationPatient=list(first.ImageOrientationPatient)
    )
    shared.PixelMeasuresSequence = _one(
        PixelSpacing=list(first.PixelSpacing), SliceThickness=first.SliceThickness
    )
    shared.MRTimingAndRelatedParametersSequence = _one(RepetitionTime=float(first.RepetitionTime))
    shared.MREchoSequence = _one(EffectiveEchoTime=float(first.EchoTime))
    whole.SharedFunctionalGroupsSequence = DicomSequence([shared])
    whole.PerFrameFunctionalGroupsSequence = DicomSequence([_frame(entry) for entry in slices])
    return whole


def _frame(entry: Dataset) -> Dataset:
    group = Dataset()
    group.PlanePositionSequence = _one(ImagePositionPatient=list(entry.ImagePositionPatient))
    group.PixelValueTransformationSequence = _one(RescaleSlope=2.0, RescaleIntercept=-5.0)
    return group


def _one(**elements: Any) -> DicomSequence:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return DicomSequence([item])


def as_lossless_jpeg(dataset: Dataset) -> Dataset:
    """Compress as JPEG lossless, first-order prediction, which only GDCM can write."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.dcm"
        dataset.save_as(path, enforce_file_format=True)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(path))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        compressed = dcmread(path)
    assert compressed.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    return compressed
