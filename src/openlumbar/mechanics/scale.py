"""A base model made as tall and as heavy as a person.

Lengths go with height, masses with mass: the person is taken for a copy of the base model of the
same sex, so the base's fractions of mass and height stay. Fascicles: points, fibres and tendons
go with height; areas with mass to the power 2/3. A copy that grew in all directions has both its
areas and this power of its mass grow with the square of its height; of two people of one height
the heavier has thicker muscles, but less than in proportion, as more of the difference is fat.
What an exam measures replaces the areas later. A disc's stiffness goes with the third power of
length (second moment of its area through its height), as for an elastic block.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from openlumbar.core.errors import InputError
from openlumbar.mechanics.model import Array, Body, Joint, Model, Muscle, VertebraShape


def scaled(model: Model, height_m: float, mass_kg: float) -> Model:
    """Scale a model to a person's height and mass.

    Parameters
    ----------
    model
        A base model of the person's sex.
    height_m, mass_kg
        Of the person.

    Returns
    -------
    A model whose bodies have ``mass_kg`` together; the same as ``model`` where height and mass
    are its own.

    Raises
    ------
    InputError
        Height or mass is not a positive number.
    """
    _check("height_m", height_m)
    _check("mass_kg", mass_kg)
    length, heavy = height_m / model.height_m, mass_kg / model.mass_kg
    return replace(
        model,
        height_m=float(height_m),
        mass_kg=float(mass_kg),
        bodies={name: _body(body, length, heavy) for name, body in model.bodies.items()},
        joints=tuple(_joint(joint, length) for joint in model.joints),
        muscles=tuple(_muscle(muscle, length, heavy ** (2 / 3)) for muscle in model.muscles),
        shapes={name: _shape(shape, length) for name, shape in model.shapes.items()},
    )


def _check(name: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{name} is {value}; it must be a positive number")


def _body(body: Body, length: float, heavy: float) -> Body:
    return replace(
        body,
        mass_kg=body.mass_kg * heavy,
        mass_centre_m=body.mass_centre_m * length,
        inertia_kgm2=body.inertia_kgm2 * (heavy * length**2),
    )


def _joint(joint: Joint, length: float) -> Joint:
    return replace(
        joint,
        in_parent=_moved(joint.in_parent, length),
        in_child=_moved(joint.in_child, length),
        stiffness_nm_per_rad=joint.stiffness_nm_per_rad * length**3,
    )


def _moved(pose: Array, length: float) -> Array:
    """A frame whose place is scaled, and whose axes are not."""
    moved = pose.copy()
    moved[:3, 3] *= length
    return moved


def _muscle(muscle: Muscle, length: float, thick: float) -> Muscle:
    return replace(
        muscle,
        points_m=muscle.points_m * length,
        area_cm2=muscle.area_cm2 * thick,
        optimal_fibre_m=muscle.optimal_fibre_m * length,
        tendon_slack_m=muscle.tendon_slack_m * length,
    )


def _shape(shape: VertebraShape, length: float) -> VertebraShape:
    return VertebraShape(
        shape.upper_m * length,
        shape.lower_m * length,
        shape.depth_m * length,
        shape.width_m * length,
        shape.spinous_tip_m * length,
    )
