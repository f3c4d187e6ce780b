"""Whether loads rise where they have to: with flexion, with weights, and towards the sacrum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from loads_validation.evidence import (
    EMPTY,
    HESS,
    L4_L5,
    L5_S1,
    LEVELS,
    STANDING,
    Solved,
    evidence_of,
    flexed,
    solved,
)
from loads_validation.exams import Pair
from loads_validation.page import numbers, table

from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.model import Array, Model

TASKS = {"standing": STANDING, "60°, empty hands": EMPTY, "60°, 5 kg in each hand": HESS}
UPRIGHT, BENT, LADEN = TASKS
L1_L2 = LEVELS.index("L1-L2")
#: Trunk flexion of the last table, degrees, and what both hands hold, kg.
ANGLES, BOTH_HANDS_KG = (0, 15, 30, 45, 60), (0.0, 5.0, 10.0, 20.0)
Case = Mapping[str, Solved]


def trend(pairs: Sequence[Pair]) -> str:
    """Courses of both base models and of the exams (true masks), and how many have the trend."""
    base = {f"base model {sex}": base_model(sex) for sex in "MF"}
    people = [evidence_of(pair.true).model() for pair in pairs]
    cases = {name: _case(model) for name, model in base.items()}
    exams = [_case(model) for model in people]
    return "\n\n".join(
        (
            _checks([*cases.values()], exams),
            "Course along the spine (the exams' is their mean):",
            _courses(cases, exams),
            "L4-L5 of the base man by flexion of the trunk and weight in both hands, N:",
            _grid(base["base model M"]),
        )
    )


def _case(model: Model) -> Case:
    return {name: solved(model, task) for name, task in TASKS.items()}


def _rise(case: Case, one: str, other: str) -> bool:
    """At every level."""
    return bool((case[other].compression_n > case[one].compression_n).all())


def _downward(case: Case, task: str) -> bool:
    """More at L4-L5 than at L1-L2."""
    found = case[task].compression_n
    return bool(found[L4_L5] > found[L1_L2])


def _every_step(case: Case, task: str) -> bool:
    """More at each disc from L1-L2 to L4-L5 than at the one above."""
    return bool((np.diff(case[task].compression_n[L1_L2 : L4_L5 + 1]) > 0).all())


def _tilted(case: Case, task: str) -> bool:
    """A larger share of the force is shear at L5-S1 than at L4-L5."""
    share = _shear_share(case[task])
    return bool(share[L5_S1] > share[L4_L5])


def _shear_share(one: Solved) -> Array:
    """Anterior shear over compression."""
    return one.joints_n[:, 0] / one.joints_n[:, 1]


#: What is asked of each task.
_OF_EACH: Mapping[str, Callable[[Case, str], bool]] = {
    "more at L4-L5 than at L1-L2": _downward,
    "rising at each disc from L1-L2 to L4-L5": _every_step,
    "more shear for its compression at L5-S1 than at L4-L5": _tilted,
}


def _rules() -> dict[str, Callable[[Case], bool]]:
    return {
        "more at 60° than standing, at every disc": partial(_rise, one=UPRIGHT, other=BENT),
        "more with 5 kg in each hand than without, at every disc": partial(
            _rise, one=BENT, other=LADEN
        ),
    } | {
        f"{words}: {task}": partial(check, task=task)
        for words, check in _OF_EACH.items()
        for task in TASKS
    }


def _checks(base: Sequence[Case], exams: Sequence[Case]) -> str:
    rows = [
        (name, *(f"{sum(map(rule, cases))} of {len(cases)}" for cases in (base, exams)))
        for name, rule in _rules().items()
    ]
    return table(("trend", "base models", "exams"), rows)


def _courses(base: Mapping[str, Case], exams: Sequence[Case]) -> str:
    rows = []
    for task in TASKS:
        for name, case in base.items():
            rows += _rows(task, name, [case])
        if exams:
            rows += _rows(task, f"{len(exams)} exams", exams)
    return table(("task", "of", "what", *LEVELS), rows)


def _rows(task: str, name: str, cases: Sequence[Case]) -> list[tuple[str, ...]]:
    found = [case[task] for case in cases]
    lines = {
        "compression, N": np.mean([one.compression_n for one in found], axis=0),
        "shear, N": np.mean([one.joints_n[:, 0] for one in found], axis=0),
        "weight above, N": np.mean([-one.balance.force_n[:, 1] for one in found], axis=0),
        "moment of flexion, N m": np.mean([one.flexion_nm for one in found], axis=0),
    }
    return [
        (task, name, what, *numbers(values, ".1f" if what.endswith("m") else ".0f"))
        for what, values in lines.items()
    ]


def _grid(model: Model) -> str:
    rows = []
    for both in BOTH_HANDS_KG:
        found = [solved(model, flexed(a, both / 2)).compression_n[L4_L5] for a in ANGLES]
        rows.append((f"{both:g} kg", *numbers(found)))
    return table(("", *(f"{angle}°" for angle in ANGLES)), rows)
