from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from openlumbar.core.masks import Tissue
from openlumbar.phantom import TrainingCaseOptions, sagittal_training_case

COARSE = TrainingCaseOptions(
    pixel_mm=(2.0, 2.4), slices=(5, 6), height_mm=(280.0, 300.0), middle_mm=2.0, shift_mm=5.0
)


@pytest.fixture(scope="module")
def case():
    return sagittal_training_case(np.random.default_rng(7), COARSE)


def test_a_case_holds_every_class_and_a_picture(case):
    assert set(np.unique(case.regions)) == set(range(Tissue.SACRUM + 1))
    assert case.image.shape == case.regions.shape == case.codes.shape
    assert case.image.dtype == np.uint8
    assert case.image.std() > 10


def test_rows_run_downward_and_columns_backward(case):
    rows = {code: np.argwhere(case.codes == code)[:, 1].mean() for code in (42, 51)}
    assert rows[42] < rows[51]
    body, back = (
        np.argwhere(case.regions == region)[:, 2].mean()
        for region in (Tissue.BODY, Tissue.POSTERIOR)
    )
    assert body < back


def test_a_class_goes_with_its_codes(case):
    assert set(np.unique(case.codes[case.regions == Tissue.S1])) == {51}
    assert set(np.unique(case.codes[case.regions == Tissue.CANAL])) == {2}
    assert not case.codes[case.regions == Tissue.BACKGROUND].any()


def test_the_same_state_gives_the_same_case():
    tiny = replace(COARSE, pixel_mm=(6.0, 7.0), slices=(1, 1))
    one, again, other = (
        sagittal_training_case(np.random.default_rng(seed), tiny) for seed in (7, 7, 8)
    )
    assert np.array_equal(again.image, one.image)
    assert again.contrast == one.contrast
    assert not np.array_equal(other.image, one.image)
