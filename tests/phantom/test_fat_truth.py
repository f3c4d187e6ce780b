from __future__ import annotations

import csv
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from openlumbar.core.anatomy import SPINAL_CANAL
from openlumbar.core.volume import Volume
from openlumbar.phantom.anatomy import AnatomyRanges, sample_anatomy
from openlumbar.phantom.axial_truth import muscles_of, sacs_of
from openlumbar.phantom.grids import SliceFrame, slice_grid
from openlumbar.phantom.scene import GridSample, Scene, profile_weights
from openlumbar.phantom.tissue import Tissue


def made(tissue, other=None, mix=None, codes=None, affine=None):
    """A sample that holds what is given: ``[k, n, j, i]``."""
    tissue = np.asarray(tissue, np.uint8)
    shape = (tissue.shape[0], *tissue.shape[2:])
    zeros = np.zeros(shape, np.uint8)
    return GridSample(
        Volume(zeros, np.eye(4) if affine is None else affine),
        tissue,
        np.zeros_like(tissue) if other is None else np.asarray(other, np.uint8),
        np.zeros_like(tissue) if mix is None else np.asarray(mix, np.uint8),
        zeros.astype(np.uint16) if codes is None else np.asarray(codes, np.uint16),
        zeros,
        4.0,
    )


def column(*values):
    return np.array(values).reshape(1, -1, 1, 1)


def test_fat_is_averaged_through_the_slice_as_the_signal_is():
    sample = made(
        column(Tissue.FAT, Tissue.MUSCLE, Tissue.MUSCLE),
        column(Tissue.MUSCLE, Tissue.FAT, Tissue.LIGAMENT),
        column(51, 102, 255),
    )
    # Outer planes weigh 0.6 of 2.2: four fifths of the first, two fifths of the second.
    assert sample.fat_part()[0, 0, 0] == pytest.approx((0.6 * 0.8 + 1.0 * 0.4) / 2.2, rel=1e-6)


def test_fat_beside_fat_is_fat_and_marrow_is_none():
    both = made(column(Tissue.FAT), column(Tissue.FAT), column(100))
    assert both.fat_part()[0, 0, 0] == pytest.approx(1.0)
    marrow = made(column(Tissue.YELLOW_MARROW), column(Tissue.YELLOW_MARROW), column(100))
    assert marrow.fat_part()[0, 0, 0] == 0.0


@pytest.mark.parametrize("planes", [1, 3, 5])
def test_planes_weigh_one_together_and_the_outer_ones_less(planes):
    weights = profile_weights(planes)
    assert weights.sum() == pytest.approx(1.0)
    assert planes == 1 or weights[0] == weights[-1] == pytest.approx(0.6 * weights[planes // 2])


def test_muscles_have_the_area_fat_and_place_that_were_drawn():
    affine = np.diag([0.5, 0.8, 4.0, 1.0])
    affine[:3, 3] = (10.0, 20.0, 30.0)
    tissue = np.full((2, 1, 6, 8), Tissue.MUSCLE)
    tissue[1, 0, 2:4, 1:3] = Tissue.FAT
    codes = np.zeros((2, 6, 8))
    codes[1, 2:4, 1:5] = 5101
    codes[1, 0, 0] = 5122
    codes[1, 5, 5] = 44
    mix = np.where(tissue == Tissue.FAT, 102, 51)
    other = np.where(tissue == Tissue.FAT, Tissue.MUSCLE, Tissue.FAT)
    left, right = muscles_of([made(tissue, other, mix, codes, affine)])
    assert (left.block, left.slice, left.muscle, left.side) == (0, 1, "multifidus", "left")
    assert left.area_cm2 == pytest.approx(8 * 0.5 * 0.8 / 100)
    # Four voxels are three fifths fat, four one fifth.
    assert left.fat_fraction == pytest.approx(0.4, rel=1e-5)
    assert left.fat_over_half == pytest.approx(0.5)
    assert left.centroid_mm == pytest.approx((10 + 0.5 * 2.5, 20 + 0.8 * 2.5, 34))
    assert (right.muscle, right.side, right.area_cm2) == ("psoas", "right", pytest.approx(0.004))


@pytest.fixture(scope="module")
def straight():
    rng = np.random.default_rng(4)
    anatomy = sample_anatomy(rng, AnatomyRanges(p_scoliosis=0, p_listhesis=0))
    discs = tuple(replace(disc, stenosis=0.0) for disc in anatomy.discs)
    scene = Scene(replace(anatomy, discs=discs, scoliosis_deg=0.0, rotation_deg=0.0), rng)
    scene.canal.pear = 0.0
    return scene


@pytest.mark.parametrize("turn_deg", [0.0, 12.0])
def test_the_sac_has_the_area_and_diameters_of_its_ellipse(straight, turn_deg):
    middle = straight.spine.vertebra("L3").centre
    frame = SliceFrame(1.5, (50, 50), turn_deg=turn_deg, shift_mm=(0.0, 25.0))
    sample = straight.sample(slice_grid(middle, frame, 4.0), 4.0, planes=1)
    (sac,) = sacs_of(straight, [sample])
    profile = straight.spine.profile
    row = int(profile.rows(np.float32([middle[2]]))[0])
    # The plane is level: the sac's depth is stretched by its own tilt.
    depth = profile.sac_half_depth[row] / profile.sac_cos[row]
    width = profile.sac_half_width[row]
    assert sac.area_mm2 == pytest.approx(np.pi * width * depth, rel=0.01)
    assert sac.transverse_diameter_mm == pytest.approx(2 * width, abs=0.2)
    assert sac.ap_diameter_mm == pytest.approx(2 * depth, abs=0.2)


def test_a_slice_without_sac_has_no_row(straight):
    away = straight.spine.vertebra("L3").centre + np.array([0.0, -120.0, 0.0])
    sample = straight.sample(slice_grid(away, SliceFrame(3.0, (20, 20)), 4.0), 4.0, planes=1)
    assert not sacs_of(straight, [sample])


def test_only_axial_series_have_fat_and_muscles(phantom):
    sagittal, axial = phantom.truth.series[0], phantom.truth.series[2]
    assert (sagittal.fat, sagittal.muscles, sagittal.sacs) == ((), (), ())
    assert sagittal.codes[0].array.max() < 5000
    assert [fat.shape for fat in axial.fat] == [codes.shape for codes in axial.codes]
    assert {row.muscle for row in axial.muscles} == {
        "multifidus",
        "erector spinae",
        "psoas",
        "quadratus lumborum",
    }
    for row in axial.muscles:
        codes, fat = axial.codes[row.block], axial.fat[row.block]
        name = {"multifidus": 5101, "erector spinae": 5111, "psoas": 5121}.get(row.muscle, 5131)
        mask = codes.array[row.slice] == name + (row.side == "right")
        assert row.fat_fraction == pytest.approx(fat.array[row.slice][mask].mean() / 255, abs=2e-3)
        # LPS: x grows to the patient's left.
        assert (row.centroid_mm[0] > 0) == (row.side == "left")
    with_sac = {(n, k) for n, c in enumerate(axial.codes) for k in range(len(c.array))
                if (c.array[k] == SPINAL_CANAL).any()}  # fmt: skip
    assert {(row.block, row.slice) for row in axial.sacs} == with_sac


def test_fat_and_tables_are_written_beside_the_labels(phantom, written):
    axial = phantom.truth.series[2]
    image = nibabel.load(written / "truth" / f"{axial.series}_block-1_desc-fat.nii.gz")
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), axial.fat[0].array)
    with (written / "truth" / f"{axial.series}_muscles.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(axial.muscles)
    first, row = axial.muscles[0], rows[0]
    assert (row["block"], row["slice"]) == ("1", str(first.slice))
    assert float(row["area_cm2"]) == pytest.approx(first.area_cm2, rel=1e-4)
    assert float(row["z_mm"]) == pytest.approx(first.centroid_mm[2], abs=1e-3)
    assert (written / "truth" / f"{axial.series}_sac.csv").exists()
    assert not list((written / "truth").glob("*sagittal*_muscles.csv"))
