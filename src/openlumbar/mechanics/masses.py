"""Masses of a base model's bodies: limbs as segments, the trunk as slices by vertebral level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from openlumbar.mechanics.bones import (
    LUMBAR,
    MM,
    SIDES,
    Frame,
    body_of,
    factor,
    hip_centre,
    size_of,
)
from openlumbar.mechanics.model import Array, Body
from openlumbar.mechanics.tables import Segment, Sex, segments, skeleton

# Of a thoracic slice, and of a lumbar one against its vertebral body; for inertia alone.
_CHEST_SLICE_M = 0.025
_LUMBAR_SLICE = 1.33


def bodies(sex: Sex, frame: Frame) -> dict[str, Body]:
    """All bodies; the pelvis has what the others leave of the person's mass."""
    trunk = _trunk(sex, frame)
    limbs = {
        f"{name}_{side}": body
        for side in SIDES
        for name, body in {**_arm(sex), "femur": _leg(sex)}.items()
    }
    above = {**trunk, "head": _head(sex, frame), **limbs}
    total = segments().person(sex).mass_kg
    pelvis = _pelvis(sex, total - sum(body.mass_kg for body in above.values()))
    named = {"pelvis": pelvis, **above}
    return {
        name: Body(name, body.mass_kg, body.mass_centre_m, body.inertia_kgm2)
        for name, body in named.items()
    }


class _Mass(NamedTuple):
    """Of a segment, in its body's frame."""

    mass_kg: float
    mass_centre_m: Array
    inertia_kgm2: Array


def _together(masses: list[_Mass]) -> _Mass:
    """Masses joined rigidly, inertia about the common mass centre."""
    total = sum(mass.mass_kg for mass in masses)
    centre = sum((mass.mass_kg * mass.mass_centre_m for mass in masses), np.zeros(3)) / total
    inertia = np.zeros((3, 3))
    for mass in masses:
        away = mass.mass_centre_m - centre
        inertia += mass.inertia_kgm2 + mass.mass_kg * (
            (away @ away) * np.eye(3) - np.outer(away, away)
        )
    return _Mass(total, centre, inertia)


def _segment(sex: Sex, name: str, segment: Segment, top: float = 0.0) -> _Mass:
    """A limb's segment that hangs down from a height of its body's frame."""
    person = segments().person(sex)
    length = getattr(segments().lengths, name) * person.height_m
    mass = segment.fraction * person.mass_kg
    forward, across, along = segment.radii
    radii = np.array([forward, along, across]) * length
    centre = np.array([0.0, top - segment.centre * length, 0.0])
    return _Mass(mass, centre, mass * np.diag(radii**2))


def _arm(sex: Sex) -> dict[str, _Mass]:
    limbs = segments().limbs_of(sex)
    return {
        name: _segment(sex, name, getattr(limbs, name)) for name in ("upper_arm", "forearm", "hand")
    }


def _leg(sex: Sex) -> _Mass:
    """Thigh, shank and foot, straight below the hip; the foot lies across its ankle."""
    limbs, lengths = segments().limbs_of(sex), segments().lengths
    height = segments().person(sex).height_m
    knee, ankle = -lengths.thigh * height, -(lengths.thigh + lengths.shank) * height
    foot = _segment(sex, "foot", limbs.foot)
    lying = np.array([0.0, ankle, 0.0])
    turned = np.diag(np.diag(foot.inertia_kgm2)[[1, 0, 2]])
    return _together(
        [
            _segment(sex, "thigh", limbs.thigh),
            _segment(sex, "shank", limbs.shank, knee),
            _Mass(foot.mass_kg, lying, turned),
        ]
    )


def _head(sex: Sex, frame: Frame) -> _Mass:
    """Head and neck: from the cervicale, just below T1's upper endplate, up to the vertex."""
    places, length = skeleton().joints, segments().lengths.head * segments().person(sex).height_m
    hanging = _segment(sex, "head", segments().limbs_of(sex).head, length)
    neck = frame.joints["neck"][:3, 3]
    forward = places.head_forward_of_s1 * factor(sex, skeleton().female.thorax)[0] * MM
    up = hanging.mass_centre_m[1] - places.cervicale_below_t1_top * MM
    return hanging._replace(mass_centre_m=np.array([forward - neck[0], up, 0.0]))


def _sex_factor(sex: Sex) -> float:
    """Of the upper and middle trunk against the mean of both sexes."""
    both = {
        known: segments().limbs_of(known).upper_trunk + segments().limbs_of(known).middle_trunk
        for known in ("M", "F")
    }
    return 2 * both[sex] / sum(both.values())


def _slice(sex: Sex, frame: Frame, vertebra: str, thickness: float) -> _Mass:
    """A slice of the trunk at a vertebra, in ground: an elliptic plate."""
    person, trunk, axes = segments().person(sex), segments().trunk, segments().slices
    key = vertebra.lower()
    mass = trunk.fraction_percent[key] / 100 * _sex_factor(sex) * person.mass_kg
    forward = trunk.forward_mm[key] * factor(sex, skeleton().female.thorax)[0] * MM
    centre = frame.vertebrae[vertebra] + np.array([forward, 0.0, 0.0])
    deep, wide = axes.half_depth * person.height_m, axes.half_width * person.height_m
    return _Mass(mass, centre, _plate(mass, deep, wide, thickness))


def _plate(mass: float, deep: float, wide: float, thickness: float) -> Array:
    """Inertia of an upright elliptic cylinder."""
    flat = thickness**2 / 12
    return mass * np.diag([wide**2 / 4 + flat, (deep**2 + wide**2) / 4, deep**2 / 4 + flat])


def _trunk(sex: Sex, frame: Frame) -> dict[str, _Mass]:
    """The lumbar slices and, of the thoracic joined, the thorax, each in its body's frame."""
    thick = {name: size_of(sex, name).height * _LUMBAR_SLICE for name in LUMBAR}
    chest = [_slice(sex, frame, name, _CHEST_SLICE_M) for name in skeleton().thoracic.heights]
    found = {body_of(name): _slice(sex, frame, name, thick[name]) for name in LUMBAR}
    found["thorax"] = _together(chest)
    return {name: _local(mass, frame.bodies[name]) for name, mass in found.items()}


def _local(mass: _Mass, pose: Array) -> _Mass:
    """From ground into a body's frame."""
    turn = pose[:3, :3]
    return _Mass(
        mass.mass_kg,
        turn.T @ (mass.mass_centre_m - pose[:3, 3]),
        turn.T @ mass.inertia_kgm2 @ turn,
    )


def _pelvis(sex: Sex, mass: float) -> _Mass:
    """An elliptic cylinder above the hips; it carries the spine but loads no disc."""
    axes, height = segments().slices, segments().person(sex).height_m
    centre = hip_centre(sex) * [1.0, 0.5, 0.0]
    deep, wide = axes.half_depth * height, axes.half_width * height
    return _Mass(mass, centre, _plate(mass, deep, wide, 2 * axes.pelvis_half_height * height))
