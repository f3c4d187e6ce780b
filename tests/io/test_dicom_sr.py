from __future__ import annotations

import highdicom as hd
import pytest
from highdicom.sr.utils import find_content_items
from pydicom.sr.codedict import codes

from openlumbar.core.flags import FLAGS
from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import METRICS
from openlumbar.core.snomed import metric_concept
from openlumbar.report.dicom import write_dicom_results
from support_dicom import enhanced, save
from support_results import analysis_of, complaints, pictures

NAME = "series-1_sagittal-T2w"


def number(structure, level, metric, value, **more):
    return Measurement(
        **{
            "series": NAME,
            "block": 0,
            "structure": structure,
            "level": level,
            "metric": metric,
            "value": value,
            "uncertainty": None if value is None else 0.25,
            "confidence": 0.875,
            "slice": None if value is None else 2,
        }
        | more
    )


MEASUREMENTS = (
    number("vertebra", "L4", "anterior_height_mm", 27.123456789),
    number("vertebra", "L4", "rotation_deg", -3.5, flags=("low-certainty", "coarse-pixels")),
    number("disc", "L4-L5", "height_mm", 8.0),
    number("disc", "L4-L5", "listhesis_percent", 1 / 3, uncertainty=None),
    number("disc", "L4-L5", "anterior_distance_mm", None, flags=("neighbour-missing",)),
    number("canal", "L4-L5", "ap_diameter_mm", 14.2),
    number("disc", "L5-S1", "height_mm", 9.5),  # no mask: nothing to refer to
    number("spine", "L1-S1", "lordosis_deg", 48.25, slice=None),
)


@pytest.fixture
def written(tmp_path):
    """The report of five slices, as highdicom reads it, and the folder of results."""
    save(pictures(5), tmp_path / "exam")
    analysis = analysis_of(tmp_path / "exam", measurements=MEASUREMENTS)
    assert analysis.exam.series[0].name == NAME
    write_dicom_results(analysis, [tmp_path / "exam"], tmp_path)
    return hd.sr.srread(tmp_path / "dicom" / f"{NAME}_sr.dcm"), tmp_path / "dicom", analysis


def groups(report):
    content = report.content
    return [
        *content.get_volumetric_roi_measurement_groups(),
        *content.get_image_measurement_groups(),
    ]


def child(item, name):
    """The one child of a measurement that has a name."""
    (found,) = find_content_items(item[0], name=name)
    return found


def test_every_number_comes_back_with_unit_and_level(written):
    report, _, _ = written
    back = {
        (item.name.value, site.value.meaning): (item.value, item.unit.value)
        for group in groups(report)
        for item in group.get_measurements()
        for site in group.finding_sites
    }
    sites = {
        "L4": "L4 vertebra",
        "L4-L5": "Level of L4/L5 intervertebral disc",
        "L5-S1": "Level of L5/S1 intervertebral disc",
        "L1-S1": "Lumbar spine",
    }
    assert back == {
        (metric_concept(m.structure, m.metric).value, sites[m.level]): (round(m.value, 3), m.unit)
        for m in MEASUREMENTS
        if m.value is not None
    }


def test_a_number_has_its_uncertainty_confidence_flags_and_slice(written):
    report, _, analysis = written
    (group,) = (g for g in groups(report) if g.tracking_identifier == "L4 body")
    height, rotation = group.get_measurements()
    range_of = child(height, codes.SCT.RangeOfMeasurementUncertainty)
    assert (range_of.value, range_of.unit.value) == (0.25, "mm")
    private = {
        item.name.meaning: item.value
        for item in rotation[0].ContentSequence
        if item.name.scheme_designator == "99OPENLUMBAR"
    }
    assert private["Confidence, 0 to 1"] == 0.875
    flags = find_content_items(rotation[0], name=hd.sr.CodedConcept("flag", "99OPENLUMBAR", "Flag"))
    assert [item.value for item in flags] == [
        f"{flag}: {FLAGS[flag]}" for flag in ("low-certainty", "coarse-pixels")
    ]
    (image,) = height.referenced_images
    assert image.referenced_sop_instance_uid == analysis.exam.series[0].blocks[0].instances[2]


def test_angles_say_how_the_patient_lay(written):
    report, _, _ = written
    lying = {
        item.name.meaning: [
            found.value.meaning
            for found in find_content_items(item[0], name=codes.DCM.PatientOrientationModifier)
        ]
        for group in groups(report)
        for item in group.get_measurements()
    }
    assert lying["Cobb angle"] == ["supine"]
    assert lying["Vertebral rotation in the sagittal plane"] == ["supine"]
    assert lying["Anterior vertebral height"] == []


def test_a_group_refers_to_the_segment_that_was_measured(written):
    report, folder, _ = written
    anatomy = hd.seg.segread(folder / f"{NAME}_seg.dcm")
    bodies = hd.seg.segread(folder / f"{NAME}_seg-bodies.dcm")
    measured = {}
    for group in report.content.get_volumetric_roi_measurement_groups():
        item = group.referenced_segment
        uid, segment = (item.referenced_sop_instance_uid, item.referenced_segment_numbers[0])
        (home,) = (found for found in (anatomy, bodies) if found.SOPInstanceUID == uid)
        entry = home.SegmentSequence[segment - 1]
        measured[group.tracking_identifier] = entry.SegmentLabel
        if group.tracking_identifier == entry.SegmentLabel:
            assert group.tracking_uid == entry.TrackingUID
        assert group.finding_type == entry.segmented_property_type
    assert measured == {
        "L4 body": "L4 body",
        "L4-L5 disc": "L4-L5 disc",
        "Spinal canal at L4-L5": "Spinal canal",
    }
    of_no_segment = {g.tracking_identifier for g in report.content.get_image_measurement_groups()}
    assert of_no_segment == {"L5-S1 disc", "Spine L1-S1"}


def test_a_withheld_value_is_a_failure_with_its_reason_and_no_number(written):
    report, _, _ = written
    (group,) = (g for g in groups(report) if g.tracking_identifier == "L4-L5 disc")
    (failure,) = group.get_qualitative_evaluations(
        metric_concept_code("disc", "anterior_distance_mm")
    )
    assert failure.value == codes.DCM.MeasurementFailure
    (item,) = find_content_items(
        group[0], value_type="CODE", name=metric_concept_code("disc", "anterior_distance_mm")
    )
    assert item.ContentSequence[0].TextValue.startswith("neighbour-missing: ")


def metric_concept_code(structure, metric):
    concept = metric_concept(structure, metric)
    return hd.sr.CodedConcept(concept.value, concept.scheme, concept.meaning)


def test_the_report_says_what_it_is_and_what_it_was_made_of(written):
    report, folder, analysis = written
    assert report.SOPClassUID.name == "Enhanced SR Storage"
    assert report.content[0].ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert "research use" in report.SeriesDescription
    (comment,) = find_content_items(report, name=codes.DCM.Comment)
    assert comment.TextValue.startswith("Research use only")
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    evidence = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    objects = [hd.seg.segread(path).SOPInstanceUID for path in folder.glob("*_seg*.dcm")]
    assert evidence == {*analysis.exam.series[0].blocks[0].instances, *objects}
    assert complaints(folder / f"{NAME}_sr.dcm") == []


def test_a_slice_of_a_multi_frame_source_is_named_by_its_frame(tmp_path):
    save([enhanced(pictures(5))], tmp_path / "exam")
    analysis = analysis_of(tmp_path / "exam", measurements=MEASUREMENTS)
    write_dicom_results(analysis, [tmp_path / "exam"], tmp_path)
    report = hd.sr.srread(tmp_path / "dicom" / f"{NAME}_sr.dcm")
    uid, frame = analysis.exam.series[0].blocks[0].instances[2].split("#")
    images = {
        (image.referenced_sop_instance_uid, tuple(image.referenced_frame_numbers))
        for group in groups(report)
        for item in group.get_measurements()
        for image in item.referenced_images
    }
    assert images == {(uid, (int(frame),))}
    assert [
        line for line in complaints(tmp_path / "dicom" / f"{NAME}_sr.dcm") if "Err" in line
    ] == []


def test_every_metric_of_sagittal_series_can_be_written(tmp_path):
    save(pictures(5), tmp_path / "exam")
    levels = {"vertebra": "L4", "disc": "L4-L5", "canal": "L4", "spine": "L1-S1"}
    wanted = [key for key in METRICS if key[0] in levels and key != ("disc", "area_mm2")]
    every = [number(structure, levels[structure], name, 1.5) for structure, name in wanted]
    analysis = analysis_of(tmp_path / "exam", measurements=every)
    write_dicom_results(analysis, [tmp_path / "exam"], tmp_path)
    path = tmp_path / "dicom" / f"{NAME}_sr.dcm"
    back = [item for group in groups(hd.sr.srread(path)) for item in group.get_measurements()]
    assert len({(item.name.value, item.name.scheme_designator) for item in back}) == len(wanted)
    assert complaints(path) == []
