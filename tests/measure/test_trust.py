"""Uncertainty, confidence and flags against what is known of made-up masks."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL, disc_code, vertebra_code
from openlumbar.core.levels import LevelRow
from openlumbar.core.measurement import RULER
from openlumbar.core.metrics import METRICS
from openlumbar.core.volume import Volume
from openlumbar.measure import edges, placement, trust
from openlumbar.measure.reading import Reading, Stroke
from openlumbar.measure.view import BlockView, view_of

ROOT = Path(__file__).parents[2]
SPACING = (4.0, 0.7, 0.7)
SHAPE = (13, 260, 150)
LUMBAR = tuple(vertebra_code(f"L{n}") for n in range(1, 6))
L3 = vertebra_code("L3")


def _row(code: int, confidence: float = 0.9, flags: tuple[str, ...] = ()) -> LevelRow:
    structure = BY_CODE[code]
    return LevelRow(
        series="made", block=0, slice=6, instance="", structure=structure.kind, label=code,
        level=structure.name, disc_level="", level_confidence=confidence, x_mm=0, y_mm=0,
        z_mm=0, source="sacrum", flags=flags,
    )  # fmt: skip


def _blocks(turn_deg: float = 0.0, lean_deg: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and bodies: five boxes one above the other, arches and a canal behind.

    ``turn_deg`` of the spine about the head-foot axis, ``lean_deg`` about the front-back one.
    """
    s, r, c = (
        (index - (size - 1) / 2) * step
        for index, size, step in zip(np.indices(SHAPE), SHAPE, SPACING, strict=True)
    )
    turn, lean = np.radians([turn_deg, lean_deg])
    s, c = s * np.cos(turn) - c * np.sin(turn), s * np.sin(turn) + c * np.cos(turn)
    s, r = s * np.cos(lean) + r * np.sin(lean), r * np.cos(lean) - s * np.sin(lean)
    labels, bodies = np.zeros(SHAPE, np.uint16), np.zeros(SHAPE, np.uint16)
    labels[(c > 2) & (c < 16) & (np.abs(s) < 9)] = SPINAL_CANAL
    for number, code in enumerate(LUMBAR):
        here = np.abs(r - 34 * (number - 2)) < 13
        body = here & (np.abs(s) < 20) & (c > -34) & (c < 0)
        labels[body | (here & (np.abs(s) < 6) & (c > 17) & (c < 42))] = code
        bodies[body] = code
    return labels, bodies


def _view(
    rows: tuple[LevelRow, ...] = (),
    certainty: np.ndarray | None = None,
    arrays: tuple[np.ndarray, np.ndarray] | None = None,
) -> BlockView:
    labels, bodies = arrays or _blocks()
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = SPACING[2], -SPACING[1], SPACING[0], 1
    volume = Volume(labels, affine)
    return view_of(("made", 0), volume, volume.with_array(bodies), rows, certainty)


def _reading(view: BlockView, **changed: object) -> Reading:
    """The middle height of L3, from edge to edge."""
    y, x = view.parts[L3].place_mm
    ends = np.array([[y - 13.0, x], [y + 13.0, x]])
    reading = Reading(
        "vertebra", "L3", "middle_height_mm", 26.0, (L3,), 6, (Stroke(RULER, 6, ends),)
    )
    return replace(reading, **changed)


def _one(view: BlockView, **changed: object):
    (measurement,) = trust.judged(view, [_reading(view, **changed)])
    return measurement


def _soft(scale_mm: float) -> np.ndarray:
    """Certainty of a network that is unsure over a length at L3's endplates."""
    rows = (np.arange(SHAPE[1]) - (SHAPE[1] - 1) / 2) * SPACING[1]
    edge = np.minimum(np.abs(rows - 13), np.abs(rows + 13))
    sure = 1 / (1 + np.exp(-edge / scale_mm))
    return np.broadcast_to((sure * 255)[None, :, None], SHAPE).round().astype(np.uint8)


# -- edges ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scale_mm", [0.3, 0.5, 0.8])
def test_the_width_of_a_logistic_edge_is_twice_its_scale_times_ln_2(scale_mm):
    view = _view(certainty=_soft(scale_mm))
    (upper, _) = _reading(view).strokes[0].points_mm
    inside = 2 * scale_mm * np.log(2)
    assert edges.width_mm(view, 6, upper) == pytest.approx(inside, rel=0.12)


def test_a_vaguer_edge_is_less_certain():
    spreads = [_one(_view(certainty=_soft(s))).uncertainty for s in (0.2, 0.6, 1.5)]
    assert spreads == sorted(spreads)
    assert spreads[2] > 1.3 * spreads[0]


def test_uncertainty_is_in_the_value_s_unit():
    view = _view()
    one, ten = (
        _one(view, metric="rotation_deg", sensitivity=s, value=5.0).uncertainty for s in (0.3, 3.0)
    )
    assert ten == pytest.approx(10 * one)


def test_a_shift_in_common_moves_both_ends_of_a_length_and_turns_no_angle():
    view = _view()
    length = _one(view)
    angle = _one(view, metric="rotation_deg", value=1.0)
    shared = 2 * trust.COMMON_MM
    assert length.uncertainty**2 - angle.uncertainty**2 == pytest.approx(shared**2, rel=1e-3)


def test_a_mean_of_many_thicknesses_keeps_the_shift_in_common():
    view = _view()
    mean = _one(view, structure="disc", metric="height_mm", sensitivity=1e-3 * 0.4**0.5, value=9.0)
    shift = 2e-3 * trust.COMMON_MM
    assert shift < mean.uncertainty < 1.3 * shift


def test_a_grade_has_no_uncertainty():
    view = _view()
    grade = _one(view, structure="disc", level="L3-L4", metric="meyerding_grade", value=1.0,
                 sensitivity=0.0)  # fmt: skip
    assert (grade.value, grade.uncertainty) == (1.0, None)


def test_every_length_has_its_share_of_the_shift():
    lengths = {name for _, name in METRICS if name.endswith(("height_mm", "distance_mm"))}
    assert lengths <= set(trust.SHARED)
    assert set(trust.SHARED) | set(trust.CORNERS) <= {name for _, name in METRICS}
    assert set(trust.PLAUSIBLE) <= set(METRICS)


# -- confidence ----------------------------------------------------------------------------


def test_a_doubted_name_lowers_the_confidence():
    sure, unsure = (_one(_view(rows=(_row(L3, c),))).confidence for c in (0.98, 0.5))
    assert unsure == pytest.approx(sure * 0.5 / 0.98, abs=0.002)


def test_given_names_are_believed_and_a_missing_row_is_not():
    given = _one(_view()).confidence
    assert given == pytest.approx(edges.NEUTRAL_CERTAINTY)
    assert _one(_view(rows=(_row(LUMBAR[0]),))).confidence == pytest.approx(0.5 * given)


def test_the_least_sure_name_counts_where_a_number_needs_several():
    rows = tuple(_row(code, 0.9 if code != LUMBAR[0] else 0.4) for code in LUMBAR)
    view = _view(rows=rows)
    lordosis = _one(view, structure="spine", level="L1-S1", metric="lordosis_deg", value=40.0,
                    codes=(LUMBAR[0], L3))  # fmt: skip
    assert lordosis.confidence == pytest.approx(0.4 * edges.NEUTRAL_CERTAINTY)


def test_an_unsure_mask_is_flagged_and_a_blind_one_withheld():
    levels = {0.95: (), 0.65: ("low-certainty",)}
    for certainty, flags in levels.items():
        found = _one(_view(certainty=np.full(SHAPE, round(certainty * 255), np.uint8)))
        assert found.flags == flags
        assert found.confidence == pytest.approx(certainty, abs=0.01)
    blind = _one(_view(certainty=np.full(SHAPE, 110, np.uint8)))
    assert (blind.value, blind.uncertainty, blind.lines) == (None, None, ())
    assert blind.flags == ("low-certainty",)


def test_certainty_of_a_short_ruler_is_that_of_the_bodies():
    """A slip lies on an edge, where every network is unsure."""
    sure = np.full(SHAPE, 245, np.uint8)
    view = _view()
    y, x = view.parts[L3].place_mm
    ends = np.array([[y + 13.0, x], [y + 13.0, x + 2.0]])
    sure[:, round(float(ends[0, 0]) / SPACING[1]) - 1 :][:, :3] = 120
    slip = _one(
        _view(certainty=sure), structure="disc", level="L3-L4", metric="listhesis_mm",
        value=2.0, strokes=(Stroke(RULER, 6, ends),),
    )  # fmt: skip
    assert slip.flags == ()


def test_a_doubt_about_the_name_is_passed_on():
    found = _one(_view(rows=(_row(L3, 0.5, ("numbering-uncertain",)),)))
    assert found.flags == ("numbering-uncertain",)
    assert found.value is not None


# -- how the slices lie ----------------------------------------------------------------------


@pytest.mark.parametrize("turn_deg", [-20.0, -6.0, 0.0, 10.0])
def test_turn_of_the_slices_is_read_from_arches_behind_their_bodies(turn_deg):
    view = _view(arrays=_blocks(turn_deg=turn_deg))
    assert abs(placement.turn_of(view)) == pytest.approx(abs(turn_deg), abs=2.0)


def test_oblique_slices_widen_lower_flag_and_withhold_in_turn():
    found = [_one(_view(arrays=_blocks(turn_deg=t))) for t in (0.0, 10.0, 18.0, 27.0)]
    assert [m.flags for m in found] == [(), (), ("oblique-slices",), ("oblique-slices",)]
    assert [m.value is None for m in found] == [False, False, False, True]
    assert found[0].uncertainty < found[1].uncertainty < found[2].uncertainty
    assert found[2].confidence < found[0].confidence


def test_a_leaning_vertebra_is_oblique_too():
    view = _view(arrays=_blocks(lean_deg=12.0))
    assert placement.obliquity_deg(view, 0.0, _reading(view)) == pytest.approx(12.0, abs=1.5)


def test_a_slice_aside_of_the_middle_is_less_certain():
    view = _view()
    stroke = replace(_reading(view).strokes[0], slice=3)
    aside = _one(view, slice=3, strokes=(stroke,))
    assert aside.uncertainty > _one(view).uncertainty


# -- flags -----------------------------------------------------------------------------------


def test_a_ruler_on_the_picture_s_border_is_withheld():
    view = _view()
    ends = np.array([[-0.3, 40.0], [20.0, 40.0]])
    found = _one(view, strokes=(Stroke(RULER, 6, ends),))
    assert (found.value, found.flags) == (None, ("partly-in-view",))


@pytest.mark.parametrize(
    ("structure", "metric"), [key for key in trust.PLAUSIBLE if key[1] != "meyerding_grade"]
)
def test_what_no_living_spine_has_is_withheld(structure, metric):
    low, high = trust.PLAUSIBLE[structure, metric]
    view = _view()
    for value in (low - 1.0, high + 1.0):
        found = _one(view, structure=structure, metric=metric, value=value)
        assert (found.value, found.flags) == (None, ("irregular-outline",))
    inside = _one(view, structure=structure, metric=metric, value=(low + high) / 2)
    assert inside.value is not None


def test_a_withheld_reading_stays_withheld_with_its_reason():
    found = _one(_view(), value=None, flags=("neighbour-missing",))
    assert (found.value, found.flags, found.confidence) == (None, ("neighbour-missing",), 0.0)


def test_a_structure_without_height_has_no_centroid():
    view = _view()
    readings = [
        _reading(view, value=None, flags=("irregular-outline",), strokes=()),
        _reading(view, metric="centroid_x_mm", strokes=(), value=1.0),
        _reading(view, metric="centroid_x_mm", strokes=(), value=1.0, level="L2"),
    ]
    assert [m.value for m in trust.judged(view, readings)] == [None, None, 1.0]


def test_a_body_half_as_deep_as_its_neighbours_is_torn():
    labels, bodies = _blocks()
    front = np.arange(SHAPE[2]) < np.argwhere(bodies == L3)[:, 2].mean()
    for array in (labels, bodies):
        array[(array == L3) & front] = 0
    view = _view(arrays=(labels, bodies))
    assert _one(view).flags == ("irregular-outline",)
    assert _one(view, level="L2", codes=(LUMBAR[1],)).flags == ()


def test_the_order_of_names_and_the_place_of_the_canal_betray_a_wrong_header():
    labels, bodies = _blocks()
    for axis in (1, 2):
        arrays = tuple(np.flip(array, axis).copy() for array in (labels, bodies))
        found = _one(_view(arrays=arrays))
        assert (found.value, found.flags) == (None, ("upside-down",))
    assert placement.contradictions(_view()) == ()


def test_large_pixels_are_flagged_then_withheld():
    labels, bodies = _blocks()
    for pixel, held in ((2.0, False), (3.5, True)):
        affine = np.zeros((4, 4))
        affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = pixel, -pixel, 4.0, 1
        volume = Volume(labels, affine)
        view = view_of(("made", 0), volume, volume.with_array(bodies))
        found = _one(view)
        assert found.flags == ("coarse-pixels",)
        assert (found.value is None) is held


def test_lines_come_back_in_the_patient():
    (line,) = _one(_view()).lines
    (_, front, top), (_, back, bottom) = line.points_mm
    assert top - bottom == pytest.approx(26.0)
    assert front == pytest.approx(back)
    assert line.points_mm[0][0] == pytest.approx(24.0)  # slice 6 of 4 mm


def test_discs_too_small_to_be_any_are_not_measurable():
    labels, bodies = _blocks()
    code = disc_code("L3-L4")
    labels[6, 150:152, 30:60] = code
    view = _view(arrays=(labels, bodies))
    found = _one(
        view, structure="disc", level="L3-L4", metric="height_mm", value=1.4, codes=(code,)
    )
    assert (found.value, found.flags) == (None, ("not-measurable",))


def test_the_page_of_measurements_has_the_constants_of_the_code():
    page = (ROOT / "docs" / "reference" / "measurements.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| `([A-Z_0-9]+)` \| ([\d.]+) \|", page, re.M))
    assert len(documented) == 14
    assert {name: float(value) for name, value in documented.items()} == {
        name: (vars(trust) | vars(edges))[name] for name in documented
    }
    for word in trust.STANDS:
        assert f"`{word}`" in page
