"""Scaling to a person: exact rules, identity at the base's own size."""

from __future__ import annotations

import numpy as np
import pytest

from openlumbar.core.errors import InputError
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import Model, Posture
from openlumbar.mechanics.scale import scaled


def _same(a: Model, b: Model) -> None:
    assert (a.height_m, a.mass_kg, a.sex, a.name) == (b.height_m, b.mass_kg, b.sex, b.name)
    for name, body in a.bodies.items():
        other = b.bodies[name]
        assert body.mass_kg == pytest.approx(other.mass_kg, rel=1e-12)
        np.testing.assert_allclose(body.mass_centre_m, other.mass_centre_m, atol=1e-15)
        np.testing.assert_allclose(body.inertia_kgm2, other.inertia_kgm2, rtol=1e-12, atol=1e-15)
    for one, two in zip(a.joints, b.joints, strict=True):
        np.testing.assert_allclose(one.in_parent, two.in_parent, atol=1e-15)
        np.testing.assert_allclose(one.in_child, two.in_child, atol=1e-15)
        np.testing.assert_allclose(one.stiffness_nm_per_rad, two.stiffness_nm_per_rad, rtol=1e-12)
    for one, two in zip(a.muscles, b.muscles, strict=True):
        np.testing.assert_allclose(one.points_m, two.points_m, atol=1e-15)
        assert one.max_force_n == pytest.approx(two.max_force_n, rel=1e-12)
        assert one.optimal_fibre_m == pytest.approx(two.optimal_fibre_m, rel=1e-12)


@pytest.mark.parametrize("sex", ["M", "F"])
def test_scaled_to_itself_is_itself(sex: str) -> None:
    model = base_model(sex)
    _same(scaled(model, model.height_m, model.mass_kg), model)


def test_there_and_back() -> None:
    model = base_model("F")
    _same(scaled(scaled(model, 1.83, 95.0), model.height_m, model.mass_kg), model)


@pytest.mark.parametrize(("height", "mass"), [(1.52, 48.0), (1.797, 78.9), (2.05, 140.0)])
def test_bodies_weigh_what_the_person_weighs(height: float, mass: float) -> None:
    model = scaled(base_model("M"), height, mass)
    assert sum(body.mass_kg for body in model.bodies.values()) == pytest.approx(mass, rel=1e-12)
    assert (model.height_m, model.mass_kg) == (height, mass)


def test_places_go_with_height_alone() -> None:
    base = base_model("M")
    tall = scaled(base, 1.1 * base.height_m, 120.0)
    before, after = place(base, Posture()), place(tall, Posture())
    for name, pose in before.items():
        np.testing.assert_allclose(after[name][:3, 3], 1.1 * pose[:3, 3], atol=1e-12)
        np.testing.assert_allclose(after[name][:3, :3], pose[:3, :3], atol=1e-12)
    shape = tall.shapes["lumbar3"]
    assert shape.depth_m == pytest.approx(1.1 * base.shapes["lumbar3"].depth_m)
    np.testing.assert_allclose(
        shape.spinous_tip_m, 1.1 * base.shapes["lumbar3"].spinous_tip_m, atol=1e-15
    )


def test_inertia_goes_with_mass_and_length_squared() -> None:
    base = base_model("M")
    other = scaled(base, 1.2 * base.height_m, 1.5 * base.mass_kg)
    for name, body in base.bodies.items():
        np.testing.assert_allclose(
            other.bodies[name].inertia_kgm2, 1.5 * 1.2**2 * body.inertia_kgm2, rtol=1e-12
        )


def test_a_larger_copy_has_areas_of_length_squared() -> None:
    """Grown alike in all directions: mass by length cubed, areas by length squared."""
    base = base_model("M")
    copy = scaled(base, 1.1 * base.height_m, 1.1**3 * base.mass_kg)
    assert base.muscles
    for one, two in zip(base.muscles, copy.muscles, strict=True):
        assert two.area_cm2 == pytest.approx(1.1**2 * one.area_cm2)
        assert two.tendon_slack_m == pytest.approx(1.1 * one.tendon_slack_m)
        assert two.tension_n_per_cm2 == one.tension_n_per_cm2
        assert two.bodies == one.bodies


def test_a_heavier_person_s_muscles_grow_less_than_the_mass() -> None:
    base = base_model("M")
    heavy = scaled(base, base.height_m, 2 * base.mass_kg)
    ratio = heavy.muscles[0].area_cm2 / base.muscles[0].area_cm2
    assert ratio == pytest.approx(2 ** (2 / 3))


def test_a_disc_stiffens_like_an_elastic_block() -> None:
    base = base_model("M")
    tall = scaled(base, 1.1 * base.height_m, base.mass_kg)
    for one, two in zip(base.lumbar_joints, tall.lumbar_joints, strict=True):
        np.testing.assert_allclose(two.stiffness_nm_per_rad, 1.1**3 * one.stiffness_nm_per_rad)


@pytest.mark.parametrize(
    ("height", "mass", "named"),
    [
        (0.0, 70.0, "height_m"),
        (1.7, -3.0, "mass_kg"),
        (float("nan"), 70.0, "height_m"),
        (1.7, float("inf"), "mass_kg"),
    ],
)
def test_impossible_sizes_are_refused(height: float, mass: float, named: str) -> None:
    with pytest.raises(InputError, match=named):
        scaled(base_model("M"), height, mass)
