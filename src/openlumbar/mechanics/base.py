"""The generic man and woman that every person's model is made from.

Built from tables alone (:mod:`openlumbar.mechanics.tables`): a standing spine by endplate
angles, masses by segment and by vertebral level, landmarks for the fascicles. Metres and
kilograms in the frames of :mod:`openlumbar.mechanics.model`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from openlumbar.core.errors import OptionError
from openlumbar.mechanics.fascicles import base_muscles, with_fibres
from openlumbar.mechanics.kinematics import rotation
from openlumbar.mechanics.model import (
    LUMBAR_JOINTS,
    Array,
    Body,
    Joint,
    Model,
    VertebraShape,
)
from openlumbar.mechanics.tables import (
    Segment,
    Sex,
    segments,
    skeleton,
    stiffness,
)

SIDES = ("right", "left")
_MIRROR = np.array([1.0, 1.0, -1.0])
_LUMBAR = tuple(f"L{n}" for n in range(1, 6))
_MM = 1e-3


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
    frame = _frame(known)
    bodies = _bodies(known, frame)
    return Model(
        name=_NAMES[known],
        sex=known,
        height_m=person.height_m,
        mass_kg=person.mass_kg,
        bodies=bodies,
        joints=_joints(frame),
        muscles=with_fibres(base_muscles(known, landmarks(known)), frame.bodies),
        shapes={_body(name): _shape(known, name) for name in _LUMBAR},
    )


_NAMES: dict[Sex, str] = {
    "M": "OpenLumbar generic man",
    "F": "OpenLumbar generic woman (bones of the man by sex factors)",
}


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
    known = _known(sex)
    marks, female = skeleton().landmarks, skeleton().female
    factor = {
        "processes": _factor(known, female.processes),
        "pelvis": _factor(known, female.pelvis),
        "femur": _factor(known, female.femur),
    }
    found = {
        _body(level): {
            name: _sized(known, name, level)
            if name in _ON_BODY
            else np.multiply(by_level[level], factor["processes"]) * _MM
            for name, by_level in marks.lumbar.points.items()
        }
        for level in _LUMBAR
    }
    found["pelvis"] = _metres(marks.pelvis.points, factor["pelvis"])
    found["femur_right"] = _metres(marks.femur_right.points, factor["femur"])
    found["thorax"] = _thorax_marks(known)
    return found


#: Landmarks that belong to a body rather than to its processes.
_ON_BODY = ("body_side_upper", "body_side_lower")


def _known(sex: str) -> Sex:
    if sex == "M":
        return "M"
    if sex == "F":
        return "F"
    raise OptionError(f"sex {sex!r}: base models are of M and F; give one of these")


def _body(vertebra: str) -> str:
    return f"lumbar{vertebra[1:]}"


def _factor(sex: Sex, female: tuple[float, float, float]) -> Array:
    return np.asarray(female) if sex == "F" else np.ones(3)


def _metres(points: Mapping[str, tuple[float, float, float]], factor: Array) -> dict[str, Array]:
    return {name: np.multiply(at, factor) * _MM for name, at in points.items()}


# --- bones ---------------------------------------------------------------------------------


class _Size(NamedTuple):
    """A vertebral body, metres; wedge in degrees."""

    height: float
    depth: float
    width: float
    wedge_deg: float


def _size(sex: Sex, vertebra: str) -> _Size:
    man, female = skeleton().vertebrae.sizes[vertebra], skeleton().female
    by = (female.height, female.depth, female.width) if sex == "F" else (1.0, 1.0, 1.0)
    return _Size(
        man.height * by[0] * _MM,
        man.depth * by[1] * _MM,
        man.width * by[2] * _MM,
        skeleton().wedges_of(sex)[vertebra],
    )


def _sized(sex: Sex, name: str, vertebra: str) -> Array:
    """A landmark on a body, by the body's sizes."""
    man, own = _size("M", vertebra), _size(sex, vertebra)
    factor = [own.depth / man.depth, own.height / man.height, own.width / man.width]
    return np.multiply(skeleton().landmarks.lumbar.points[name][vertebra], factor) * _MM


def _shape(sex: Sex, vertebra: str) -> VertebraShape:
    size = _size(sex, vertebra)
    tip = landmarks(sex)[_body(vertebra)]["spinous_tip"] * [1.0, 1.0, 0.0]
    up = np.array([0.0, size.height / 2, 0.0])
    return VertebraShape(up, -up, size.depth, size.width, tip)


@dataclass(frozen=True, eq=False)
class _Frame:
    """Where everything stands: 4×4 from body or joint to ground, metres.

    Attributes
    ----------
    bodies
        By name.
    joints
        By name; axes of ground but at the discs.
    vertebrae
        Middles of the thoracic bodies, ``T1`` … ``T12``, and of the lumbar.
    """

    bodies: Mapping[str, Array]
    joints: Mapping[str, Array]
    vertebrae: Mapping[str, Array]


def _pose(place: Array, tilt_deg: float = 0.0) -> Array:
    """A frame at a place of ground, leaning forward by an angle."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation((tilt_deg, 0.0, 0.0)), place
    return pose


@dataclass(frozen=True)
class _Slab:
    """A vertebral body or disc on the way up the spine."""

    name: str
    height: float
    wedge_deg: float


class _Placed(NamedTuple):
    pose: Array
    top: Array
    top_tilt_deg: float


def _on_top(slab: _Slab, base: Array, tilt_deg: float) -> _Placed:
    """Set a slab on the endplate below it; a lordotic one turns the next endplate back."""
    middle = tilt_deg - slab.wedge_deg / 2
    up = rotation((middle, 0.0, 0.0))[:, 1] * slab.height
    return _Placed(_pose(base + up / 2, middle), base + up, tilt_deg - slab.wedge_deg)


def _stacked(slabs: list[_Slab], base: Array, tilt_deg: float) -> tuple[dict[str, Array], _Placed]:
    """Poses of slabs set one on the other, and the uppermost."""
    poses: dict[str, Array] = {}
    placed = _Placed(np.eye(4), base, tilt_deg)
    for slab in slabs:
        placed = _on_top(slab, placed.top, placed.top_tilt_deg)
        poses[slab.name] = placed.pose
    return poses, placed


def _disc_wedges(sex: Sex) -> dict[str, float]:
    """Lordosis of the standing discs, degrees; with the bodies' wedges it makes the whole."""
    how, bodies = skeleton().alignment, skeleton().wedges_of(sex)
    lower = how.lordosis_deg * how.lower_share
    upper = how.lordosis_deg - lower
    lower -= bodies["L4"] + bodies["L5"]
    upper -= bodies["L1"] + bodies["L2"] + bodies["L3"]
    wedges = {level: part * lower for level, part in how.lower_discs.items()}
    wedges |= {level: part * upper for level, part in how.upper_discs.items()}
    return {**wedges, "T12-L1": how.thoracolumbar_disc_deg}


def _lumbar_slabs(sex: Sex) -> list[_Slab]:
    """Discs and bodies from L5-S1 up to T12-L1."""
    wedges, female = _disc_wedges(sex), skeleton().female
    by = (female.disc_height if sex == "F" else 1.0) * _MM
    slabs: list[_Slab] = []
    for joint, level in reversed(LUMBAR_JOINTS.items()):
        slabs.append(_Slab(joint, skeleton().disc_heights.mm[level] * by, wedges[level]))
        if (upper := level.split("-")[0]) in _LUMBAR:
            size = _size(sex, upper)
            slabs.append(_Slab(upper, size.height, size.wedge_deg))
    return slabs


def _thoracic_slabs(sex: Sex) -> list[_Slab]:
    """Bodies and discs from T12 up to T1; T12 keeps its own wedge, the rest share the kyphosis."""
    chest = skeleton().thoracic
    by = (skeleton().female.thorax[1] if sex == "F" else 1.0) * _MM
    t12 = skeleton().wedges_of(sex)["T12"]
    each = -(chest.kyphosis_deg + t12) / (len(chest.heights) - 1)
    slabs = [_Slab("T12", chest.heights["T12"] * by, t12)]
    for name in reversed([name for name in chest.heights if name != "T12"]):
        slabs += [
            _Slab(f"below {name}", chest.disc_height * by, 0.0),
            _Slab(name, chest.heights[name] * by, each),
        ]
    return slabs


@cache
def _frame(sex: Sex) -> _Frame:
    slope = skeleton().pelvic_angles.sacral_slope_deg
    slabs = [*_lumbar_slabs(sex), *_thoracic_slabs(sex)]
    poses, uppermost = _stacked(slabs, np.zeros(3), slope)
    vertebrae = {
        name: pose[:3, 3] for name, pose in poses.items() if name[0] in "TL" and "_" not in name
    }
    bodies = {"pelvis": np.eye(4), "thorax": _pose(vertebrae["T12"])}
    bodies |= {_body(name): poses[name] for name in _LUMBAR}
    joints = {name: poses[name] for name in LUMBAR_JOINTS} | {"neck": _pose(uppermost.top)}
    for side in SIDES:
        joints |= {f"{name}_{side}": pose for name, pose in _limb_joints(sex, vertebrae, side)}
    for joint, child in _HELD.items():
        bodies[child] = joints[joint]
    return _Frame(bodies, joints, vertebrae)


def _limb_joints(sex: Sex, vertebrae: Mapping[str, Array], side: str) -> list[tuple[str, Array]]:
    places, height = skeleton().joints, segments().person(sex).height_m
    mirror = 1.0 if side == "right" else -1.0
    wide = _factor(sex, skeleton().female.thorax)
    shoulder = np.array(
        [
            places.shoulder_forward_of_s1 * wide[0] * _MM,
            vertebrae[places.shoulder_level][1],
            mirror * places.shoulder_half_width * wide[2] * _MM,
        ]
    )
    down = np.array([0.0, -height, 0.0])
    elbow = shoulder + segments().lengths.upper_arm * down
    wrist = elbow + segments().lengths.forearm * down
    hip = hip_centre(sex) * [1.0, 1.0, mirror]
    return [
        ("hip", _pose(hip)),
        ("shoulder", _pose(shoulder)),
        ("elbow", _pose(elbow)),
        ("wrist", _pose(wrist)),
    ]


def hip_centre(sex: str) -> Array:
    """Centre of the right hip, ``[3]`` metres from the middle of S1's endplate, in standing."""
    known = _known(sex)
    places, tilt = skeleton().joints, np.radians(skeleton().pelvic_angles.pelvic_tilt_deg)
    man = [
        places.hip_distance * np.sin(tilt),
        -places.hip_distance * np.cos(tilt),
        places.hip_half_width,
    ]
    return np.multiply(man, _factor(known, skeleton().female.pelvis)) * _MM


def _thorax_marks(sex: Sex) -> dict[str, Array]:
    vertebrae, factor = _frame(sex).vertebrae, _factor(sex, skeleton().female.thorax)
    return {
        name: vertebrae[mark.of] - vertebrae["T12"] + np.multiply(mark.at, factor) * _MM
        for name, mark in skeleton().landmarks.thorax.points.items()
    }


# --- joints --------------------------------------------------------------------------------

#: Joints that are held in their posture, and the body that each carries.
_HELD: dict[str, str] = {"neck": "head"} | {
    f"{joint}_{side}": f"{body}_{side}"
    for side in SIDES
    for joint, body in (
        ("shoulder", "upper_arm"),
        ("elbow", "forearm"),
        ("wrist", "hand"),
        ("hip", "femur"),
    )
}
_PARENTS = {"hip": "pelvis", "neck": "thorax", "shoulder": "thorax"} | {
    "elbow": "upper_arm",
    "wrist": "forearm",
}


def _joints(frame: _Frame) -> tuple[Joint, ...]:
    """From the pelvis upward: discs, then the neck, the arms and the hips."""
    chain = ["pelvis", *(_body(name) for name in reversed(_LUMBAR)), "thorax"]
    lumbar = [
        _joint(frame, name, pair, stiffness().at(LUMBAR_JOINTS[name]))
        for name, pair in zip(reversed(LUMBAR_JOINTS), itertools.pairwise(chain), strict=True)
    ]
    held = [_joint(frame, name, (_parent(name), child)) for name, child in _HELD.items()]
    return (*lumbar, *held)


def _parent(joint: str) -> str:
    """The body above a held joint, of the joint's own side."""
    kind, _, side = joint.partition("_")
    parent = _PARENTS[kind]
    return parent if parent in ("pelvis", "thorax") else f"{parent}_{side}"


def _joint(
    frame: _Frame,
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
        in_parent=np.linalg.inv(frame.bodies[parent]) @ pose,
        in_child=np.linalg.inv(frame.bodies[child]) @ pose,
        free=spring is not None,
        stiffness_nm_per_rad=np.zeros(3) if spring is None else np.asarray(spring),
    )


# --- masses --------------------------------------------------------------------------------


def _bodies(sex: Sex, frame: _Frame) -> dict[str, Body]:
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


def _head(sex: Sex, frame: _Frame) -> _Mass:
    """Head and neck: from the cervicale, just below T1's upper endplate, up to the vertex."""
    places, length = skeleton().joints, segments().lengths.head * segments().person(sex).height_m
    hanging = _segment(sex, "head", segments().limbs_of(sex).head, length)
    neck = frame.joints["neck"][:3, 3]
    forward = places.head_forward_of_s1 * _factor(sex, skeleton().female.thorax)[0] * _MM
    up = hanging.mass_centre_m[1] - places.cervicale_below_t1_top * _MM
    return hanging._replace(mass_centre_m=np.array([forward - neck[0], up, 0.0]))


def _sex_factor(sex: Sex) -> float:
    """Of the upper and middle trunk against the mean of both sexes."""
    both = {
        known: segments().limbs_of(known).upper_trunk + segments().limbs_of(known).middle_trunk
        for known in ("M", "F")
    }
    return 2 * both[sex] / sum(both.values())


def _slice(sex: Sex, frame: _Frame, vertebra: str, thickness: float) -> _Mass:
    """A slice of the trunk at a vertebra, in ground: an elliptic plate."""
    person, trunk, axes = segments().person(sex), segments().trunk, segments().slices
    key = vertebra.lower()
    mass = trunk.fraction_percent[key] / 100 * _sex_factor(sex) * person.mass_kg
    forward = trunk.forward_mm[key] * _factor(sex, skeleton().female.thorax)[0] * _MM
    centre = frame.vertebrae[vertebra] + np.array([forward, 0.0, 0.0])
    deep, wide = axes.half_depth * person.height_m, axes.half_width * person.height_m
    return _Mass(mass, centre, _plate(mass, deep, wide, thickness))


def _plate(mass: float, deep: float, wide: float, thickness: float) -> Array:
    """Inertia of an upright elliptic cylinder."""
    flat = thickness**2 / 12
    return mass * np.diag([wide**2 / 4 + flat, (deep**2 + wide**2) / 4, deep**2 / 4 + flat])


def _trunk(sex: Sex, frame: _Frame) -> dict[str, _Mass]:
    """The lumbar slices and, of the thoracic joined, the thorax, each in its body's frame."""
    thick = {name: _size(sex, name).height * 1.33 for name in _LUMBAR}
    chest = [_slice(sex, frame, name, 0.025) for name in skeleton().thoracic.heights]
    found = {_body(name): _slice(sex, frame, name, thick[name]) for name in _LUMBAR}
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
