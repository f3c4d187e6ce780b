"""Axial results as DICOM: sides stay where they are, and each slice has its numbers."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest
from highdicom.sr.utils import find_content_items
from pydicom.sr.codedict import codes

from openlumbar.core.anatomy import SPINAL_CANAL, UNKNOWN_DISC, UNKNOWN_VERTEBRA
from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import METRICS, MUSCLES
from openlumbar.core.snomed import metric_concept
from openlumbar.imaging.grids import place_labels
from openlumbar.io.dicom_seg_read import read_segmentation
from openlumbar.io.dicom_sr import AXIAL_NUMBERS
from openlumbar.report.dicom import write_dicom_results
from support_axial import (
    ERECTOR,
    MULTIFIDUS,
    ORIGIN,
    PSOAS,
    QUADRATUS,
    axial_code_at,
    axial_pictures,
    two_blocks,
)
from support_dicom import AXIAL, enhanced, save, tilted_axial
from support_results import analysis_of, complaints, grid_points

NAME = "series-1_axial-T2w"
EVERY = {*MULTIFIDUS, *ERECTOR, *PSOAS, *QUADRATUS, SPINAL_CANAL, UNKNOWN_VERTEBRA}
#: As scanners store axial pictures, and mirrored or leaning: rows, columns, both.
ORIENTATIONS = {
    "usual": (AXIAL, ORIGIN),
    "columns mirrored": ((-1.0, 0, 0, 0, 1, 0), (47.0, -39.0, 15.0)),
    "rows mirrored": ((1.0, 0, 0, 0, -1, 0), (-47.0, 55.0, 15.0)),
    "both mirrored": ((-1.0, 0, 0, 0, -1, 0), (47.0, 55.0, 0.0)),
    "leaning": (tilted_axial(25), (-47.0, -39.0, -10.0)),
}


def number(structure, metric, value, side="", k=1, block=0, **more):
    given = {
        "series": NAME,
        "level": "",
        "uncertainty": None if value is None else 0.25,
        "confidence": 0.875,
        **more,
    }
    return Measurement(
        block=block, structure=structure, metric=metric, value=value, side=side, slice=k, **given
    )


def written(folder, datasets, measurements=(), wanted=axial_code_at):
    """The analysis of pictures with painted masks, and the folder of its DICOM results."""
    save(datasets, folder / "exam")
    analysis = analysis_of(folder / "exam", wanted, measurements)
    assert [series.name for series in analysis.exam.series] == [NAME]
    write_dicom_results(analysis, [folder / "exam"], folder)
    return analysis, folder / "dicom"


@pytest.mark.parametrize("view", ORIENTATIONS)
def test_left_stays_left_whatever_way_the_pictures_are_stored(tmp_path, view):
    orientation, origin = ORIENTATIONS[view]
    analysis, folder = written(tmp_path, axial_pictures(4, orientation, origin))
    path = folder / f"{NAME}_seg.dcm"
    found = hd.seg.segread(path)
    volume = found.get_volume(combine_segments=True)
    sides = {}
    for entry in found.SegmentSequence:
        kind = entry.SegmentedPropertyTypeCodeSequence[0]
        side = getattr(kind, "SegmentedPropertyTypeModifierCodeSequence", None)
        if side:
            voxels = np.argwhere(volume.array == entry.SegmentNumber)
            x = (voxels @ volume.affine[:3, :3].T + volume.affine[:3, 3])[:, 0]
            sides[entry.SegmentLabel] = (side[0].CodeMeaning, x.min() > 0, x.max() < 0)
    assert len(sides) == 8
    for label, (side, all_left, all_right) in sides.items():  # x grows to the left
        assert (side == "Left", side == "Right") == (all_left, all_right), label
    # And each voxel, by place in the patient alone, as another reader finds it.
    back, notes = read_segmentation(path)
    assert notes == ()
    filled = back.array > 0
    assert np.array_equal(back.array[filled], axial_code_at(grid_points(back))[filled])
    assert set(np.unique(back.array)) - {0, UNKNOWN_DISC} == EVERY
    ours = analysis.masks.series[0].labels[0]
    assert np.array_equal(place_labels(back, ours).labels.array, ours.array)
    assert complaints(path) == []


def test_angled_blocks_are_objects_of_their_own(tmp_path):
    analysis, folder = written(tmp_path, two_blocks())
    masks = analysis.masks.series[0]
    assert len(masks.labels) == 2
    for number, labels in enumerate(masks.labels, 1):
        path = folder / f"{NAME}_block-{number}_seg.dcm"
        back, _ = read_segmentation(path)
        assert np.array_equal(place_labels(back, labels).labels.array, labels.array)
        assert complaints(path) == []
    names = {entry.SegmentLabel for entry in hd.seg.segread(path).SegmentSequence}
    assert UNKNOWN_DISC in labels.array
    assert {"Disc of unknown level", "Multifidus, left", "Quadratus lumborum, right"} <= names


NUMBERS = (
    number("psoas", "csa_cm2", 14.25, "left"),
    number("psoas", "fat_fraction_kmeans_percent", None, "left", flags=("fat-not-separated",)),
    number("psoas", "fat_fraction_partial_volume_percent", 4.5, "left"),
    number("psoas", "csa_cm2", 8.125, "right", flags=("dark-band", "left-right-doubtful")),
    number("psoas", "csa_cm2", 14.5, "left", k=2),
    number("dural sac", "area_mm2", 132.0),
    number("dural sac", "ap_diameter_mm", 11.5),
    number("multifidus", "csa_cm2", 3.5, "right", k=2, level="L4-L5"),
    number("erector spinae", "csa_cm2", 9.5, "left", k=1, block=1),
    # In the table, not in the report.
    number("psoas", "fat_fraction_otsu_percent", 7.5, "left"),
    number("psoas", "centroid_x_mm", 30.0, "left"),
    number("psoas", "asymmetry_percent", 43.0),
    number("slice", "tilt_deg", 12.0),
)
REPORTED = [entry for entry in NUMBERS if (entry.structure, entry.metric) in AXIAL_NUMBERS]


def groups_of(path):
    content = hd.sr.srread(path).content
    planar = content.get_planar_roi_measurement_groups()
    return {group.tracking_identifier: group for group in planar}, content


def test_each_slice_has_a_group_that_names_its_frame_side_and_place(tmp_path):
    analysis, folder = written(tmp_path, two_blocks(), NUMBERS)
    path = folder / f"{NAME}_sr.dcm"
    groups, content = groups_of(path)
    assert set(groups) == {
        "Psoas, left, block 1, slice 1",
        "Psoas, right, block 1, slice 1",
        "Psoas, left, block 1, slice 2",
        "Dural sac, block 1, slice 1",
        "Multifidus, right, block 1, slice 2",
        "Erector spinae, left, block 2, slice 1",
    }
    assert content.get_volumetric_roi_measurement_groups() == []
    blocks = analysis.exam.series[0].blocks
    for label, group in groups.items():
        *_, block, k = (int(text.split()[-1]) for text in label.split(", ")[-2:])
        item = group.referenced_segmentation_frame
        seg = hd.seg.segread(folder / f"{NAME}_block-{block}_seg.dcm")
        assert item.referenced_sop_instance_uid == seg.SOPInstanceUID
        (frame,) = item.referenced_frame_numbers
        number = seg.PerFrameFunctionalGroupsSequence[frame - 1].SegmentIdentificationSequence[0]
        described = seg.SegmentSequence[number.ReferencedSegmentNumber - 1]
        assert label.startswith(described.SegmentLabel) or "Dural sac" in label
        assert group.finding_type == described.segmented_property_type
        uid = blocks[block - 1].instances[k]
        images = find_content_items(group[0], value_type="IMAGE", recursive=True)
        assert uid in {image.referenced_sop_instance_uid for image in images}
        (site,) = group.finding_sites
        side = site.laterality.meaning if site.laterality else ""
        assert side.lower() == (label.split(", ")[1] if "Dural" not in label else "")
    (site,) = groups["Multifidus, right, block 1, slice 2"].finding_sites
    assert site.value.meaning == "Level of L4/L5 intervertebral disc"
    assert complaints(path) == []


def test_the_numbers_come_back_with_their_units_and_what_is_withheld_says_why(tmp_path):
    _, folder = written(tmp_path, two_blocks(), NUMBERS)
    groups, _ = groups_of(folder / f"{NAME}_sr.dcm")
    back = [
        (item.name.value, item.value, item.unit.value)
        for group in groups.values()
        for item in group.get_measurements()
    ]
    assert sorted(back) == sorted(
        (metric_concept(m.structure, m.metric).value, m.value, m.unit)
        for m in REPORTED
        if m.value is not None
    )
    kmeans = metric_concept("psoas", "fat_fraction_kmeans_percent")
    name = hd.sr.CodedConcept(kmeans.value, kmeans.scheme, kmeans.meaning)
    left = groups["Psoas, left, block 1, slice 1"]
    (failure,) = left.get_qualitative_evaluations(name)
    assert failure.value == codes.DCM.MeasurementFailure
    (number,) = groups["Psoas, right, block 1, slice 1"].get_measurements()
    flags = find_content_items(number[0], name=hd.sr.CodedConcept("flag", "99OPENLUMBAR", "Flag"))
    assert [item.value.split(":")[0] for item in flags] == ["dark-band", "left-right-doubtful"]


def test_a_number_without_a_mask_refers_to_its_picture(tmp_path):
    psoas_only = lambda points: np.where(  # noqa: E731
        np.isin(axial_code_at(points), PSOAS), axial_code_at(points), 0
    ).astype(np.uint16)
    analysis, folder = written(tmp_path, axial_pictures(4), NUMBERS[:8], psoas_only)
    path = folder / f"{NAME}_sr.dcm"
    content = hd.sr.srread(path).content
    alone = {g.tracking_identifier: g for g in content.get_image_measurement_groups()}
    assert set(alone) == {"Dural sac, slice 1", "Multifidus, right, slice 2"}
    (image,) = alone["Dural sac, slice 1"].source_images
    assert image.referenced_sop_instance_uid == analysis.exam.series[0].blocks[0].instances[1]
    assert complaints(path) == []


def test_frames_of_a_multi_frame_source_are_named(tmp_path):
    slices = axial_pictures(4)
    whole = enhanced(slices)
    for keyword in ("PatientSex", "StudyDate", "StudyTime", "StudyID"):
        setattr(whole, keyword, getattr(slices[0], keyword))
    analysis, folder = written(tmp_path, [whole], NUMBERS[:8])
    path = folder / f"{NAME}_sr.dcm"
    groups, _ = groups_of(path)
    _, frame = analysis.exam.series[0].blocks[0].instances[2].split("#")
    images = find_content_items(
        groups["Psoas, left, slice 2"][0], value_type="IMAGE", recursive=True
    )
    assert (int(frame),) in {tuple(i.referenced_frame_numbers or ()) for i in images}
    assert [line for line in complaints(path) if "Err" in line] == []


def test_a_report_has_the_chosen_numbers_and_stays_small(tmp_path):
    sides = [(muscle, side) for muscle in MUSCLES for side in ("left", "right")]
    every = [
        number(structure, metric, 1.5, side, k=k)
        for k in range(4)
        for structure, side in (*sides, ("dural sac", ""))
        for measured, metric in METRICS
        if measured == structure
    ]
    _, folder = written(tmp_path, axial_pictures(4), every)
    report = folder / f"{NAME}_sr.dcm"
    groups, _ = groups_of(report)
    assert len(groups) == 4 * 9
    names = [item.name.value for group in groups.values() for item in group.get_measurements()]
    assert len(names) == 4 * (8 * 4 + 3)
    assert set(names) == {metric_concept(*key).value for key in AXIAL_NUMBERS}
    assert report.stat().st_size < 4 * 50_000  # 60 slices: 3 MB
    assert complaints(report) == []


def test_numbers_of_a_disc_are_told_apart_and_stand_at_their_disc(tmp_path):
    levels = ("L3-L4", "L4-L5")
    numbers = [number("psoas", "csa_cm2", 14.25, "left", k=None, level=level) for level in levels]
    _, folder = written(tmp_path, axial_pictures(4), numbers)
    path = folder / f"{NAME}_sr.dcm"
    content = hd.sr.srread(path).content
    groups = content.get_image_measurement_groups()
    assert [g.tracking_identifier for g in groups] == [f"Psoas, left at {one}" for one in levels]
    assert len({group.tracking_uid for group in groups}) == 2
    sites = [group.finding_sites[0].value.meaning for group in groups]
    assert "L3" in sites[0]
    assert "L5" in sites[1]
    # Neither is of the muscle as a whole, which has a segment.
    assert content.get_volumetric_roi_measurement_groups() == []
    assert complaints(path) == []
