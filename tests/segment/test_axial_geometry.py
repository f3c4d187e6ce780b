"""Where the parts of a section lie, how it is stood upright, and which side is left."""

from dataclasses import replace

import numpy as np
import pytest

from openlumbar.core.masks import AxialTissue
from openlumbar.segment.axial_align import (
    FRAME_MM,
    FRAME_SAC,
    FRAME_SHAPE,
    Pose,
    interpolate,
    pose_of,
)
from openlumbar.segment.landmarks import PlaneGrid, find_landmarks
from openlumbar.segment.sides import left_of_midline_mm, split_sides
from support_axial_sections import ELLIPSES, Section

SECTIONS = [
    Section(),
    Section(turn_deg=18.0, sac_mm=(12.0, -9.0)),
    Section(turn_deg=-30.0, shape=(300, 260), spacing_mm=(0.7, 0.9)),
    Section(scale=0.8, shape=(200, 200), spacing_mm=(1.2, 1.2)),
]


def grid_of(section: Section) -> PlaneGrid:
    return PlaneGrid(section.shape, section.spacing_mm)


def landmarks_of(section: Section):
    return find_landmarks(section.tissue(), grid_of(section))


@pytest.mark.parametrize("section", SECTIONS)
def test_sac_body_and_turn_are_found_where_they_were_painted(section):
    found = landmarks_of(section)
    assert found.sac == pytest.approx(section.sac_mm, abs=0.3)
    turn = np.radians(section.turn_deg)
    # The body's ellipse lies 27 mm in front of the sac's; the sac's covers none of it.
    body = np.array(section.sac_mm) - 27 * section.scale * np.array([np.cos(turn), np.sin(turn)])
    assert found.body == pytest.approx(body, abs=0.3)
    assert np.degrees(found.turn_rad) == pytest.approx(section.turn_deg, abs=2.0)


def test_without_a_sac_or_without_a_body_near_it_there_are_no_landmarks():
    sac, body = len(ELLIPSES) - 1, len(ELLIPSES) - 2
    assert landmarks_of(Section(without=(sac,))) is None
    assert landmarks_of(Section(without=(body,))) is None
    far = Section().tissue()
    far[far == AxialTissue.BODY] = 0
    far[:30, :60] = AxialTissue.BODY
    assert find_landmarks(far, grid_of(Section())) is None


def test_a_larger_structure_far_away_is_not_taken_for_the_body():
    tissue = Section().tissue()
    tissue[:60, :100] = AxialTissue.DISC
    found = find_landmarks(tissue, grid_of(Section()))
    assert found.body == pytest.approx([-27, 0], abs=0.3)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_standard_frame_shows_every_section_upright_and_at_one_place(section):
    pose = pose_of(landmarks_of(section))
    upright = pose.to_standard(section.tissue() == AxialTissue.SAC, grid_of(section))
    assert upright.shape == FRAME_SHAPE
    rows, columns = np.nonzero(upright > 0.5)
    assert [rows.mean(), columns.mean()] == pytest.approx(FRAME_SAC, abs=0.6)
    turned = replace(section, shape=FRAME_SHAPE, spacing_mm=(0.8, 0.8), turn_deg=0, sac_mm=(0, 0))
    standard = PlaneGrid(FRAME_SHAPE, (FRAME_MM, FRAME_MM))
    centred = Pose(np.zeros(2)).to_standard(turned.tissue() == AxialTissue.BODY, standard)
    body = pose.to_standard(section.tissue() == AxialTissue.BODY, grid_of(section))
    both = (body > 0.5) & (centred > 0.5)
    assert 2 * both.sum() / ((body > 0.5).sum() + (centred > 0.5).sum()) > 0.97


@pytest.mark.parametrize("pixel_mm", [FRAME_MM, 1.3])
@pytest.mark.parametrize("section", SECTIONS)
def test_to_the_standard_frame_and_back_is_where_it_was(section, pixel_mm):
    grid = grid_of(section)
    pose = Pose(np.array([5.0, -3.0]), 0.3, pixel_mm)
    rows, columns = np.mgrid[: grid.shape[0], : grid.shape[1]].astype(np.float32)
    index = pose.index_of(grid)
    for picture in (rows, columns):
        there = pose.to_standard(picture, grid, outside=np.nan)
        back = interpolate(there[None], index.reshape(2, -1)).reshape(grid.shape)
        inside = ((index > 0) & (index < np.array(pose.shape)[:, None, None] - 1)).all(0)
        known = inside & np.isfinite(back)
        assert known.sum() > 10_000
        assert np.abs(back - picture)[known].max() < 0.01


def test_pixels_of_two_grids_meet_at_their_place():
    coarse = PlaneGrid((10, 20), (2.0, 1.5), (4.0, -6.0))
    fine = PlaneGrid((64, 64), (0.5, 0.7))
    index = coarse.index_of(fine)
    place = coarse.place_mm(np.moveaxis(index, 0, -1))
    pixels = np.moveaxis(np.indices(fine.shape), 0, -1)
    np.testing.assert_allclose(place, fine.place_mm(pixels), atol=1e-4)


@pytest.mark.parametrize(
    "place", [PlaneGrid((90, 80), (0.9, 1.1), (3.0, -7.0)), Pose(np.ones(2), 0.4, 1.1)]
)
def test_a_place_leads_back_to_its_pixel(place):
    index = np.array([[0.0, 0.0], [10.5, 70.0], [33.0, 2.25]])
    np.testing.assert_allclose(place.index_at(place.place_mm(index)), index, atol=1e-9)


def test_a_patient_on_his_side_has_no_pose():
    assert pose_of(landmarks_of(Section(turn_deg=60.0))) is None
    assert pose_of(landmarks_of(Section(turn_deg=180.0))) is None


@pytest.mark.parametrize("section", SECTIONS)
def test_the_midline_parts_left_from_right_whatever_the_turn(section):
    left_mm = left_of_midline_mm(landmarks_of(section), grid_of(section))
    behind, aside = section._behind_left()
    clearly = np.abs(aside) > 4
    near = np.hypot(behind, aside) < 60
    assert ((left_mm > 0) == (aside > 0))[clearly & near].all()


def test_a_bent_midline_follows_the_spinous_process():
    section = Section(without=(9,))  # no spinous process where it usually is
    tissue = section.tissue()
    behind, aside = section._behind_left()
    lean = np.abs(aside - 0.2 * behind) < 3  # 11° to the left
    tissue[lean & (behind > 12) & (behind < 44)] = AxialTissue.POSTERIOR
    grid = grid_of(section)
    left_mm = left_of_midline_mm(find_landmarks(tissue, grid), grid)
    row = np.flatnonzero(np.abs(grid.pixels_mm()[0][:, 0] - 36) < 0.5)[0]
    middle = grid.pixels_mm()[1][0][np.flatnonzero(left_mm[row] > 0)[0]]
    assert middle == pytest.approx(0.2 * 36, abs=1.5)


def test_a_part_that_hardly_crosses_the_midline_goes_to_one_side_and_one_astride_is_cut():
    left_mm = np.broadcast_to(np.arange(-20.0, 20.0) + 0.5, (12, 40))
    mask = np.zeros((12, 40), bool)
    mask[1:4, 19:35] = True  # one of sixteen columns on the right
    mask[6:10, 14:26] = True
    left, right = split_sides(mask, left_mm)
    assert not right[:5].any()
    assert np.array_equal(left | right, mask)
    assert not (left & right).any()
    assert left[6:10, 20:26].all()
    assert right[6:10, 14:20].all()
