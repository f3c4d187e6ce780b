from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from openlumbar.core.errors import OptionError
from openlumbar.phantom.anatomy import ENDPLATE_GAP_MM, AnatomyRanges, sample_anatomy
from openlumbar.phantom.geometry import place
from openlumbar.phantom.truth import levels_of


def draw(seed=0, **ranges):
    return sample_anatomy(np.random.default_rng(seed), AnatomyRanges(**ranges))


def straight(anatomy):
    """The same spine without any angle, slip or difference in depth."""
    vertebrae = tuple(replace(v, wedge_deg=0.0, depth_mm=34.0) for v in anatomy.vertebrae)
    discs = tuple(replace(d, wedge_deg=0.0, listhesis_mm=0.0) for d in anatomy.discs)
    return replace(
        anatomy,
        vertebrae=vertebrae,
        discs=discs,
        scoliosis_deg=0.0,
        rotation_deg=0.0,
        sacral_slope_deg=0.0,
    )


def test_the_same_seed_gives_the_same_spine_and_another_seed_another():
    assert draw(3) == draw(3)
    assert draw(3) != draw(4)


@pytest.mark.parametrize(
    ("count", "lowest", "disc_codes"),
    [
        (4, ("L4", 44), {"L3-L4": 94, "L4-S1": 100}),
        (5, ("L5", 45), {"L4-L5": 95, "L5-S1": 100}),
        (6, ("L6", 46), {"L5-L6": 96, "L6-S1": 100}),
    ],
)
def test_four_five_or_six_lumbar_vertebrae_get_their_codes(count, lowest, disc_codes):
    levels = {level.name: level for level in levels_of(place(draw(lumbar_count=count)))}
    lumbar = [name for name in levels if name.startswith("L") and "-" not in name]
    assert len(lumbar) == count
    assert (lumbar[-1], levels[lumbar[-1]].code) == lowest
    assert {name: levels[name].code for name in disc_codes} == disc_codes
    assert [levels[name].code for name in ("T12", "S1", "S2", "S3")] == [32, 51, 52, 50]
    assert levels["S1-S2"].code == 101


def test_lordosis_is_the_angle_between_the_endplates_of_l1_and_s1():
    anatomy = replace(draw(5), scoliosis_deg=0.0, rotation_deg=0.0)
    spine = place(anatomy)
    first = spine.vertebra("L1")
    # Upward directions in the sagittal plane; an endplate leans half the body's wedge
    # from the middle of its body.
    tilt = np.degrees(np.arctan2(-first.rotation[1, 2], first.rotation[2, 2]))
    upper_endplate = tilt - first.spec.wedge_deg / 2
    assert anatomy.sacral_slope_deg - upper_endplate == pytest.approx(anatomy.lordosis_deg)


def test_distance_between_neighbouring_bodies_is_what_lies_between_their_middles():
    anatomy = straight(draw(2))
    spine = place(anatomy)
    for disc in spine.discs:
        upper, lower = disc.upper, disc.lower
        expected = (
            upper.spec.height_mm / 2
            + lower.spec.height_mm / 2
            + disc.spec.height_mm
            + 2 * ENDPLATE_GAP_MM
        )
        assert np.linalg.norm(upper.centre - lower.centre) == pytest.approx(expected)


def test_a_slip_moves_the_vertebra_above_forward_by_its_size():
    anatomy = straight(draw(2))
    discs = tuple(replace(d, listhesis_mm=6.0) if d.name == "L4-L5" else d for d in anatomy.discs)
    spine = place(replace(anatomy, discs=discs))
    # Forward is towards negative y in LPS.
    assert spine.vertebra("L4").centre[1] - spine.vertebra("L5").centre[1] == pytest.approx(-6.0)


def test_the_sac_has_the_depth_of_the_anatomy_where_nothing_narrows_it():
    anatomy = draw(2)
    discs = tuple(replace(d, stenosis=0.0) for d in anatomy.discs)
    spine = place(replace(anatomy, discs=discs))
    profile = spine.profile
    row = int(profile.rows(np.float32([spine.vertebra("L3").centre[2]]))[0])
    assert 2 * profile.sac_half_depth[row] == pytest.approx(anatomy.sac_depth_mm, abs=0.1)
    narrow = tuple(replace(d, stenosis=0.5 if d.name == "L3-L4" else 0.0) for d in discs)
    narrowed = place(replace(anatomy, discs=narrow)).profile.sac_half_depth
    left = narrowed / np.maximum(profile.sac_half_depth, 0.1)
    assert left[profile.sac_half_depth > 4].min() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("wrong", [{"lumbar_count": 7}, {"transition": "half"}])
def test_what_cannot_be_built_is_refused_by_name(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        draw(**wrong)
