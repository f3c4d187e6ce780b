"""Segmentation puts every voxel back where it came from, whatever the axes."""

import itertools

import numpy as np
import pytest

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import Tissue
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.segment import segment_sagittal
from openlumbar.segment.preprocess import neighbours, normalise, prepare
from support_models import card_for

SPACING = (3.0, 0.5, 0.5)


class Thresholds:
    """A predictor that calls bright disc, middling body and dark background."""

    card = card_for("thresholds", 0.5, divisor=32)

    def predict(self, images):
        slice_ = images[:, 0]
        chosen = np.where(slice_ > 0.8, Tissue.DISC, np.where(slice_ > 0.3, Tissue.BODY, 0))
        return (chosen[:, None] == np.arange(8)[None, :, None, None]).astype(np.float32)


def picture() -> np.ndarray:
    """``[slice, superior→inferior, anterior→posterior]`` without any symmetry."""
    array = np.zeros((4, 80, 64), np.float32)
    array[:, 10:40, 8:20] = 50
    array[1:, 50:70, 30:60] = 100
    array[3, 5:9, 50:60] = 100
    return array


def laid_out(transpose: bool, flip_j: bool, flip_i: bool) -> Volume:
    """The same anatomy stored along other axes."""
    array = picture()
    slice_mm, row_mm, column_mm = SPACING
    columns = {"i": np.array([0, column_mm, 0]), "j": np.array([0, 0, -row_mm])}
    if transpose:
        array = array.swapaxes(1, 2)
        columns = {"i": columns["j"], "j": columns["i"]}
    if flip_j:
        array, columns["j"] = array[:, ::-1], -columns["j"]
    if flip_i:
        array, columns["i"] = array[:, :, ::-1], -columns["i"]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = columns["i"], columns["j"], [-slice_mm, 0, 0]
    return Volume(np.ascontiguousarray(array), affine)


def series(volume: Volume) -> Series:
    names = tuple(str(k) for k in range(len(volume.array)))
    return Series("s", Plane.SAGITTAL, Weighting.T2, (Block(volume, names),), "nifti")


@pytest.mark.parametrize("layout", list(itertools.product([False, True], repeat=3)))
def test_masks_lie_on_the_picture_for_every_axis_order(layout):
    volume = laid_out(*layout)
    mask = segment_sagittal(series(volume), Thresholds())[0]
    expected = np.where(volume.array > 80, Tissue.DISC, np.where(volume.array > 0, Tissue.BODY, 0))
    assert np.array_equal(mask.tissue.array, expected)
    assert np.array_equal(mask.tissue.affine, volume.affine)


@pytest.mark.parametrize("layout", list(itertools.product([False, True], repeat=3)))
def test_the_network_sees_head_up_and_front_left(layout):
    volume = laid_out(*layout)
    stack, frame = prepare(volume, SPACING[1:])
    assert np.array_equal(stack, picture()[::-1] / 100)
    assert frame.spacing_mm == pytest.approx(SPACING)


def test_a_coarser_picture_keeps_the_area_of_its_structures():
    coarse = Volume(picture()[:, ::2, ::2], np.diag([0, 0, 0, 1.0]) + laid_affine(1.0))
    mask = segment_sagittal(series(coarse), Thresholds())[0].tissue.array
    disc_mm2 = (mask[2] == Tissue.DISC).sum() * 1.0
    assert disc_mm2 == pytest.approx(20 * 30 * 0.25, rel=0.1)


def laid_affine(spacing: float) -> np.ndarray:
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2] = spacing, -spacing, -3.0
    return affine


def test_neighbours_lie_near_four_millimetres_or_are_the_slice_itself():
    limits = (2.5, 4.0, 6.6)
    assert neighbours(9, 1.0, limits)[4].tolist() == [4, 0, 8]
    assert neighbours(5, 3.3, limits)[0].tolist() == [0, 0, 1]
    assert neighbours(5, 9.0, limits)[2].tolist() == [2, 2, 2]
    assert neighbours(1, 4.0, limits).tolist() == [[0, 0, 0]]


def test_an_even_picture_becomes_zero_instead_of_noise():
    assert not normalise(np.full((2, 8, 8), 7.0)).any()


def test_a_picture_too_small_to_show_a_spine_is_refused():
    small = Volume(np.zeros((1, 12, 12), np.float32), np.diag([0, 0, 0, 1.0]) + laid_affine(0.5))
    with pytest.raises(StageError, match="too small"):
        segment_sagittal(series(small), Thresholds())


def test_progress_counts_every_slice():
    seen = []
    volume = laid_out(False, False, False)
    segment_sagittal(series(volume), Thresholds(), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
