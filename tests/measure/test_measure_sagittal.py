from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from openlumbar.core import anatomy
from openlumbar.core.errors import GeometryError, InputError
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.levels import LevelRow
from openlumbar.core.masks import SeriesMasks
from openlumbar.core.metrics import METRICS
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.measure import measure_sagittal
from openlumbar.measure.sagittal import read_block
from openlumbar.measure.view import view_of
from openlumbar.phantom.grids import SagittalFrame, sagittal_grid
from support_measure import painted_masks, spine_of

L1, L2, L3, L4, L5, S1 = (anatomy.vertebra_code(n) for n in ("L1", "L2", "L3", "L4", "L5", "S1"))
L3_L4, L5_S1 = anatomy.disc_code("L3-L4"), anatomy.disc_code("L5-S1")
SAGITTAL = ("vertebra", "disc", "canal", "spine")
FRAME = SagittalFrame(pixel_mm=0.9, slice_mm=4.4, slices=11, height_mm=260, width_mm=150)


def series_of(labels, name="s"):
    block = Block(labels, tuple(str(k) for k in range(labels.shape[0])))
    return Series(name, Plane.SAGITTAL, Weighting.T2, (block,), "nifti")


def measured(labels, bodies, rows=()):
    masks = SeriesMasks("s", (labels,), (bodies,))
    found = measure_sagittal(series_of(labels), masks, rows)
    return {(m.level, m.metric): m for m in found}


@pytest.fixture(scope="module")
def masks():
    spine = spine_of(3)
    return painted_masks(spine, sagittal_grid(spine, FRAME))


@pytest.fixture(scope="module")
def numbers(masks):
    return measured(*masks)


def changed(masks, change):
    """The same after ``change(labels, bodies)`` on copies of the arrays."""
    labels, bodies = (volume.array.copy() for volume in masks)
    change(labels, bodies)
    return masks[0].with_array(labels), masks[1].with_array(bodies)


def without(code):
    def change(labels, bodies):
        labels[labels == code] = 0
        bodies[bodies == code] = 0

    return change


# -- truth -----------------------------------------------------------------------------


def finer(grid, times):
    """The same slices with pixels ``times`` smaller."""
    affine = grid.affine.copy()
    affine[:3, :2] /= times
    affine[:3, 3] -= (grid.affine[:3, :2] - affine[:3, :2]).sum(1) / 2
    shape = (grid.shape[0], grid.shape[1] * times, grid.shape[2] * times)
    return Volume(np.broadcast_to(np.uint8(0), shape), affine)


@pytest.fixture(scope="module")
def errors():
    """By metric: measured on 0.6 mm pixels less measured on the contour, pixels of 0.15 mm."""
    found = defaultdict(list)
    for seed in (1, 12):
        spine = spine_of(seed)
        frame = replace(FRAME, pixel_mm=0.6, slices=1, width_mm=130, shift_mm=(0, 0.2, 0.1 * seed))
        grid = sagittal_grid(spine, frame)
        sides = []
        for planes in (grid, finer(grid, 4)):
            view = view_of(("s", 0), *painted_masks(spine, planes))
            sides.append({(r.level, r.metric): r.value for r in read_block(view)})
        for key, truth in sides[1].items():
            if truth is not None and sides[0].get(key) is not None:
                found[key[1]].append(sides[0][key] - truth)
    return found


@pytest.mark.parametrize(
    ("metric", "limit"),
    [
        ("anterior_height_mm", 0.2),
        ("middle_height_mm", 0.2),
        ("posterior_height_mm", 0.2),
        ("rotation_deg", 0.6),
        ("height_mm", 0.1),
        ("bounding_height_mm", 0.25),
        ("anterior_distance_mm", 0.25),
        ("posterior_distance_mm", 0.25),
        ("listhesis_mm", 0.3),
        ("disc_angle_deg", 0.6),
        ("segmental_angle_deg", 0.6),
        ("lordosis_deg", 0.8),
    ],
)
def test_pixels_of_06_mm_against_the_contour(errors, metric, limit):
    found = np.array(errors[metric])
    assert len(found) >= (2 if metric == "lordosis_deg" else 10)
    assert np.abs(found).mean() < limit


def test_segmental_angles_add_up_to_the_lordosis(numbers):
    levels = ("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")
    total = sum(numbers[level, "segmental_angle_deg"].value for level in levels)
    assert numbers["L1-S1", "lordosis_deg"].value == pytest.approx(total, abs=1e-9)


def test_centroids_are_means_of_the_voxels_in_the_patient(masks, numbers):
    for level, code, volume in (("L4", L4, masks[1]), ("L3-L4", L3_L4, masks[0])):
        expected = volume.to_patient(np.argwhere(volume.array == code)).mean(0)
        found = [numbers[level, f"centroid_{axis}_mm"].value for axis in "xyz"]
        assert found == pytest.approx(expected, abs=1e-6)


def test_indices_and_ratios_are_of_the_numbers_beside_them(numbers):
    def value(level, metric):
        return numbers[level, metric].value

    above, below = value("L3", "middle_height_mm"), value("L4", "middle_height_mm")
    index = value("L3-L4", "height_mm") / ((above + below) / 2)
    assert value("L3-L4", "disc_height_index") == pytest.approx(index)
    last = value("L5-S1", "height_mm") / value("L5", "middle_height_mm")
    assert value("L5-S1", "disc_height_index") == pytest.approx(last)
    back = value("L4", "posterior_height_mm")
    for metric, place in (("wedge_ratio", "anterior"), ("biconcavity_ratio", "middle")):
        assert value("L4", metric) == pytest.approx(value("L4", f"{place}_height_mm") / back)
    near = [value(level, "posterior_height_mm") for level in ("L3", "L5")]
    assert value("L4", "crush_ratio") == pytest.approx(back / np.mean(near))


def test_a_clean_exam_has_all_its_lumbar_numbers(numbers):
    lumbar = [m for (level, _), m in numbers.items() if level.startswith("L")]
    assert len(lumbar) > 90
    assert [(m.level, m.metric, m.flags) for m in lumbar if m.value is None or m.flags] == []
    expected = {key for key in METRICS if key[0] in SAGITTAL} - {("disc", "area_mm2")}
    assert {(m.structure, m.metric) for m in numbers.values()} == expected


# -- how the volume lies ---------------------------------------------------------------


def test_rulers_have_the_length_of_their_number_and_lie_in_their_slice(masks, numbers):
    names = ("_height_mm", "_distance_mm", "listhesis_mm")
    for number in numbers.values():
        if number.value is None or not number.metric.endswith(names):
            continue
        ruler = next(line for line in number.lines if line.role == "ruler")
        points = np.array(ruler.points_mm)
        length = np.linalg.norm(points[-1] - points[0])
        assert length == pytest.approx(abs(number.value), abs=1e-6), number.metric
        assert masks[0].to_index(points)[:, 0] == pytest.approx(number.slice, abs=1e-6)


def test_oblique_slices_measure_the_same_lengths(masks, numbers):
    """The whole patient turned: lengths stay, centroids turn with the patient."""
    a, b = np.radians([9.0, -12.0])
    roll = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    pitch = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    turn = np.eye(4)
    turn[:3, :3] = roll @ pitch
    turned = [Volume(volume.array, turn @ volume.affine) for volume in masks]
    found = measured(*turned)
    for key, number in numbers.items():
        metric = key[1]
        if number.value is None or metric.startswith("centroid") or metric == "rotation_deg":
            continue
        assert found[key].value == pytest.approx(number.value, abs=1e-4), key
    before = [numbers["L3", f"centroid_{axis}_mm"].value for axis in "xyz"]
    after = [found["L3", f"centroid_{axis}_mm"].value for axis in "xyz"]
    assert after == pytest.approx(turn[:3, :3] @ before, abs=1e-6)


def test_rotation_is_that_of_the_patient_not_of_the_picture(masks, numbers):
    """Slices tilted in their own plane, as when a technician aligns them to the spine."""
    b = np.radians(10.0)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(b), -np.sin(b)], [np.sin(b), np.cos(b)]]
    found = measured(*(Volume(volume.array, turn @ volume.affine) for volume in masks))
    key = ("L3", "rotation_deg")
    assert found[key].value - numbers[key].value == pytest.approx(10.0, abs=1e-6)


@pytest.mark.parametrize("flips", [(0,), (1,), (2,), (0, 1, 2)])
def test_the_order_in_memory_does_not_matter(masks, numbers, flips):
    flipped = []
    for volume in masks:
        affine = volume.affine.copy()
        for axis in flips:
            column = 2 - axis
            affine[:3, 3] += affine[:3, column] * (volume.shape[axis] - 1)
            affine[:3, column] *= -1
        flipped.append(Volume(np.flip(volume.array, flips), affine))
    found = measured(*flipped)
    assert found.keys() == numbers.keys()
    for key, number in numbers.items():
        assert found[key].flags == number.flags
        if number.value is not None:
            assert found[key].value == pytest.approx(number.value, abs=1e-3), key
    last = masks[0].shape[0] - 1
    expected = numbers["L3", "middle_height_mm"].slice
    expected = last - expected if 0 in flips else expected
    assert found["L3", "middle_height_mm"].slice == expected


def test_anisotropic_pixels():
    spine = spine_of(3)
    square = sagittal_grid(spine, replace(FRAME, pixel_mm=0.5, slices=1))
    affine = square.affine.copy()
    affine[:3, 0] *= 1.8
    affine[:3, 3] += affine[:3, 0] * 0.5 * (1 - 1 / 1.8)
    shape = (1, square.shape[1], int(square.shape[2] / 1.8))
    tall = Volume(np.broadcast_to(np.uint8(0), shape), affine)
    found, truth = (measured(*painted_masks(spine, grid)) for grid in (tall, square))
    for level in ("L1", "L2", "L3", "L4", "L5"):
        key = (level, "middle_height_mm")
        assert found[key].value == pytest.approx(truth[key].value, abs=0.5)
    assert found["L3-L4", "height_mm"].value == pytest.approx(
        truth["L3-L4", "height_mm"].value, abs=0.15
    )


def test_a_single_slice_is_measured(masks):
    middle = masks[0].shape[0] // 2
    one = []
    for volume in masks:
        affine = volume.affine.copy()
        affine[:3, 3] += affine[:3, 2] * middle
        one.append(Volume(volume.array[middle : middle + 1], affine))
    found = measured(*one)
    assert found["L3", "middle_height_mm"].value is not None
    assert found["L3", "middle_height_mm"].slice == 0


def test_a_slab_that_cuts_the_bodies_finds_the_middle_by_the_canal(masks, numbers):
    """Slices from one side to just past the middle: the body's own centre lies aside."""
    middle = numbers["L3", "middle_height_mm"].slice
    cut = []
    for volume in masks:
        affine = volume.affine.copy()
        affine[:3, 3] += affine[:3, 2] * (middle - 1)
        cut.append(Volume(volume.array[middle - 1 :], affine))
    found = measured(*cut)["L3", "middle_height_mm"]
    assert found.slice == 1
    assert found.value == pytest.approx(numbers["L3", "middle_height_mm"].value)


# -- nonsense --------------------------------------------------------------------------


def test_an_empty_mask_has_no_numbers(masks):
    empty = [volume.with_array(np.zeros_like(volume.array)) for volume in masks]
    assert measured(*empty) == {}


@pytest.mark.parametrize("size", [1, 2])
def test_a_speck_for_a_vertebra(masks, size):
    def change(labels, bodies):
        k, j, i = np.argwhere(bodies == L3).mean(0).astype(int)
        without(L3)(labels, bodies)
        labels[k, j : j + size, i : i + size] = bodies[k, j : j + size, i : i + size] = L3

    found = measured(*changed(masks, change))
    for place in ("anterior", "middle", "posterior"):
        assert found["L3", f"{place}_height_mm"].value is None
        assert found["L3", f"{place}_height_mm"].flags
    for level in ("L2-L3", "L3-L4"):
        assert found[level, "anterior_distance_mm"].value is None
        assert found[level, "listhesis_mm"].value is None
        assert found[level, "height_mm"].value is not None


def test_a_missing_disc(masks, numbers):
    found = measured(*changed(masks, without(L3_L4)))
    for metric in ("height_mm", "bounding_height_mm", "disc_height_index", "anterior_distance_mm"):
        assert found["L3-L4", metric].value is None
        assert found["L3-L4", metric].flags == ("missing-disc",)
    slip = found["L3-L4", "listhesis_mm"]
    assert slip.value == pytest.approx(numbers["L3-L4", "listhesis_mm"].value, abs=0.5)
    assert "missing-disc" in slip.flags


def test_a_missing_vertebra(masks):
    found = measured(*changed(masks, without(L3)))
    assert ("L3", "middle_height_mm") not in found
    for level in ("L2-L3", "L3-L4"):
        assert found[level, "height_mm"].value is not None
        for metric in ("anterior_distance_mm", "disc_angle_deg", "listhesis_mm"):
            assert found[level, metric].value is None
            assert "neighbour-missing" in found[level, metric].flags


def bridged(labels, bodies):
    """L3, the disc below it and L4 all carry the code of L4."""
    for array in (labels, bodies):
        array[np.isin(labels, (L3, L3_L4))] = L4
    k, j, i = np.nonzero(labels == L4)
    for slice_ in np.unique(k):
        rows, columns = j[k == slice_], i[k == slice_]
        box = np.s_[slice_, rows.min() : rows.max(), columns.min() + 8 : columns.max() - 8]
        labels[box] = bodies[box] = L4


def test_two_vertebrae_under_one_code(masks):
    found = measured(*changed(masks, bridged))
    for metric in ("anterior_height_mm", "middle_height_mm", "posterior_height_mm", "rotation_deg"):
        assert found["L4", metric].value is None
        assert "irregular-outline" in found["L4", metric].flags


def test_two_vertebrae_in_two_pieces_under_one_code(masks):
    def change(labels, bodies):
        for array in (labels, bodies):
            array[array == L3] = L4

    found = measured(*changed(masks, change))
    assert found["L4", "middle_height_mm"].value is None
    assert "irregular-outline" in found["L4", "middle_height_mm"].flags


def touching(labels, bodies):
    """The disc and the gaps beside it shared out between L3 and L4, so that they touch."""
    gap = ndimage.binary_dilation(labels == L3_L4, iterations=2) & (bodies == 0)
    gap &= labels != anatomy.SPINAL_CANAL
    seeds = np.where(np.isin(bodies, (L3, L4)), bodies, 0)
    near = ndimage.distance_transform_edt(
        seeds == 0, sampling=(50, 1, 1), return_distances=False, return_indices=True
    )
    owner = seeds[tuple(near)]
    labels[labels == L3_L4] = 0
    labels[gap], bodies[gap] = owner[gap], owner[gap]


def test_vertebrae_that_touch_are_fused(masks):
    found = measured(*changed(masks, touching))
    for level in ("L3", "L4"):
        assert found[level, "middle_height_mm"].value is None
        assert "fused" in found[level, "middle_height_mm"].flags
    assert found["L3-L4", "listhesis_mm"].value is None
    assert found["L2", "middle_height_mm"].value is not None


def row(level, code, flags, structure="vertebra"):
    return LevelRow("s", 0, 0, "", structure, code, level, "", 0.9, 0, 0, 0, "sacrum", flags)


def test_what_naming_calls_fused_is_not_measured(masks):
    found = measured(*masks, rows=[row("L2", L2, ("fused",)), row("L1", L1, ())])
    assert found["L2", "middle_height_mm"].value is None
    assert found["L2", "middle_height_mm"].flags[0] == "fused"
    assert found["L1-L2", "listhesis_mm"].value is None
    assert found["L4", "middle_height_mm"].value is not None


@pytest.mark.parametrize("axis", [1, 2], ids=["head for foot", "front for back"])
def test_upside_down_gives_no_number(masks, axis):
    wrong = [volume.with_array(np.flip(volume.array, axis).copy()) for volume in masks]
    found = measured(*wrong)
    assert found
    for number in found.values():
        assert number.value is None
        assert "upside-down" in number.flags


def test_what_naming_calls_upside_down_gives_no_number(masks):
    found = measured(*masks, rows=[row("L2", L2, ("upside-down",)), row("L1", L1, ())])
    assert found
    for number in found.values():
        assert number.value is None
        assert "upside-down" in number.flags


def test_a_body_cut_by_the_border_has_no_height(masks):
    low = np.argwhere(masks[1].array == L2)[:, 1].mean().astype(int)
    cut = []
    for volume in masks:
        affine = volume.affine.copy()
        affine[:3, 3] += affine[:3, 1] * low
        cut.append(Volume(volume.array[:, low:], affine))
    found = measured(*cut)
    assert found["L2", "middle_height_mm"].value is None
    assert "partly-in-view" in found["L2", "middle_height_mm"].flags
    assert found["L2", "centroid_z_mm"].value is None
    assert found["L2-L3", "anterior_distance_mm"].value is None
    assert found["L3", "middle_height_mm"].value is not None
    assert found["L1-S1", "lordosis_deg"].value is None
    assert "neighbour-missing" in found["L1-S1", "lordosis_deg"].flags


def test_without_a_sacrum_the_disc_gives_the_lordosis(masks, numbers):
    found = measured(*changed(masks, without(S1)))
    own, other = (n["L1-S1", "lordosis_deg"].value for n in (numbers, found))
    assert other == pytest.approx(own, abs=5)
    assert found["L5-S1", "height_mm"].value is not None
    assert found["L5-S1", "anterior_distance_mm"].value is None


def test_without_sacrum_and_last_disc_there_is_no_lordosis(masks):
    stripped = changed(changed(masks, without(S1)), without(L5_S1))
    lordosis = measured(*stripped)["L1-S1", "lordosis_deg"]
    assert lordosis.value is None
    assert lordosis.flags == ("neighbour-missing",)


def test_structures_of_unknown_level_are_not_measured(masks):
    def change(labels, bodies):
        bodies[bodies > 0] = anatomy.UNKNOWN_VERTEBRA
        labels[(labels > 60) & (labels < 110)] = anatomy.UNKNOWN_DISC
        labels[bodies > 0] = anatomy.UNKNOWN_VERTEBRA

    found = measured(*changed(masks, change))
    assert all(number.value is None for number in found.values())


def test_bodies_are_cut_out_where_none_are_given(masks, numbers):
    found = measure_sagittal(series_of(masks[0]), SeriesMasks("s", (masks[0],)))
    value = {(m.level, m.metric): m.value for m in found}["L3", "middle_height_mm"]
    assert value == pytest.approx(numbers["L3", "middle_height_mm"].value, abs=0.5)


# -- arguments -------------------------------------------------------------------------


def test_masks_of_another_grid_are_refused(masks):
    labels, bodies = masks
    other = Volume(labels.array[:, 1:], labels.affine)
    with pytest.raises(InputError, match="one grid"):
        measure_sagittal(series_of(other), SeriesMasks("s", (labels,), (bodies,)))
    with pytest.raises(InputError, match="bodies"):
        measure_sagittal(series_of(labels), SeriesMasks("s", (labels,), (other,)))
    with pytest.raises(InputError, match="certainty has 2"):
        measure_sagittal(
            series_of(labels), SeriesMasks("s", (labels,), (bodies,)), (), [labels.array] * 2
        )


def test_axial_slices_are_refused():
    axial = Volume(np.zeros((4, 5, 6), np.uint16), np.eye(4))
    with pytest.raises(GeometryError, match="axial"):
        measure_sagittal(series_of(axial), SeriesMasks("s", (axial,), (axial,)))
