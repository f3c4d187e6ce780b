"""OpenSim's own static optimisation and joint reaction, to hold ours against.

OpenSim's tools work on files and on motions: the posture is written as a motion that stands
still, forces of the muscles come from ``StaticOptimization`` and loads of the joints from
``JointReaction``. It takes seconds; :mod:`openlumbar.mechanics.solve` takes milliseconds.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openlumbar.core.errors import InputError
from openlumbar.mechanics.model import Array
from openlumbar.mechanics.osim_api import members, opensim, translated
from openlumbar.mechanics.solve import SolveOptions

# The tools fit splines through motions and forces, for which a single row is too few.
_TIMES_S = np.linspace(0.0, 1.0, 21)
_SOLVED_S = (0.5, 0.55)
#: Of the optimiser; OpenSim's own default of 1e-4 leaves newtons.
_CONVERGENCE = 1e-8
_MOST_STEPS = 2000


@dataclass(frozen=True, eq=False)
class OpenSimLoads:
    """A posture as OpenSim's tools solve it.

    Attributes
    ----------
    force_n
        Of each muscle, and moment (N·m) of each reserve, by name; reserves are named after their
        coordinates, with ``_reserve``.
    joint_n
        ``[J, 3]``: force of what lies above each joint on what lies below, axes of ground.
    """

    force_n: Mapping[str, float]
    joint_n: Array


def opensim_loads(built: Any, joints: Sequence[str], options: SolveOptions) -> OpenSimLoads:
    """Static optimisation and joint reaction of an ``opensim.Model`` in its default pose.

    Forces are activation times greatest force, whatever a muscle's length. Reserves act on the
    coordinates that are not locked, where :func:`openlumbar.mechanics.solve.solve` has them
    about the discs' axes: with small reserves the two are alike.

    Parameters
    ----------
    built
        Left as it is; a copy gets the reserves and the floor of activation.
    joints
        Names of those whose loads are wanted.
    options
        As for our own solution.

    Raises
    ------
    InputError
        OpenSim's tools fail, or find no solution.
    """
    with tempfile.TemporaryDirectory() as name, translated("OpenSim's static optimisation"):
        folder = Path(name)
        model = _prepared(built, options)
        model.printToXML(str(folder / "model.osim"))
        _write_table(folder / "still.mot", _still(model))
        _run(_static_optimization(options), folder)
        forces = _of_actuators(model, _row(folder / "run_StaticOptimization_force.sto"))
        _write_table(folder / "forces.sto", forces)
        _run(_joint_reaction(joints, folder / "forces.sto"), folder)
        reactions = _row(folder / "run_JointReaction_ReactionLoads.sto")
    found = np.array([_force(reactions, joint) for joint in joints])
    if not np.isfinite([*forces.values(), *found.ravel()]).all():
        raise InputError("OpenSim's static optimisation found no finite solution")
    return OpenSimLoads(forces, found)


def _prepared(built: Any, options: SolveOptions) -> Any:
    model = built.clone()
    model.initSystem()
    for muscle in members(model.getMuscles()):
        muscle.setMinControl(options.activation_floor)
    if options.reserve_bound_nm:
        free = [c for c in members(model.getCoordinateSet()) if not c.getDefaultLocked()]
        for coordinate in free:
            model.updForceSet().adoptAndAppend(_reserve(coordinate.getName(), options))
    model.finalizeConnections()
    return model


def _reserve(coordinate: str, options: SolveOptions) -> Any:
    reserve = opensim().CoordinateActuator(coordinate)
    reserve.setName(f"{coordinate}_reserve")
    reserve.setOptimalForce(options.reserve_optimal_nm)
    reach = options.reserve_bound_nm / options.reserve_optimal_nm
    reserve.setMinControl(-reach)
    reserve.setMaxControl(reach)
    return reserve


def _still(model: Any) -> dict[str, float]:
    return {c.getName(): c.getDefaultValue() for c in members(model.getCoordinateSet())}


def _of_actuators(model: Any, forces: dict[str, float]) -> dict[str, float]:
    # With a column of what is no actuator (a passive spring) JointReaction of 4.6 gives numbers of
    # uninitialised memory, at random: opensim-gui, issue 1505.
    return {
        actuator.getName(): forces[actuator.getName()] for actuator in members(model.getActuators())
    }


def _static_optimization(options: SolveOptions) -> Any:
    analysis = opensim().StaticOptimization()
    analysis.setStepInterval(1)
    analysis.setUseMusclePhysiology(False)
    analysis.setActivationExponent(float(options.power))
    analysis.setConvergenceCriterion(_CONVERGENCE)
    analysis.setMaxIterations(_MOST_STEPS)
    return analysis


def _joint_reaction(joints: Sequence[str], forces: Path) -> Any:
    osim = opensim()
    analysis = osim.JointReaction()
    analysis.setName("JointReaction")
    analysis.setForcesFileName(str(forces))
    for give, values in (
        (analysis.setJointNames, joints),
        (analysis.setOnBody, ("parent",)),
        (analysis.setInFrame, ("ground",)),
    ):
        names = osim.ArrayStr()
        for value in values:
            names.append(value)
        give(names)
    return analysis


def _run(analysis: Any, folder: Path) -> None:
    """Run one analysis over the motion; a tool is what it is only when read from its file."""
    osim = opensim()
    tool = osim.AnalyzeTool()
    tool.setName("run")
    tool.setModelFilename(str(folder / "model.osim"))
    tool.setCoordinatesFileName(str(folder / "still.mot"))
    tool.setLowpassCutoffFrequency(-1)
    tool.setInitialTime(_SOLVED_S[0])
    tool.setFinalTime(_SOLVED_S[1])
    tool.setResultsDir(str(folder))
    tool.setOutputPrecision(16)
    tool.updAnalysisSet().adoptAndAppend(analysis)
    setup = str(folder / f"{analysis.getConcreteClassName()}.xml")
    tool.printToXML(setup)
    if not osim.AnalyzeTool(setup, True).run():
        raise InputError(f"OpenSim's {analysis.getConcreteClassName()} failed on the posture")


def _write_table(path: Path, row: Mapping[str, float]) -> None:
    """The same row at every time, in OpenSim's text format; angles in radians."""
    head = f"version=1\nnRows={len(_TIMES_S)}\nnColumns={len(row) + 1}\ninDegrees=no\nendheader\n"
    values = "\t".join(repr(float(value)) for value in row.values())
    lines = [f"{time:.17g}\t{values}\n" for time in _TIMES_S]
    path.write_text(
        f"{path.stem}\n{head}" + "\t".join(["time", *row]) + "\n" + "".join(lines),
        encoding="utf-8",
    )


def _row(path: Path) -> dict[str, float]:
    table = opensim().TimeSeriesTable(str(path))
    values = table.getRowAtIndex(0).to_numpy()
    return dict(zip(table.getColumnLabels(), (float(value) for value in values), strict=True))


def _force(reactions: Mapping[str, float], joint: str) -> list[float]:
    found = {
        label[-1]: value
        for label, value in reactions.items()
        if label.startswith(f"{joint}_on_") and label[-3:-1] == "_f"
    }
    return [found.get(axis, math.nan) for axis in "xyz"]
