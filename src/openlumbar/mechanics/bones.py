"""The bones of a base model: sizes, where they stand, and landmarks on them.

The spine is built upward from S1's endplate: each disc and body is set on the endplate below it,
turned by half its wedge. Ground, metres, in upright standing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from openlumbar.mechanics.kinematics import rotation
from openlumbar.mechanics.model import LUMBAR_JOINTS, Array, VertebraShape
from openlumbar.mechanics.tables import Sex, segments, skeleton

SIDES = ("right", "left")
#: Lumbar vertebrae from above.
LUMBAR = tuple(f"L{n}" for n in range(1, 6))
#: Metres in a millimetre: the tables of bones are in millimetres.
MM = 1e-3

#: Joints that are held in their posture, and the body that each carries.
HELD: dict[str, str] = {"neck": "head"} | {
    f"{joint}_{side}": f"{body}_{side}"
    for side in SIDES
    for joint, body in (
        ("shoulder", "upper_arm"),
        ("elbow", "forearm"),
        ("wrist", "hand"),
        ("hip", "femur"),
    )
}
#: Landmarks that belong to a body rather than to its processes.
_ON_BODY = ("body_side_upper", "body_side_lower")


def body_of(vertebra: str) -> str:
    """Name of the body of a lumbar vertebra: ``lumbar3`` of ``L3``."""
    return f"lumbar{vertebra[1:]}"


def factor(sex: Sex, female: tuple[float, float, float]) -> Array:
    """By which a man's lengths along x, y and z are multiplied."""
    return np.asarray(female) if sex == "F" else np.ones(3)


def _metres(points: Mapping[str, tuple[float, float, float]], by: Array) -> dict[str, Array]:
    return {name: np.multiply(at, by) * MM for name, at in points.items()}


class Size(NamedTuple):
    """A vertebral body, metres; wedge in degrees."""

    height: float
    depth: float
    width: float
    wedge_deg: float


def size_of(sex: Sex, vertebra: str) -> Size:
    """Of a lumbar vertebra."""
    man, female = skeleton().vertebrae.sizes[vertebra], skeleton().female
    by = (female.height, female.depth, female.width) if sex == "F" else (1.0, 1.0, 1.0)
    return Size(
        man.height * by[0] * MM,
        man.depth * by[1] * MM,
        man.width * by[2] * MM,
        skeleton().wedges_of(sex)[vertebra],
    )


def _sized(sex: Sex, name: str, vertebra: str) -> Array:
    """A landmark on a body, by the body's sizes."""
    man, own = size_of("M", vertebra), size_of(sex, vertebra)
    by = [own.depth / man.depth, own.height / man.height, own.width / man.width]
    return np.multiply(skeleton().landmarks.lumbar.points[name][vertebra], by) * MM


def shape(sex: Sex, vertebra: str) -> VertebraShape:
    """Of a lumbar vertebra, in its body's frame."""
    size = size_of(sex, vertebra)
    tip = landmarks(sex)[body_of(vertebra)]["spinous_tip"] * [1.0, 1.0, 0.0]
    up = np.array([0.0, size.height / 2, 0.0])
    return VertebraShape(up, -up, size.depth, size.width, tip)


@dataclass(frozen=True, eq=False)
class Frame:
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
    by = (female.disc_height if sex == "F" else 1.0) * MM
    slabs: list[_Slab] = []
    for joint, level in reversed(LUMBAR_JOINTS.items()):
        slabs.append(_Slab(joint, skeleton().disc_heights.mm[level] * by, wedges[level]))
        if (upper := level.split("-")[0]) in LUMBAR:
            size = size_of(sex, upper)
            slabs.append(_Slab(upper, size.height, size.wedge_deg))
    return slabs


def _thoracic_slabs(sex: Sex) -> list[_Slab]:
    """Bodies and discs from T12 up to T1; T12 keeps its own wedge, the rest share the kyphosis."""
    chest = skeleton().thoracic
    by = (skeleton().female.thorax[1] if sex == "F" else 1.0) * MM
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
def standing(sex: Sex) -> Frame:
    """Where the bodies, joints and vertebrae of a base model stand."""
    slope = skeleton().pelvic_angles.sacral_slope_deg
    slabs = [*_lumbar_slabs(sex), *_thoracic_slabs(sex)]
    poses, uppermost = _stacked(slabs, np.zeros(3), slope)
    vertebrae = {
        name: pose[:3, 3] for name, pose in poses.items() if name[0] in "TL" and "_" not in name
    }
    bodies = {"pelvis": np.eye(4), "thorax": _pose(vertebrae["T12"])}
    bodies |= {body_of(name): poses[name] for name in LUMBAR}
    joints = {name: poses[name] for name in LUMBAR_JOINTS} | {"neck": _pose(uppermost.top)}
    for side in SIDES:
        joints |= {f"{name}_{side}": pose for name, pose in _limb_joints(sex, vertebrae, side)}
    for joint, child in HELD.items():
        bodies[child] = joints[joint]
    return Frame(bodies, joints, vertebrae)


def _limb_joints(sex: Sex, vertebrae: Mapping[str, Array], side: str) -> list[tuple[str, Array]]:
    places, height = skeleton().joints, segments().person(sex).height_m
    mirror = 1.0 if side == "right" else -1.0
    wide = factor(sex, skeleton().female.thorax)
    shoulder = np.array(
        [
            places.shoulder_forward_of_s1 * wide[0] * MM,
            vertebrae[places.shoulder_level][1],
            mirror * places.shoulder_half_width * wide[2] * MM,
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


def hip_centre(sex: Sex) -> Array:
    """Centre of the right hip, ``[3]`` metres from the middle of S1's endplate, in standing."""
    places, tilt = skeleton().joints, np.radians(skeleton().pelvic_angles.pelvic_tilt_deg)
    man = [
        places.hip_distance * np.sin(tilt),
        -places.hip_distance * np.cos(tilt),
        places.hip_half_width,
    ]
    return np.multiply(man, factor(sex, skeleton().female.pelvis)) * MM


def _thorax_marks(sex: Sex) -> dict[str, Array]:
    vertebrae, by = standing(sex).vertebrae, factor(sex, skeleton().female.thorax)
    return {
        name: vertebrae[mark.of] - vertebrae["T12"] + np.multiply(mark.at, by) * MM
        for name, mark in skeleton().landmarks.thorax.points.items()
    }


def landmarks(sex: Sex) -> dict[str, dict[str, Array]]:
    """Landmarks by body, metres in its frame (:func:`openlumbar.mechanics.base.landmarks`)."""
    marks, female = skeleton().landmarks, skeleton().female
    by = {
        "processes": factor(sex, female.processes),
        "pelvis": factor(sex, female.pelvis),
        "femur": factor(sex, female.femur),
    }
    found = {
        body_of(level): {
            name: _sized(sex, name, level)
            if name in _ON_BODY
            else np.multiply(by_level[level], by["processes"]) * MM
            for name, by_level in marks.lumbar.points.items()
        }
        for level in LUMBAR
    }
    found["pelvis"] = _metres(marks.pelvis.points, by["pelvis"])
    found["femur_right"] = _metres(marks.femur_right.points, by["femur"])
    found["thorax"] = _thorax_marks(sex)
    return found
