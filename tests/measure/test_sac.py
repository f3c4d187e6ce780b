"""Dural sac: ellipses of known diameters, turned and tilted; what has none."""

from __future__ import annotations

import numpy as np
import pytest
from axial_samples import BODY, SAC, Sample, made

from openlumbar.core.anatomy import SPINAL_CANAL, UNKNOWN_DISC, UNKNOWN_VERTEBRA
from openlumbar.core.measurement import RULER
from openlumbar.measure import measure_axial

DEPTH, WIDTH = 2 * SAC[3], 2 * SAC[2]


def sac_of(sample) -> dict:
    found = measure_axial(sample.series, (sample.mask,))
    return {m.metric: m for m in found if m.structure == "dural sac"}


@pytest.mark.parametrize("turn_deg", [-20.0, 0.0, 12.0])
@pytest.mark.parametrize("pixel_mm", [(0.6, 0.6), (1.0, 0.7)])
@pytest.mark.parametrize("ahead", [UNKNOWN_VERTEBRA, UNKNOWN_DISC])
def test_diameters_lie_along_the_body_s_own_axis(turn_deg, pixel_mm, ahead):
    found = sac_of(made(Sample(turn_deg=turn_deg, pixel_mm=pixel_mm, ahead=ahead, noise=0)))
    assert found["ap_diameter_mm"].value == pytest.approx(DEPTH, abs=0.25)
    assert found["transverse_diameter_mm"].value == pytest.approx(WIDTH, abs=0.3)
    for metric in ("ap_diameter_mm", "transverse_diameter_mm"):
        (line,) = found[metric].lines
        start, stop = np.array(line.points_mm)
        assert line.role == RULER
        assert np.linalg.norm(stop - start) == pytest.approx(found[metric].value, abs=1e-6)
    start, stop = np.array(found["ap_diameter_mm"].lines[0].points_mm)
    assert stop[1] > start[1]  # from front to back
    turn = np.degrees(np.arctan2(-(stop - start)[0], (stop - start)[1]))
    assert turn == pytest.approx(turn_deg, abs=2.0)


def test_rulers_lie_in_the_tilted_slice():
    found = sac_of(made(Sample(tilt_deg=20.0)))
    start, stop = np.array(found["ap_diameter_mm"].lines[0].points_mm)
    assert found["ap_diameter_mm"].value == pytest.approx(DEPTH, abs=0.4)
    rise = np.degrees(np.arctan2(stop[2] - start[2], stop[1] - start[1]))
    assert rise == pytest.approx(20, abs=0.1)


def _without(sample, *codes):
    labels = sample.mask.labels.array.copy()
    labels[np.isin(labels, codes)] = 0
    empty = sample.mask.bodies.with_array(np.zeros_like(labels))
    return sample.with_mask(labels=sample.mask.labels.with_array(labels), bodies=empty)


def test_without_a_body_there_is_an_area_and_no_diameter():
    found = sac_of(_without(made(Sample()), UNKNOWN_VERTEBRA))
    assert found["area_mm2"].value == pytest.approx(np.pi * DEPTH * WIDTH / 4, rel=0.03)
    for metric in ("ap_diameter_mm", "transverse_diameter_mm"):
        assert found[metric].value is None
        assert found[metric].flags == ("neighbour-missing",)


def test_a_body_in_an_odd_place_tells_no_axis():
    sample = made(Sample())
    moved = sample.mask.bodies.array[:, :, ::-1].copy()
    moved[:] = np.roll(moved, 60, axis=2)
    found = sac_of(sample.with_mask(bodies=sample.mask.bodies.with_array(moved)))
    assert found["ap_diameter_mm"].flags == ("neighbour-missing",)


def test_no_sac_no_row():
    assert sac_of(_without(made(Sample()), SPINAL_CANAL)) == {}


def test_a_crescent_has_no_diameters():
    sample = made(Sample())
    labels = sample.mask.labels.array.copy()
    rows, columns = np.indices(labels.shape[1:])
    middle = np.argwhere(labels[0] == SPINAL_CANAL).mean(0)
    away = np.hypot(rows - middle[0] + 4, (columns - middle[1]) * 0.8)
    labels[0][(labels[0] == SPINAL_CANAL) & (away < 7)] = 0
    found = sac_of(sample.with_mask(labels=sample.mask.labels.with_array(labels)))
    assert found["ap_diameter_mm"].value is None
    assert "irregular-outline" in found["ap_diameter_mm"].flags


def test_the_midline_goes_through_the_body():
    found = sac_of(made(Sample()))
    start, stop = np.array(found["ap_diameter_mm"].lines[0].points_mm)
    assert start[0] == pytest.approx(BODY[0], abs=0.2)
    assert stop[0] == pytest.approx(BODY[0], abs=0.2)
