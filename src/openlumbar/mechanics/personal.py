"""A model of one person: the base model made as tall and heavy, given their spine and muscles.

::

    base model ─► scaled ─► with_spine ─► with_muscles
                  (person)   (sagittal)     (axial)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from openlumbar.core.exam import Subject
from openlumbar.core.levels import LevelRow
from openlumbar.core.loads import Provenance
from openlumbar.core.measurement import Measurement
from openlumbar.mechanics import fit_muscles, muscles, spine, subject
from openlumbar.mechanics.model import Model
from openlumbar.mechanics.reshape import with_spine
from openlumbar.mechanics.scale import scaled
from openlumbar.mechanics.standing import RULE, StandingRule, standing_spine

#: ``total`` or ``lean``: the area that scales a muscle's force, with its fat or without.
Area = Literal["total", "lean"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a model of a person is made from.

    Attributes
    ----------
    rule
        By which the spine as imaged is made to stand.
    """

    person: subject.Person
    spine: spine.MeasuredSpine
    muscles: muscles.MeasuredMuscles
    rule: StandingRule = RULE

    @property
    def measured(self) -> bool:
        """Whether anything of the spine or its muscles was."""
        return self.spine.measured or self.muscles.measured

    def perturbed(self, rng: np.random.Generator) -> Evidence:
        """Evidence that the uncertainty of each part allows as well."""
        return Evidence(
            subject.perturbed(self.person, rng),
            spine.perturbed(self.spine, rng),
            muscles.perturbed(self.muscles, rng),
            self.rule.perturbed(rng),
        )


@dataclass(frozen=True, eq=False)
class Personal:
    """A model of a person, in upright standing, and where it came from.

    Attributes
    ----------
    provenance
        What was measured, interpolated or left generic.
    flags
        Words of :mod:`openlumbar.core.flags`.
    notes
        Sentences for a person.
    """

    model: Model
    provenance: tuple[Provenance, ...]
    flags: tuple[str, ...]
    notes: tuple[str, ...]


def gather(
    who: Subject, measurements: Sequence[Measurement], rows: Sequence[LevelRow], base: Model
) -> Evidence:
    """Read what an exam says of a person's body.

    Parameters
    ----------
    base
        Gives what was not measured.

    Raises
    ------
    InputError
        The person cannot be.
    """
    person = subject.person_of(who, base.height_m, base.mass_kg)
    generic = scaled(base, person.height_m, person.mass_kg)
    seen = spine.measured_spine(measurements, rows, generic)
    return Evidence(person, seen, muscles.measured_muscles(measurements, rows, seen))


def personal_model(base: Model, evidence: Evidence, area: Area = "total") -> Personal:
    """Make the base model the person's; some milliseconds."""
    person = evidence.person
    standing = standing_spine(evidence.spine, evidence.rule)
    shaped = with_spine(scaled(base, person.height_m, person.mass_kg), standing)
    fitted = fit_muscles.with_muscles(
        shaped, evidence.muscles, fit_muscles.MuscleOptions(area=area)
    )
    return Personal(
        fitted.model,
        (*person.provenance, *standing.provenance, *fitted.provenance),
        once(person.flags, standing.flags, fitted.flags),
        once(person.notes, standing.notes, fitted.notes),
    )


def once(*parts: tuple[str, ...]) -> tuple[str, ...]:
    """Words of several tuples in their order, each once."""
    return tuple(dict.fromkeys(word for part in parts for word in part))
