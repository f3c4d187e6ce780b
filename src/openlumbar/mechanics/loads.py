"""Measurements → a model of the person → muscle forces → loads, with their intervals.

::

    base model ─► scaled ─► with_spine ─► with_muscles ─► posture of a task ─► statics ─► solve
                  (person)   (sagittal)     (axial)                                        │
                                                                     loads on discs ◄──────┘
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Subject
from openlumbar.core.levels import LevelRow
from openlumbar.core.loads import (
    Load,
    Loads,
    MuscleLoad,
    Point,
    Provenance,
    Reserve,
    TaskLoads,
)
from openlumbar.core.measurement import Measurement
from openlumbar.mechanics import fit_muscles, muscles, osim, spine, subject
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import (
    LUMBAR_JOINTS,
    VERTEBRA_BODIES,
    Array,
    Model,
    Muscle,
    Posture,
    Statics,
)
from openlumbar.mechanics.osim_read import ReadModel
from openlumbar.mechanics.outline import outlines
from openlumbar.mechanics.reactions import joint_loads, vertebra_loads
from openlumbar.mechanics.reshape import with_spine
from openlumbar.mechanics.scale import scaled
from openlumbar.mechanics.solve import Solution, SolveOptions, solve
from openlumbar.mechanics.standing import RULE, StandingRule, standing_spine
from openlumbar.mechanics.statics import statics
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
_AXES = ("flexion", "lateral bending", "axial rotation")
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
        ``total`` or ``lean``: the area that scales a muscle's force, with its fat or without.
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
    area: Literal["total", "lean"] = "total"
    power: Literal[2, 3] = 2
    floor: float = 0.0
    samples: int = 60
    seed: int = 0

    @property
    def solving(self) -> SolveOptions:
        """The same for the solver."""
        return SolveOptions(power=self.power, activation_floor=self.floor)

    @property
    def criterion(self) -> str:
        """What is minimised, in words."""
        tone = f", no muscle less active than {self.floor:g}" if self.floor else ""
        return _CRITERIA[self.power] + tone


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What a model of a person is made from; the Monte Carlo draws others like it."""

    person: subject.Person
    spine: spine.MeasuredSpine
    muscles: muscles.MeasuredMuscles
    rule: StandingRule = RULE


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
    person = subject.person_of(who, base.height_m, base.mass_kg)
    generic = scaled(base, person.height_m, person.mass_kg)
    seen = spine.measured_spine(measurements, rows, generic)
    evidence = _Evidence(person, seen, muscles.measured_muscles(measurements, rows, seen))
    if not _anything(evidence):
        return Loads(
            missing="nothing of this exam's lumbar spine or its muscles was measured, so there is "
            "no model of this person"
        )
    return _loads_of(base, evidence, options, tell)


def _base(who: Subject, options: LoadsOptions) -> Model:
    if options.base_model is not None:
        return options.base_model.model
    return base_model(subject.base_sex(who))


def _anything(evidence: _Evidence) -> bool:
    return evidence.spine.measured or evidence.muscles.measured


@dataclass(frozen=True, eq=False)
class _Personal:
    """A model of a person, and where it came from."""

    model: Model
    provenance: tuple[Provenance, ...]
    flags: tuple[str, ...]
    notes: tuple[str, ...]


def _personal(base: Model, evidence: _Evidence, options: LoadsOptions) -> _Personal:
    person = evidence.person
    standing = standing_spine(evidence.spine, evidence.rule)
    shaped = with_spine(scaled(base, person.height_m, person.mass_kg), standing)
    choice = fit_muscles.MuscleOptions(area=options.area)
    fitted = fit_muscles.with_muscles(shaped, evidence.muscles, choice)
    return _Personal(
        fitted.model,
        (*person.provenance, *standing.provenance, *fitted.provenance),
        _once(person.flags, standing.flags, fitted.flags),
        _once(person.notes, standing.notes, fitted.notes),
    )


def _once(*parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for part in parts for word in part))


def _loads_of(
    base: Model, evidence: _Evidence, options: LoadsOptions, tell: Callable[[int, int], None]
) -> Loads:
    personal = _personal(base, evidence, options)
    solved, failed = _tasks(personal.model, options)
    options = replace(options, tasks=tuple(task for task in options.tasks if task.name in solved))
    spread = _spread(base, evidence, options, tell) if options.samples else None
    told = options.base_model.notes if options.base_model is not None else ()
    return Loads(
        base_model=base.name,
        tasks=tuple(
            _with_interval(one, None if spread is None else spread[:, number], personal.flags)
            for number, one in enumerate(solved.values())
        ),
        interval=_INTERVAL if spread is not None else "",
        samples=0 if spread is None else len(spread),
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
    poses = place(model, posture)
    return tuple(
        MuscleLoad(
            name=muscle.name,
            group=muscle.group,
            side=muscle.side,
            activation=round(float(activation), 4),
            force_n=round(float(activation) * muscle.max_force_n, 2),
            max_force_n=round(muscle.max_force_n, 2),
            path_mm=_path(muscle, poses),
        )
        for muscle, activation in zip(model.muscles, solution.activation, strict=True)
    )


def _path(muscle: Muscle, poses: Mapping[str, Array]) -> tuple[Point, ...]:
    turns = np.stack([poses[body] for body in muscle.bodies])
    placed = np.einsum("nij,nj->ni", turns[:, :3, :3], muscle.points_m) + turns[:, :3, 3]
    return tuple((x, y, z) for x, y, z in (placed * 1000).round(1).tolist())


def _reserves(balance: Statics, solution: Solution) -> tuple[Reserve, ...]:
    """Reserves that count, the largest first."""
    bound = SolveOptions().reserve_bound_nm
    found = [
        Reserve(LUMBAR_JOINTS[joint], axis, round(float(moment), 2), bound)
        for joint, row in zip(balance.joints, solution.reserve_nm, strict=True)
        for axis, moment in zip(_AXES, row, strict=True)
        if abs(moment) > _RESERVE_NM
    ]
    return tuple(sorted(found, key=lambda reserve: -abs(reserve.moment_nm)))


def _spread(
    base: Model, evidence: _Evidence, options: LoadsOptions, tell: Callable[[int, int], None]
) -> Array:
    """``[S, T, J + V, 3]`` forces of perturbed models, NaN where one could not be balanced."""
    rng = np.random.default_rng(options.seed)
    drawn = []
    for done in range(options.samples):
        model = _personal(base, _perturbed(evidence, rng), options).model
        drawn.append([_drawn(model, task, options) for task in options.tasks])
        tell(done + 1, options.samples)
    size = max(len(forces) for tasks in drawn for forces in tasks)
    blank = np.full((size, 3), np.nan)
    return np.array([[forces if len(forces) else blank for forces in tasks] for tasks in drawn])


def _drawn(model: Model, task: Task, options: LoadsOptions) -> Array:
    """Forces of a perturbed model by the kernel, which gives what OpenSim gives, faster."""
    balance = statics(model, posture_of(model, task, rhythm()))
    try:
        return _forces(balance, solve(balance, options.solving))
    except StageError:
        return np.empty((0, 3))


def _perturbed(evidence: _Evidence, rng: np.random.Generator) -> _Evidence:
    return _Evidence(
        subject.perturbed(evidence.person, rng),
        spine.perturbed(evidence.spine, rng),
        muscles.perturbed(evidence.muscles, rng),
        evidence.rule.perturbed(rng),
    )


def _with_interval(task: TaskLoads, drawn: Array | None, flags: tuple[str, ...]) -> TaskLoads:
    """Lay an interval about each load of a task, ``drawn`` being ``[S, J + V, 3]``."""
    loads = task.loads
    if drawn is not None and np.isfinite(drawn).all(axis=(1, 2)).sum() >= _FEWEST:
        spread = np.nanstd(drawn, axis=0, ddof=1) * _HALF_WIDTH
        loads = tuple(map(_between, loads, spread))
    flags = _once(flags, task.flags)
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
