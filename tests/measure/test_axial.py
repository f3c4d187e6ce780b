"""Axial slices of ellipses: areas, places, sides, levels, and what withholds a number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from axial_samples import MUSCLES, Made, Sample, made

from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL, UNKNOWN_DISC
from openlumbar.core.errors import GeometryError, InputError
from openlumbar.core.exam import Weighting
from openlumbar.core.levels import LevelRow
from openlumbar.core.measurement import Measurement
from openlumbar.core.volume import Volume
from openlumbar.measure import measure_axial

FAT = "fat_fraction_partial_volume_percent"


def measured(sample: Made, rows=()) -> tuple[Measurement, ...]:
    return measure_axial(sample.series, (sample.mask,), rows)


def by_key(numbers) -> dict[tuple[str, str, str], Measurement]:
    found = {(m.structure, m.side, m.metric): m for m in numbers}
    assert len(found) == len(numbers)
    return found


@pytest.fixture(scope="module")
def usual() -> Made:
    return made(Sample())


@pytest.fixture(scope="module")
def numbers(usual) -> dict[tuple[str, str, str], Measurement]:
    return by_key(measured(usual))


# -- areas and places -----------------------------------------------------------------------


@pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (0.7, 1.3)])
def test_areas_are_those_of_the_ellipses(pixel_mm):
    sample = made(Sample(pixel_mm=pixel_mm, noise=0.0))
    found = by_key(measured(sample))
    for code, (_, _, a, b) in MUSCLES.items():
        number = found[BY_CODE[code].name, BY_CODE[code].side, "csa_cm2"]
        pixels = np.count_nonzero(sample.mask.labels.array == code)
        assert number.value == pytest.approx(pixels * pixel_mm[0] * pixel_mm[1] / 100)
        assert number.value == pytest.approx(np.pi * a * b / 100, rel=0.03)
        assert number.unit == "cm2"
    assert found["dural sac", "", "area_mm2"].value == pytest.approx(np.pi * 70, rel=0.03)


def test_centroids_are_in_the_patient(numbers):
    for code, (x, y, _, _) in MUSCLES.items():
        name, side = BY_CODE[code].name, BY_CODE[code].side
        place = [numbers[name, side, f"centroid_{axis}_mm"].value for axis in "xyz"]
        assert place == pytest.approx([x, y, 0.0], abs=0.3)
    assert numbers["dural sac", "", "centroid_y_mm"].value == pytest.approx(24, abs=0.3)
    assert numbers["vertebra", "", "centroid_y_mm"].value == pytest.approx(-5, abs=0.3)


def test_asymmetry_is_of_the_larger_side(numbers):
    left, right = (numbers["psoas", side, "csa_cm2"].value for side in ("left", "right"))
    assert left > right
    assert numbers["psoas", "", "asymmetry_percent"].value == pytest.approx(
        100 * (left - right) / left
    )


def test_muscles_are_set_beside_the_disc_where_there_is_one(numbers):
    assert ("psoas", "left", "muscle_to_disc_ratio") not in numbers
    found = by_key(measured(made(Sample(ahead=UNKNOWN_DISC))))
    disc = found["disc", "", "area_mm2"].value
    assert disc == pytest.approx(np.pi * 24 * 17, rel=0.03)
    ratio = found["psoas", "left", "muscle_to_disc_ratio"].value
    assert ratio == pytest.approx(found["psoas", "left", "csa_cm2"].value * 100 / disc)


def test_a_clean_picture_carries_no_flag_but_that_clusters_are_none():
    for fat in (0.05, 0.4):
        for number in measured(made(Sample(fat=fat, seed=3))):
            if number.metric.endswith(("otsu_percent", "mixture_percent")):
                assert number.flags in ((), ("fat-not-separated",))
            else:
                assert number.flags == (), number
                assert number.value is not None
                assert number.metric == "tilt_deg" or number.uncertainty > 0
                assert 0 < number.confidence <= 1


# -- sides and storage ----------------------------------------------------------------------


def _mirrored(sample: Made) -> Made:
    """The other way round in the patient: right is left."""
    swapped = sample.mask.labels.array.copy()
    for code in MUSCLES:
        swapped[sample.mask.labels.array == code] = code + (1 if code % 2 else -1)
    labels = sample.mask.labels.with_array(swapped[:, :, ::-1].copy())
    bodies = sample.mask.bodies.with_array(sample.mask.bodies.array[:, :, ::-1].copy())
    return sample.with_picture(sample.picture[:, :, ::-1].copy()).with_mask(
        labels=labels, bodies=bodies
    )


def test_a_mirrored_patient_has_the_sides_swapped(usual, numbers):
    found = by_key(measured(_mirrored(usual)))
    other = {"left": "right", "right": "left", "": ""}
    for (structure, side, metric), number in numbers.items():
        twin = found[structure, other[side], metric]
        assert twin.flags == number.flags
        if metric.endswith("x_mm"):
            assert twin.value == pytest.approx(-number.value, abs=1e-9)
        elif metric.startswith(("fat", "lean")):  # the field's fit is not bit for bit
            assert twin.value == pytest.approx(number.value, abs=1.5)
        else:
            assert twin.value == pytest.approx(number.value, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("axes", ["flipped", "transposed"])
def test_the_order_of_storage_changes_nothing(usual, numbers, axes):
    def stored(volume: Volume, array=None) -> Volume:
        array = volume.array if array is None else array
        affine = np.array(volume.affine)
        if axes == "transposed":
            affine[:, [0, 1]] = affine[:, [1, 0]]
            return Volume(array.transpose(0, 2, 1).copy(), affine)
        affine[:3, 3] += (array.shape[2] - 1) * affine[:3, 0]
        affine[:3, 0] *= -1
        return Volume(array[:, :, ::-1].copy(), affine)

    mask = usual.mask
    block = replace(usual.series.blocks[0], volume=stored(usual.series.blocks[0].volume))
    turned = replace(
        mask,
        labels=stored(mask.labels),
        bodies=stored(mask.bodies),
        certainty=stored(mask.labels, mask.certainty).array,
    )
    found = by_key(measure_axial(replace(usual.series, blocks=(block,)), (turned,)))
    assert found.keys() == numbers.keys()
    for key, number in numbers.items():
        near = 1.5 if key[2].startswith(("fat", "lean")) else 1e-6
        assert found[key].value == pytest.approx(number.value, abs=near), key


# -- the slice ------------------------------------------------------------------------------


@pytest.mark.parametrize("tilt_deg", [-12.0, 0.0, 30.0, 40.0])
def test_tilt_is_positive_where_the_front_is_lower(tilt_deg):
    found = by_key(measured(made(Sample(tilt_deg=tilt_deg))))
    assert found["slice", "", "tilt_deg"].value == pytest.approx(tilt_deg, abs=1e-6)
    oblique = ("oblique-slices",) if abs(tilt_deg) > 35 else ()
    assert found["psoas", "left", "csa_cm2"].flags == oblique
    assert found["psoas", "left", FAT].flags == ()  # a fraction is the same in any plane
    assert found["psoas", "left", "csa_cm2"].value is not None


def test_coarse_pixels_give_no_area():
    found = by_key(measured(made(Sample(pixel_mm=(3.2, 3.2)))))
    assert found["psoas", "left", "csa_cm2"].value is None
    assert "coarse-pixels" in found["psoas", "left", "csa_cm2"].flags


def test_a_cut_muscle_has_no_area_and_its_neighbours_have(usual):
    left = slice(None, 264 - 70)  # columns run leftward
    cropped = usual.with_picture(usual.picture[:, :, left].copy()).with_mask(
        labels=Volume(usual.mask.labels.array[:, :, left].copy(), usual.mask.labels.affine),
        bodies=Volume(usual.mask.bodies.array[:, :, left].copy(), usual.mask.bodies.affine),
        certainty=usual.mask.certainty[:, :, left],
    )
    found = by_key(measured(cropped))
    for metric in ("csa_cm2", "lean_csa_cm2", "centroid_x_mm"):
        number = found["erector spinae", "left", metric]
        assert number.value is None
        assert number.flags == ("partly-in-view",)
    assert found["erector spinae", "", "asymmetry_percent"].value is None
    assert found["erector spinae", "right", "csa_cm2"].flags == ()


def test_a_rim_of_zeros_cuts_as_the_border_does(usual):
    picture = usual.picture.copy()
    picture[:, :, 264 - 70 :] = 0
    found = by_key(measured(usual.with_picture(picture)))
    assert found["erector spinae", "left", "csa_cm2"].flags == ("partly-in-view",)
    assert found["erector spinae", "right", "csa_cm2"].flags == ()


# -- the stage's own doubts -----------------------------------------------------------------


def test_flags_of_the_slice_stand_on_its_numbers(usual):
    doubted = usual.with_mask(flags=(("low-certainty", "muscle-missing"),))
    number = by_key(measured(doubted))["dural sac", "", "area_mm2"]
    assert number.flags == ("low-certainty",)
    assert number.value is not None


def test_nothing_is_given_of_a_slice_that_lies_upside_down(usual):
    for number in measured(usual.with_mask(flags=(("upside-down",),))):
        assert number.value is None
        assert number.lines == ()
        assert "upside-down" in number.flags


def test_a_header_in_two_minds_is_told_on_numbers_with_a_side_alone(usual):
    series = replace(usual.series, flags=("left-right-doubtful",))
    for number in measured(replace(usual, series=series)):
        assert ("left-right-doubtful" in number.flags) == bool(number.side)


def test_what_the_network_is_unsure_of_is_flagged_then_withheld(usual):
    sure = np.full(usual.mask.certainty.shape, 250, np.uint8)
    psoas, sac = usual.mask.labels.array == 5121, usual.mask.labels.array == SPINAL_CANAL
    sure[psoas], sure[sac] = 160, 100
    found = by_key(measured(usual.with_mask(certainty=sure)))
    doubted = found["psoas", "left", "csa_cm2"]
    assert doubted.flags == ("low-certainty",)
    assert doubted.confidence == pytest.approx(160 / 255, abs=1e-3)
    assert found["dural sac", "", "ap_diameter_mm"].value is None
    assert doubted.uncertainty > found["psoas", "right", "csa_cm2"].uncertainty


def test_a_missing_side_is_named(usual):
    labels = usual.mask.labels.array.copy()
    labels[labels == 5122] = 0
    found = by_key(measured(usual.with_mask(labels=usual.mask.labels.with_array(labels))))
    assert found["psoas", "right", "csa_cm2"].flags == ("muscle-missing",)
    assert found["psoas", "", "asymmetry_percent"].value is None
    assert found["psoas", "left", "csa_cm2"].flags == ()


# -- levels ---------------------------------------------------------------------------------


def _row(slice_: int, level: str, disc: str, confidence: float) -> LevelRow:
    return LevelRow(
        "axial", 0, slice_, "", "slice", 0, level, disc, confidence, 0.0, 0.0, 0.0, "geometry"
    )


def test_a_level_takes_the_slice_that_lies_best_in_its_disc():
    sample = made(Sample(slices=4, ahead=UNKNOWN_DISC, pixel_mm=(1.5, 1.5)))
    labels = sample.mask.labels.array.copy()
    first = np.argwhere(labels[2] == 5121)[:80]
    labels[2][tuple(first.T)] = 0  # another area on slice 2
    sample = sample.with_mask(labels=sample.mask.labels.with_array(labels))
    rows = [
        _row(0, "L4", "L4-L5", 0.99),
        _row(1, "L4-L5", "L4-L5", 0.8),
        _row(2, "L4-L5", "L4-L5", 0.9),
        _row(3, "", "", 0.0),
    ]
    found = [m for m in measured(sample, rows) if m.structure == "psoas" and m.side == "left"]
    areas = {m.slice: m for m in found if m.metric == "csa_cm2"}
    assert [areas[k].level for k in (0, 1, 2, 3)] == ["L4-L5"] * 3 + [""]
    assert areas[None].level == "L4-L5"
    assert areas[None].value == areas[2].value < areas[1].value
    assert areas[None].confidence == pytest.approx(0.9 * 0.9, abs=1e-3)  # mask and name
    assert {m.metric for m in found if m.slice is None} == {m.metric for m in found if m.slice == 2}

    equal = [replace(row, level_confidence=0.9) for row in rows[:3]]
    at_level = [m for m in measured(sample, equal) if m.slice is None and m.metric == "csa_cm2"]
    value = next(m.value for m in at_level if (m.structure, m.side) == ("psoas", "left"))
    assert value == pytest.approx((areas[1].value + areas[2].value) / 2)


def test_rows_of_other_series_and_without_a_level_name_nothing(usual):
    rows = [replace(_row(0, "L4-L5", "L4-L5", 1.0), series="other"), _row(0, "", "", 0.0)]
    assert {m.level for m in measured(usual, rows)} == {""}
    assert None not in {m.slice for m in measured(usual, rows)}


# -- what cannot be measured ----------------------------------------------------------------


def test_a_slice_without_anything_gives_no_number():
    sample = made(Sample(slices=3, pixel_mm=(1.5, 1.5)))
    labels = sample.mask.labels.array.copy()
    labels[1] = 0
    found = measured(sample.with_mask(labels=sample.mask.labels.with_array(labels)))
    assert {m.slice for m in found} == {0, 2}
    nothing = sample.with_mask(labels=sample.mask.labels.with_array(np.zeros_like(labels)))
    assert measured(nothing) == ()


def test_single_pixels_are_no_muscles(usual):
    labels = np.zeros_like(usual.mask.labels.array)
    for n, code in enumerate((*MUSCLES, SPINAL_CANAL)):
        labels[0, 60 + n, 60 + 3 * n] = code
    for number in measured(usual.with_mask(labels=usual.mask.labels.with_array(labels))):
        if number.structure not in ("slice", "vertebra"):
            assert number.value is None
            assert "not-measurable" in number.flags


@pytest.mark.parametrize("value", [0.0, 700.0, np.nan])
def test_a_picture_without_anything_in_it_gives_no_number(usual, value):
    for number in measured(usual.with_picture(np.full_like(usual.picture, value))):
        assert number.value is None or number.metric == "tilt_deg"


def test_holes_without_numbers_do_not_matter(usual, numbers):
    picture = usual.picture.copy()
    picture[0, 100:103, 100:103] = np.nan
    found = by_key(measured(usual.with_picture(picture)))
    assert found["psoas", "left", FAT].value == pytest.approx(
        numbers["psoas", "left", FAT].value, abs=1.0
    )


def test_pure_noise_gives_no_fat(usual):
    noise = np.random.default_rng(1).rayleigh(30, usual.picture.shape).astype(np.float32)
    for number in measured(usual.with_picture(noise)):
        if number.metric.startswith(("fat", "lean")):
            assert number.value is None
            assert number.flags == ("fat-not-separated",)


def test_scattered_pixels_are_irregular(usual):
    labels = usual.mask.labels.array.copy()
    rng = np.random.default_rng(0)
    where = rng.random(labels.shape) < 0.05
    labels[labels == 5121] = 0
    labels[where & (labels == 0)] = 5121
    number = by_key(measured(usual.with_mask(labels=usual.mask.labels.with_array(labels))))
    assert number["psoas", "left", "csa_cm2"].value is None
    assert "irregular-outline" in number["psoas", "left", "csa_cm2"].flags


def test_what_does_not_fit_is_refused(usual):
    with pytest.raises(InputError, match="1 blocks, but 0 masks"):
        measure_axial(usual.series, ())
    with pytest.raises(InputError, match="certainty"):
        measured(usual.with_mask(certainty=usual.mask.certainty[:, 1:]))
    with pytest.raises(InputError, match="flags"):
        measured(usual.with_mask(flags=()))
    fractions = usual.mask.labels.with_array(usual.mask.labels.array.astype(float))
    with pytest.raises(InputError, match="whole numbers"):
        measured(usual.with_mask(labels=fractions))
    affine = np.array(usual.mask.labels.affine)[:, [2, 1, 0, 3]]
    volume = Volume(usual.picture, affine)
    block = replace(usual.series.blocks[0], volume=volume)
    with pytest.raises(GeometryError, match="only axial"):
        measure_axial(replace(usual.series, blocks=(block,)), (usual.mask,))


def test_other_contrasts_have_areas_and_no_fat():
    for weighting in (Weighting.STIR, Weighting.UNKNOWN):
        sample = made(Sample())
        found = by_key(measured(sample.with_picture(sample.picture, weighting)))
        assert found["psoas", "left", FAT].value is None
        assert found["psoas", "left", FAT].flags == ("fat-not-separated",)
        assert found["psoas", "left", "csa_cm2"].flags == ()
