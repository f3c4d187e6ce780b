"""Whose files are these: one patient an exam, and the facts that measurements need."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from openlumbar.core.errors import PatientError
from openlumbar.core.exam import Subject
from openlumbar.io.dicom_header import DicomObject, Person

# Bounds of what a living person can be; beyond them the header is wrong.
AGE_RANGE_YEARS = (0.0, 120.0)
HEIGHT_RANGE_M = (0.4, 2.6)
MASS_RANGE_KG = (2.0, 400.0)

_SUBJECT_ENTITY = re.compile(r"(?:^|_)(sub-[A-Za-z0-9]+)(?=_|$)")


def patient_of(person: Person, asked: str | None = None) -> str:
    """What a patient is called: Patient ID, else Patient's Name; empty when unknown.

    Whoever was asked for by name is called by name.
    """
    if asked is not None and person.name == asked:
        return asked
    return person.patient_id or person.name


def subject_entity(stem: str) -> str:
    """Return the BIDS subject of a file name (``sub-05``); empty when it has none."""
    match = _SUBJECT_ENTITY.search(stem)
    return match.group(1) if match else ""


def choose(found: Sequence[str], patient: str | None) -> str:
    """Choose the one patient of an exam.

    Parameters
    ----------
    found
        What each file calls its patient; empty where it does not.
    patient
        The one asked for, or None.

    Returns
    -------
    str
        The patient; empty when no file names one.

    Raises
    ------
    PatientError
        Several patients and none was asked for, or the one asked for is not there.
    """
    names = sorted({name for name in found if name})
    if patient is not None:
        if patient in names:
            return patient
        raise PatientError(
            f"no files of patient {patient!r}; found: {', '.join(names) or 'no named patient'}"
        )
    if len(names) > 1:
        shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        raise PatientError(
            f"files of {len(names)} patients: {shown}. Choose one with --patient, or give "
            "one patient's folder"
        )
    return names[0] if names else ""


@dataclass(frozen=True)
class SubjectFacts:
    """A subject read from headers and what was wrong there."""

    subject: Subject
    warnings: tuple[str, ...] = ()


def subject_of(objects: Sequence[DicomObject]) -> SubjectFacts:
    """Read sex, age, height and mass from DICOM headers (PS3.3 C.7.1.1, C.7.2.2).

    Parameters
    ----------
    objects
        Of one patient.

    Returns
    -------
    SubjectFacts
        The most frequent plausible value of each; values out of range, and values that
        differ between files, are named in the warnings.
    """
    people = [entry.person for entry in objects]
    warnings: list[str] = []
    _agreed("birth date", [person.birth_date or None for person in people], warnings)
    sexes = [person.sex if person.sex in ("M", "F", "O") else None for person in people]
    subject = Subject(
        sex=_agreed("sex", sexes, warnings),
        age_years=_plausible("age", [_age(p) for p in people], AGE_RANGE_YEARS, warnings),
        height_m=_plausible("height", [p.size_m for p in people], HEIGHT_RANGE_M, warnings),
        mass_kg=_plausible("mass", [p.weight_kg for p in people], MASS_RANGE_KG, warnings),
    )
    return SubjectFacts(subject, tuple(warnings))


def override(subject: Subject, given: Subject | None) -> Subject:
    """Let facts that the user gave stand for those of the headers."""
    if given is None:
        return subject
    return Subject(
        sex=subject.sex if given.sex is None else given.sex,
        age_years=subject.age_years if given.age_years is None else given.age_years,
        height_m=subject.height_m if given.height_m is None else given.height_m,
        mass_kg=subject.mass_kg if given.mass_kg is None else given.mass_kg,
    )


_T = TypeVar("_T", str, float)


def _agreed(what: str, values: Sequence[_T | None], warnings: list[str]) -> _T | None:
    known = Counter(value for value in values if value is not None)
    if not known:
        return None
    if len(known) > 1:
        warnings.append(f"the files disagree about the patient's {what}; most files are followed")
    return known.most_common(1)[0][0]


def _plausible(
    what: str,
    values: Sequence[float | None],
    limits: tuple[float, float],
    warnings: list[str],
) -> float | None:
    """Keep values in range; 0 is how scanners write that nothing was entered."""
    low, high = limits
    entered = [value for value in values if value]
    good = [value for value in entered if low < value <= high]
    if len(good) < len(entered):
        wrong = next(value for value in entered if value not in good)
        warnings.append(f"the patient's {what} in a header, {wrong:g}, is impossible and ignored")
    return _agreed(what, good, warnings)


_DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}


def _age(person: Person) -> float | None:
    """Age in years from Patient's Age (``054Y``, PS3.5 6.2), else from two dates."""
    match = re.fullmatch(r"(\d{1,3})([DWMY])", person.age)
    if match:
        return int(match.group(1)) * _DAYS[match.group(2)] / _DAYS["Y"]
    born, studied = _date(person.birth_date), _date(person.study_date)
    if born is None or studied is None:
        return None
    had_birthday = (studied.month, studied.day) >= (born.month, born.day)
    return float(studied.year - born.year - (not had_birthday))


def _date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None
