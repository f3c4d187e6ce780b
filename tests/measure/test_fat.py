"""Fat of muscles: mixtures of known fraction, pictures of known fat, and what withholds it."""

from __future__ import annotations

import numpy as np
import pytest
from axial_samples import MUSCLES, Sample, made
from scipy import ndimage

from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.exam import Weighting
from openlumbar.measure import measure_axial
from openlumbar.measure.artefacts import band_of
from openlumbar.measure.axial_slice import AxialSlice, seen_of
from openlumbar.measure.brightness import body_of
from openlumbar.measure.fat import k_means, mixture, otsu, partial_volume

PREFIX = "fat_fraction_"


def voxels(fraction: float, spread: float = 0.08, count: int = 4000, seed: int = 0) -> np.ndarray:
    """Muscle at 0 and fat at 1, with noise."""
    rng = np.random.default_rng(seed)
    fat = np.arange(count) < round(fraction * count)
    return fat + rng.normal(0, spread, count)


# -- mixtures ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [k_means, otsu, mixture])
@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.8])
def test_two_clear_clusters_are_told_apart(method, fraction):
    found = method(voxels(fraction))
    assert found.fraction == pytest.approx(fraction, abs=0.005)
    assert found.separated
    assert (found.lower, found.upper) == pytest.approx((0, 1), abs=0.05)


def test_anchors_hold_k_means_where_fat_is_scarce():
    lean = voxels(0.0, spread=0.25)
    over_half = float((lean > 0.5).mean())
    assert k_means(lean).fraction < 2 * over_half
    assert k_means(lean, weight=0.0).fraction > 0.3  # both means within muscle
    assert otsu(voxels(0.0, spread=0.12)).fraction > 0.2
    for method in (otsu, mixture):
        assert not method(voxels(0.0, spread=0.12)).separated


def test_a_lump_between_muscle_and_fat_is_not_two_clusters():
    rng = np.random.default_rng(1)
    for method in (otsu, mixture):
        assert not method(rng.normal(0.4, 0.1, 3000)).separated


@pytest.mark.parametrize("fraction", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("spread", [0.02, 0.2])
def test_noise_does_not_pass_for_fat(fraction, spread):
    found = partial_volume(voxels(fraction, spread, 20000), spread)
    assert found == pytest.approx(fraction, abs=0.004)


def test_what_no_noise_explains_is_cut():
    some = np.zeros(1000)
    some[:20] = 5.0  # a vessel with inflow
    assert partial_volume(some, 0.05) == pytest.approx(0.02 * 1.15)


def test_partial_volume_averages_streaks_that_clusters_cannot_see():
    rng = np.random.default_rng(2)
    fine = 0.3 + rng.normal(0, 0.05, 5000)
    assert partial_volume(fine, 0.05) == pytest.approx(0.3, abs=0.002)
    assert k_means(fine).fraction < 0.01


@pytest.mark.parametrize("method", [k_means, otsu, mixture])
def test_few_and_equal_voxels_are_no_trouble(method):
    for some in (np.zeros(2), np.ones(5), np.array([0.0, 1.0])):
        assert 0 <= method(some).fraction <= 1


# -- pictures --------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", [Weighting.T1, Weighting.T2])
@pytest.mark.parametrize("fat", [0.08, 0.25, 0.5])
def test_pictures_of_known_fat(weighting, fat):
    sample = made(Sample(fat=fat, weighting=weighting, seed=7))
    found = {
        (m.structure, m.side, m.metric): m for m in measure_axial(sample.series, (sample.mask,))
    }
    errors = {"kmeans": [], "partial_volume": []}
    for code in MUSCLES:
        name, side = BY_CODE[code].name, BY_CODE[code].side
        exact, over_half = sample.fraction(code)
        for method, truth in (("kmeans", over_half), ("partial_volume", exact)):
            number = found[name, side, f"{PREFIX}{method}_percent"]
            errors[method].append(number.value - truth)
            assert abs(number.value - truth) <= 3 * number.uncertainty
        whole = found[name, side, "csa_cm2"].value
        part = found[name, side, f"{PREFIX}partial_volume_percent"].value
        lean = found[name, side, "lean_csa_cm2"]
        assert lean.value == pytest.approx(whole * (1 - part / 100))
    assert np.abs(errors["partial_volume"]).mean() <= 2.0
    if fat > 0.1:
        assert np.abs(errors["kmeans"]).mean() <= 3.0


def test_a_coil_that_falls_off_quickly_does_not_make_fat():
    """Lean muscle in the back is then brighter than fat in front of it."""
    sample = made(Sample(fat=0.2, bias=0.4, weighting=Weighting.T1, seed=5))
    found = measure_axial(sample.series, (sample.mask,))
    fat = [m.value for m in found if m.metric == f"{PREFIX}partial_volume_percent"]
    assert np.abs(np.array(fat) - 20).mean() <= 5


def test_clusters_of_lean_muscle_are_flagged_and_not_reported():
    sample = made(Sample(fat=0.001, noise=20.0))
    for m in measure_axial(sample.series, (sample.mask,)):
        if m.metric in (f"{PREFIX}otsu_percent", f"{PREFIX}mixture_percent"):
            # A single streak of true fat may stand apart all the same.
            assert m.value is None or m.value < 1
            assert m.flags == (("fat-not-separated",) if m.value is None else ())
        if m.metric == f"{PREFIX}kmeans_percent":
            assert m.value < 1


def test_fat_no_brighter_than_muscle_is_not_told():
    """A water picture that calls itself T1."""
    sample = made(Sample(weighting=Weighting.STIR))
    for m in measure_axial(
        sample.with_picture(sample.picture, Weighting.T1).series, (sample.mask,)
    ):
        if m.metric.startswith((PREFIX, "lean")):
            assert m.value is None
            assert m.flags == ("fat-not-separated",)


# -- artefacts -------------------------------------------------------------------------------


def _numbers(sample) -> dict:
    found = measure_axial(sample.series, (sample.mask,))
    return {(m.structure, m.side, m.metric): m for m in found}


def test_a_dark_band_withholds_the_fat_of_what_it_crosses():
    sample = made(Sample(fat=0.2))
    picture = sample.picture.copy()
    rows = slice(100, 118)  # through multifidus and erector spinae
    picture[:, rows] *= 0.4
    found = _numbers(sample.with_picture(ndimage.gaussian_filter(picture, (0, 1.0, 0))))
    for muscle in ("multifidus", "erector spinae"):
        for side in ("left", "right"):
            assert found[muscle, side, f"{PREFIX}kmeans_percent"].value is None
            assert "dark-band" in found[muscle, side, f"{PREFIX}kmeans_percent"].flags
            area = found[muscle, side, "csa_cm2"]
            assert area.value is not None
            assert area.flags == ("dark-band",)
    assert found["psoas", "left", "csa_cm2"].flags == ()
    assert found["psoas", "left", f"{PREFIX}partial_volume_percent"].value is not None


def _rows_behind(sample) -> np.ndarray:
    """``[row, 1]``: how far behind the magnet's middle each row of the first slice lies, mm."""
    rows = sample.picture.shape[1]
    return np.arange(rows)[:, None] - (rows - 1) / 2 + 10


@pytest.mark.parametrize("edge_mm", [1.0, 4.0])
@pytest.mark.parametrize("behind_mm", [-10.0, 2.0])
def test_nothing_is_told_of_fat_in_front_of_a_saturation_band_s_edge(behind_mm, edge_mm):
    sample = made(Sample(fat=0.2))
    left = 0.08 + 0.92 / (1 + np.exp(-(_rows_behind(sample) - behind_mm) / edge_mm))
    noise = np.random.default_rng(2).normal(0, 12, sample.picture.shape)
    found = _numbers(sample.with_picture(np.abs(sample.picture * left + noise)))
    for side in ("left", "right"):
        psoas = found["psoas", side, f"{PREFIX}partial_volume_percent"]
        assert psoas.value is None
        assert "dark-band" in psoas.flags
        assert found["multifidus", side, f"{PREFIX}partial_volume_percent"].flags == ()


def _slice_of(sample) -> AxialSlice:
    labels, bodies = sample.mask.labels, sample.mask.bodies.array[0]
    picture = sample.picture[0]
    return AxialSlice(0, labels.array[0], bodies, None, picture, seen_of(picture), labels)


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_a_wide_edge_of_tissue_is_no_band(factor):
    """A step nearly all across, but for the fat under the skin of both flanks."""
    sample = made(Sample(fat=0.2))
    columns = np.abs(np.arange(264) - 131.5)
    body = body_of(sample.picture[0], seen_of(sample.picture[0]))
    for half_mm, banded in ((70, False), (130, True)):  # the body is 190 mm wide there
        step = np.where((_rows_behind(sample) > 58) & (columns < half_mm), factor, 1.0)
        slice_ = _slice_of(sample.with_picture((sample.picture * step).astype(np.float32)))
        assert band_of(slice_, body).any() == banded


def test_ghosts_beside_the_body_are_told():
    sample = made(Sample(fat=0.2, width_mm=350.0))
    trunk = ndimage.gaussian_filter(sample.picture, (0, 2, 2))
    for strength, flags in ((0.02, ()), (0.12, ("motion",))):
        ghost = strength * np.roll(trunk, 60, axis=2)
        found = _numbers(sample.with_picture(sample.picture + ghost))
        number = found["psoas", "left", f"{PREFIX}partial_volume_percent"]
        assert number.flags == flags
        assert found["psoas", "left", "csa_cm2"].flags == ()
    found = _numbers(sample.with_picture(sample.picture + 0.5 * np.roll(trunk, 60, axis=2)))
    assert found["psoas", "left", f"{PREFIX}kmeans_percent"].value is None


def test_uncertainty_covers_the_error():
    away = []
    for seed in range(4):
        weighting = (Weighting.T1, Weighting.T2)[seed % 2]
        sample = made(Sample(fat=0.1 + 0.1 * seed, weighting=weighting, seed=seed, bias=0.2))
        found = _numbers(sample)
        for code in MUSCLES:
            name, side = BY_CODE[code].name, BY_CODE[code].side
            number = found[name, side, f"{PREFIX}partial_volume_percent"]
            away.append(abs(number.value - sample.fraction(code)[0]) / number.uncertainty)
    assert np.mean(np.array(away) <= 2) >= 0.9
    assert np.mean(np.array(away) <= 0.05) < 0.5  # nor is it boundless
