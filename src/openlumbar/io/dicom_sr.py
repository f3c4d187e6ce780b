"""Measurements → DICOM SR after TID 1500, in the plainest class that holds it (Enhanced SR).

A group a structure and level refers to the segment that was measured (TID 1411); numbers
of no segment, the lordosis say, are in a group of their own (TID 1501). What is measured
slice by slice, on axial series, is a group a structure, side and slice, which refers to the
frame of the segment (TID 1410) and so to the picture. A number carries

* its slice (INFERRED FROM, TID 320), where its group does not name it,
* one standard deviation to either side, in its own unit (CID 225, of TID 310),
* our confidence and, in words, our flags (HAS PROPERTIES; TID 300 is extensible),
* for an angle, the position the patient lay in (CID 20), where the images tell it.

A value that was withheld is an evaluation of the group, "Measurement failure" (CID 42).
PS3.3 C.18.1 would have it as a number without a value, but highdicom, and what is built
on it, cannot read a report that has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import highdicom.sr as hd
from highdicom.sr import CodedConcept, RelationshipTypeValues
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import EnhancedSRStorage

from openlumbar.core.anatomy import (
    BY_CODE,
    SPINAL_CANAL,
    STRUCTURES,
    disc_code,
    vertebra_code,
)
from openlumbar.core.flags import FLAGS
from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import MUSCLES
from openlumbar.core.run import Run
from openlumbar.core.snomed import (
    ANATOMICAL_STRUCTURE,
    LEFT,
    LUMBAR_SPINE,
    PRIVATE,
    PRONE,
    RIGHT,
    SUPINE,
    UNITS,
    Concept,
    body_concept,
    metric_concept,
    site_concept,
    structure_concept,
)
from openlumbar.io.dicom_result import (
    MANUFACTURER,
    MODEL,
    NOTICE,
    ResultSeries,
    coded,
    instances,
    new_object,
    pointer,
    private_scheme,
    reference,
)
from openlumbar.io.dicom_seg import Segmentation, segment_label, tracking_uid
from openlumbar.io.dicom_source import Source, SourceImage, derived_uid

#: One object a concept: a report has few concepts, thousands of times. None is changed.
_coded = cache(coded)

_UNCERTAINTY = CodedConcept.from_code(codes.SCT.RangeOfMeasurementUncertainty)
_CONFIDENCE = CodedConcept("confidence", PRIVATE, "Confidence, 0 to 1")
_FLAG = CodedConcept("flag", PRIVATE, "Flag")
#: Structures that are measured slice by slice.
_PLANAR = (*MUSCLES, "dural sac")
#: Of an axial series, a report has these. The other ways to find fat, ratios, places and
#: tilts would make it five times as long; they are in ``measurements.csv``.
AXIAL_NUMBERS: frozenset[tuple[str, str]] = frozenset(
    {
        *(
            (muscle, metric)
            for muscle in MUSCLES
            for metric in (
                "csa_cm2",
                "lean_csa_cm2",
                "fat_fraction_kmeans_percent",
                "fat_fraction_partial_volume_percent",
            )
        ),
        ("dural sac", "area_mm2"),
        ("dural sac", "ap_diameter_mm"),
        ("dural sac", "transverse_diameter_mm"),
    }
)
#: Digits behind the point, as in ``measurements.csv``.
_DECIMALS = 3
_POSITIONS = {"S": SUPINE, "P": PRONE}


@dataclass(frozen=True, eq=False)
class Measured:
    """What the numbers of one series refer to.

    Attributes
    ----------
    slices
        By block, the source of each slice, by name as in ``Source.images``.
    anatomy, bodies
        By block, the segmentations whose segments were measured: of bodies for
        vertebrae, of all else for the rest. A block without masks has none.
    """

    slices: Mapping[int, Sequence[str]]
    anatomy: Mapping[int, Segmentation]
    bodies: Mapping[int, Segmentation]


def make_report(
    measurements: Sequence[Measurement],
    measured: Measured,
    source: Source,
    series: ResultSeries,
    run: Run,
) -> Dataset:
    """Make a structured report of the numbers of one series.

    Parameters
    ----------
    measurements
        At least one; all of one series.
    measured
        Its slices and segmentations.
    source
        Of the series.
    series
        The new series to put the report into.
    run
        What made the numbers.

    Returns
    -------
    pydicom.Dataset
        Ready to be saved.

    Raises
    ------
    KeyError
        A metric has no code in :mod:`openlumbar.core.snomed`.
    ValueError
        There is no measurement.
    """
    if not measurements:
        raise ValueError("a report needs at least one measurement")
    writer = _Writer(measured, source, run)
    images = [reference(source, image) for image in instances(source.images.values())]
    content = hd.MeasurementReport(
        observation_context=_observer(run),
        procedure_reported=codes.LN.MRIUnspecifiedBodyRegion,
        imaging_measurements=[writer.group(group) for group in _groups(measurements)],
        title=codes.DCM.ImagingMeasurementReport,
    )[0]
    # In TID 1500 the library stands before the measurements.
    content.ContentSequence.insert(-1, _image_library(images))
    content.ContentSequence.append(_text(codes.DCM.Comment, NOTICE, "CONTAINS"))
    objects = [entry.dataset for entry in (*measured.anatomy.values(), *measured.bodies.values())]
    return _document(content, [*images, *objects], source, series, run)


def _document(
    content: Dataset, evidence: Sequence[Dataset], source: Source, series: ResultSeries, run: Run
) -> Dataset:
    """Make a document of a content tree (PS3.3 C.17.1, C.17.2).

    highdicom's class for it copies the tree and searches it three times for references,
    which we know: that took as long as all else together.
    """
    dataset = new_object(EnhancedSRStorage, "SR", source, series, run)
    dataset.update(content)
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.PerformedProcedureCodeSequence = []
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.CurrentRequestedProcedureEvidenceSequence = [_evidence(evidence)]
    dataset.CodingSchemeIdentificationSequence = list(private_scheme())
    return dataset


def _evidence(instances: Sequence[Dataset]) -> Dataset:
    """List instances of one study by their series."""
    by_series: dict[str, list[Dataset]] = {}
    for instance in instances:
        by_series.setdefault(instance.SeriesInstanceUID, []).append(pointer(instance))
    study = Dataset()
    study.StudyInstanceUID = instances[0].StudyInstanceUID
    study.ReferencedSeriesSequence = [Dataset() for _ in by_series]
    for item, (uid, pointers) in zip(
        study.ReferencedSeriesSequence, by_series.items(), strict=True
    ):
        item.SeriesInstanceUID = uid
        item.ReferencedSOPSequence = pointers
    return study


def _image_library(images: Sequence[Dataset]) -> hd.ContainerContentItem:
    """TID 1600 with what it demands and no more: the images and their modality."""
    contains = RelationshipTypeValues.CONTAINS
    group = hd.ContainerContentItem(codes.DCM.ImageLibraryGroup, relationship_type=contains)
    modality = hd.CodeContentItem(
        name=codes.DCM.Modality,
        value=codes.cid29.MagneticResonance,
        relationship_type=RelationshipTypeValues.HAS_ACQ_CONTEXT,
    )
    entries = [
        hd.ImageContentItem(
            name=codes.SCT.Source,
            referenced_sop_class_uid=image.SOPClassUID,
            referenced_sop_instance_uid=image.SOPInstanceUID,
            relationship_type=contains,
        )
        for image in images
    ]
    group.ContentSequence = hd.ContentSequence([modality, *entries])
    library = hd.ContainerContentItem(codes.DCM.ImageLibrary, relationship_type=contains)
    library.ContentSequence = hd.ContentSequence([group])
    return library


def _observer(run: Run) -> hd.ObservationContext:
    device = hd.DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", run.version),
        name=MODEL,
        manufacturer_name=MANUFACTURER,
        model_name=f"{MODEL} {run.version}",
    )
    return hd.ObservationContext(
        observer_device_context=hd.ObserverContext(codes.DCM.Device, device)
    )


def _groups(measurements: Iterable[Measurement]) -> list[list[Measurement]]:
    """Numbers of one structure, level, side and, where they are of one, slice of a block."""
    groups: dict[tuple[object, ...], list[Measurement]] = {}
    for entry in measurements:
        key = (entry.block, entry.structure, entry.level, entry.side, _own_slice(entry))
        groups.setdefault(key, []).append(entry)
    return list(groups.values())


def _own_slice(entry: Measurement) -> int | None:
    """The slice of a structure that is measured slice by slice."""
    return entry.slice if entry.structure in _PLANAR else None


def _of_level(entry: Measurement) -> bool:
    """Whether it is of what is measured slice by slice, at a level: of part of a segment."""
    return entry.structure in _PLANAR and entry.slice is None and bool(entry.level)


_MUSCLE_CODES = {
    (entry.name, entry.side): entry.code for entry in STRUCTURES if entry.kind == "muscle"
}


def structure_code(structure: str, level: str, side: str = "") -> int | None:
    """Code (:mod:`openlumbar.core.anatomy`) of what was measured; None for the whole spine.

    Examples
    --------
    >>> structure_code("disc", "L4-L5"), structure_code("canal", "L4-L5")
    (95, 2)
    >>> structure_code("dural sac", ""), structure_code("psoas", "", "left")
    (2, 5121)
    >>> structure_code("spine", "L1-S1") is None
    True
    """
    try:
        if structure == "vertebra":
            return vertebra_code(level)
        if structure == "disc":
            return disc_code(level)
    except KeyError:
        return None
    if structure in ("canal", "dural sac"):
        return SPINAL_CANAL
    return _MUSCLE_CODES.get((structure, side))


@dataclass(frozen=True, eq=False)
class _Writer:
    """Turns groups of measurements into content items; what they refer to is in it."""

    measured: Measured
    source: Source
    run: Run

    def group(
        self, entries: Sequence[Measurement]
    ) -> (
        hd.PlanarROIMeasurementsAndQualitativeEvaluations
        | hd.VolumetricROIMeasurementsAndQualitativeEvaluations
        | hd.MeasurementsAndQualitativeEvaluations
    ):
        first = entries[0]
        given = [entry for entry in entries if entry.value is not None]
        withheld = [entry for entry in entries if entry.value is None]
        shared: dict[str, Any] = {
            "tracking_identifier": self._tracking(first),
            "finding_type": _coded(_finding(first)),
            "finding_sites": [_site(first)],
            "measurements": [self._measurement(entry) for entry in given],
            "qualitative_evaluations": [_failure(entry) for entry in withheld],
        }
        k = _own_slice(first)
        if k is not None:  # hundreds: what is the same for all is in the observation context
            return self._planar(first, k, shared)
        shared["finding_category"] = _coded(ANATOMICAL_STRUCTURE)
        shared["algorithm_id"] = hd.AlgorithmIdentification(
            MODEL, self.run.version, manufacturer=MANUFACTURER
        )
        segment = self._segment(first)
        if segment is None:
            return hd.MeasurementsAndQualitativeEvaluations(**shared)
        return hd.VolumetricROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=segment, **shared
        )

    def _planar(
        self, entry: Measurement, k: int, shared: dict[str, Any]
    ) -> (
        hd.PlanarROIMeasurementsAndQualitativeEvaluations | hd.MeasurementsAndQualitativeEvaluations
    ):
        """A group of one slice: of the frame that was measured, or of the picture alone."""
        image = self._image(entry.block, k)
        frames = None if image.frame is None else [image.frame]
        segmentation = self.measured.anatomy.get(entry.block)
        code = structure_code(entry.structure, entry.level, entry.side)
        if segmentation is None or code is None or (code, k) not in segmentation.frames:
            source = hd.SourceImageForMeasurementGroup(image.sop_class, image.uid, frames)
            return hd.MeasurementsAndQualitativeEvaluations(source_images=[source], **shared)
        frame = hd.ReferencedSegmentationFrame(
            sop_class_uid=segmentation.dataset.SOPClassUID,
            sop_instance_uid=segmentation.dataset.SOPInstanceUID,
            frame_number=segmentation.frames[code, k],
            segment_number=segmentation.segments[code],
            source_image=hd.SourceImageForSegmentation(image.sop_class, image.uid, frames),
        )
        # The frame says of which segment it is, and the two exclude each other (PS3.3
        # table 10-3).
        del frame[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
        # Given to highdicom with the rest, each number would be searched for coordinates of
        # its own, which takes a quarter of the time.
        numbers = shared.pop("measurements")
        group = hd.PlanarROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=frame, **shared
        )
        group[0].ContentSequence.extend(item for number in numbers for item in number)
        return group

    def _segment(self, entry: Measurement) -> hd.ReferencedSegment | None:
        """The segment that was measured; of a number that is of part of one, none."""
        if _of_level(entry):
            return None
        of_bodies = entry.structure == "vertebra"
        objects = self.measured.bodies if of_bodies else self.measured.anatomy
        segmentation = objects.get(entry.block)
        code = structure_code(entry.structure, entry.level, entry.side)
        if segmentation is None or code not in segmentation.segments:
            return None
        return hd.ReferencedSegment(
            sop_class_uid=segmentation.dataset.SOPClassUID,
            sop_instance_uid=segmentation.dataset.SOPInstanceUID,
            segment_number=segmentation.segments[code],
            source_series=hd.SourceSeriesForSegmentation(self.source.series_uid),
        )

    def _tracking(self, entry: Measurement) -> hd.TrackingIdentifier:
        """The same identifier as that of the segment; of a place in it, one of its own."""
        label = _label(entry, len(self.measured.slices))
        return hd.TrackingIdentifier(uid=tracking_uid(self.source, label), identifier=label)

    def _measurement(self, entry: Measurement) -> hd.Measurement:
        unit = _coded(UNITS[entry.unit])
        measurement = hd.Measurement(
            name=_coded(metric_concept(entry.structure, entry.metric)),
            value=_rounded(entry.value or 0.0),
            unit=unit,
            properties=_properties(entry, unit),
            referenced_images=self._slice(entry),
        )
        position = _POSITIONS.get(str(self.source.header.get("PatientPosition", ""))[2:])
        if entry.unit == "deg" and position is not None:
            item = hd.CodeContentItem(
                name=codes.DCM.PatientOrientationModifier,
                value=_coded(position),
                relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
            )
            measurement[0].ContentSequence.insert(0, item)
        return measurement

    def _image(self, block: int, k: int) -> SourceImage:
        return self.source.images[self.measured.slices[block][k]]

    def _slice(self, entry: Measurement) -> list[hd.SourceImageForMeasurement] | None:
        if entry.slice is None or _own_slice(entry) is not None:
            return None  # of all slices, or of the one that the group names
        image = self._image(entry.block, entry.slice)
        frames = None if image.frame is None else [image.frame]
        return [hd.SourceImageForMeasurement(image.sop_class, image.uid, frames)]


def _label(entry: Measurement, blocks: int) -> str:
    """What is tracked; blocks count from 1, as in the names of their files."""
    if _own_slice(entry) is not None:
        block = f"block {entry.block + 1}" if blocks > 1 else ""
        parts: tuple[str, ...] = (
            entry.structure.capitalize(),
            entry.side,
            block,
            f"slice {entry.slice}",
        )
        return ", ".join(part for part in parts if part)
    if _of_level(entry):
        parts = (entry.structure.capitalize(), entry.side)
        return f"{', '.join(part for part in parts if part)} at {entry.level}"
    code = structure_code(entry.structure, entry.level, entry.side)
    if entry.structure == "canal":
        return f"Spinal canal at {entry.level}"
    if code is None:
        return f"{entry.structure.capitalize()} {entry.level}"
    return segment_label(BY_CODE[code], bodies=entry.structure == "vertebra")


def _finding(entry: Measurement) -> Concept:
    code = structure_code(entry.structure, entry.level, entry.side)
    if code is None:
        return LUMBAR_SPINE
    return body_concept(code) if entry.structure == "vertebra" else structure_concept(code)


def _site(entry: Measurement) -> hd.FindingSite:
    side = {"left": LEFT, "right": RIGHT}.get(entry.side)
    return hd.FindingSite(_coded(site_concept(entry.level)), _coded(side) if side else None)


def _properties(entry: Measurement, unit: CodedConcept) -> hd.MeasurementProperties:
    """Uncertainty, confidence and flags.

    highdicom writes an uncertainty without a unit; here it has that of the number.
    """
    properties = hd.MeasurementProperties()
    if entry.uncertainty is not None:
        properties.append(_number(_UNCERTAINTY, entry.uncertainty, unit))
    properties.append(_number(_CONFIDENCE, entry.confidence, _coded(UNITS["1"])))
    properties.extend(_flags(entry))
    return properties


def _failure(entry: Measurement) -> hd.QualitativeEvaluation:
    evaluation = hd.QualitativeEvaluation(
        name=_coded(metric_concept(entry.structure, entry.metric)),
        value=codes.DCM.MeasurementFailure,
    )
    evaluation[0].ContentSequence = hd.ContentSequence(_flags(entry))
    return evaluation


def _flags(entry: Measurement) -> list[hd.TextContentItem]:
    """Flags as ``word: what it means``."""
    return [_text(_FLAG, f"{flag}: {FLAGS[flag]}", "HAS PROPERTIES") for flag in entry.flags]


def _number(name: CodedConcept, value: float, unit: CodedConcept) -> hd.NumContentItem:
    return hd.NumContentItem(
        name=name,
        value=_rounded(value),
        unit=unit,
        relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
    )


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS)


def _text(name: CodedConcept, value: str, relationship: str) -> hd.TextContentItem:
    return hd.TextContentItem(
        name=name, value=value, relationship_type=RelationshipTypeValues(relationship)
    )
