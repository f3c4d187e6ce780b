"""How muscles lie to one another, on ellipses and polygons whose numbers are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi, sqrt

import numpy as np
import pytest
from axial_samples import BODY, MUSCLES, SAC, Sample, within
from scipy.special import ellipe

from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL, UNKNOWN_VERTEBRA
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.levels import LevelRow, SliceLooks
from openlumbar.core.masks import AxialMask
from openlumbar.core.measurement import Measurement
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.measure import measure_axial
from openlumbar.measure.configuration import roundness_of
from openlumbar.measure.outline import outline_of

MARGIN, ROUNDNESS = "beyond_erector_spinae_mm", "roundness"
SHARE = "back_muscle_share_percent"
OTHER = {"left": "right", "right": "left"}

Key = tuple[str, str]


@dataclass(frozen=True)
class Painted:
    """Masks of ellipses without a picture.

    ``turn_deg`` turns the patient about the head-foot axis, ``of_spine_deg`` body and sac
    alone; ``without`` names codes that are not painted.
    """

    pixel_mm: tuple[float, float] = (0.8, 0.8)
    turn_deg: float = 0.0
    of_spine_deg: float = 0.0
    without: tuple[int, ...] = ()

    @property
    def mask(self) -> AxialMask:
        grid = Sample(pixel_mm=self.pixel_mm).grid()
        place = np.moveaxis(grid.to_patient(np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
        pieces = {
            **MUSCLES,
            UNKNOWN_VERTEBRA: BODY,
            SPINAL_CANAL: SAC,
        }
        labels = np.zeros(grid.shape, np.uint16)
        for code, piece in pieces.items():
            turn = self.turn_deg + (self.of_spine_deg if code < 5000 else 0.0)
            if code not in self.without:
                labels[within(place[0], place[1], piece, turn)] = code
        bodies = np.where(labels == UNKNOWN_VERTEBRA, labels, 0).astype(np.uint16)
        certainty = np.full(grid.shape, 255, np.uint8)
        return AxialMask(grid.with_array(labels), grid.with_array(bodies), certainty, ((),))


def series_of(mask: AxialMask, name: str = "axial", flags: tuple[str, ...] = ()) -> Series:
    picture = np.arange(mask.labels.array.size, dtype=np.float32).reshape(mask.labels.shape)
    block = Block(mask.labels.with_array(picture), ("slice",))
    return Series(name, Plane.AXIAL, Weighting.UNKNOWN, (block,), "dicom", flags=flags)


def found_in(mask: AxialMask, **options) -> dict[Key, Measurement]:
    """By metric and side, of one slice."""
    numbers = measure_axial(series_of(mask), (mask,), **options)
    return {(m.metric, m.side): m for m in numbers if m.metric in (MARGIN, ROUNDNESS, SHARE)}


def reach(code: int, turn_deg: float) -> float:
    """How far out an ellipse reaches along the left-right axis of a body turned by so much."""
    x, y, a, b = MUSCLES[code]
    turn = np.radians(turn_deg)
    sign = 1 if BY_CODE[code].side == "left" else -1
    across = sign * np.array([np.cos(turn), np.sin(turn)])
    return float(across @ (x, y - BODY[1]) + np.hypot(a * across[0], b * across[1]))


def ellipse_roundness(a: float, b: float) -> float:
    long, short = max(a, b), min(a, b)
    return 4 * pi * pi * a * b / (4 * long * ellipe(1 - (short / long) ** 2)) ** 2


@pytest.fixture(scope="module")
def usual() -> dict[Key, Measurement]:
    return found_in(Painted().mask)


# -- known shapes ---------------------------------------------------------------------------


@pytest.mark.parametrize("turn_deg", [-20.0, 0.0, 12.0])
@pytest.mark.parametrize("pixel_mm", [(0.5, 0.5), (1.0, 1.0), (0.7, 1.2)])
def test_numbers_are_those_of_the_ellipses_however_the_patient_lies(pixel_mm, turn_deg):
    found = found_in(Painted(pixel_mm, turn_deg).mask)
    assert len(found) == 6
    for code in (5131, 5132):
        side, erector = BY_CODE[code].side, code - 20
        margin = found[MARGIN, side]
        assert margin.value == pytest.approx(reach(code, 0.0) - reach(erector, 0.0), abs=0.7)
        assert abs(margin.value - reach(code, 0.0) + reach(erector, 0.0)) < 2 * margin.uncertainty
        assert (margin.structure, margin.unit, margin.flags) == ("quadratus lumborum", "mm", ())
        psoas = MUSCLES[code - 10][2:]
        assert found[ROUNDNESS, side].value == pytest.approx(ellipse_roundness(*psoas), abs=0.012)
        inner, outer = (MUSCLES[c][2] * MUSCLES[c][3] for c in (code - 30, erector))
        share = 100 * inner / (inner + outer)
        assert found[SHARE, side].value == pytest.approx(share, abs=1.0)


@pytest.mark.parametrize("turn_deg", [-25.0, 15.0])
def test_margins_lie_along_the_spine_s_own_axis_and_not_the_picture_s(turn_deg):
    found = found_in(Painted(of_spine_deg=turn_deg).mask)
    for code in (5131, 5132):
        along = reach(code, turn_deg) - reach(code - 20, turn_deg)
        assert found[MARGIN, BY_CODE[code].side].value == pytest.approx(along, abs=0.7)
        assert abs(along - reach(code, 0.0) + reach(code - 20, 0.0)) > 3.0


def test_a_margin_is_negative_where_erector_spinae_reaches_further():
    mask = Painted().mask
    labels = mask.labels.array.copy()
    labels[np.isin(labels, (5131, 5132))] = 0
    moved = np.roll(mask.labels.array, 40, axis=2)  # 32 mm to the left
    labels[moved == 5132] = 5132
    found = found_in(replace(mask, labels=mask.labels.with_array(labels)))
    assert found[MARGIN, "right"].value == pytest.approx(17 - 32, abs=0.7)


@pytest.mark.parametrize("step_mm", [0.4, 0.8])
@pytest.mark.parametrize(
    ("name", "roundness"),
    [("circle", 1.0), ("square", pi / 4), ("triangle", pi / (3 * sqrt(3))), ("bar", pi * 4 / 25)],
)
def test_roundness_of_known_shapes(name, roundness, step_mm):
    y, x = (np.indices((200, 200)) - 99.5) * step_mm
    size = 16.0
    mask = {
        "circle": np.hypot(x, y) <= size,
        "square": np.maximum(abs(x), abs(y)) <= size,
        "triangle": (y <= size) & (sqrt(3) * abs(x) <= y + 2 * size),
        "bar": (abs(x) <= 2 * size) & (abs(y) <= size / 2),
    }[name]
    found = roundness_of(outline_of(mask, (step_mm, step_mm)))
    # Smoothing takes the points off corners, by pixels; it leaves half a percent of stair-steps.
    rounded = 0.0 if name == "circle" else 0.8 * step_mm / size
    assert roundness - 0.006 < found < roundness + 0.003 + rounded


# -- storage and sides ----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["flipped columns", "flipped rows", "transposed"])
def test_the_order_of_storage_changes_nothing(usual, how):
    mask = Painted().mask

    def stored(volume: Volume) -> Volume:
        affine, array = np.array(volume.affine), volume.array
        if how == "transposed":
            affine[:, [0, 1]] = affine[:, [1, 0]]
            return Volume(array.transpose(0, 2, 1).copy(), affine)
        axis = {"flipped rows": 1, "flipped columns": 0}[how]
        affine[:3, 3] += (array.shape[2 - axis] - 1) * affine[:3, axis]
        affine[:3, axis] *= -1
        return Volume(np.flip(array, 2 - axis).copy(), affine)

    labels = stored(mask.labels)
    turned = AxialMask(labels, stored(mask.bodies), np.full(labels.shape, 255, np.uint8), ((),))
    found = found_in(turned)
    assert found.keys() == usual.keys()
    for key, number in usual.items():
        assert found[key].value == pytest.approx(number.value, abs=1e-6), key
        assert found[key].uncertainty == pytest.approx(number.uncertainty, abs=0.01), key


def test_a_mirrored_patient_has_the_sides_swapped(usual):
    mask = Painted().mask
    labels = mask.labels.array[:, :, ::-1]
    swapped = np.where(labels > 5000, labels + np.where(labels % 2, 1, -1), labels)
    found = found_in(
        replace(
            mask,
            labels=mask.labels.with_array(swapped.astype(np.uint16)),
            bodies=mask.bodies.with_array(mask.bodies.array[:, :, ::-1].copy()),
        )
    )
    for (metric, side), number in usual.items():
        assert found[metric, OTHER[side]].value == pytest.approx(number.value, abs=1e-6)


# -- what is missing ------------------------------------------------------------------------


def test_muscles_alone_tell_the_axis_too():
    alone = (UNKNOWN_VERTEBRA, SPINAL_CANAL)
    for turn_deg in (0.0, 15.0):
        found = found_in(Painted(turn_deg=turn_deg, without=alone).mask)
        assert found[MARGIN, "left"].value == pytest.approx(16.0, abs=0.8)
        assert found[MARGIN, "right"].value == pytest.approx(17.0, abs=0.8)


def test_one_side_s_muscles_alone_tell_no_axis():
    right = tuple(code for code in MUSCLES if BY_CODE[code].side == "right")
    found = found_in(Painted(without=(UNKNOWN_VERTEBRA, SPINAL_CANAL, *right)).mask)
    assert found[MARGIN, "left"].value is None
    assert found[MARGIN, "left"].flags == ("neighbour-missing",)
    assert found[ROUNDNESS, "left"].flags == found[SHARE, "left"].flags == ()


def test_a_muscle_that_one_side_lacks_is_named():
    found = found_in(Painted(without=(5112,)).mask)
    for metric in (MARGIN, SHARE):
        assert found[metric, "right"].value is None
        assert found[metric, "right"].flags == ("muscle-missing",)
        assert found[metric, "left"].flags == ()


def test_a_muscle_that_both_sides_lack_is_no_fault():
    found = found_in(Painted(without=(5131, 5132)).mask)  # as at L5-S1
    assert {metric for metric, _ in found} == {ROUNDNESS, SHARE}
    assert all(number.flags == () for number in found.values())


def cropped(mask: AxialMask, left_mm: float) -> AxialMask:
    """Without what lies further left; columns run leftward."""
    columns = int((left_mm - mask.labels.affine[0, 3]) / mask.labels.affine[0, 0] + 0.5)
    kept = slice(None, columns)
    return AxialMask(
        Volume(mask.labels.array[:, :, kept].copy(), mask.labels.affine),
        Volume(mask.bodies.array[:, :, kept].copy(), mask.bodies.affine),
        mask.certainty[:, :, kept],
        ((),),
    )


@pytest.mark.parametrize(
    ("left_mm", "flags"),
    [
        # Left psoas ends at 65, erector spinae at 62; quadratus reaches from 62 to 78.
        (69.0, {MARGIN: "partly-in-view"}),
        (64.5, {MARGIN: "partly-in-view", ROUNDNESS: "partly-in-view"}),
        (58.0, {MARGIN: "muscle-missing", ROUNDNESS: "partly-in-view", SHARE: "partly-in-view"}),
    ],
)
def test_a_cut_muscle_withholds_what_rests_on_it(left_mm, flags):
    found = found_in(cropped(Painted().mask, left_mm))
    for metric in (MARGIN, ROUNDNESS, SHARE):
        number = found[metric, "left"]
        assert (number.value is None) == (metric in flags)
        assert number.flags == ((flags[metric],) if metric in flags else ())
        assert found[metric, "right"].value is not None
        assert found[metric, "right"].flags == ()


# -- trust ----------------------------------------------------------------------------------


def test_doubts_of_either_muscle_stand_on_what_rests_on_both(usual):
    mask = Painted().mask
    unsure = np.full(mask.labels.shape, 250, np.uint8)
    unsure[mask.labels.array == 5111] = 160
    found = found_in(replace(mask, certainty=unsure))
    for metric in (MARGIN, SHARE):
        assert found[metric, "left"].flags == ("low-certainty",)
        assert found[metric, "left"].confidence == pytest.approx(160 / 255, abs=1e-3)
        assert found[metric, "left"].uncertainty > found[metric, "right"].uncertainty
        assert found[metric, "right"].flags == ()
    assert found[ROUNDNESS, "left"].flags == ()


def test_each_number_has_an_uncertainty(usual):
    for number in usual.values():
        assert number.value is not None
        assert number.uncertainty > 0
        assert number.flags == ()


def test_a_header_in_two_minds_on_the_sides_is_told_on_each():
    mask = Painted().mask
    series = series_of(mask, flags=("left-right-doubtful",))
    numbers = [m for m in measure_axial(series, (mask,)) if m.metric in (MARGIN, ROUNDNESS, SHARE)]
    assert {m.flags for m in numbers} == {("left-right-doubtful",)}


# -- what others say of the slice -----------------------------------------------------------


def look(series: str, slice_: int, **signs: float) -> SliceLooks:
    return SliceLooks(series, 0, slice_, ("L1-L2",), (1.0,), signs)


def of_slice(numbers) -> dict[str, float]:
    return {m.metric: m.value for m in numbers if m.structure == "slice" and m.slice == 0}


def test_kidney_and_ilium_are_those_of_the_slice_s_own_looks():
    mask = Painted().mask
    looks = (
        look("other", 0, kidney=0.5, ilium=0.5),
        look("axial", 0, kidney=0.9, ilium=0.02, navel=0.3),
        look("axial", 1, kidney=0.1, ilium=0.1),
    )
    found = of_slice(measure_axial(series_of(mask), (mask,), (), looks))
    assert found == {
        "tilt_deg": 0.0,
        "kidney_in_view_probability": 0.9,
        "ilium_in_view_probability": 0.02,
    }
    for silent in ((), (look("axial", 0),), (look("other", 0, kidney=0.5),)):
        assert of_slice(measure_axial(series_of(mask), (mask,), (), silent)) == {"tilt_deg": 0.0}


def test_the_place_between_the_endplates_is_told_where_it_is_known():
    mask = Painted().mask
    row = LevelRow("axial", 0, 0, "", "slice", 0, "L3", "L3-L4", 0.9, 0, 0, 0, "geometry")
    numbers = measure_axial(series_of(mask), (mask,), (replace(row, within=0.7),))
    (place,) = (m for m in numbers if m.metric == "within_level")
    assert (place.value, place.level, place.confidence) == (0.7, "L3-L4", 0.9)
    assert "within_level" not in of_slice(measure_axial(series_of(mask), (mask,), (row,)))
