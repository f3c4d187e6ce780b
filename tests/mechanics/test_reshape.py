import time
from dataclasses import replace

import numpy as np
import pytest
from support_model import mirrored
from support_spines import PITCHES, course, lumbar_model, rows_of, told

from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import LUMBAR_JOINTS, VERTEBRA_BODIES, Posture
from openlumbar.mechanics.reshape import with_spine
from openlumbar.mechanics.spine import generic_spine, measured_spine, perturbed
from openlumbar.mechanics.standing import RULE, standing_spine

FLAT = {name: 0.4 * pitch for name, pitch in PITCHES.items()}


@pytest.fixture(scope="module")
def model():
    return lumbar_model()


def standing(model, lean_deg=0.0, pitches=FLAT, size=1.0):
    places = course(pitches, lean_deg)
    measurements = [
        replace(one, value=one.value * size) if one.metric.endswith("height_mm") else one
        for one in told(places)
    ]
    return standing_spine(measured_spine(measurements, rows_of(places), model))


def assert_same(one, other, atol=1e-9):
    for a, b in zip(one.joints, other.joints, strict=True):
        np.testing.assert_allclose(a.in_parent, b.in_parent, atol=atol)
        np.testing.assert_allclose(a.in_child, b.in_child, atol=atol)
    for a, b in zip(one.muscles, other.muscles, strict=True):
        np.testing.assert_allclose(a.points_m, b.points_m, atol=atol)
        assert a.optimal_fibre_m == pytest.approx(b.optimal_fibre_m, abs=atol)
        assert a.tendon_slack_m == pytest.approx(b.tendon_slack_m, abs=atol)
    for name in other.shapes:
        for part in ("upper_m", "lower_m", "spinous_tip_m", "depth_m", "width_m"):
            a, b = getattr(one.shapes[name], part), getattr(other.shapes[name], part)
            np.testing.assert_allclose(a, b, atol=atol)
    assert one.bodies == other.bodies


def test_the_model_s_own_spine_changes_nothing(model):
    assert_same(with_spine(model, standing_spine(generic_spine(model))), model)


@pytest.mark.parametrize("sex", ["M", "F"])
def test_a_base_model_s_own_spine_changes_nothing(sex):
    base = base_model(sex)
    assert_same(with_spine(base, standing_spine(generic_spine(base))), base)


def test_vertebrae_discs_and_thorax_take_the_persons_places(model):
    spine = standing(model, lean_deg=8)
    shaped = with_spine(model, spine)
    places = place(shaped, Posture())
    for level, body in VERTEBRA_BODIES.items():
        np.testing.assert_allclose(places[body], spine.places[level], atol=1e-12)
    for joint in shaped.lumbar_joints:
        disc = places[joint.parent] @ joint.in_parent
        np.testing.assert_allclose(disc, spine.places[LUMBAR_JOINTS[joint.name]], atol=1e-12)
    np.testing.assert_allclose(places["pelvis"], np.eye(4), atol=1e-12)
    np.testing.assert_allclose(places["thorax"][:3, :3], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(places["thorax"][:3, 3], spine.places["T12"][:3, 3], atol=1e-12)


def test_what_hangs_on_the_thorax_moves_with_it(model):
    shaped = with_spine(model, standing(model))
    before, after = place(model, Posture()), place(shaped, Posture())
    shift = after["thorax"][:3, 3] - before["thorax"][:3, 3]
    assert np.linalg.norm(shift) > 0.005
    np.testing.assert_allclose(after["head"][:3, 3] - before["head"][:3, 3], shift, atol=1e-12)


def test_points_on_vertebrae_scale_with_the_body_and_others_stay(model):
    shaped = with_spine(model, standing(model, size=1.2))
    for old, new in zip(model.muscles, shaped.muscles, strict=True):
        for body, before, after in zip(old.bodies, old.points_m, new.points_m, strict=True):
            factor = [1.0, 1.2, 1.0] if body.startswith("lumbar") else [1.0, 1.0, 1.0]
            np.testing.assert_allclose(after, before * factor, atol=1e-12)
    shape = shaped.shapes["lumbar3"]
    assert shape.upper_m[1] == pytest.approx(1.2 * model.shapes["lumbar3"].upper_m[1])
    assert shape.width_m == pytest.approx(model.shapes["lumbar3"].width_m)


def test_depth_takes_the_arch_and_the_width_along(model):
    spine = standing(model)
    deep = {name: (height, 1.1 * depth) for name, (height, depth) in spine.sizes_m.items()}
    shaped = with_spine(model, replace(spine, sizes_m=deep))
    before, after = model.shapes["lumbar2"], shaped.shapes["lumbar2"]
    np.testing.assert_allclose(after.spinous_tip_m, before.spinous_tip_m * [1.1, 1, 1.1])
    assert after.width_m == pytest.approx(1.1 * before.width_m)


def test_fibres_and_tendons_stretch_with_their_paths(model):
    shaped = with_spine(model, standing(model))
    before, after = place(model, Posture()), place(shaped, Posture())
    for old, new in zip(model.muscles, shaped.muscles, strict=True):
        stretch = _length(new, after) / _length(old, before)
        assert new.optimal_fibre_m == pytest.approx(old.optimal_fibre_m * stretch)
        assert new.tendon_slack_m == pytest.approx(old.tendon_slack_m * stretch)
    assert max(abs(muscle.optimal_fibre_m / 0.1 - 1) for muscle in shaped.muscles) > 0.005


def _length(muscle, places):
    points = [
        places[body][:3, :3] @ point + places[body][:3, 3]
        for body, point in zip(muscle.bodies, muscle.points_m, strict=True)
    ]
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def test_the_mirrored_person_gives_the_mirrored_model(model):
    right = with_spine(model, standing(model, lean_deg=9))
    left = with_spine(model, standing(model, lean_deg=-9))
    turned = mirrored(left)
    by_name = {muscle.name: muscle for muscle in turned.muscles}
    for muscle in right.muscles:
        np.testing.assert_allclose(muscle.points_m, by_name[muscle.name].points_m, atol=1e-9)
    for one, other in zip(right.joints, turned.joints, strict=True):
        np.testing.assert_allclose(one.in_parent, other.in_parent, atol=1e-9)


def test_masses_stay(model):
    shaped = with_spine(model, standing(model))
    assert shaped.bodies == model.bodies


def test_a_model_without_shapes_is_only_moved(model):
    bare = replace(model, shapes={}, muscles=())
    shaped = with_spine(bare, standing(bare))
    assert shaped.shapes == {}
    assert shaped.muscles == ()


def test_a_drawn_person_takes_a_few_milliseconds(model):
    many = replace(model, muscles=model.muscles * 30)
    places = course(FLAT)
    spine = measured_spine(told(places), rows_of(places), many)
    rng = np.random.default_rng(0)
    took = []
    for _ in range(10):
        start = time.perf_counter()
        with_spine(many, standing_spine(perturbed(spine, rng), RULE.perturbed(rng)))
        took.append(time.perf_counter() - start)
    assert min(took) < 0.02
