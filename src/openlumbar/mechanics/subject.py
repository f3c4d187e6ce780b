"""The person of an exam: sex, height and mass, with how far each is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from openlumbar.core.errors import InputError
from openlumbar.core.exam import Subject
from openlumbar.core.loads import Origin, Provenance

#: Adults' heights and masses that are taken, and mass over height squared. Ours, generous:
#: beyond them a decimal point or a unit is wrong far more often than a person is so.
HEIGHT_M = (1.2, 2.3)
MASS_KG = (30.0, 300.0)
INDEX_KG_M2 = (10.0, 80.0)
#: One standard deviation of a value that was given: shoes, clothes and what people say of
#: themselves. Ours.
GIVEN_HEIGHT_SD_M = 0.02
GIVEN_MASS_SD_KG = 2.0
#: One standard deviation among adults of one sex, for a value that was not. Ours, rounded.
UNKNOWN_HEIGHT_SD_M = 0.07
UNKNOWN_MASS_SD_KG = 15.0

_SEXES = {"M": "M", "F": "F"}
_WORDS = {"M": "male", "F": "female"}


@dataclass(frozen=True)
class Person:
    """Whom the model is made for.

    Attributes
    ----------
    sex
        ``M`` or ``F``: of the base model.
    height_m, mass_kg
        Given, or the base model's.
    height_sd_m, mass_sd_kg
        One standard deviation of each.
    age_years
        None where it was not given; no load depends on it.
    flags
        ``sex-unknown``, ``height-unknown``, ``mass-unknown``.
    notes
        Sentences for a person.
    provenance
        A row each for sex, height and mass.
    """

    sex: str
    height_m: float
    mass_kg: float
    height_sd_m: float
    mass_sd_kg: float
    age_years: float | None = None
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: tuple[Provenance, ...] = ()


@dataclass(frozen=True)
class _Fact:
    """Height or mass: as given, or in its place the base model's."""

    value: float
    sd: float
    row: Provenance
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def base_sex(subject: Subject) -> str:
    """The sex of the base model: ``M`` where none of the two was given.

    Examples
    --------
    >>> base_sex(Subject(sex="F")), base_sex(Subject(sex="O")), base_sex(Subject())
    ('F', 'M', 'M')
    """
    return _SEXES.get((subject.sex or "").upper(), "M")


def person_of(subject: Subject, reference_height_m: float, reference_mass_kg: float) -> Person:
    """Check what is known of a person, and fill in what is not.

    Parameters
    ----------
    subject
        As the exam or the command line gave it.
    reference_height_m, reference_mass_kg
        The base model's, of the sex that :func:`base_sex` names.

    Raises
    ------
    InputError
        A height, a mass or the two together that no adult has. The unit is the usual cause.

    Examples
    --------
    >>> person_of(Subject("F", 50, 1.65, None), 1.63, 64.0).flags
    ('mass-unknown',)
    """
    height = _height(subject.height_m, reference_height_m)
    mass = _mass(subject.mass_kg, reference_mass_kg)
    if subject.height_m is not None and subject.mass_kg is not None:
        _check_index(height.value, mass.value)
    sex = base_sex(subject)
    known = (subject.sex or "").upper() in _SEXES
    note = "" if known else "No sex was given: the base model is male."
    row = Provenance(
        "sex", "person", Origin.MEASURED if known else Origin.GENERIC, note=note or _WORDS[sex]
    )
    return Person(
        sex=sex,
        height_m=height.value,
        mass_kg=mass.value,
        height_sd_m=height.sd,
        mass_sd_kg=mass.sd,
        age_years=subject.age_years,
        flags=(() if known else ("sex-unknown",)) + height.flags + mass.flags,
        notes=((note,) if note else ()) + height.notes + mass.notes,
        provenance=(row, height.row, mass.row),
    )


def perturbed(person: Person, rng: np.random.Generator) -> Person:
    """A person whom the uncertainty of height and mass allows as well.

    Both are moved by normal deviates of their standard deviation, and held within
    :data:`HEIGHT_M` and :data:`MASS_KG`. They are drawn alone, though tall people are heavier.
    """
    height, mass = rng.standard_normal(2) * (person.height_sd_m, person.mass_sd_kg)
    return replace(
        person,
        height_m=float(np.clip(person.height_m + height, *HEIGHT_M)),
        mass_kg=float(np.clip(person.mass_kg + mass, *MASS_KG)),
    )


def _height(given: float | None, reference: float) -> _Fact:
    if given is None:
        return _generic("height", reference, UNKNOWN_HEIGHT_SD_M, "m")
    if not HEIGHT_M[0] <= given <= HEIGHT_M[1]:
        hint = f", perhaps {given / 100:.2f} m was meant" if 120 <= given <= 230 else ""
        raise InputError(
            f"body height: {given:g} m is no adult's{hint}; "
            f"give metres between {HEIGHT_M[0]:g} and {HEIGHT_M[1]:g}"
        )
    return _given("height", given, GIVEN_HEIGHT_SD_M, "m")


def _mass(given: float | None, reference: float) -> _Fact:
    if given is None:
        return _generic("mass", reference, UNKNOWN_MASS_SD_KG, "kg")
    if not MASS_KG[0] <= given <= MASS_KG[1]:
        raise InputError(
            f"body mass: {given:g} kg is no adult's; "
            f"give kilograms between {MASS_KG[0]:g} and {MASS_KG[1]:g}"
        )
    return _given("mass", given, GIVEN_MASS_SD_KG, "kg")


def _check_index(height_m: float, mass_kg: float) -> None:
    index = mass_kg / height_m**2
    if not INDEX_KG_M2[0] <= index <= INDEX_KG_M2[1]:
        raise InputError(
            f"body height and mass: {height_m:g} m with {mass_kg:g} kg make a body mass index of "
            f"{index:.0f}, expected {INDEX_KG_M2[0]:g} to {INDEX_KG_M2[1]:g}; check both"
        )


def _given(name: str, value: float, sd: float, unit: str) -> _Fact:
    row = Provenance(
        f"body {name}", "person", Origin.MEASURED, value=value, uncertainty=sd, unit=unit
    )
    return _Fact(value, sd, row)


def _generic(name: str, value: float, sd: float, unit: str) -> _Fact:
    note = f"No body {name} was given: the base model's {value:.4g} {unit} was taken."
    row = Provenance(
        f"body {name}",
        "person",
        Origin.GENERIC,
        value=value,
        uncertainty=sd,
        unit=unit,
        note=note,
    )
    return _Fact(value, sd, row, (f"{name}-unknown",), (note,))
