"""Named structures have clean outlines: no specks, no holes, each muscle on its side."""

import numpy as np
import pytest

from openlumbar.core.masks import AxialTissue
from openlumbar.segment.axial_clean import clean_slice, filled, parts_of_size
from openlumbar.segment.landmarks import PlaneGrid, find_landmarks
from support_axial_sections import Section

SECTION = Section()


def cleaned(tissue, section=SECTION):
    grid = PlaneGrid(section.shape, section.spacing_mm)
    return clean_slice(tissue, find_landmarks(tissue, grid), grid)


@pytest.mark.parametrize("section", [Section(), Section(turn_deg=20), Section(turn_deg=-28)])
def test_a_clean_section_keeps_every_pixel_and_gets_its_sides(section):
    assert np.array_equal(cleaned(section.tissue(), section).codes, section.codes())


def test_specks_are_dropped_and_holes_are_filled():
    section = Section()
    tissue = section.tissue()
    tissue[20:24, 20:24] = AxialTissue.PSOAS
    tissue[240:243, 100:103] = AxialTissue.POSTERIOR
    tissue[5:9, 150:160] = AxialTissue.SAC
    erector = np.argwhere(section.codes() == 5111).mean(0).astype(int)
    tissue[erector[0] - 3 : erector[0] + 3, erector[1] - 3 : erector[1] + 3] = 0
    assert np.array_equal(cleaned(tissue).codes, section.codes())


def test_a_hole_does_not_take_what_another_structure_holds():
    section = Section()
    tissue = section.tissue()
    row, column = np.argwhere(section.codes() == 5111).mean(0).astype(int)
    tissue[row - 4 : row + 4, column - 4 : column + 4] = AxialTissue.POSTERIOR
    assert (cleaned(tissue).codes[row - 4 : row + 4, column - 4 : column + 4] == 40).all()


def test_a_second_part_of_a_muscle_stays_only_when_it_is_large_and_near():
    tissue = SECTION.tissue()
    rows, columns = np.nonzero(SECTION.codes() == 5111)
    below = rows.max() + 4  # 3.2 mm behind the left erector spinae
    middle = int(columns.mean())
    small, large = np.zeros((2, *tissue.shape), bool)
    small[below : below + 15, middle - 12 : middle + 12] = True  # 230 mm², a fifth
    large[below : below + 25, middle - 15 : middle + 15] = True  # 480 mm²
    far = np.roll(large, 60, 1)
    for second, kept in ((small, False), (large, True), (far, False)):
        painted = np.where(second, AxialTissue.ERECTOR_SPINAE, tissue)
        assert (cleaned(painted).codes[second] == (5111 if kept else 0)).all()


def test_multifidi_that_meet_behind_the_spine_are_parted_at_the_midline():
    section = Section()
    tissue = section.tissue()
    tissue[185:200, 120:168] = AxialTissue.MULTIFIDUS
    codes = cleaned(tissue).codes
    assert (codes[186:199, 147:166] == 5101).all()
    assert (codes[186:199, 122:141] == 5102).all()


def test_body_and_disc_of_an_oblique_slice_are_both_named_and_the_body_alone_is_a_body():
    section = Section()
    tissue = section.tissue()
    column = tissue == AxialTissue.BODY
    front = np.arange(256)[:, None] < 95
    tissue[column & front] = AxialTissue.DISC
    tissue[80:82, 140:143] = AxialTissue.BODY  # an island in the disc
    result = cleaned(tissue)
    assert (result.codes[column & front] == 90).all()
    assert (result.codes[column & ~front] == 40).all()
    assert np.array_equal(result.body, column & ~front)


def test_a_kidney_taken_for_a_body_is_dropped():
    tissue = Section().tissue()
    tissue[20:60, 20:70] = AxialTissue.BODY
    assert np.array_equal(cleaned(tissue).codes, Section().codes())


def test_nothing_comes_of_nothing():
    empty = np.zeros((8, 8), bool)
    assert not filled(empty).any()
    assert not parts_of_size(empty, 1).any()
