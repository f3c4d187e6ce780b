"""A person's model from an analysis, step by step, so that any step can be changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from openlumbar import Analysis
from openlumbar.mechanics import Task, load_task, muscles, spine, subject
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.fit_muscles import with_muscles
from openlumbar.mechanics.model import LUMBAR_JOINTS, Array, Model, Statics
from openlumbar.mechanics.reactions import joint_loads
from openlumbar.mechanics.reshape import with_spine
from openlumbar.mechanics.scale import scaled
from openlumbar.mechanics.solve import Solution, SolveOptions, solve
from openlumbar.mechanics.standing import RULE, StandingRule, standing_spine
from openlumbar.mechanics.statics import statics
from openlumbar.mechanics.tables import rhythm
from openlumbar.mechanics.tasks import Arms, Trunk, posture_of

LEVELS = tuple(LUMBAR_JOINTS.values())
L4_L5, L5_S1 = LEVELS.index("L4-L5"), LEVELS.index("L5-S1")
STANDING, HESS = load_task("standing"), load_task("hess2023")
#: Hess's task with nothing in the hands.
EMPTY = HESS.model_copy(
    update={"name": "empty hands", "title": "60° of flexion, empty hands", "carried_kg": {}}
)


def flexed(degrees: float, each_hand_kg: float = 0.0) -> Task:
    """A trunk that leans forward with hanging arms."""
    return Task(
        name=f"flexed {degrees:g}",
        title=f"{degrees:g}° of flexion",
        trunk=Trunk(flexion_deg=degrees),
        arms=Arms(hold="hanging"),
        carried_kg={f"hand_{side}": each_hand_kg for side in ("right", "left") if each_hand_kg},
    )


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a model of a person is made from, as ``mechanics/loads.py`` has it."""

    base: Model
    person: subject.Person
    spine: spine.MeasuredSpine
    muscles: muscles.MeasuredMuscles
    rule: StandingRule = RULE

    def model(self) -> Model:
        """The person's model."""
        size = scaled(self.base, self.person.height_m, self.person.mass_kg)
        shaped = with_spine(size, standing_spine(self.spine, self.rule))
        return with_muscles(shaped, self.muscles).model

    def drawn(self, part: str, rng: np.random.Generator) -> Evidence:
        """With one of :data:`PARTS` as its uncertainty allows as well."""
        return PARTS[part](self, rng)


#: What the interval of a load is made of.
PARTS: dict[str, Callable[[Evidence, np.random.Generator], Evidence]] = {
    "height and mass": lambda e, rng: replace(e, person=subject.perturbed(e.person, rng)),
    "spine as imaged": lambda e, rng: replace(e, spine=spine.perturbed(e.spine, rng)),
    "from lying to standing": lambda e, rng: replace(e, rule=e.rule.perturbed(rng)),
    "muscles": lambda e, rng: replace(e, muscles=muscles.perturbed(e.muscles, rng)),
}


def evidence_of(analysis: Analysis, base: Model | None = None) -> Evidence:
    """Read what the loads of an analysis rest on; with ours where no base model is given."""
    who = analysis.exam.subject
    base = base or base_model(subject.base_sex(who))
    person = subject.person_of(who, base.height_m, base.mass_kg)
    size = scaled(base, person.height_m, person.mass_kg)
    numbers, rows = analysis.measurements, analysis.levels.rows
    seen = spine.measured_spine(numbers, rows, size)
    return Evidence(base, person, seen, muscles.measured_muscles(numbers, rows, seen))


@dataclass(frozen=True, eq=False)
class Solved:
    """One task of one model."""

    balance: Statics
    solution: Solution

    @property
    def joints_n(self) -> Array:
        """``[6, 3]``: anterior shear, compression, lateral shear at the discs."""
        return joint_loads(self.balance, self.solution)

    @property
    def compression_n(self) -> Array:
        """``[6]``, at the discs."""
        return self.joints_n[:, 1]

    @property
    def flexion_nm(self) -> Array:
        """``[6]``: what weights and springs bend each joint by, forward positive."""
        return -self.balance.moment_nm[:, 2]


def solved(model: Model, task: Task, options: SolveOptions | None = None) -> Solved:
    """Solve a task by the kernel, as the samples of the interval are."""
    balance = statics(model, posture_of(model, task, rhythm()))
    return Solved(balance, solve(balance, options))
