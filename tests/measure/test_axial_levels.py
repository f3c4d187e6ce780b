"""Which slice's numbers stand for a disc level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from axial_samples import Made, Sample, made

from openlumbar.core.anatomy import UNKNOWN_DISC
from openlumbar.core.exam import Weighting
from openlumbar.core.levels import LevelRow
from openlumbar.core.measurement import Measurement
from openlumbar.measure import measure_axial
from openlumbar.measure.axial_levels import OF_NAMES, at_levels


def row(slice_: int, level: str, disc: str, confidence: float = 0.9, **more) -> LevelRow:
    made = LevelRow("axial", 0, slice_, "", "slice", 0, level, disc, confidence, 0, 0, 0, "both")
    return replace(made, **more)


def number(slice_: int, value: float | None, block: int = 0, **more) -> Measurement:
    made = Measurement(
        "axial", block, "psoas", "", "csa_cm2", value, 0.1, 0.8, slice_, "left",
        () if value is not None else ("partly-in-view",),
    )  # fmt: skip
    return replace(made, **more)


def levels_of(numbers, rows) -> dict[str, Measurement]:
    """The psoas of each level."""
    found = at_levels(numbers, {(r.block, r.slice): r for r in rows})
    return {m.level: m for m in found if m.slice is None and m.metric == "csa_cm2"}


def chosen(numbers, rows) -> list[tuple[str, int, int | None]]:
    found = at_levels(numbers, {(r.block, r.slice): r for r in rows})
    return [(m.level, m.block, m.slice) for m in found if m.metric == "chosen_for_level"]


AREAS = [number(k, 10.0 + k) for k in range(4)]


def test_the_best_slice_stands_for_its_disc_whatever_its_confidence():
    rows = [
        row(0, "L4-L5", "L4-L5", 0.95),
        row(1, "L4-L5", "L4-L5", 0.7, best=True),
        row(2, "L5", "L5-S1", 0.6, best=True),  # no slice cuts this disc
        row(3, "L5-S1", "L5-S1", 0.99),
    ]
    found = levels_of(AREAS, rows)
    assert {level: m.value for level, m in found.items()} == {"L4-L5": 11.0, "L5-S1": 12.0}
    assert chosen(AREAS, rows) == [("L4-L5", 0, 1), ("L5-S1", 0, 2)]


def test_without_a_best_one_the_surest_of_those_within_the_disc_does():
    rows = [
        row(0, "L4", "L4-L5", 0.99),
        row(1, "L4-L5", "L4-L5", 0.7),
        row(2, "L4-L5", "L4-L5", 0.8),
        row(3, "L3-L4", "L3-L4", 0.5, best=True),
    ]
    found = levels_of(AREAS, rows)
    assert (found["L4-L5"].value, found["L3-L4"].value) == (12.0, 13.0)
    assert levels_of(AREAS, rows[:1]) == {}


def test_of_several_equal_ones_the_mean_stands_and_each_is_told():
    rows = [row(k, "L4-L5", "L4-L5", best=True) for k in (0, 1, 2)]
    numbers = [number(0, 10.0), number(1, None), number(2, 13.0, uncertainty=0.3)]
    (found,) = levels_of(numbers, rows).values()
    assert found.value == pytest.approx(11.5)
    assert found.uncertainty == pytest.approx(0.2)
    assert found.flags == ()  # of those that give it
    assert chosen(numbers, rows) == [("L4-L5", 0, k) for k in (0, 1, 2)]


def test_blocks_are_told_apart():
    rows = [row(1, "L3-L4", "L3-L4", best=True), row(1, "L4-L5", "L4-L5", best=True, block=1)]
    numbers = [number(1, 10.0), number(1, 20.0, block=1)]
    found = levels_of(numbers, rows)
    assert {level: (m.value, m.block) for level, m in found.items()} == {
        "L3-L4": (10.0, 0),
        "L4-L5": (20.0, 1),
    }
    assert chosen(numbers, rows) == [("L3-L4", 0, 1), ("L4-L5", 1, 1)]


def test_a_withheld_number_of_the_best_slice_stays_withheld():
    rows = [row(0, "L4-L5", "L4-L5", best=True), row(1, "L4-L5", "L4-L5")]
    (found,) = levels_of([number(0, None), number(1, 11.0)], rows).values()
    assert found.value is None
    assert found.flags == ("partly-in-view",)


def test_a_slice_without_numbers_is_not_chosen():
    assert chosen([], [row(0, "L4-L5", "L4-L5", best=True)]) == []


@pytest.mark.parametrize("word", OF_NAMES)
def test_doubts_of_the_name_stand_on_the_level_s_numbers(word):
    rows = [row(0, "L4-L5", "L4-L5", 0.4, best=True, flags=(word, "patient-moved"))]
    found = [m for m in at_levels(AREAS, {(0, 0): rows[0]}) if m.level == "L4-L5"]
    assert {m.metric for m in found} == {"csa_cm2", "chosen_for_level"}
    for m in found:
        assert m.flags == (word,)
        assert m.value is not None


# -- through the whole ----------------------------------------------------------------------


def _sample(weighting: Weighting, psoas: int) -> Made:
    """Three slices without fat, which takes its time; the second has less of psoas."""
    sample = made(Sample(slices=3, ahead=UNKNOWN_DISC, pixel_mm=(1.5, 1.5)))
    sample = replace(sample, series=replace(sample.series, weighting=weighting))
    labels = sample.mask.labels.array.copy()
    labels[1][tuple(np.argwhere(labels[1] == 5121)[:psoas].T)] = 0
    return sample.with_mask(labels=sample.mask.labels.with_array(labels))


@pytest.fixture(scope="module")
def both() -> dict[str, tuple[Made, tuple[LevelRow, ...]]]:
    """Series of one exam that differ in names and areas; each is handed the rows of both."""
    samples = {"t1": _sample(Weighting.UNKNOWN, 20), "t2": _sample(Weighting.STIR, 80)}
    names = {"t1": ("L3-L4", "L4-L5", "L5-S1"), "t2": ("L4-L5", "L4-L5", "L5-S1")}
    rows = tuple(
        replace(row(k, level, level), series=name, best=(name, k) == ("t2", 1), within=k / 4)
        for name, levels in names.items()
        for k, level in enumerate(levels)
    )
    return {
        name: (replace(sample, series=replace(sample.series, name=name)), rows)
        for name, sample in samples.items()
    }


def test_series_keep_their_own_numbers(both):
    areas = {}
    for name, (sample, rows) in both.items():
        found = measure_axial(sample.series, (sample.mask,), rows)
        assert {m.series for m in found} == {name}
        own = [m for m in found if (m.structure, m.side, m.metric) == ("psoas", "left", "csa_cm2")]
        by_slice = {m.slice: m.value for m in own if m.slice is not None}
        areas[name] = {m.level: m.value for m in own if m.slice is None}
        marks = [(m.level, m.slice) for m in found if m.metric == "chosen_for_level"]
        alone = measure_axial(sample.series, (sample.mask,), [r for r in rows if r.series == name])
        assert alone == found
        for level, k in marks:
            assert areas[name][level] == by_slice[k]
        places = {m.level: m.value for m in found if (m.metric, m.slice) == ("within_level", None)}
        assert places == {level: k / 4 for level, k in marks}
    assert areas["t1"].keys() == {"L3-L4", "L4-L5", "L5-S1"}
    assert areas["t2"].keys() == {"L4-L5", "L5-S1"}
    assert areas["t1"]["L4-L5"] > areas["t2"]["L4-L5"]


def test_confidence_of_a_level_falls_with_that_of_its_name(both):
    sample, rows = both["t2"]
    confidences = []
    for sure in (0.95, 0.4):
        doubted = [replace(r, level_confidence=sure) for r in rows]
        found = measure_axial(sample.series, (sample.mask,), doubted)
        (area,) = (
            m
            for m in found
            if (m.structure, m.side, m.metric, m.slice, m.level)
            == ("psoas", "left", "csa_cm2", None, "L4-L5")
        )
        confidences.append(area.confidence)
    assert confidences[1] / confidences[0] == pytest.approx(0.4 / 0.95, abs=0.01)
