from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest

from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL, STRUCTURES
from openlumbar.core.palette import colour_of
from openlumbar.core.volume import Volume
from openlumbar.io.dicom_result import ResultSeries
from openlumbar.io.dicom_seg import LabelMap, make_segmentation, segment_label
from openlumbar.io.dicom_source import Source, new_uid, read_sources
from support_dicom import SAGITTAL, enhanced, save
from support_results import (
    COMPLETE,
    L4,
    L4_L5,
    L5,
    RUN,
    analysis_of,
    code_at,
    complaints,
    pictures,
)

SERIES = ResultSeries("2.25.77", 101, "OpenLumbar anatomy (research use)")
#: As scanners store sagittal pictures, and mirrored: in columns, in rows, in both. The
#: normal, and so the order of the slices, turns around with each mirror.
ORIENTATIONS = {
    "usual": (SAGITTAL, (8.0, -0.6, 0.4)),
    "columns mirrored": ((0.0, -1.0, 0.0, 0.0, 0.0, -1.0), (-8.0, 5.4, 0.4)),
    "rows mirrored": ((0.0, 1.0, 0.0, 0.0, 0.0, 1.0), (-8.0, -0.6, -11.6)),
    "both mirrored": ((0.0, -1.0, 0.0, 0.0, 0.0, 1.0), (8.0, 5.4, -11.6)),
    "oblique": ((0.1, 0.99498744, 0.0, 0.0, 0.0, -1.0), (8.0, -0.6, 0.4)),
}


def segmented(folder, bodies=False):
    """SEG of the first block of the first series, read back from a file."""
    analysis = analysis_of(folder)
    series = analysis.exam.series[0]
    block = series.blocks[0]
    masks = analysis.masks.series[0]
    labels = (masks.bodies if bodies else masks.labels)[0].array
    source = read_sources([folder], {series.name: block.instances})[series.name]
    assert isinstance(source, Source), source
    made = make_segmentation(LabelMap(labels, block.instances, bodies), source, SERIES, RUN)
    path = folder.parent / f"seg-{bodies}.dcm"
    made.dataset.save_as(path, enforce_file_format=True)
    return hd.seg.segread(path), labels, block, made.segments, path


def in_patient(segmentation: hd.seg.Segmentation):
    """Segment number and LPS mm of every pixel that is set, from the file alone."""
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    spacing = shared.PixelMeasuresSequence[0].PixelSpacing
    row, column = np.array(orientation, float).reshape(2, 3)
    frames = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns)
    groups = segmentation.PerFrameFunctionalGroupsSequence
    assert len(frames) == len(groups)
    for frame, group in zip(frames, groups, strict=True):
        corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for j, i in np.argwhere(frame):  # PS3.3 equation C.7.6.2.1-1
            yield number, corner + row * float(spacing[1]) * i + column * float(spacing[0]) * j


@pytest.mark.parametrize("view", ORIENTATIONS)
@pytest.mark.parametrize("bodies", [False, True])
def test_each_voxel_comes_back_at_its_place_whatever_way_the_pictures_are_stored(
    tmp_path, view, bodies
):
    orientation, origin = ORIENTATIONS[view]
    save(pictures(5, orientation, origin), tmp_path / "exam")
    found, labels, block, segments, _ = segmented(tmp_path / "exam", bodies)
    assert set(segments) == ({L4, L5} if bodies else {L4, L5, L4_L5, SPINAL_CANAL})
    codes = np.array([0, *segments])
    back = found.get_pixels_by_source_instance(list(block.instances), combine_segments=True)
    assert np.array_equal(codes[back], labels)
    placed = list(in_patient(found))
    assert len(placed) == np.count_nonzero(labels)
    numbers, points = (np.array(part) for part in zip(*placed, strict=True))
    assert np.array_equal(codes[numbers], code_at(points))


@pytest.mark.parametrize("view", ORIENTATIONS)
def test_the_volume_that_highdicom_builds_has_the_corners_of_ours(tmp_path, view):
    orientation, origin = ORIENTATIONS[view]
    save(pictures(5, orientation, origin), tmp_path / "exam")
    found, labels, block, segments, _ = segmented(tmp_path / "exam")
    theirs = found.get_volume(combine_segments=True)
    ours = Volume(np.array([0, *segments])[theirs.array], theirs.affine[:, [2, 1, 0, 3]])
    filled = np.argwhere(labels)
    low, high = filled.min(0), filled.max(0)
    for corner in (low, high, (low[0], high[1], low[2]), (high[0], low[1], high[2])):
        place = block.volume.to_patient(corner)
        k, j, i = np.rint(np.linalg.solve(ours.affine, [*place, 1.0])[:3])[::-1].astype(int)
        assert np.allclose(ours.to_patient((k, j, i)), place, atol=1e-4)
        assert ours.array[k, j, i] == labels[tuple(corner)]


def test_an_enhanced_source_is_referred_to_frame_by_frame(tmp_path):
    whole = enhanced(pictures(5, origin=(-8.0, -0.6, 0.4), step=-4.0))
    for keyword, value in COMPLETE.items():
        setattr(whole, keyword, value)
    save([whole], tmp_path / "exam")
    found, labels, block, segments, path = segmented(tmp_path / "exam")
    uid = block.instances[0].split("#")[0]
    frames = [int(name.split("#")[1]) for name in block.instances]
    assert frames != sorted(frames)  # the block runs against the order of the frames
    back = found.get_pixels_by_source_frame(uid, frames, combine_segments=True)
    assert np.array_equal(np.array([0, *segments])[back], labels)
    (item,) = found.SourceImageSequence
    assert item.ReferencedSOPInstanceUID == uid
    assert item.ReferencedSOPClassUID.name == "Enhanced MR Image Storage"
    assert complaints(path) == []


def test_one_block_may_come_from_several_multi_frame_instances(tmp_path):
    slices = pictures(6)
    save([enhanced(slices[:2]), enhanced(slices[2:])], tmp_path / "exam")
    found, labels, block, segments, _ = segmented(tmp_path / "exam")
    assert len({name.split("#")[0] for name in block.instances}) == 2
    for k, name in enumerate(block.instances):
        uid, frame = name.split("#")
        frames = [
            found.pixel_array[index] * number
            for index, group in enumerate(found.PerFrameFunctionalGroupsSequence)
            for item in group.DerivationImageSequence[0].SourceImageSequence
            for number in [group.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
            if (item.ReferencedSOPInstanceUID, item.ReferencedFrameNumber) == (uid, int(frame))
        ]
        numbers = np.sum(frames, axis=0) if frames else np.zeros(labels[k].shape, int)
        assert np.array_equal(np.array([0, *segments])[numbers], labels[k])


def test_slices_may_differ_in_the_last_digits_of_their_orientation(tmp_path):
    slices = pictures(5)
    slices[3].ImageOrientationPatient = [0.00002, 1.0, 0.0, 0.0, 0.0, -1.0]
    save(slices, tmp_path / "exam")
    found, labels, block, segments, _ = segmented(tmp_path / "exam")
    back = found.get_pixels_by_source_instance(list(block.instances), combine_segments=True)
    assert np.array_equal(np.array([0, *segments])[back], labels)


def test_a_thickness_that_is_not_given_is_the_distance_between_slices(tmp_path):
    save(pictures(5, SliceThickness=None), tmp_path / "exam")
    found = segmented(tmp_path / "exam")[0]
    measures = found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (float(measures.SliceThickness), float(measures.SpacingBetweenSlices)) == (4.0, 4.0)


def test_segments_have_names_codes_colours_and_what_made_them(tmp_path):
    save(pictures(5), tmp_path / "exam")
    found, _, _, segments, path = segmented(tmp_path / "exam")
    described = {
        entry.SegmentLabel: entry.segmented_property_type.value for entry in found.SegmentSequence
    }
    assert described == {
        "Spinal canal": "61853006",
        "L4 vertebra": "11994002",
        "L5 vertebra": "49668003",
        "L4-L5 disc": "84020006",
    }
    assert found.SegmentationType == "BINARY"
    assert found.SegmentsOverlap == "NO"
    for code, number in segments.items():
        entry = found.SegmentSequence[number - 1]
        colour = hd.color.CIELabColor.from_dicom_value(entry.RecommendedDisplayCIELabValue)
        assert np.allclose(colour.to_rgb(), tuple(bytes.fromhex(colour_of(code)[1:])), atol=1)
        made_by = entry.SegmentationAlgorithmIdentificationSequence[0]
        assert (made_by.AlgorithmName, made_by.AlgorithmVersion) == ("OpenLumbar", "1.2.3")
        assert made_by.AlgorithmParameters == f"weights sagittal=1 sha256:{'ab' * 8}"
    assert "research use" in found.SeriesDescription
    assert complaints(path) == []


def test_bodies_are_coded_as_bodies(tmp_path):
    save(pictures(5), tmp_path / "exam")
    found, _, _, _, path = segmented(tmp_path / "exam", bodies=True)
    kinds = [entry.segmented_property_type for entry in found.SegmentSequence]
    assert [(kind.value, kind.meaning) for kind in kinds] == [
        ("71996003", "Body of L4 vertebra"),
        ("21799000", "Body of L5 vertebra"),
    ]
    assert complaints(path) == []


def test_the_same_structure_has_the_same_tracking_uid_in_each_run(tmp_path):
    save(pictures(5), tmp_path / "exam")
    one, other = (segmented(tmp_path / "exam")[0] for _ in range(2))
    assert one.SOPInstanceUID != other.SOPInstanceUID
    first, second = ([entry.TrackingUID for entry in run.SegmentSequence] for run in (one, other))
    assert first == second
    assert len(set(first)) == 4


def test_every_structure_has_a_name_of_its_own_and_fits_a_file(tmp_path):
    save(pictures(5), tmp_path / "exam")
    analysis = analysis_of(tmp_path / "exam")
    series = analysis.exam.series[0]
    names = series.blocks[0].instances
    source = read_sources([tmp_path / "exam"], {series.name: names})[series.name]
    assert isinstance(source, Source), source
    codes = np.zeros(series.blocks[0].volume.shape, np.uint16)
    codes.flat[: len(STRUCTURES)] = [structure.code for structure in STRUCTURES]
    made = make_segmentation(LabelMap(codes, names), source, SERIES, RUN)
    assert len({entry.SegmentLabel for entry in made.dataset.SegmentSequence}) == len(STRUCTURES)
    psoas = made.dataset.SegmentSequence[made.segments[5122] - 1]
    side = psoas.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence
    assert (psoas.SegmentLabel, side[0].CodeMeaning) == ("Psoas, right", "Right")
    path = tmp_path / "all.dcm"
    made.dataset.save_as(path, enforce_file_format=True)
    assert complaints(path) == []


def test_an_empty_or_unknown_label_map_is_refused(tmp_path):
    save(pictures(3), tmp_path / "exam")
    analysis = analysis_of(tmp_path / "exam")
    series = analysis.exam.series[0]
    names = series.blocks[0].instances
    source = read_sources([tmp_path / "exam"], {series.name: names})[series.name]
    assert isinstance(source, Source), source
    empty = np.zeros(series.blocks[0].volume.shape, np.uint16)
    with pytest.raises(ValueError, match="at least one"):
        make_segmentation(LabelMap(empty, names), source, SERIES, RUN)
    with pytest.raises(KeyError, match="999"):
        make_segmentation(LabelMap(empty + 999, names), source, SERIES, RUN)


def test_names_of_segments():
    assert segment_label(BY_CODE[40]) == "Vertebra of unknown level"
    assert segment_label(BY_CODE[50]) == "Sacrum"


def test_new_uids_are_new_and_valid():
    uids = {new_uid() for _ in range(5)}
    assert len(uids) == 5
    assert all(hd.UID(uid).is_valid and uid.startswith("2.25.") for uid in uids)
