"""What is not an axial lumbar slice is told apart, and what is doubtful says so."""

from dataclasses import replace

import numpy as np
import pytest

from openlumbar.core.flags import FLAGS
from openlumbar.core.masks import AxialTissue
from openlumbar.segment.axial_clean import clean_slice
from openlumbar.segment.landmarks import PlaneGrid, find_landmarks
from openlumbar.segment.recognise import (
    NOT_A_SLICE,
    RULES,
    UPSIDE_DOWN,
    Reading,
    Traits,
    broken_rules,
    doubts,
    is_lumbar,
    traits_of,
)
from support_axial_sections import ELLIPSES, Section

NUMBERS = {
    tissue: tuple(n for n, ellipse in enumerate(ELLIPSES) if ellipse[0] == tissue)
    for tissue in range(1, 9)
}


def reading_of(section: Section, certainty: float = 0.95) -> Reading | None:
    grid = PlaneGrid(section.shape, section.spacing_mm)
    tissue = section.tissue()
    landmarks = find_landmarks(tissue, grid)
    if landmarks is None:
        return None
    clean = clean_slice(tissue, landmarks, grid)
    return Reading(clean, np.full(section.shape, certainty, np.float32), landmarks, grid)


def broken(section: Section, certainty: float = 0.95) -> set[str]:
    return {rule.trait for rule in broken_rules(traits_of(reading_of(section, certainty)))}


@pytest.mark.parametrize("turn_deg", [0, 20, -30])
@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_a_section_of_a_small_or_large_patient_at_any_turn_is_lumbar(turn_deg, scale):
    reading = reading_of(Section(turn_deg=turn_deg, scale=scale, shape=(320, 360)))
    assert is_lumbar(reading)
    assert doubts(reading) == ()


def test_traits_are_what_was_painted():
    traits = traits_of(reading_of(Section(turn_deg=10)))
    areas = {
        tissue: sum(np.pi * ELLIPSES[n][3] * ELLIPSES[n][4] for n in numbers)
        for tissue, numbers in NUMBERS.items()
    }
    assert traits.turn_deg == pytest.approx(10, abs=1)
    assert traits.gap_mm == pytest.approx(27, abs=0.3)
    assert traits.sac_mm2 == pytest.approx(areas[AxialTissue.SAC], rel=0.02)
    assert traits.column_mm2 == pytest.approx(areas[AxialTissue.BODY], rel=0.02)
    beside = areas[AxialTissue.PSOAS] + areas[AxialTissue.QUADRATUS_LUMBORUM]
    assert traits.beside_mm2 == pytest.approx(beside, rel=0.02)
    assert traits.certainty == pytest.approx(0.95)


def test_above_l1_there_is_neither_psoas_nor_quadratus():
    without = NUMBERS[AxialTissue.PSOAS] + NUMBERS[AxialTissue.QUADRATUS_LUMBORUM]
    assert broken(Section(without=without)) == {"beside_mm2"}


def test_a_picture_without_the_muscles_of_the_back_is_not_lumbar():
    back = NUMBERS[AxialTissue.MULTIFIDUS] + NUMBERS[AxialTissue.ERECTOR_SPINAE]
    assert broken(Section(without=back)) == {"back_mm2", "behind_mm"}


@pytest.mark.parametrize("turn_deg", [90, 180, -60])
def test_a_section_that_lies_otherwise_is_not_read(turn_deg):
    assert "turn_deg" in broken(Section(turn_deg=turn_deg))


def test_structures_of_the_wrong_size_are_of_something_else():
    assert broken(Section(scale=0.4)) >= {"column_mm2", "gap_mm"}


def test_a_wavering_network_recognises_nothing():
    assert broken(Section(), certainty=0.5) == {"certainty"}
    assert not is_lumbar(reading_of(Section(), 0.7), least_certainty=0.8)


def test_nothing_is_not_lumbar():
    assert not is_lumbar(None)


@pytest.mark.parametrize("tissue", [AxialTissue.PSOAS, AxialTissue.MULTIFIDUS])
def test_a_muscle_of_one_side_alone_is_missing_on_the_other(tissue):
    assert doubts(reading_of(Section(without=NUMBERS[tissue][:1]))) == ("muscle-missing",)


def test_multifidus_missing_on_both_sides_is_missing():
    without = NUMBERS[AxialTissue.MULTIFIDUS]
    assert doubts(reading_of(Section(without=without))) == ("muscle-missing",)


def test_no_quadratus_at_all_is_as_it_should_be_at_l5():
    without = NUMBERS[AxialTissue.QUADRATUS_LUMBORUM]
    assert doubts(reading_of(Section(without=without))) == ()


def test_one_uncertain_structure_makes_a_slice_doubtful():
    reading = reading_of(Section())
    certainty = np.where(reading.clean.codes == 5122, 0.5, 0.95).astype(np.float32)
    assert doubts(replace(reading, certainty=certainty)) == ("low-certainty",)


def test_two_looks_that_disagree_recognise_nothing():
    reading = reading_of(Section())
    assert not is_lumbar(replace(reading, agreement=0.6))


def test_a_faint_sac_makes_a_slice_doubtful_however_small_it_is():
    reading = reading_of(Section())
    certainty = np.where(reading.clean.codes == 2, 0.3, 0.95).astype(np.float32)
    assert doubts(replace(reading, certainty=certainty)) == ("low-certainty",)


def test_every_rule_is_of_a_trait_and_every_flag_is_a_word():
    assert {rule.trait for rule in RULES} == set(Traits.__dataclass_fields__)
    assert {NOT_A_SLICE, UPSIDE_DOWN, "muscle-missing", "low-certainty"} <= set(FLAGS)
