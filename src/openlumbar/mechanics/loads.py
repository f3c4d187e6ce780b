"""Measurements → a model of the person → muscle forces → loads, with their intervals.

::

    personal model ─► posture of a task ─► statics ─► solve ─► loads on discs and vertebrae
     (personal.py)       (tasks.py)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from openlumbar.core.errors import OptionError, StageError
from openlumbar.core.exam import Subject
from openlumbar.core.levels import LevelRow
from openlumbar.core.loads import (
    Load,
    Loads,
    MuscleLoad,
    Reserve,
    TaskLoads,
)
from openlumbar.core.measurement import Measurement
from openlumbar.mechanics import osim
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import (
    LUMBAR_JOINTS,
    VERTEBRA_BODIES,
    Array,
    Model,
    Posture,
    Statics,
)
from openlumbar.mechanics.osim_read import ReadModel
from openlumbar.mechanics.outline import outlines
from openlumbar.mechanics.paths import strings_of
from openlumbar.mechanics.personal import Area, Evidence, gather, once, personal_model
from openlumbar.mechanics.reactions import joint_loads, vertebra_loads
from openlumbar.mechanics.solve import RESERVE_AXES, Solution, SolveOptions, solve
from openlumbar.mechanics.statics import statics
from openlumbar.mechanics.subject import base_sex
from openlumbar.mechanics.tables import rhythm
from openlumbar.mechanics.tasks import (
    DEFAULT_TASKS,
    Task,
    load_task,
    posture_of,
    posture_sentences,
)

_CRITERIA = {2: "sum of squared activations", 3: "sum of cubed activations"}
#: Half the width of an interval, in standard deviations: 95 % of a normal distribution.
_HALF_WIDTH = 1.96
#: With fewer perturbed models that could be balanced there is no interval.
_FEWEST = 10
_INTERVAL = (
    "1.96 standard deviations to either side (about 95 %) of models whose measured places and "
    "areas, body height and mass, and change from lying to standing are varied within their "
    "uncertainties; not what the base model itself may be wrong by"
)
#: A reserve above this is told of: less is rounding of the balance.
_RESERVE_NM = 1.0


@dataclass(frozen=True)
class LoadsOptions:
    """How loads are solved.

    Attributes
    ----------
    tasks
        Solved in this order.
    base_model
        One of the user's own in place of ours.
    area
        That scales a muscle's force.
    power
        2 or 3: of the activations whose sum is least.
    floor
        No muscle is less active: a tone that balance alone does not ask for. OpenSim's own
        default is 0.01; ours is none.
    samples
        Perturbed models that the intervals rest on; 0 for none.
    seed
        Of the perturbations.
    """

    tasks: tuple[Task, ...] = field(default_factory=lambda: tuple(map(load_task, DEFAULT_TASKS)))
    base_model: ReadModel | None = None
    area: Area = "total"
    power: Literal[2, 3] = 2
    floor: float = 0.0
    samples: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        names = [task.name for task in self.tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise OptionError(
                f"several tasks are named {', '.join(twice)}; a task's name is that of its file: "
                "give each another"
            )

    @property
    def solving(self) -> SolveOptions:
        """The same for the solver."""
        return SolveOptions(power=self.power, activation_floor=self.floor)

    @property
    def criterion(self) -> str:
        """What is minimised, in words."""
        tone = f", no muscle less active than {self.floor:g}" if self.floor else ""
        return _CRITERIA[self.power] + tone


def solve_loads(
    who: Subject,
    measurements: Sequence[Measurement],
    rows: Sequence[LevelRow],
    options: LoadsOptions | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Loads:
    """Solve the loads on the lumbar spine of a person.

    Parameters
    ----------
    who
        Sex, height and mass; what is not given is taken from the base model, with a flag.
    measurements, rows
        What the exam gave: sagittal anatomy shapes the spine, axial muscles their paths and
        forces. What is missing stays generic, with a flag.
    options
        How; the defaults when None.
    tell
        Told how many of how many models were solved.

    Returns
    -------
    Loads
        Where they cannot be solved at all, ``missing`` says why in one sentence.

    Raises
    ------
    InputError
        The person cannot be (a mass of 700 kg, say).
    OptionError
        A task names a body or joint that the model does not have.
    StageError
        None of the tasks can be balanced; where some can, a note tells of the others.
    """
    options = options or LoadsOptions()
    reason = osim.unavailable()
    if reason:
        return Loads(missing=reason)
    base = _base(who, options)
    evidence = gather(who, measurements, rows, base)
    if not evidence.measured:
        return Loads(
            missing="nothing of this exam's lumbar spine or its muscles was measured, so there is "
            "no model of this person"
        )
    return _loads_of(base, evidence, options, tell)


def _base(who: Subject, options: LoadsOptions) -> Model:
    if options.base_model is not None:
        return options.base_model.model
    return base_model(base_sex(who))


def _loads_of(
    base: Model, evidence: Evidence, options: LoadsOptions, tell: Callable[[int, int], None]
) -> Loads:
    personal = personal_model(base, evidence, options.area)
    solved, failed = _tasks(personal.model, options)
    options = replace(options, tasks=tuple(task for task in options.tasks if task.name in solved))
    drawn = _drawn(base, evidence, options, tell)
    tasks = tuple(
        _with_interval(solved[task.name], drawn[task.name], personal.flags)
        for task in options.tasks
    )
    told = options.base_model.notes if options.base_model is not None else ()
    return Loads(
        base_model=base.name,
        tasks=tasks,
        interval=_INTERVAL if any(one.low_n is not None for t in tasks for one in t.loads) else "",
        samples=options.samples,
        provenance=personal.provenance,
        flags=personal.flags,
        notes=(*failed, *told, *personal.notes),
        osim=osim.model_text(personal.model),
    )


def _tasks(model: Model, options: LoadsOptions) -> tuple[dict[str, TaskLoads], list[str]]:
    """Each task that can be balanced, by name, and a sentence for each that cannot."""
    solved: dict[str, TaskLoads] = {}
    failed = []
    for task in options.tasks:
        try:
            solved[task.name] = _solved(model, task, options)
        except StageError as error:
            failed.append(f"{task.title} has no loads: {error}.")
    if not solved:
        raise StageError(" ".join(failed))
    return solved, failed


def _solved(model: Model, task: Task, options: LoadsOptions) -> TaskLoads:
    """Solve one task on the person's own model; lines of action and weights are OpenSim's."""
    posture = posture_of(model, task, rhythm())
    balance = osim.opensim_statics(model, posture)
    solution = solve(balance, options.solving)
    reserves = _reserves(balance, solution)
    return TaskLoads(
        task=task.name,
        title=task.title,
        posture=posture_sentences(model, task, posture, rhythm()),
        criterion=options.criterion,
        loads=_rows(balance, solution),
        muscles=_muscles(model, posture, solution),
        reserves=reserves,
        bodies=outlines(model, posture),
        residual_nm=solution.residual_nm,
        flags=("reserve-in-use",) if reserves else (),
    )


def _rows(balance: Statics, solution: Solution) -> tuple[Load, ...]:
    """Loads of the joints, then of the vertebrae, from above."""
    level_of = {body: level for level, body in VERTEBRA_BODIES.items()}
    places = [(LUMBAR_JOINTS[name], "joint") for name in balance.joints]
    places += [(level_of[name], "vertebra") for name in balance.vertebrae]
    return tuple(
        Load(level, where, compression, anterior, lateral)
        for (level, where), (anterior, compression, lateral) in zip(
            places, _forces(balance, solution).round(3).tolist(), strict=True
        )
    )


def _forces(balance: Statics, solution: Solution) -> Array:
    """``[J + V, 3]``: anterior shear, compression, lateral shear."""
    return np.concatenate([joint_loads(balance, solution), vertebra_loads(balance, solution)])


def _muscles(model: Model, posture: Posture, solution: Solution) -> tuple[MuscleLoad, ...]:
    strings = strings_of(model.muscles)
    points = strings.placed(place(model, posture)).points_m
    paths = strings.split((points * 1000).round(1))
    return tuple(
        MuscleLoad(
            name=muscle.name,
            group=muscle.group,
            side=muscle.side,
            activation=round(float(activation), 4),
            force_n=round(float(activation) * muscle.max_force_n, 2),
            max_force_n=round(muscle.max_force_n, 2),
            path_mm=tuple((x, y, z) for x, y, z in path.tolist()),
        )
        for muscle, activation, path in zip(model.muscles, solution.activation, paths, strict=True)
    )


def _reserves(balance: Statics, solution: Solution) -> tuple[Reserve, ...]:
    """Reserves that count, the largest first."""
    bound = SolveOptions().reserve_bound_nm
    found = [
        Reserve(LUMBAR_JOINTS[joint], axis, round(float(moment), 2), bound)
        for joint, row in zip(balance.joints, solution.reserve_nm, strict=True)
        for axis, moment in zip(RESERVE_AXES, row, strict=True)
        if abs(moment) > _RESERVE_NM
    ]
    return tuple(sorted(found, key=lambda reserve: -abs(reserve.moment_nm)))


def _drawn(
    base: Model, evidence: Evidence, options: LoadsOptions, tell: Callable[[int, int], None]
) -> dict[str, list[Array]]:
    """Forces ``[J + V, 3]`` of perturbed models by task, of those that could be balanced."""
    rng = np.random.default_rng(options.seed)
    found: dict[str, list[Array]] = {task.name: [] for task in options.tasks}
    for done in range(options.samples):
        model = personal_model(base, evidence.perturbed(rng), options.area).model
        for task in options.tasks:
            # The kernel gives what OpenSim gives, faster.
            balance = statics(model, posture_of(model, task, rhythm()))
            with suppress(StageError):
                found[task.name].append(_forces(balance, solve(balance, options.solving)))
        tell(done + 1, options.samples)
    return found


def _with_interval(task: TaskLoads, drawn: list[Array], flags: tuple[str, ...]) -> TaskLoads:
    """Lay an interval about each load of a task."""
    loads = task.loads
    if len(drawn) >= _FEWEST:
        loads = tuple(map(_between, loads, np.std(drawn, axis=0, ddof=1) * _HALF_WIDTH))
    flags = once(flags, task.flags)
    return replace(task, loads=tuple(replace(load, flags=flags) for load in loads))


def _between(load: Load, half: Array) -> Load:
    shear, compression = round(float(half[0]), 1), round(float(half[1]), 1)
    return replace(
        load,
        low_n=load.compression_n - compression,
        high_n=load.compression_n + compression,
        shear_low_n=load.shear_n - shear,
        shear_high_n=load.shear_n + shear,
    )
