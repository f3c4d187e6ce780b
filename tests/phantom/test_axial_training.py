from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from openlumbar.core.anatomy import disc_code, vertebra_code
from openlumbar.core.masks import AxialTissue
from openlumbar.core.masks import Tissue as Region
from openlumbar.phantom import (
    AxialTrainingOptions,
    axial_training_case,
    axial_training_cases,
)
from openlumbar.phantom.axial_training import axial_classes, other_training_cases
from openlumbar.phantom.canvas import Landmark

COARSE = AxialTrainingOptions(
    slices=8, pixel_mm=(1.8, 2.2), width_mm=(220.0, 260.0), p_synthetic=0.0, planes=1
)
MUSCLES = {
    AxialTissue.MULTIFIDUS: (5101, 5102),
    AxialTissue.ERECTOR_SPINAE: (5111, 5112),
    AxialTissue.PSOAS: (5121, 5122),
    AxialTissue.QUADRATUS_LUMBORUM: (5131, 5132),
}


@pytest.fixture(scope="module")
def cases():
    return list(axial_training_cases(np.random.default_rng(11), COARSE))


def test_slices_of_one_anatomy_hold_every_class_between_them(cases):
    assert len(cases) == 8
    assert set(np.unique([case.label.max() for case in cases])) <= set(range(9))
    assert set(np.unique(np.concatenate([case.label.ravel() for case in cases]))) == set(range(9))
    assert len({case.level for case in cases}) > 2


def test_pictures_and_truth_share_a_grid(cases):
    for case in cases:
        assert case.image.shape == case.label.shape == case.codes.shape == case.fat.shape
        assert (case.image.dtype, case.label.dtype) == (np.uint8, np.uint8)
        assert (case.codes.dtype, case.fat.dtype) == (np.uint16, np.uint8)
        assert 1.8 <= case.pixel_mm <= 2.2
        assert case.image.std() > 8


def test_a_muscles_class_goes_with_its_codes_of_either_side(cases):
    for case in cases:
        for tissue, codes in MUSCLES.items():
            assert np.array_equal(case.label == tissue, np.isin(case.codes, codes))


def test_columns_run_to_the_patients_left_and_rows_backward(cases):
    seen = 0
    for case in cases:
        if not {5101, 5102} <= set(np.unique(case.codes)):
            continue
        left, right = (np.argwhere(case.codes == code)[:, 1].mean() for code in (5101, 5102))
        assert left > right
        front = np.isin(case.label, (AxialTissue.BODY, AxialTissue.DISC))
        if front.any() and (case.label == AxialTissue.SAC).any():
            rows = [np.argwhere(m)[:, 0].mean() for m in (front, case.label == AxialTissue.SAC)]
            assert rows[0] < rows[1]
            seen += 1
    assert seen > 2


def test_regions_of_the_sagittal_network_become_axial_classes():
    regions = np.arange(8, dtype=np.uint8)
    classes = axial_classes(np.zeros(8, np.uint16), regions)
    expected = {
        Region.BACKGROUND: AxialTissue.BACKGROUND,
        Region.BODY: AxialTissue.BODY,
        Region.POSTERIOR: AxialTissue.POSTERIOR,
        Region.DISC: AxialTissue.DISC,
        Region.CANAL: AxialTissue.SAC,
        Region.S1: AxialTissue.BODY,
        Region.S2: AxialTissue.BODY,
        Region.SACRUM: AxialTissue.POSTERIOR,
    }
    assert {int(region): int(c) for region, c in zip(regions, classes, strict=True)} == expected


def test_tilts_reach_what_is_asked_for_and_stay_near_the_disc():
    options = replace(COARSE, slices=24, p_parallel=0.0, p_plain=0.0, pixel_mm=(12.0, 14.0))
    tilts = [case.tilt_deg for case in axial_training_cases(np.random.default_rng(2), options)]
    assert min(tilts) < -20
    assert max(tilts) > 30
    assert max(np.abs(tilts)) <= 45


def test_pictures_are_never_larger_than_asked():
    options = replace(COARSE, pixel_mm=(0.4, 0.5), width_mm=(300.0, 320.0), most_pixels=64)
    case = axial_training_case(np.random.default_rng(3), options)
    assert max(case.image.shape) == 64
    assert case.pixel_mm > 4


def test_the_same_state_gives_the_same_slice_and_only_chosen_contrasts_come(cases):
    again = axial_training_case(np.random.default_rng(11), COARSE)
    assert np.array_equal(again.image, cases[0].image)
    assert (again.contrast, again.level, again.tilt_deg) == (
        cases[0].contrast,
        cases[0].level,
        cases[0].tilt_deg,
    )
    options = replace(COARSE, contrasts={"water": 1.0}, pixel_mm=(6.0, 7.0))
    made = list(axial_training_cases(np.random.default_rng(1), options))
    assert {case.contrast for case in made} == {"water"}


def discs_of_five() -> list[str]:
    return ["T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1", "S1-S2"]


def test_positions_count_discs_and_agree_with_what_is_painted():
    usual = replace(COARSE.anatomy, lumbar_count=5, transition="none")
    options = replace(COARSE, slices=24, p_parallel=1.0, p_plain=0.0, anatomy=usual)
    codes = {name: disc_code(name) for name in discs_of_five()}
    seen = 0
    for case in axial_training_cases(np.random.default_rng(5), options):
        assert case.level == discs_of_five()[int(np.clip(round(case.position), 0, 6))] or (
            case.position < -0.5
        )
        discs = [name for name, code in codes.items() if (case.codes == code).sum() > 100]
        if abs(case.position - round(case.position)) < 0.05 and len(discs) == 1:
            assert discs == [case.level]
            seen += 1
        assert (case.lumbar_count, case.transition) == (5, "none")
    assert seen > 2


def test_six_lumbar_vertebrae_put_the_sacrum_one_lower():
    six = replace(COARSE.anatomy, lumbar_count=6, transition="none")
    options = replace(COARSE, slices=24, pixel_mm=(8.0, 9.0), anatomy=six)
    cases = list(axial_training_cases(np.random.default_rng(6), options))
    assert {round(case.position) for case in cases if case.level == "L6-S1"} == {6}
    assert {case.lumbar_count for case in cases} == {6}


def test_kidneys_lie_high_and_iliac_wings_low():
    options = replace(COARSE, width_mm=(300.0, 320.0), slices=30)
    cases = list(axial_training_cases(np.random.default_rng(12), options))
    kidneys = [case.position for case in cases if case.kidney]
    wings = [case.position for case in cases if case.ilium]
    assert len(kidneys) > 3
    assert len(wings) > 3
    assert max(kidneys) < 4.5
    assert min(wings) > 2.5
    assert all(case.ilium for case in cases if case.position > 5)
    # Wings and kidneys are seen where nothing with a code is.
    assert not any((case.landmarks[case.codes > 0] != Landmark.NONE).any() for case in cases)


def test_pictures_of_no_level_are_coronal_sagittal_thoracic_or_below_the_sacrum():
    options = replace(COARSE, slices=30)
    cases = list(other_training_cases(np.random.default_rng(4), options))
    without = [case for case in cases if np.isnan(case.position)]
    assert {case.level for case in without} == {""}
    # Sagittal and coronal ones cut several vertebrae; axial ones two at most.
    vertebrae = [vertebra_code(f"L{n}") for n in range(1, 6)]
    cut = [sum((case.codes == code).any() for code in vertebrae) for case in without]
    assert sum(count > 2 for count in cut) > 5
    assert sum(count == 0 for count in cut) > 5
    above = [case for case in cases if not np.isnan(case.position)]
    assert above
    assert all(-3 <= case.position <= -0.5 for case in above)
    assert {case.level[:2] for case in above} <= {"T9", "T1"}
