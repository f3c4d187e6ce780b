"""Measurements → a model of the person → muscle forces → loads, with their intervals.

::

    base model ─► scaled ─► with_spine ─► with_muscles ─► posture of a task ─► statics ─► solve
                  (person)   (sagittal)     (axial)                                        │
                                                                     loads on discs ◄──────┘
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from openlumbar.core.errors import InputError, StageError
from openlumbar.core.exam import Subject
from openlumbar.core.levels import LevelRow
from openlumbar.core.loads import (
    BodyShape,
    Load,
    Loads,
    MuscleLoad,
    Origin,
    Provenance,
    Reserve,
    TaskLoads,
)
from openlumbar.core.measurement import Measurement
from openlumbar.mechanics import fit_muscles, muscles, osim, spine, subject
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import LUMBAR_JOINTS, VERTEBRA_BODIES, Array, Model, Posture, Statics
from openlumbar.mechanics.osim_read import ReadModel
from openlumbar.mechanics.outline import outlines
from openlumbar.mechanics.reactions import joint_loads, vertebra_loads
from openlumbar.mechanics.reshape import with_spine
from openlumbar.mechanics.scale import scaled
from openlumbar.mechanics.solve import Solution, SolveOptions, solve
from openlumbar.mechanics.standing import StandingRule, standing_spine
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
    samples
        Perturbed models that the intervals rest on; 0 for none.
    seed
        Of the perturbations.
    """

    tasks: tuple[Task, ...] = field(default_factory=lambda: tuple(map(load_task, DEFAULT_TASKS)))
    base_model: ReadModel | None = None
    area: Literal["total", "lean"] = "total"
    power: Literal[2, 3] = 2
    samples: int = 60
    seed: int = 0


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What a model of a person is made from; the Monte Carlo draws others like it."""

    person: subject.Person
    spine: spine.MeasuredSpine
    muscles: muscles.MeasuredMuscles
    rule: StandingRule = field(default_factory=StandingRule)


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
        The task cannot be balanced.
    """
    options = options or LoadsOptions()
    reason = osim.unavailable()
    if reason:
        return Loads(missing=reason)
    base = _base(who, options)
    person = subject.person_of(who, base.height_m, base.mass_kg)
    seen = spine.measured_spine(measurements, rows, base)
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
    return base_model("F" if who.sex == "F" else "M")


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
    solved = [_solved(personal.model, task, options) for task in options.tasks]
    spread = _spread(base, evidence, options, tell) if options.samples else None
    told = options.base_model.notes if options.base_model is not None else ()
    return Loads(
        base_model=base.name,
        tasks=tuple(
            _with_interval(one, None if spread is None else spread[:, number], personal.flags)
            for number, one in enumerate(solved)
        ),
        interval=_INTERVAL if spread is not None else "",
        samples=0 if spread is None else len(spread),
        provenance=personal.provenance,
        flags=personal.flags,
        notes=(*told, *personal.notes),
        osim=osim.model_text(personal.model),
    )
