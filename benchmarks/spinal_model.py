"""Tables of the base models as they are built, for their page in the docs.

    python benchmarks/spinal_model.py           # prints them
    python benchmarks/spinal_model.py --docs    # puts them into the page

``tests/mechanics/test_base_model.py`` fails where the page holds others than these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from marked_page import print_or_fill, table

from openlumbar.mechanics import tables
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import LUMBAR_JOINTS, Array, Joint, Model, Muscle, Posture
from openlumbar.mechanics.reactions import joint_loads
from openlumbar.mechanics.solve import solve
from openlumbar.mechanics.statics import statics
from openlumbar.mechanics.tasks import load_task, posture_of

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "spinal-model.md"
LEANS_DEG = (15, 30, 45, 60, 75, 90)
#: How far the back muscles' lane past L5 is moved, mm; forward is positive.
LANE_MM = (-5, 0, 5)
_LANE_DISCS = ("L3_L4", "L4_L5", "L5_S1")


def _whole(values: Iterable[float]) -> str:
    """Whole numbers, without the sign of a nought."""
    return ", ".join(f"{value:.0f}" for value in np.round(list(values)) + 0.0)


def bodies() -> str:
    """Masses and mass centres, of the right side."""
    models = [base_model(sex) for sex in ("M", "F")]
    rows = []
    for name in models[0].bodies:
        if name.endswith("_left"):
            continue
        row = [name.replace("_right", "_right, _left")]
        for model in models:
            body = model.bodies[name]
            share = 100 * body.mass_kg / model.mass_kg
            row += [f"{body.mass_kg:.2f}", f"{share:.2f}", _whole(1e3 * body.mass_centre_m[:2])]
        rows.append(row)
    own = ("kg", "%", "mass centre, mm")
    head = ["body", *(f"man, {word}" for word in own), *(f"woman, {word}" for word in own)]
    return table(head, rows)


def _disc(model: Model, joint: Joint) -> Array:
    return place(model, Posture())[joint.parent] @ joint.in_parent


def _above(model: Model, joint: Joint) -> tuple[float, float]:
    """Part of the person's mass above a disc, and how far before the disc its centre lies, m."""
    poses, names = place(model, Posture()), sorted(model.above(joint))
    masses = np.array([model.bodies[name].mass_kg for name in names])
    ahead = [(poses[n] @ np.append(model.bodies[n].mass_centre_m, 1.0))[0] for n in names]
    centre = masses @ ahead / masses.sum()
    return masses.sum() / model.mass_kg, centre - _disc(model, joint)[0, 3]


def discs() -> str:
    """Where discs stand, and what weighs on them."""
    models = [base_model(sex) for sex in ("M", "F")]
    rows = []
    for name, level in reversed(LUMBAR_JOINTS.items()):
        row = [level]
        for model in models:
            joint = next(joint for joint in model.joints if joint.name == name)
            pose, (mass, ahead) = _disc(model, joint), _above(model, joint)
            tilt = np.degrees(np.arctan2(pose[0, 1], pose[1, 1]))
            row += [_whole(1e3 * pose[:2, 3]), f"{tilt:.1f}", f"{100 * mass:.1f}"]
            row.append(_whole([1e3 * ahead]))
        rows.append(row)
    own = ("forward, up, mm", "tilt, °", "mass above, %", "its centre before the disc, mm")
    head = ["disc", *(f"man: {word}" for word in own), *(f"woman: {word}" for word in own)]
    return table(head, rows)


def vertebrae() -> str:
    """Sizes of the bodies."""
    rows = []
    for level in (f"L{n}" for n in range(1, 6)):
        row = [level]
        for sex in ("M", "F"):
            shape = base_model(sex).shapes[f"lumbar{level[1]}"]
            height = np.linalg.norm(shape.upper_m - shape.lower_m)
            row += [f"{1e3 * value:.1f}" for value in (height, shape.depth_m, shape.width_m)]
            row.append(
                f"{tables.skeleton().wedges.M.deg[level]:.1f}"
                if sex == "M"
                else f"{tables.skeleton().wedges.F.deg[level]:.1f}"
            )
        rows.append(row)
    own = ("height", "depth", "width", "wedge, °")
    return table(
        ["body", *(f"man: {word}" for word in own), *(f"woman: {word}" for word in own)], rows
    )


def springs() -> str:
    """Stiffness of the discs, and how lumbar flexion is shared out."""
    shares = tables.rhythm().shares
    rows = [
        [
            level,
            *(f"{value:.0f}" for value in tables.stiffness().at(level)),
            f"{100 * shares[level]:.0f} %",
        ]
        for level in tables.LEVELS
    ]
    return table(
        ["disc", "flexion", "lateral bending", "axial rotation", "of lumbar flexion"], rows
    )


def lean() -> str:
    """Hips and lumbar spine in a lean of the trunk."""
    lumbar = [tables.rhythm().lumbar_deg(angle) for angle in LEANS_DEG]
    hips = [angle - part for angle, part in zip(LEANS_DEG, lumbar, strict=True)]
    rows = [
        [word, *(f"{part:.0f}°" for part in parts)]
        for word, parts in (("lumbar spine", lumbar), ("hips", hips))
    ]
    return table(["lean of the trunk", *(f"{angle}°" for angle in LEANS_DEG)], rows)


def lane() -> str:
    """What the lane of the back muscles past L5 does to the loads: base man, Hess's task."""
    man = base_model("M")
    task = load_task("hess2023")
    rows = []
    for by in LANE_MM:
        moved = replace(man, muscles=tuple(_past_l5(muscle, by) for muscle in man.muscles))
        balance = statics(moved, posture_of(moved, task, tables.rhythm()))
        loads = joint_loads(balance, solve(balance))
        at = [loads[balance.joints.index(joint)] for joint in _LANE_DISCS]
        where = f"{abs(by)} mm {'forward' if by > 0 else 'back'}" if by else "as it is"
        rows.append([where, *(f"{load[1]:.0f}, {load[0]:.0f}" for load in at)])
    discs = [LUMBAR_JOINTS[joint] for joint in _LANE_DISCS]
    return table(["lane past L5", *(f"{disc}: compression, shear, N" for disc in discs)], rows)


def _past_l5(muscle: Muscle, forward_mm: float) -> Muscle:
    """A muscle whose points on L5, but for its ends, are moved forward; of the back alone."""
    if muscle.group not in ("multifidus", "erector spinae"):
        return muscle
    points = muscle.points_m.copy()
    passed = np.array([body == "lumbar5" for body in muscle.bodies])
    passed[[0, -1]] = False
    points[passed, 0] += forward_mm / 1000
    return replace(muscle, points_m=points)


def sources() -> str:
    """What the keys of the tables mean."""
    rows = [
        [f"`{key}`", f"[{source.citation}]({source.url})", source.read]
        for key, source in sorted(tables.sources().items())
    ]
    return table(["key", "source", "what of it was read"], rows)


SECTIONS = {
    "bodies": bodies,
    "discs": discs,
    "vertebrae": vertebrae,
    "springs": springs,
    "lean": lean,
    "lane": lane,
    "sources": sources,
}


if __name__ == "__main__":
    print_or_fill(__doc__, PAGE, SECTIONS)
