"""Bodies split from whole vertebrae, against the phantom's own bodies."""

from __future__ import annotations

import numpy as np
import pytest

from openlumbar.core.anatomy import SPINAL_CANAL, vertebra_code
from openlumbar.core.errors import StageError
from openlumbar.core.masks import Tissue
from openlumbar.core.volume import Volume
from openlumbar.imaging.frame import frame_of
from openlumbar.measure.body import split_bodies
from openlumbar.phantom import sample_anatomy
from openlumbar.phantom.grids import SagittalFrame, sagittal_grid
from openlumbar.phantom.scene import Scene

LUMBAR = tuple(vertebra_code(f"L{n}") for n in range(1, 6))
BODIES = (Tissue.BODY, Tissue.S1, Tissue.S2)


def _truth(seed: int, frame: SagittalFrame) -> tuple[Volume, Volume]:
    """Codes and bodies of a phantom's spine."""
    rng = np.random.default_rng(seed)
    scene = Scene(sample_anatomy(rng), rng)
    grid = sagittal_grid(scene.spine, frame)
    sample = scene.sample(grid, 1.0, planes=1)
    bodies = np.where(np.isin(sample.regions, BODIES), sample.codes, 0)
    return Volume(sample.spine, grid.affine), Volume(bodies, grid.affine)


@pytest.fixture(scope="module")
def spine() -> tuple[Volume, Volume]:
    return _truth(1, SagittalFrame(pixel_mm=0.9, slice_mm=4.4, slices=15, turn_deg=6.0))


def _dice(split: Volume, truth: Volume, code: int) -> float:
    one, two = split.array == code, truth.array == code
    return 2 * float((one & two).sum()) / float(one.sum() + two.sum())


def _back_edge_mm(split: Volume, truth: Volume) -> float:
    """Mean distance of the lumbar bodies' last voxel behind the true one, row by row."""
    frame = frame_of(truth)
    errors = []
    for code in LUMBAR:
        one, two = (frame.canonical(v.array == code) for v in (split, truth))
        both = one.any(2) & two.any(2)
        last = [m.shape[2] - m[..., ::-1].argmax(2) for m in (one, two)]
        errors.append(np.abs(last[0] - last[1])[both])
    return float(np.concatenate(errors).mean() * frame.spacing_mm[2])


@pytest.mark.parametrize(
    ("seed", "frame"),
    [
        (2, SagittalFrame(pixel_mm=0.9, slice_mm=4.4, slices=15)),
        (3, SagittalFrame(pixel_mm=1.0, slice_mm=2.0, slices=30, turn_deg=-8.0)),
    ],
)
def test_bodies_are_those_of_the_phantom(seed, frame):
    codes, bodies = _truth(seed, frame)
    split = split_bodies(codes)
    assert min(_dice(split, bodies, code) for code in LUMBAR) >= 0.97
    assert _back_edge_mm(split, bodies) <= 1.0


def test_any_order_of_axes_gives_the_same_bodies(spine):
    codes, _ = spine
    turned = codes.array.transpose(2, 0, 1)[:, ::-1, :]
    affine = codes.affine.copy()
    # New (i, j, k) are the old (j, k reversed, i).
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = (codes.affine[:3, n] for n in (1, 2, 0))
    affine[:3, 3] += affine[:3, 1] * (codes.shape[0] - 1)
    affine[:3, 1] *= -1
    split = split_bodies(Volume(turned, affine))
    expected = split_bodies(codes).array.transpose(2, 0, 1)[:, ::-1, :]
    np.testing.assert_array_equal(split.array, expected)


@pytest.mark.parametrize("kept", ["above", "below", "both ends", "middle slice"])
def test_a_canal_with_gaps_is_carried_on(spine, kept):
    codes, bodies = spine
    frame = frame_of(codes)
    array = codes.array.copy()
    canal = frame.canonical(array == SPINAL_CANAL)
    slices, rows = (np.flatnonzero(canal.any(axes)) for axes in ((1, 2), (0, 2)))
    third = np.array_split(rows, 3)
    lost = np.zeros_like(canal)
    if kept == "middle slice":
        lost[np.setdiff1d(np.arange(len(lost)), slices[len(slices) // 2])] = True
    else:
        lost[:, {"above": third[2], "below": third[0], "both ends": third[1]}[kept]] = True
    frame.canonical(array)[canal & lost] = 0
    split = split_bodies(codes.with_array(array))
    assert min(_dice(split, bodies, code) for code in LUMBAR) >= 0.93


def test_without_canal_the_gap_behind_the_bodies_tells(spine):
    codes, bodies = spine
    split = split_bodies(codes.with_array(np.where(codes.array == SPINAL_CANAL, 0, codes.array)))
    assert min(_dice(split, bodies, code) for code in LUMBAR) >= 0.93


def test_bodies_alone_stay_as_they_are(spine):
    _, bodies = spine
    np.testing.assert_array_equal(split_bodies(bodies).array, bodies.array)


def test_arches_on_some_vertebrae_and_no_canal_is_one_clear_error(spine):
    codes, bodies = spine
    kept = np.isin(codes.array, LUMBAR[1:3])
    with pytest.raises(StageError, match="no spinal canal"):
        split_bodies(codes.with_array(np.where(kept, codes.array, bodies.array)))


def test_nothing_in_nothing_out(spine):
    codes, _ = spine
    empty = split_bodies(codes.with_array(np.zeros_like(codes.array)))
    assert empty.array.dtype == np.uint16
    assert not empty.array.any()


def test_specks_in_front_do_not_become_bodies(spine):
    codes, bodies = spine
    array = codes.array.copy()
    frame_of(codes).canonical(array)[7, 40:44, 2:6] = vertebra_code("L3")
    split = split_bodies(codes.with_array(array))
    assert _dice(split, bodies, vertebra_code("L3")) >= 0.96
