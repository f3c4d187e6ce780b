from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from openlumbar.core.errors import OptionError
from openlumbar.core.exam import Weighting
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.exam import read_exam
from openlumbar.phantom import PhantomOptions, make_phantom, write_phantom
from openlumbar.phantom.acquire import Scanner, acquire, sample_scanner
from openlumbar.phantom.anatomy import AnatomyRanges, sample_anatomy
from openlumbar.phantom.grids import (
    AxialFrame,
    SliceFrame,
    axial_blocks,
    disc_curve,
    slice_grid,
)
from openlumbar.phantom.scene import GridSample, Scene
from openlumbar.phantom.tissue import SEQUENCES, Tissue, fat_share, tissue_signals

PIXEL_MM = 2.0
#: Neither falloff nor bias nor noise, so that what is left can be told exactly.
IDEAL = Scanner(blur_mm=0.0, coil_mm=1e9, bias=0.0, noise=0.0, phase="ROW")
EVEN = np.ones(len(Tissue), np.float32)
#: All tissue alike, and black air.
SOLID = np.where(np.arange(len(Tissue)) == Tissue.AIR, 0, EVEN).astype(np.float32)


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(4)
    return Scene(sample_anatomy(rng, AnatomyRanges(p_scoliosis=0)), rng)


@pytest.fixture(scope="module")
def sample(scene):
    frame = SliceFrame(pixel_mm=PIXEL_MM, shape=(60, 50), shift_mm=(0.0, 40.0))
    return scene.sample(slice_grid(scene.spine.vertebra("L3").centre, frame, 4.0), 4.0, planes=1)


def imaged(scene, sample, scanner, signals=EVEN):
    return acquire(scene, sample, signals, scanner, np.random.default_rng(0))[0]


def drawn(scene, tissue):
    """A sample of one slice that holds what is drawn, ahead of the spine of a scene."""
    frame = SliceFrame(pixel_mm=1.0, shape=tissue.shape, shift_mm=(0.0, -120.0))
    grid = slice_grid(scene.spine.vertebra("L3").centre, frame, 4.0)
    nothing = np.zeros((1, 1, *tissue.shape), np.uint8)
    blank = np.zeros((1, *tissue.shape), np.uint8)
    codes = blank.astype(np.uint16)
    return GridSample(grid, tissue[None, None], nothing, nothing, codes, blank, 4.0)


def square(tissue=Tissue.FAT):
    picture = np.zeros((48, 64), np.uint8)
    picture[20:28, 12:20] = tissue
    return picture


def test_the_coil_has_half_its_sensitivity_at_its_depth(scene, sample):
    image = imaged(scene, sample, replace(IDEAL, coil_mm=40.0))
    y = sample.grid.to_patient([(0, row, 25) for row in range(60)])[:, 1]
    z = float(sample.grid.affine[2, 3])
    skin = float(scene.spine.profile.skin_y[scene.spine.profile.rows(np.float32([z]))[0]])
    at_skin, deep = (np.interp(skin - depth, y, image[:, 25]) for depth in (0.0, 40.0))
    assert deep / at_skin == pytest.approx(0.5, abs=0.03)


def test_falloff_that_is_evened_out_is_gone_and_leaves_the_noise_of_the_depth(scene, sample):
    flat = imaged(scene, sample, replace(IDEAL, coil_mm=40.0, evened=1.0))
    assert np.ptp(flat) < 0.06
    noisy = imaged(scene, sample, replace(IDEAL, coil_mm=40.0, evened=1.0, noise=0.02))
    assert noisy[:15].std() > 1.5 * noisy[-15:].std()


def test_a_band_takes_the_front_alone_and_leaves_what_it_should(scene, sample):
    band = replace(IDEAL, saturation_mm=10.0, saturation_edge_mm=2.0, saturation_left=0.1)
    image = imaged(scene, sample, band)
    y = sample.grid.to_patient([(0, row, 25) for row in range(60)])[:, 1]
    third = scene.spine.vertebra("L3")
    edge = third.centre[1] - third.spec.depth_mm / 2 - 10
    assert np.allclose(image[y > edge + 12], 1.0, atol=0.02)
    assert np.allclose(image[y < edge - 12], 0.1, atol=0.02)
    # The edge is straight across the picture.
    assert np.allclose(image, image[:, :1], atol=1e-5)


@pytest.mark.parametrize(("phase", "axis"), [("ROW", 1), ("COL", 0)])
def test_tissue_beyond_the_field_of_view_folds_over_along_the_phase(scene, sample, phase, axis):
    image = imaged(scene, sample, replace(IDEAL, wrap_mm=6 * PIXEL_MM, phase=phase))
    along = np.moveaxis(image, axis, 0)
    middle = along[20, 20]
    assert np.allclose(along[[0, 5, -6, -1]], 2 * middle, rtol=1e-4)
    assert np.allclose(along[6:-6], middle, rtol=1e-4)


@pytest.mark.parametrize(("phase", "axis"), [("ROW", 1), ("COL", 0)])
@pytest.mark.parametrize(
    ("artefact", "tissue"), [("breathing", Tissue.FAT), ("pulsation", Tissue.VESSEL)]
)
def test_ghosts_run_along_the_phase_and_nowhere_else(scene, artefact, tissue, phase, axis):
    sample = drawn(scene, square(tissue))
    clean = imaged(scene, sample, replace(IDEAL, phase=phase), SOLID)
    ghosts = imaged(scene, sample, replace(IDEAL, phase=phase, **{artefact: 0.3}), SOLID)
    changed = np.abs(ghosts - clean).max(axis=axis) > 0.01
    inside = clean.max(axis=axis) > 0.01
    assert changed[inside].any()
    # The lumen of a vessel has a soft edge.
    assert not changed[~ndimage.binary_dilation(inside, iterations=4)].any()
    aside = np.moveaxis(ghosts, axis, 0)[40:]
    assert aside.max() > 0.02


def test_fat_is_shifted_along_the_frequency_and_muscle_stays(scene):
    scanner = replace(IDEAL, chemical_shift_mm=3.0, phase="COL")
    for tissue, expected in ((Tissue.FAT, 3.0), (Tissue.MUSCLE, 0.0)):
        sample = drawn(scene, square(tissue))
        before, after = (
            imaged(scene, sample, one, SOLID) for one in (replace(IDEAL, phase="COL"), scanner)
        )
        moved = [np.average(np.arange(64), weights=image.sum(0)) for image in (before, after)]
        assert moved[1] - moved[0] == pytest.approx(expected, abs=0.01)


def test_leaving_out_phase_steps_rings_along_the_phase(scene):
    sample = drawn(scene, square())
    whole, cut = (
        imaged(scene, sample, replace(IDEAL, acquired=part), SOLID) for part in (1.0, 0.5)
    )
    assert whole[24, 23:].max() < 1e-3
    assert cut[24, 23:].max() > 0.02
    assert np.abs(cut[:18] - whole[:18]).max() < 0.02


def test_noise_is_rician_of_the_given_size(scene):
    image = imaged(scene, drawn(scene, square()), replace(IDEAL, noise=0.05), SOLID)
    air = image[:, 30:]
    assert air.mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.05)


def test_a_default_scanner_has_no_artefact_and_axial_ones_have_all_of_them():
    scanner = Scanner()
    assert not any((scanner.breathing, scanner.pulsation, scanner.wrap_mm, scanner.evened))
    assert (scanner.acquired, scanner.chemical_shift_mm) == (1.0, 0.0)
    rng = np.random.default_rng(0)
    drawn_ = [sample_scanner(rng, Plane.AXIAL) for _ in range(300)]
    assert 0.5 < np.mean([np.isfinite(one.saturation_mm) for one in drawn_]) < 0.7
    for name in ("breathing", "pulsation", "wrap_mm", "evened", "ghost"):
        assert 0.02 < np.mean([getattr(one, name) > 0 for one in drawn_]) < 0.6, name


def test_sagittal_scanners_are_drawn_without_axial_artefacts():
    rng = np.random.default_rng(0)
    assert not any(sample_scanner(rng).breathing for _ in range(50))


# -- contrasts ----------------------------------------------------------------------------


def test_a_gradient_echo_at_the_ernst_angle_has_the_signal_of_theory():
    flip = np.degrees(np.arccos(np.exp(-650 / 950)))
    sequence = replace(SEQUENCES[Weighting.T2_STAR], tr_ms=650.0, te_ms=0.0, flip_deg=flip)
    kept = np.exp(-650 / 950)
    # At the Ernst angle the steady state is sqrt((1 - E) / (1 + E)).
    expected = 0.8 * np.sqrt((1 - kept) / (1 + kept))
    assert tissue_signals(sequence)[Tissue.MUSCLE] == pytest.approx(expected, rel=1e-5)


def test_trabecular_bone_loses_most_on_a_gradient_echo():
    echo = tissue_signals(SEQUENCES[Weighting.T2_STAR])
    late = tissue_signals(replace(SEQUENCES[Weighting.T2_STAR], te_ms=25.0))
    left = late / np.maximum(echo, 1e-9)
    assert left[Tissue.YELLOW_MARROW] < 0.7 * left[Tissue.FAT]


@pytest.mark.parametrize("weighting", [Weighting.T1, Weighting.T2])
def test_water_and_fat_pictures_share_the_signal_between_them(weighting):
    pictures = {
        name: tissue_signals(replace(SEQUENCES[weighting], chemical=name))
        for name in ("in phase", "water", "fat", "opposed")
    }
    assert np.allclose(pictures["water"] + pictures["fat"], 1.03 * pictures["in phase"])
    assert pictures["water"][Tissue.FAT] < 0.05 * pictures["fat"][Tissue.FAT]
    assert pictures["fat"][Tissue.MUSCLE] < 0.05 * pictures["water"][Tissue.MUSCLE]
    opposed = pictures["in phase"] * (1 - 2 * fat_share())
    assert np.allclose(pictures["opposed"], opposed)


def test_a_voxel_of_opposed_water_and_fat_is_dark(scene):
    signals = tissue_signals(replace(SEQUENCES[Weighting.T1], chemical="opposed"))
    fat, muscle = -signals[Tissue.FAT], signals[Tissue.MUSCLE]
    sample = drawn(scene, square())
    part = np.where(sample.tissue == Tissue.FAT, round(255 * fat / (fat + muscle)), 0)
    mixed = replace(sample, mix=part.astype(np.uint8), other=np.full_like(sample.other, 3))
    reference = drawn(scene, np.roll(square(), 30, axis=1))
    both = replace(mixed, tissue=np.maximum(mixed.tissue, reference.tissue))
    image = imaged(scene, both, IDEAL, signals)
    assert image[24, 16] < 0.03
    assert image[24, 46] > 0.9


def test_a_low_field_shortens_t1_so_that_t1_weighted_muscle_gains_on_fat():
    high, low = (
        tissue_signals(replace(SEQUENCES[Weighting.T1], field_t=field)) for field in (1.5, 0.4)
    )
    assert low[Tissue.MUSCLE] / low[Tissue.FAT] > 1.1 * high[Tissue.MUSCLE] / high[Tissue.FAT]


# -- exams --------------------------------------------------------------------------------


def test_a_stack_goes_from_l1_to_s2(scene):
    (grid,) = axial_blocks(scene.spine, AxialFrame(stack=True, slice_mm=2.0))
    assert grid.plane is Plane.AXIAL
    low, high = grid.to_patient([(-0.5, 0, 0), (grid.shape[0] - 0.5, 0, 0)])[:, 2]
    for end, name in ((low, "S2"), (high, "L1")):
        placed = scene.spine.vertebra(name)
        border = placed.to_patient((0.0, 0.0, placed.spec.height_mm / 2))[2]
        assert end == pytest.approx(border, abs=grid.spacing_mm[0] / 2)


def test_contrasts_of_a_stack_are_series_of_one_block_on_one_grid(small_options):
    axial = AxialFrame(stack=True, slice_mm=40.0, pixel_mm=5.0)
    contrasts = (Weighting.T1, Weighting.T2)
    options = replace(small_options, contrasts=(), axial=axial, axial_contrasts=contrasts)
    exam = make_phantom(3, options).exam
    assert tuple(series.weighting for series in exam.series) == contrasts
    (one,), (two,) = (series.blocks for series in exam.series)
    assert np.array_equal(one.volume.affine, two.volume.affine)


def test_dixon_pictures_stand_beside_the_first_and_are_read_as_what_they_are(
    small_options, tmp_path
):
    options = replace(
        small_options,
        contrasts=(),
        axial=AxialFrame(pixel_mm=6.0, slices=1, blocks=1),
        axial_chemical=("water", "fat"),
    )
    phantom = make_phantom(1, options)
    weightings = [series.weighting for series in phantom.exam.series]
    assert weightings == [Weighting.T2, Weighting.T2_FAT_SAT, Weighting.T2]
    write_phantom(phantom, tmp_path)
    read = read_exam([tmp_path / "dicom"])
    assert [series.weighting for series in read.series] == weightings[:2]
    assert [left.reason for left in read.left_out] == ["a fat image"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"contrasts": (), "axial_contrasts": ()}, "axial_contrasts"),
        ({"axial_chemical": ("silicone",)}, "silicone"),
        ({"axial_chemical": ("water",), "axial_contrasts": ("STIR",)}, "neither"),
    ],
)
def test_exams_that_cannot_be_made_are_refused(wrong, named):
    with pytest.raises(OptionError, match=named):
        PhantomOptions(**wrong)


def test_the_curve_through_the_discs_leans_forward_at_the_sacrum(scene):
    curve = disc_curve(scene.spine)
    last = curve.names.index("L5-S1") if "L5-S1" in curve.names else -3
    assert curve.tilts_deg[last] > 10 > curve.tilts_deg[curve.names.index("L1-L2")]
    between = curve.at(last - 0.5)
    assert np.allclose(between, (curve.centres[last - 1] + curve.centres[last]) / 2)


def test_a_slice_goes_through_its_point_with_its_tilt(scene):
    point = scene.spine.vertebra("L4").centre
    grid = slice_grid(point, SliceFrame(1.0, (30, 40), 25.0, 3.0, 4.0, (5.0, -7.0)), 4.0)
    normal = grid.affine[:3, 2] / 4.0
    assert abs(normal @ (grid.affine[:3, 3] - point)) < 1e-9
    assert np.degrees(np.arctan2(-normal[1], normal[2])) == pytest.approx(25.0)
    assert isinstance(grid, Volume)
    # The front of a tilted slice lies lower than its back.
    front, back = grid.to_patient([(0, 0, 20), (0, 29, 20)])
    assert front[2] < back[2]
