"""The generic man and woman that every person's model is made from.

Built from tables alone (:mod:`openlumbar.mechanics.tables`): a standing spine by endplate
angles (:mod:`openlumbar.mechanics.bones`), masses by segment and by vertebral level
(:mod:`openlumbar.mechanics.masses`), fascicles between landmarks
(:mod:`openlumbar.mechanics.fascicles`). Metres and kilograms in the frames of
:mod:`openlumbar.mechanics.model`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cache

import numpy as np

from openlumbar.core.errors import OptionError
from openlumbar.mechanics import bones
from openlumbar.mechanics.bones import HELD, LUMBAR, Frame, body_of, shape, standing
from openlumbar.mechanics.fascicles import base_muscles, with_fibres
from openlumbar.mechanics.kinematics import inverse
from openlumbar.mechanics.masses import bodies
from openlumbar.mechanics.model import LUMBAR_JOINTS, Array, Joint, Model
from openlumbar.mechanics.tables import Sex, segments, stiffness

# Of the joints that are held; limbs' own by their kind, without the side.
_PARENTS = {
    "hip": "pelvis",
    "neck": "thorax",
    "shoulder": "thorax",
    "elbow": "upper_arm",
    "wrist": "forearm",
}
_NAMES: dict[Sex, str] = {
    "M": "OpenLumbar generic man",
    "F": "OpenLumbar generic woman (bones of the man by sex factors)",
}


@cache
def base_model(sex: str) -> Model:
    """The generic model of a sex, standing upright.

    Parameters
    ----------
    sex
        ``M`` or ``F``. A woman's bones are a man's by sex factors where the tables have none of
        her own (``[female]`` of ``skeleton.toml``), and the model's name says so.

    Raises
    ------
    OptionError
        The sex is neither.
    """
    known = _known(sex)
    person = segments().person(known)
    frame = standing(known)
    return Model(
        name=_NAMES[known],
        sex=known,
        height_m=person.height_m,
        mass_kg=person.mass_kg,
        bodies=bodies(known, frame),
        joints=_joints(frame),
        muscles=with_fibres(base_muscles(known, landmarks(known)), frame.bodies),
        shapes={body_of(name): shape(known, name) for name in LUMBAR},
    )


@cache
def landmarks(sex: str) -> Mapping[str, Mapping[str, Array]]:
    """Places on the bones of a base model that fascicles are attached to.

    Parameters
    ----------
    sex
        ``M`` or ``F``.

    Returns
    -------
    By body and landmark, ``[3]`` metres in the body's frame, of the right side; the left
    mirrors z (``femur_right`` stands for both femora).

    Raises
    ------
    OptionError
        The sex is neither.
    """
    return bones.landmarks(_known(sex))


def _known(sex: str) -> Sex:
    if sex == "M":
        return "M"
    if sex == "F":
        return "F"
    raise OptionError(f"sex {sex!r}: base models are of M and F; give one of these")


def _joints(frame: Frame) -> tuple[Joint, ...]:
    """From the pelvis upward: discs, then the neck, the arms and the hips."""
    chain = ["pelvis", *(body_of(name) for name in reversed(LUMBAR)), "thorax"]
    lumbar = [
        _joint(frame, name, pair, stiffness().at(LUMBAR_JOINTS[name]))
        for name, pair in zip(reversed(LUMBAR_JOINTS), itertools.pairwise(chain), strict=True)
    ]
    held = [_joint(frame, name, (_parent(name), child)) for name, child in HELD.items()]
    return (*lumbar, *held)


def _parent(joint: str) -> str:
    """The body above a held joint, of the joint's own side."""
    kind, _, side = joint.partition("_")
    parent = _PARENTS[kind]
    return parent if parent in ("pelvis", "thorax") else f"{parent}_{side}"


def _joint(
    frame: Frame,
    name: str,
    between: tuple[str, str],
    spring: tuple[float, float, float] | None = None,
) -> Joint:
    parent, child = between
    pose = frame.joints[name]
    return Joint(
        name=name,
        parent=parent,
        child=child,
        in_parent=inverse(frame.bodies[parent]) @ pose,
        in_child=inverse(frame.bodies[child]) @ pose,
        free=spring is not None,
        stiffness_nm_per_rad=np.zeros(3) if spring is None else np.asarray(spring),
    )
