"""Loads of the lumbar joints by our own solution and by OpenSim's own tools, in one posture.

    python benchmarks/opensim_agreement.py
    python benchmarks/opensim_agreement.py --model ../shared/data/opensim/REFERENCE.osim

Without ``--model``: the generic man and woman in every built-in task. The same posture goes
through OpenSim's StaticOptimization (force = activation × greatest force) and JointReaction;
reserves, bounds and the floor of activation are the same, and nothing is coupled. Compression is
along the disc's axis.

With ``--model``: a user's file in its default pose. Ours is what ``read_model`` keeps of it; that
of OpenSim is the file itself, all joints but the lumbar ones locked, constraints and forces other
than muscles removed. What the reading loses shows in steps: the file without wrapping surfaces and
without what hangs on a body that is no bone, without wrapping surfaces, and as it is.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.model import Array, Model, Posture, Statics
from openlumbar.mechanics.osim_api import members, opensim
from openlumbar.mechanics.osim_bodies import named
from openlumbar.mechanics.osim_build import build
from openlumbar.mechanics.osim_read import read_model
from openlumbar.mechanics.osim_statics import opensim_statics
from openlumbar.mechanics.osim_tools import opensim_loads
from openlumbar.mechanics.reactions import joint_loads
from openlumbar.mechanics.solve import SolveOptions, solve
from openlumbar.mechanics.statics import statics
from openlumbar.mechanics.tables import rhythm
from openlumbar.mechanics.tasks import load_task, posture_of, task_names

LIMIT_PERCENT = 1.0
#: Steps from what is read to the file as it is.
STEPS = (
    (True, True, "the file without wrapping surfaces and without what hangs on no bone"),
    (False, True, "the file without wrapping surfaces"),
    (False, False, "the file as it is, all joints but the lumbar ones locked"),
)


def compression(balance: Statics, force_n: Array) -> Array:
    """Of a force of what lies above each joint on what lies below, along the disc's axis."""
    return -np.einsum("ja,ja->j", balance.axes[:, 1], force_n)


def show(balance: Statics, ours: Array, theirs: Array) -> float:
    """Print both and the difference; the largest of it, percent."""
    difference = 100 * (ours / theirs - 1)
    print("  joint     ours, N   OpenSim, N   difference, %")
    for row in zip(balance.joints, ours, theirs, difference, strict=True):
        print("  {:8s}{:9.1f}{:13.1f}{:16.4f}".format(*row))
    return float(np.abs(difference).max())


def same_posture(model: Model, posture: Posture, options: SolveOptions) -> float:
    balance = statics(model, posture)
    start = time.perf_counter()
    solution = solve(balance, options)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    theirs = opensim_loads(build(model, posture), balance.joints, options)
    print(f"  solved in {ours:.3f} s; OpenSim's tools take {time.perf_counter() - start:.1f} s")
    return show(balance, joint_loads(balance, solution)[:, 1], compression(balance, theirs.joint_n))


def largest_difference(one: Statics, other: Statics) -> float:
    names = ("centres_m", "axes", "arms_m", "lines", "force_n", "moment_nm", "vertebra_axes")
    return max(float(np.abs(getattr(one, n) - getattr(other, n)).max()) for n in names)


def built_in() -> float:
    worst = 0.0
    for sex in ("M", "F"):
        model = base_model(sex)
        for name in task_names():
            posture = posture_of(model, load_task(name), rhythm())
            start = time.perf_counter()
            read = opensim_statics(model, posture)
            seconds = time.perf_counter() - start
            off = largest_difference(read, statics(model, posture))
            print(f"\n{model.name}, {len(model.muscles)} fascicles, {name}")
            print(f"  built and read by OpenSim in {seconds:.2f} s; statics differ by {off:.1e}")
            for power, floor in ((2, 0.0), (3, 0.0), (2, 0.01)):
                print(f"  activations to the power of {power}, floor {floor:g}")
                options = SolveOptions(power=power, activation_floor=floor)
                worst = max(worst, same_posture(model, posture, options))
    return worst


def original(
    path: Path, joints: Sequence[str], bony: bool, straight: bool
) -> tuple[Any, list[str]]:
    """A user's file for OpenSim's tools, and its names of our joints.

    ``bony``: without points on bodies that are no bones, nor muscles that end on them.
    ``straight``: without wrapping surfaces.
    """
    opened = opensim().Model(str(path))
    opened.initSystem()
    forces = opened.updForceSet()
    muscles = {muscle.getName() for muscle in members(opened.getMuscles())}
    for name in [force.getName() for force in members(forces)]:
        if name not in muscles or (bony and ends_soft(opened.getMuscles().get(name))):
            forces.remove(forces.getIndex(name))
    while opened.getConstraintSet().getSize():
        opened.updConstraintSet().remove(0)
    for muscle in members(opened.getMuscles()):
        path_of = muscle.updGeometryPath()
        points = path_of.updPathPointSet()
        while bony and any(soft_points(muscle)):
            points.remove(soft_points(muscle).index(True))
        while straight and path_of.getWrapSet().getSize():
            path_of.updWrapSet().remove(0)
    found = free_lumbar(opened, joints)
    # Some kinds of muscle cannot be less active than 0.01; strings of the same strength can.
    opensim().ModelFactory.replaceMusclesWithPathActuators(opened)
    opened.finalizeConnections()
    return opened, found


def soft_points(muscle: Any) -> list[bool]:
    points = members(muscle.getGeometryPath().getPathPointSet())
    return [bool(named("soft", p.getParentFrame().findBaseFrame().getName())) for p in points]


def ends_soft(muscle: Any) -> bool:
    soft = soft_points(muscle)
    return soft[0] or soft[-1]


def free_lumbar(opened: Any, joints: Sequence[str]) -> list[str]:
    """Lock all but the joints under ``lumbar5`` … T12; their names in the file."""
    below = {"L5_S1": "lumbar5", "T12_L1": "thorax"}
    below |= {f"L{n}_L{n + 1}": f"lumbar{n}" for n in range(1, 5)}
    carried = {below[name]: name for name in joints}
    found = {}
    for joint in members(opened.getJointSet()):
        child = named("bodies", joint.getChildFrame().findBaseFrame().getName())
        for i in range(joint.numCoordinates()):
            joint.upd_coordinates(i).setDefaultLocked(child not in carried)
        if child in carried:
            found[carried[child]] = joint.getName()
    return [found[name] for name in joints]


def given(path: Path, options: SolveOptions) -> None:
    read = read_model(path)
    print(f"{read.model.name}: {len(read.model.muscles)} muscles cross the lumbar spine")
    for note in read.notes:
        print(f"  {note}")
    balance = statics(read.model, Posture())
    ours = joint_loads(balance, solve(balance, options))[:, 1]
    for bony, straight, title in STEPS:
        opened, joints = original(path, balance.joints, bony, straight)
        for actuator in members(opened.getActuators()):
            string = opensim().ScalarActuator.safeDownCast(actuator)
            string.setMinControl(options.activation_floor)
            string.setMaxControl(1.0)
        theirs = opensim_loads(opened, joints, options)
        print(f"\nagainst {title}; {options}")
        show(balance, ours, compression(balance, theirs.joint_n))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a user's OpenSim file")
    parser.add_argument("--power", type=int, choices=(2, 3), default=2, help="with --model")
    parser.add_argument("--floor", type=float, default=0.0, help="with --model: of activations")
    options = parser.parse_args()
    if options.model:
        chosen = SolveOptions(power=options.power, activation_floor=options.floor)
        given(options.model, chosen)
        return
    worst = built_in()
    verdict = "within" if worst <= LIMIT_PERCENT else "BEYOND"
    print(f"\nlargest difference {worst:.4f} %: {verdict} {LIMIT_PERCENT:g} %")


if __name__ == "__main__":
    main()
