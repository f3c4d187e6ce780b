"""Two analyses of the same exams compared: tables 6 to 8 of Hess et al. 2023.

One analysis of each pair is the reference (masks drawn by a person, say), the other is held
against it (masks of a network). The figures are theirs: Pearson's r, mean absolute error with its
95 % interval, and Bland–Altman, of disc heights, muscle areas and the compression of L1 to L5;
and how far the centroids lie apart that a musculoskeletal model is built from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from openlumbar.core.anatomy import VERTEBRAE
from openlumbar.core.errors import InputError
from openlumbar.core.loads import VERTEBRA_LEVELS
from openlumbar.evaluate.matching import (
    AREAS,
    BODY_CENTROID,
    BOUNDING_HEIGHT,
    CENTROIDS,
    DISC_HEIGHT,
    LOAD,
    QUANTITIES,
    Compared,
    Quantity,
    State,
    doubled,
    left_out,
    match,
)
from openlumbar.io.analysis import Analysis
from openlumbar.stats.agreement import (
    BlandAltman,
    Correlation,
    MeanError,
    UndefinedError,
    bland_altman,
    correlation,
    mean_error,
)

#: The task whose loads Hess et al. 2023 give: 60° of trunk flexion, 5 kg in each hand.
HESS_TASK = "hess2023"

#: Centres of one vertebra in two masks that lie farther apart are of two vertebrae.
_FAR_MM = 15.0

_Figure = TypeVar("_Figure")


@dataclass(frozen=True, eq=False)
class ExamPair:
    """Two analyses of one exam; ``name`` tells it from the others."""

    name: str
    reference: Analysis
    other: Analysis


@dataclass(frozen=True)
class Row:
    """One row of a table: what the numbers of one kind, at one level or all, come to.

    Attributes
    ----------
    level
        Empty for all levels.
    exams
        From how many exams the compared numbers are.
    compared, withheld, only_reference, only_other
        How many numbers: with a value in both; without one in either; not found in the other
        analysis, or not in the reference.
    correlation, agreement
        None of centroids, and where there is too little to go by; ``note`` says why.
    error
        Of absolute differences, or of distances; None where nothing was compared.
    """

    quantity: Quantity
    level: str
    exams: int
    compared: int
    withheld: int
    only_reference: int
    only_other: int
    correlation: Correlation | None
    error: MeanError | None
    agreement: BlandAltman | None
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """What came of comparing.

    Attributes
    ----------
    reference, other
        What the two sides are called.
    exams
        Names of the pairs.
    task
        Whose loads were compared.
    numbers
        Every number of the reference, with its counterpart, and what only the other has.
    overall
        Hess's table 6: disc heights, muscle areas, loads.
    disc_heights, loads
        Tables 7 and 8: all levels, then each.
    centroids
        Distances, by structure.
    notes
        Sentences for a person: what limits these figures.
    """

    reference: str
    other: str
    exams: tuple[str, ...]
    task: str
    numbers: tuple[Compared, ...]
    overall: tuple[Row, ...]
    disc_heights: tuple[Row, ...]
    loads: tuple[Row, ...]
    centroids: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def compare(
    pairs: Iterable[ExamPair],
    task: str = HESS_TASK,
    sides: tuple[str, str] = ("reference", "other"),
) -> Comparison:
    """Compare two analyses of one exam, or of many.

    Parameters
    ----------
    pairs
        Read one by one: only their numbers are kept.
    task
        Whose loads are compared, at the vertebrae L1 to L5.
    sides
        What reference and other are called in tables.

    Raises
    ------
    InputError
        There is no pair; the two of a pair share no series, or not the same pictures; two pairs
        have one name; nothing at all could be laid beside each other.
    """
    exams: list[str] = []
    numbers: list[Compared] = []
    notes: list[str] = []
    for pair in pairs:
        if pair.name in exams:
            raise InputError(f"two exams are called {pair.name}; give each a name of its own")
        exams.append(pair.name)
        numbers += match(pair.name, pair.reference, pair.other, task)
        notes += _notes_of(pair, task, sides)
    if not numbers:
        raise InputError(
            f"{', '.join(exams) or 'no pair of analyses'}: the reference has no number to compare "
            "(disc height, muscle area, centroid or load); was it measured?"
        )
    return Comparison(
        *sides,
        exams=tuple(exams),
        task=task,
        numbers=tuple(numbers),
        overall=_rows(numbers, (BOUNDING_HEIGHT, DISC_HEIGHT, *AREAS, LOAD)),
        disc_heights=(*_by_level(numbers, BOUNDING_HEIGHT), *_by_level(numbers, DISC_HEIGHT)),
        loads=_by_level(numbers, LOAD, VERTEBRA_LEVELS),
        centroids=_rows(numbers, CENTROIDS),
        notes=(*_general_notes(exams, numbers), *notes),
    )


def _rows(numbers: Sequence[Compared], quantities: Iterable[Quantity]) -> tuple[Row, ...]:
    """A row for each quantity that the reference has at all."""
    of_each = ((q, [n for n in numbers if n.quantity == q]) for q in quantities)
    return tuple(_row(quantity, "", chosen) for quantity, chosen in of_each if chosen)


def _by_level(
    numbers: Sequence[Compared], quantity: Quantity, levels: Sequence[str] = ()
) -> tuple[Row, ...]:
    """A row for all levels, and one for each, from the head downward."""
    chosen = [number for number in numbers if number.quantity == quantity]
    if not chosen:
        return ()
    if _count(chosen, State.COMPARED) == 0:  # five rows of nothing say no more than one
        return (_row(quantity, "", chosen),)
    found = levels or sorted({number.level for number in chosen}, key=_height)
    each = (_row(quantity, level, [n for n in chosen if n.level == level]) for level in found)
    return (_row(quantity, "", chosen), *each)


def _height(level: str) -> tuple[int, str]:
    """Order from the head downward; a level without a name comes last."""
    first = level.partition("-")[0]
    return (VERTEBRAE.index(first) if first in VERTEBRAE else len(VERTEBRAE), level)


def _row(quantity: Quantity, level: str, chosen: Sequence[Compared]) -> Row:
    compared = [number for number in chosen if number.state is State.COMPARED]
    errors = [abs(number.difference) for number in compared if number.difference is not None]
    error, _ = _defined(lambda: mean_error(errors))
    r, agreement, note = None, None, ""
    if not quantity.is_distance:
        reference = [number.reference for number in compared]
        other = [number.other for number in compared]
        r, note = _defined(lambda: correlation(reference, other))
        agreement, _ = _defined(lambda: bland_altman(reference, other))
    return Row(
        quantity=quantity,
        level=level,
        exams=len({number.exam for number in compared}),
        compared=len(compared),
        withheld=_count(chosen, State.WITHHELD),
        only_reference=_count(chosen, State.ONLY_REFERENCE),
        only_other=_count(chosen, State.ONLY_OTHER),
        correlation=r,
        error=error,
        agreement=agreement,
        note=note,
    )


def _count(numbers: Iterable[Compared], state: State) -> int:
    return sum(number.state is state for number in numbers)


def _defined(figure: Callable[[], _Figure]) -> tuple[_Figure | None, str]:
    """A figure, or why there is none."""
    try:
        return figure(), ""
    except UndefinedError as error:
        return None, str(error)


# Notes --------------------------------------------------------------------------------


def _general_notes(exams: Sequence[str], numbers: Sequence[Compared]) -> tuple[str, ...]:
    """What limits every figure."""
    alone = (
        "One exam: r runs over the levels and slices of one person. It says how well the two agree "
        "on the course along this spine, not on what tells one person from another; by level there "
        "is one number each, a difference and no r."
    )
    together = (
        "Levels, slices and sides of one person are not independent of one another, and intervals "
        "and p values take them as if they were, as those of Hess et al. 2023 do."
    )
    return (*([alone] if len(exams) == 1 else []), together, *_apart(numbers))


def _apart(numbers: Sequence[Compared]) -> tuple[str, ...]:
    """Exams in which the two may have named levels differently."""
    far = Counter(
        number.exam
        for number in numbers
        if number.quantity is BODY_CENTROID and (number.difference or 0.0) > _FAR_MM
    )
    return tuple(
        f"{exam}: {count} vertebrae of one name lie more than {_FAR_MM:g} mm apart; the two may "
        "name the levels differently, and then other things are compared than their names say."
        for exam, count in far.items()
    )


def _notes_of(pair: ExamPair, task: str, sides: tuple[str, str]) -> list[str]:
    """What of one exam could not be compared."""
    notes = [
        f"{pair.name}: series {name} is left out: another of its plane is compared, or the "
        f"{sides[1]} analysis does not have it."
        for name in left_out(pair.name, pair.reference, pair.other)
    ]
    for side, analysis in zip(sides, (pair.reference, pair.other), strict=True):
        twins = sum(doubled(analysis, quantity) for quantity in QUANTITIES if quantity is not LOAD)
        if twins:
            notes.append(
                f"{pair.name}: {twins} numbers of the {side} analysis are left out, because their "
                "level is named twice in one series."
            )
        if reason := _no_loads(analysis, task):
            notes.append(f"{pair.name}: no loads of '{task}' in the {side} analysis ({reason}).")
    return notes


def _no_loads(analysis: Analysis, task: str) -> str:
    """Why an analysis has no loads of a task; empty where it has."""
    if analysis.loads is None:
        return "none were asked for"
    if analysis.loads.missing:
        return analysis.loads.missing.rstrip(".")
    tasks = [solved.task for solved in analysis.loads.tasks]
    return "" if task in tasks else f"it has {', '.join(tasks) or 'no task'}"
