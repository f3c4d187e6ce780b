"""Loads to make reports of: a stick figure of plausible size, made by hand; nothing is solved."""

import numpy as np

from openlumbar.core.loads import (
    JOINT_LEVELS,
    BodyShape,
    Load,
    Loads,
    MuscleLoad,
    Origin,
    Provenance,
    Reserve,
    TaskLoads,
)

#: From below: each body stands on the one before it.
CHAIN = ("pelvis", "lumbar5", "lumbar4", "lumbar3", "lumbar2", "lumbar1", "thorax")
#: A body leans back by so much in standing: lordosis, degrees.
_LEAN = {"lumbar5": -14, "lumbar4": -2, "lumbar3": 5, "lumbar2": 11, "lumbar1": 14}
_STEP = 37.0
_HIP = np.array([40.0, -90.0, 0.0])
#: Group: how far forward and sideways its fascicles begin and end, mm, and their activation.
_GROUPS = {
    "multifidus": ((-45, 12), (-50, 15), 0.30),
    "erector spinae": ((-55, 40), (-50, 35), 0.45),
    "psoas": ((0, 35), (55, 60), 0.05),
    "quadratus lumborum": ((-20, 70), (-15, 45), 0.15),
}


def _turn(degrees):
    """Forward about the axis to the right."""
    c, s = np.cos(np.radians(-degrees)), np.sin(np.radians(-degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def poses(flexion_deg=0.0):
    """Rotation and origin of each body of the chain; a third of the flexion is the lumbar part."""
    share = flexion_deg / 18.0
    pelvis = _turn(flexion_deg * 2 / 3)
    origin = _HIP - pelvis @ _HIP
    found = {"pelvis": (pelvis, origin)}
    turned = flexion_deg * 2 / 3
    for name in CHAIN[1:]:
        turned += share
        rotation = _turn(turned - _LEAN.get(name, 0))
        origin = origin + rotation @ (0, _STEP, 0)
        found[name] = (rotation, origin)
    return found


def _points(pose, points):
    rotation, origin = pose
    return tuple(tuple((rotation @ np.array(p, float) + origin).round(1)) for p in points)


def bodies(flexion_deg=0.0):
    """Two outlines and a spinous process a vertebra, strokes for the rest, weights when flexed."""
    placed = poses(flexion_deg)
    shapes = []
    for name in CHAIN[1:-1]:
        depth, width, half = 17.0, 23.0, 13.0
        side = [(-depth, -half, 0), (depth, -half, 0), (depth, half, 0), (-depth, half, 0)]
        back = [(0, -half, -width), (0, -half, width), (0, half, width), (0, half, -width)]
        lines = (
            _points(placed[name], [*side, side[0]]),
            _points(placed[name], [*back, back[0]]),
            _points(placed[name], [(-depth, 0, 0), (-55, -12, 0)]),
        )
        shapes.append(BodyShape(name, lines))
    hips = (_points(placed["pelvis"], [(0, 0, 0), _HIP + np.array((0, 0, z))]) for z in (90, -90))
    shapes.append(BodyShape("pelvis", tuple(hips)))
    top = (0.0, 270.0, 0.0)
    shoulders = [_points(placed["thorax"], [(0, -10, 0), (0, 230, z)]) for z in (180, -180)]
    neck = _points(placed["thorax"], [(0, -10, 0), top])
    shapes.append(BodyShape("thorax", (*shoulders, neck)))
    shapes.append(
        BodyShape("head", (_points(placed["thorax"], [top, (20, 390, 0)]),)),
    )
    for side, arm in zip(("right", "left"), shoulders, strict=True):
        x, y, z = arm[-1]
        hand = (x, y - 620.0, z)
        shapes.append(BodyShape(f"upper_arm_{side}", (((x, y, z), hand),)))
        if flexion_deg:
            shapes.append(BodyShape(f"load_hand_{side}", ((hand,),)))
        hip = (*_HIP[:2].tolist(), 90.0 if side == "right" else -90.0)
        shapes.append(BodyShape(f"femur_{side}", ((hip, (hip[0], hip[1] - 200.0, hip[2])),)))
    return tuple(shapes)


def muscles(flexion_deg=0.0, effort=1.0):
    """Fascicles of both sides, each from the thorax or a vertebra to the pelvis."""
    placed = poses(flexion_deg)
    found = []
    for group, ((x0, z0), (x1, z1), activation) in _GROUPS.items():
        for number, body in enumerate(CHAIN[1:]):
            for side, sign in (("right", 1), ("left", -1)):
                y0 = 80.0 if body == "thorax" else 0.0
                path = (
                    *_points(placed[body], [(x0, y0, sign * z0)]),
                    *_points(placed["pelvis"], [(x1, -20 - 5 * number, sign * z1)]),
                )
                share = min(1.0, activation * effort * (1 + 0.1 * number))
                name = f"{group}_{body}_{side[0]}".replace(" ", "_")
                force = round(share * 150.0, 2)
                found.append(MuscleLoad(name, group, side, share, force, 150.0, path))
    for side, sign in (("right", 1), ("left", -1)):
        path = (
            *_points(placed["thorax"], [(120, 60, sign * 40)]),
            *_points(placed["pelvis"], [(80, -60, sign * 20)]),
        )
        found.append(
            MuscleLoad(f"rectus_{side[0]}", "rectus abdominis", side, 0.01, 3.0, 300.0, path)
        )
    return tuple(found)


def loads_of(most=2931.4, interval=True):
    """Compression rises to ``most`` at L4-L5; shear turns forward at the lowest disc."""
    found = []
    for number, level in enumerate((*JOINT_LEVELS, "L1", "L2", "L3", "L4", "L5")):
        place = "vertebra" if number >= 6 else "joint"
        step = number - 6 if number >= 6 else number
        force = most * (1 - 0.09 * abs(step - 4))
        shear = -120.6 + 95.0 * step
        ends = (force * 0.85, force * 1.15, shear - 60, shear + 60) if interval else (None,) * 4
        flags = ("curvature-partly-generic",) if level == "T12-L1" else ()
        found.append(
            Load(level, place, round(force, 1), round(shear, 1), 0.0, *ends, flags=flags),
        )
    return tuple(found)


def standing(**changes):
    facts = {
        "task": "standing",
        "title": "Upright standing",
        "posture": ("Upright standing: thorax and pelvis upright, arms hanging.",),
        "criterion": "sum of squared activations",
        "loads": loads_of(502.0),
        "muscles": muscles(effort=0.2),
        "bodies": bodies(),
    }
    return TaskLoads(**(facts | changes))


def flexed(**changes):
    facts = {
        "task": "hess2023",
        "title": "60° of trunk flexion, 5 kg in each hand (Hess et al. 2023)",
        "posture": (
            "The thorax leans 60° forward, counted from upright standing: 40° by the hips and "
            "20° by the lumbar joints.",
            "The arms hang vertically; the elbows are straight.",
        ),
        "criterion": "sum of squared activations",
        "loads": loads_of(),
        "muscles": muscles(60.0, 1.8),
        "reserves": (Reserve("L1-L2", "lateral bending", -3.14, 20.0),),
        "bodies": bodies(60.0),
        "flags": ("reserve-in-use",),
    }
    return TaskLoads(**(facts | changes))


def provenance():
    places = [
        Provenance(
            "place of the joint", level, Origin.MEASURED if n else Origin.INTERPOLATED,
            level=level, uncertainty=1.2 if n else None, unit="mm",
        )
        for n, level in enumerate(JOINT_LEVELS)
    ]  # fmt: skip
    areas = [
        Provenance("area", muscle, origin, level=level, side=side, uncertainty=sd, unit="cm2")
        for muscle, origin, sd in (
            ("multifidus", Origin.MEASURED, 0.4),
            ("psoas", Origin.MEASURED, 0.6),
            ("rectus abdominis", Origin.GENERIC, None),
        )
        for side in ("right", "left")
        for level in ("L3-L4", "L4-L5")
    ]
    mass = Provenance(
        "body mass", "person", Origin.MEASURED, value=78.86, uncertainty=1.2, unit="kg"
    )
    note = "the thorax was not imaged; it stands upright"
    thorax = Provenance("shape and posture", "thorax", Origin.GENERIC, note=note)
    return (mass, *places, *areas, thorax)


def some_loads(**changes):
    """Two tasks, one with a reserve; one joint's place is interpolated."""
    facts = {
        "base_model": "OpenLumbar male base model",
        "tasks": (standing(), flexed()),
        "interval": "95 % of the models whose measured places and areas are varied within their "
        "uncertainties",
        "samples": 60,
        "provenance": provenance(),
        "flags": ("curvature-partly-generic",),
        "notes": ("the supine curvature was carried to standing as it is",),
    }
    return Loads(**(facts | changes))
