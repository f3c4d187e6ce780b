"""A model given the spine of a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from openlumbar.mechanics.kinematics import inverse, place
from openlumbar.mechanics.model import (
    LUMBAR_JOINTS,
    VERTEBRA_BODIES,
    Array,
    Joint,
    Model,
    Muscle,
    Posture,
    VertebraShape,
)
from openlumbar.mechanics.paths import strings_of
from openlumbar.mechanics.standing import StandingSpine


def with_spine(model: Model, spine: StandingSpine) -> Model:
    """Put the vertebrae and lumbar joints of a model where a person's are.

    Vertebrae L1 to L5 take the places and directions of the spine, and lumbar joints those of
    its discs. The pelvis stays as it is, S1's upper endplate at its origin; the thorax is moved
    without a turn, so that its origin lies in the middle of T12, with neck, arms and all that is
    fixed to it. Points on a vertebra (shape, spinous process, muscles) keep their place in its
    frame but for its size: along y they are scaled by the height of the body, along x and z by
    its depth, since neither the width nor the arch is measured in sagittal series. The mass
    centre of each slice of the trunk keeps its place in the frame of its vertebra. Fibres and
    tendons are stretched as the paths of their muscles are.

    Parameters
    ----------
    model
        Scaled to the person; at rest it stands upright.
    spine
        Of the person.

    Returns
    -------
    Model
        At rest it stands as the spine does.
    """
    before = place(model, Posture())
    after = _places(before, spine)
    scales = _scales(model, spine)
    return replace(
        model,
        joints=tuple(_joint(joint, after, spine) for joint in model.joints),
        muscles=_muscles(model.muscles, scales, before, after),
        shapes={name: _shape(shape, scales[name]) for name, shape in model.shapes.items()},
    )


def _places(before: Mapping[str, Array], spine: StandingSpine) -> dict[str, Array]:
    """Body to ground; bodies above the thorax keep their place on it."""
    after = dict(before)
    for level, body in VERTEBRA_BODIES.items():
        after[body] = spine.places[level]
    moved = before["thorax"].copy()
    moved[:3, 3] = spine.places["T12"][:3, 3]
    after["thorax"] = moved
    return after


def _scales(model: Model, spine: StandingSpine) -> dict[str, Array]:
    """Factors along x, y and z by body, those of vertebrae with a shape."""
    scales = {}
    for level, body in VERTEBRA_BODIES.items():
        shape = model.shapes.get(body)
        if shape is not None:
            height, depth = spine.sizes_m[level]
            across = depth / shape.depth_m
            along = height / float(np.linalg.norm(shape.upper_m - shape.lower_m))
            scales[body] = np.array([across, along, across])
    return scales


def _joint(joint: Joint, places: Mapping[str, Array], spine: StandingSpine) -> Joint:
    level = LUMBAR_JOINTS.get(joint.name)
    if level is None:
        return joint
    disc = spine.places[level]
    return replace(
        joint,
        in_parent=inverse(places[joint.parent]) @ disc,
        in_child=inverse(places[joint.child]) @ disc,
    )


def _shape(shape: VertebraShape, scale: Array) -> VertebraShape:
    return VertebraShape(
        upper_m=shape.upper_m * scale,
        lower_m=shape.lower_m * scale,
        depth_m=shape.depth_m * float(scale[0]),
        width_m=shape.width_m * float(scale[2]),
        spinous_tip_m=shape.spinous_tip_m * scale,
    )


# -- muscles ---------------------------------------------------------------------------


def _muscles(
    muscles: tuple[Muscle, ...],
    scales: Mapping[str, Array],
    before: Mapping[str, Array],
    after: Mapping[str, Array],
) -> tuple[Muscle, ...]:
    """All points at once: a loop over muscles would cost most of the time of a model."""
    if not muscles:
        return ()
    strings = strings_of(muscles)
    scale = np.stack([scales.get(name, np.ones(3)) for name in strings.names])
    scaled = replace(strings, points_m=strings.points_m * scale[strings.body])
    stretch = scaled.placed(after).lengths_m / strings.placed(before).lengths_m
    points = strings.split(scaled.points_m)
    return tuple(
        replace(
            muscle,
            points_m=points[n],
            optimal_fibre_m=muscle.optimal_fibre_m * float(stretch[n]),
            tendon_slack_m=muscle.tendon_slack_m * float(stretch[n]),
        )
        for n, muscle in enumerate(muscles)
    )
