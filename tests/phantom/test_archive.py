from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from openlumbar.core.exam import Weighting
from openlumbar.exam import read_exam
from openlumbar.phantom import Archived, AxialSet, archive_phantom, write_phantom
from openlumbar.phantom.axial_truth import places_of
from openlumbar.phantom.geometry import place
from openlumbar.phantom.grids import AxialFrame, SliceFrame, slice_grid

MOVED_MM = (7.0, -3.0, 11.0)


@pytest.fixture(scope="module")
def series(small_options):
    few = AxialFrame(pixel_mm=4.0, slices=2, width_mm=150.0, blocks=2)
    return replace(
        small_options,
        sagittal=replace(small_options.sagittal, pixel_mm=5.0, slices=3),
        contrasts=(Weighting.T2,),
        axial=replace(few, blocks=6),
        more_axial=(AxialSet(replace(few, slices=3, width_mm=120.0), (Weighting.T1,)),),
        sacs=False,
    )


@pytest.fixture(scope="module")
def plain(series):
    return archive_phantom(1, Archived(series, backward=False, own_frames=False))


@pytest.fixture(scope="module")
def archived(series):
    return archive_phantom(1, Archived(series, moved_mm=MOVED_MM, turned_deg=(0.0, 0.0, 4.0)))


def test_a_slice_through_the_middle_of_a_disc_has_its_level(plain):
    spine = place(plain.anatomy)
    for number, name in enumerate(("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1"), 1):
        disc = next(disc for disc in spine.discs if disc.spec.name == name)
        grid = slice_grid(disc.middle, SliceFrame(shape=(20, 20)), 4.0)
        (found,) = places_of(spine, [grid])
        assert found.position == pytest.approx(number)
        assert (found.level, found.disc_level) == (name, name)
        assert found.within == pytest.approx(0.5)
        assert found.distance_mm == pytest.approx(0, abs=1e-9)


def test_a_slice_through_a_body_has_the_vertebra_and_where_in_it(plain):
    spine = place(plain.anatomy)
    third = spine.vertebra("L3")
    for part in (0.25, 0.75):
        point = third.to_patient((0.0, 0.0, third.spec.height_mm * (0.5 - part)))
        # Parallel to the vertebra in the sagittal plane; leaning as it leans.
        tilt = np.degrees(np.arctan2(-third.rotation[1, 2], third.rotation[2, 2]))
        (found,) = places_of(spine, [slice_grid(point, SliceFrame(tilt_deg=tilt), 4.0)])
        assert found.level == "L3"
        assert found.within == pytest.approx(part, abs=0.01)
        assert found.disc_level == ("L2-L3" if part < 0.5 else "L3-L4")


def test_six_blocks_are_one_a_disc_from_t12_down_and_others_have_their_own_size(plain):
    _, first, second = plain.truth.series
    names = [[row.disc_level for row in first.places if row.block == block] for block in range(6)]
    assert names == [[name] * 2 for name in ("L5-S1", "L4-L5", "L3-L4", "L2-L3", "L1-L2", "T12-L1")]
    assert {row.disc_level for row in second.places} == {"L5-S1", "L4-L5"}
    sizes = [block.volume.shape for series in plain.exam.series[1:] for block in series.blocks]
    assert len(set(sizes)) == 2


def test_a_backward_exam_is_the_same_with_its_slices_turned_round(plain, archived):
    one, other = plain.truth.series[1], archived.truth.series[1]
    assert [row.position for row in other.places] == [row.position for row in one.places[::-1]]
    assert [(row.block, row.slice) for row in other.places] == [
        (block, k) for block in range(6) for k in range(2)
    ]
    for mine, theirs in zip(other.codes, reversed(one.codes), strict=True):
        assert np.array_equal(mine.array, theirs.array[::-1])
        assert mine.affine[2, 2] < 0 < theirs.affine[2, 2]


def test_a_patient_who_moved_is_elsewhere_in_the_axial_series_alone(plain, archived):
    assert np.array_equal(
        plain.exam.series[0].blocks[0].volume.affine,
        archived.exam.series[0].blocks[0].volume.affine,
    )
    pivot = np.array(plain.truth.level("L3").centroid_mm)
    here, there = plain.exam.series[1].blocks[0], archived.exam.series[1].blocks[-1]
    before = here.volume.to_patient((0, 3, 5)) - pivot
    after = there.volume.to_patient((1, 3, 5)) - pivot - MOVED_MM
    assert np.linalg.norm(before) == pytest.approx(np.linalg.norm(after))
    turn = np.degrees(np.arctan2(after[1], after[0]) - np.arctan2(before[1], before[0]))
    assert turn == pytest.approx(4.0)
    row = archived.truth.series[1].muscles[0]
    own = archived.truth.series[1].codes[row.block].to_index(row.centroid_mm)
    assert own[0] == pytest.approx(row.slice)


def test_on_disk_series_have_frames_of_their_own_and_intake_finds_the_same_slices(
    archived, tmp_path
):
    write_phantom(archived, tmp_path)
    files = sorted((tmp_path / "dicom").rglob("*.dcm"))
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in files]
    frames = {(header.SeriesNumber, header.FrameOfReferenceUID) for header in headers}
    assert len(frames) == len({frame for _, frame in frames}) == 3
    read = read_exam([tmp_path / "dicom"])
    for mine, theirs in zip(archived.exam.series, read.series, strict=True):
        assert theirs.name == mine.name
        uids = [uid for block in mine.blocks for uid in block.instances]
        assert sorted(uids) == sorted(uid for block in theirs.blocks for uid in block.instances)
        assert len(mine.blocks) == len(theirs.blocks)
    name = archived.exam.series[1].name
    with (tmp_path / "truth" / f"{name}_levels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["disc_level"] for row in rows[:2]] == ["T12-L1", "T12-L1"]
    assert rows[0]["block"] == "1"
