"""What all DICOM objects written by OpenLumbar have in common: who made them, and of what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from highdicom import AlgorithmIdentificationSequence, SOPClass
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds

from openlumbar.core.run import Run
from openlumbar.core.snomed import PRIVATE, PRIVATE_NAME, Concept
from openlumbar.io.dicom_header import Placement
from openlumbar.io.dicom_source import CHARACTER_SET, Source, SourceImage, new_uid

#: Slices nearer than this are at the same place (as ``exam/blocks.py`` has it).
SAME_PLACE_MM = 0.1
MANUFACTURER = "OpenLumbar"
MODEL = "OpenLumbar"
#: Software has none, but PS3.3 C.7.5.2 wants one.
SERIAL_NUMBER = "none"
NOTICE = "Research use only - not for diagnosis."


@dataclass(frozen=True)
class ResultSeries:
    """The new series that an object is put into.

    Attributes
    ----------
    uid, number, description
        Series Instance UID, Series Number, Series Description (at most 64 characters).
    """

    uid: str
    number: int
    description: str


def coded(concept: Concept) -> CodedConcept:
    """Return a concept as highdicom takes it."""
    return CodedConcept(concept.value, concept.scheme, concept.meaning)


def private_scheme() -> Sequence[Dataset]:
    """Say whose codes 99OPENLUMBAR are, in an object that has some (PS3.3 C.12.1)."""
    return [
        CodingSchemeIdentificationItem(
            PRIVATE, name=PRIVATE_NAME, responsible_organization=MANUFACTURER
        )
    ]


def algorithm(run: Run) -> AlgorithmIdentificationSequence:
    """Say what made a result: the version, and the weights with the head of their hash.

    Where masks were given (``openlumbar measure``) the codes they came in stand in place of
    the weights.
    """
    parameters = {
        f"weights {entry.name}": f"{entry.version} sha256:{entry.sha256[:16]}"
        for entry in run.weights
    }
    if "codes" in run.options:
        parameters["masks"] = f"given, in the codes of {run.options['codes']}"
    return AlgorithmIdentificationSequence(
        name=MODEL,
        family=codes.cid7162.ArtificialIntelligence,
        version=run.version,
        source=MANUFACTURER,
        parameters=parameters or None,
    )


def reference(source: Source, image: SourceImage) -> Dataset:
    """Describe the instance that holds a picture: patient, study, series, its place.

    Parameters
    ----------
    source
        Of the series.
    image
        One of its pictures; for a multi-frame instance its frame gives the place.

    Returns
    -------
    pydicom.Dataset
        As highdicom takes source images and evidence, without pixels.
    """
    place = image.placement
    dataset = Dataset()
    dataset.update(source.header)
    dataset.SOPClassUID = image.sop_class
    dataset.SOPInstanceUID = image.uid
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = source.series_uid
    dataset.SeriesNumber = source.series_number
    dataset.Rows, dataset.Columns = place.shape
    dataset.PixelSpacing = decimals(place.spacing_mm)
    dataset.SliceThickness = decimals([_thickness_mm(source, place)])[0]
    dataset.ImagePositionPatient = decimals(place.position)
    dataset.ImageOrientationPatient = decimals((*place.row, *place.column))
    return dataset


def _thickness_mm(source: Source, place: Placement) -> float:
    """Slice Thickness; where it is not given, the distance to the next slice, or 1 mm."""
    given = place.thickness_mm or place.step_mm
    if given:
        return given
    offsets = [
        np.subtract(image.placement.position, place.position) for image in source.images.values()
    ]
    steps = [abs(float(offset @ place.normal)) for offset in offsets]
    return min((step for step in steps if step > SAME_PLACE_MM), default=1.0)


def as_single_frame(source: Source, image: SourceImage, uid: str, first: SourceImage) -> Dataset:
    """Describe one picture of a block as an instance of its own, under another UID if need be.

    highdicom takes either single-frame instances or one whole multi-frame one, where a
    block may be a part of one, or of several; and it takes one orientation, the ``first``
    picture's, where slices of a block differ in the last digits.
    """
    place = replace(image.placement, row=first.placement.row, column=first.placement.column)
    dataset = reference(source, replace(image, placement=place))
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = uid
    return dataset


def new_object(
    sop_class: str, modality: str, source: Source, series: ResultSeries, run: Run
) -> SOPClass:
    """Start an object that is not an image: patient, study, series, equipment.

    Parameters
    ----------
    sop_class, modality
        What it is.
    source
        Whose patient and study it is put to.
    series
        The new series to put it into, as its only object.
    run
        What made it.
    """
    header = source.header
    dataset = SOPClass(
        study_instance_uid=header.StudyInstanceUID,
        series_instance_uid=series.uid,
        series_number=series.number,
        sop_instance_uid=new_uid(),
        sop_class_uid=sop_class,
        instance_number=1,
        modality=modality,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=run.version,
        device_serial_number=SERIAL_NUMBER,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        patient_id=header.PatientID,
        patient_name=header.PatientName,
        patient_birth_date=header.PatientBirthDate,
        patient_sex=header.PatientSex,
        accession_number=header.AccessionNumber,
        study_id=header.StudyID,
        study_date=header.StudyDate,
        study_time=header.StudyTime,
        referring_physician_name=header.ReferringPhysicianName,
        series_description=series.description,
        specific_character_set=CHARACTER_SET,
    )
    one = next(iter(source.images.values()))
    dataset.copy_patient_and_study_information(reference(source, one))
    return dataset


def pointer(instance: Dataset) -> Dataset:
    """Make an item that refers to an instance (PS3.3 table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID = instance.SOPClassUID
    item.ReferencedSOPInstanceUID = instance.SOPInstanceUID
    return item


def instances(images: Iterable[SourceImage]) -> tuple[SourceImage, ...]:
    """One picture an instance, in order."""
    return tuple({image.uid: image for image in reversed(list(images))}.values())[::-1]


def decimals(numbers: Iterable[float]) -> list[str]:
    """Decimal strings of at most 16 characters (PS3.5 section 6.2, DS)."""
    return [format_number_as_ds(float(number)) for number in numbers]
