"""Spinal loads as a report tells them: what was solved, the forces, and what they rest on.

Plain data, as it is printed: HTML, PDF and the terminal show the same words and numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from statistics import median

from openlumbar.core.anatomy import VERTEBRAE, disc_code, vertebra_code
from openlumbar.core.loads import Load, Loads, Origin, Provenance, Reserve, TaskLoads
from openlumbar.core.palette import colour_of
from openlumbar.report.parts import (
    Doubt,
    Finding,
    Force,
    ForceLine,
    ForceTable,
    LoadsSection,
    PropertyOrigin,
    SolvedTask,
)
from openlumbar.report.wording import GRAVITY, UNITS, flag_text, number_text, rank, with_unit

#: Of tasks, in their order; they read on white and on black.
TASK_COLOURS: tuple[str, ...] = ("#2F86C9", "#D55E00", "#2F9E82", "#B0669A", "#8C7A1F", "#8A8A8A")
#: Title and note of the tables, by ``Load.place``.
_TABLES: dict[str, tuple[str, str]] = {
    "joint": (
        "At the discs",
        "The whole force across the disc in the posture of the task. Compression presses along "
        "the disc's own axis; shear is square to it, positive where what lies above is pushed "
        "forward.",
    ),
    "vertebra": (
        "At the vertebrae, as Hess et al. 2023 report them",
        "The force that the joint above puts on the vertebra, along the vertebra's own axis. "
        "Hess et al. give compression at L1 to L5; their paper does not say of which joint and "
        "along which axis.",
    ),
}
_ESTIMATES = (
    "Estimates of a musculoskeletal model of this person, for research use: no force was measured."
)
_SUPINE = (
    "The exam is taken to have been made supine: the shape of the spine in a task follows from it "
    "by rule, not by measurement."
)
_NO_INTERVAL = "No interval was asked for, so nothing is said of how sure these numbers are."
#: So many parts that were not measured are named; the rest are counted.
_MOST_NAMED = 6
#: More different notes than these on one property are left to ``analysis.json``.
_MOST_NOTES = 3
#: Below this no moment counts as left over: newton metres.
_BALANCED_NM = 0.01
#: Structure of what is of the body as a whole.
_PERSON = "person"


def loads_section(loads: Loads | None) -> LoadsSection | None:
    """Put loads into the words and numbers of a report.

    Parameters
    ----------
    loads
        Of an analysis; None in one that was made without.

    Returns
    -------
    LoadsSection or None
        None where there is nothing to say; where loads are missing, why.
    """
    if loads is None:
        return None
    if not loads.tasks:
        return LoadsSection(missing=_sentence(loads.missing or "no task was solved"))
    return LoadsSection(
        statements=_statements(loads),
        tasks=tuple(_task(number, task) for number, task in enumerate(loads.tasks)),
        tables=tuple(table for place in _TABLES if (table := _table(loads, place)).lines),
        origins=_origins(loads.provenance),
        findings=tuple(_greatest(task) for task in loads.tasks if _joints(task)),
        doubts=_doubts(loads),
        notes=tuple(map(_sentence, loads.notes)),
    )


def task_colour(number: int) -> str:
    """Colour of a task by its place among them."""
    return TASK_COLOURS[number % len(TASK_COLOURS)]


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _statements(loads: Loads) -> tuple[str, ...]:
    sure = (
        f"In brackets, from {loads.samples} perturbed models: {loads.interval.rstrip('.')}."
        if loads.interval
        else _NO_INTERVAL
    )
    base = f"Base model: {loads.base_model}." if loads.base_model else ""
    return tuple(text for text in (_ESTIMATES, _SUPINE, sure, base) if text)


# Tasks -------------------------------------------------------------------------------


def _task(number: int, task: TaskLoads) -> SolvedTask:
    return SolvedTask(
        key=f"t{number}",
        name=task.task,
        title=task.title,
        colour=task_colour(number),
        posture=tuple(map(_sentence, task.posture)),
        solution=(
            f"Muscle forces balance every lumbar joint with the least {task.criterion}; "
            f"{_left_over(task.residual_nm)}.",
            *map(_reserve, task.reserves),
        ),
    )


def _left_over(moment_nm: float) -> str:
    if moment_nm < _BALANCED_NM:
        return "no moment is left over"
    return f"the largest moment left over is {moment_nm:.2g} N·m"


def _reserve(reserve: Reserve) -> str:
    """What the muscles left to a reserve, and the most that it may give."""
    moment = with_unit(number_text(reserve.moment_nm, "N.m"), "N·m")
    bound = with_unit(number_text(reserve.bound_nm, "N.m"), "N·m")
    return f"Reserve at {reserve.joint}, {reserve.axis}: {moment} of at most {bound}."


def _joints(task: TaskLoads) -> list[Load]:
    return [load for load in task.loads if load.place == "joint"]


def _greatest(task: TaskLoads) -> Finding:
    """The disc that is pressed most."""
    load = max(_joints(task), key=lambda one: one.compression_n)
    force = compression(load, ())
    between = f" · {force.interval} N" if force.interval else ""
    return Finding(
        "Greatest compression", with_unit(force.value, "N"), f"{load.level}{between} · {task.title}"
    )


# Forces ------------------------------------------------------------------------------


def _table(loads: Loads, place: str) -> ForceTable:
    title, note = _TABLES[place]
    found = [
        {load.level: load for load in task.loads if load.place == place} for task in loads.tasks
    ]
    levels = sorted({level for task in found for level in task}, key=rank)
    return ForceTable(
        title=title,
        note=note,
        lines=tuple(
            ForceLine(
                level,
                level_colour(level),
                tuple(
                    _cells(by_level.get(level), {*loads.flags, *task.flags})
                    for by_level, task in zip(found, loads.tasks, strict=True)
                ),
            )
            for level in levels
        ),
    )


def level_colour(level: str) -> str:
    """Colour of a disc or vertebra by its name, ``#rrggbb``; grey where it is none of ours."""
    upper, _, lower = level.partition("-")
    if upper not in VERTEBRAE:
        return "#8A8A8A"
    return colour_of(disc_code(level) if lower else vertebra_code(level))


def _cells(load: Load | None, told: Collection[str]) -> tuple[Force | None, Force | None]:
    """Compression and shear; flags that are told of the whole task are not told again."""
    if load is None:
        return None, None
    own = tuple(flag for flag in load.flags if flag not in told)
    return compression(load, own), _force(load.shear_n, load.shear_low_n, load.shear_high_n, own)


def compression(load: Load, flags: Sequence[str]) -> Force:
    """The compression of a load as it is printed; ``flags`` are those to be told with it."""
    return _force(load.compression_n, load.low_n, load.high_n, flags)


def _force(value: float, low: float | None, high: float | None, flags: Sequence[str]) -> Force:
    return Force(
        value=number_text(value, "N"),
        interval="" if low is None or high is None else interval_text(low, high),
        reasons=tuple(flag_text(flag) for flag in sorted(flags, key=GRAVITY.index)),
    )


def interval_text(low: float, high: float) -> str:
    """Ends of an interval in newtons; a dash would be read as a sign before a negative one.

    Examples
    --------
    >>> interval_text(2480.2, 3409.8), interval_text(-120.0, 35.0)
    ('2480–3410', '−120 to 35')
    """
    ends = (number_text(low, "N"), number_text(high, "N"))
    return (" to " if min(low, high) < 0 else "–").join(ends)


# What casts doubt --------------------------------------------------------------------


def _doubts(loads: Loads) -> tuple[Doubt, ...]:
    """Every flag: of the model as a whole, of tasks, of single loads; gravest first."""
    flags = {
        *loads.flags,
        *(flag for task in loads.tasks for flag in (*task.flags, *_of_loads(task))),
    }
    return tuple(_doubt(flag, loads) for flag in sorted(flags, key=GRAVITY.index))


def _of_loads(task: TaskLoads) -> set[str]:
    return {flag for load in task.loads for flag in load.flags}


def _doubt(flag: str, loads: Loads) -> Doubt:
    marked = [task for task in loads.tasks if flag in task.flags or flag in _of_loads(task)]
    everywhere = flag in loads.flags
    levels = {
        load.level
        for task in marked
        if not everywhere and flag not in task.flags
        for load in task.loads
        if flag in load.flags
    }
    return Doubt(
        flag=flag,
        text=flag_text(flag),
        levels=tuple(sorted(levels, key=rank)),
        columns=() if everywhere else tuple(task.title for task in marked),
        numbers=0,
        withheld=0,
    )


# What the model rests on -------------------------------------------------------------


def _origins(provenance: Sequence[Provenance]) -> tuple[PropertyOrigin, ...]:
    """A line a property, in the order in which they are first told of."""
    whats = dict.fromkeys(one.what for one in provenance)
    return tuple(_origin(what, [one for one in provenance if one.what == what]) for what in whats)


def _origin(what: str, parts: Sequence[Provenance]) -> PropertyOrigin:
    counts = Counter(one.origin for one in parts)
    notes = tuple(dict.fromkeys(_sentence(one.note) for one in parts if one.note))
    return PropertyOrigin(
        title=what[:1].upper() + what[1:],
        of=_structures(what, parts),
        measured=counts[Origin.MEASURED],
        interpolated=counts[Origin.INTERPOLATED],
        generic=counts[Origin.GENERIC],
        detail=_value(parts[0]) if len(parts) == 1 else _detail(parts),
        # Many are of single values, not of the property.
        notes=notes if len(notes) <= _MOST_NOTES else (),
    )


def _structures(what: str, parts: Sequence[Provenance]) -> str:
    """``L1 to S1``, or names; nothing where the property's name says it."""
    names = list(dict.fromkeys(one.structure for one in parts if one.structure != what))
    spinal = sorted((name for name in names if rank(name) < len(VERTEBRAE)), key=rank)
    if len(spinal) > 2 and len(spinal) == len(names):
        return f"{spinal[0]} to {spinal[-1]}"
    return "" if names == [_PERSON] else ", ".join(names)


def _value(part: Provenance) -> str:
    """``78.9 ± 1.2 kg``; empty where no value is told."""
    if part.value is None:
        return ""
    if not part.uncertainty:
        return with_unit(_minus(f"{part.value:.3g}"), _unit(part))
    spread = f"{part.uncertainty:.2g}"
    decimals = len(spread.partition(".")[2])
    return with_unit(f"{_minus(f'{part.value:.{decimals}f}')} ± {spread}", _unit(part))


def _unit(part: Provenance) -> str:
    """As printed: provenance has units of UCUM."""
    return UNITS[part.unit][0] if part.unit in UNITS else part.unit


def _minus(number: str) -> str:
    return number.replace("-", "−")


def _detail(parts: Sequence[Provenance]) -> str:
    """How sure the measured ones are, and which ones are not measured."""
    sure = [one for one in parts if one.origin == Origin.MEASURED and one.uncertainty]
    said = []
    if sure:
        typical = f"± {median(one.uncertainty or 0.0 for one in sure):.2g}"
        said.append(f"measured ones {with_unit(typical, _unit(sure[0]))} (median)")
    for origin in (Origin.INTERPOLATED, Origin.GENERIC):
        found = [one for one in parts if one.origin == origin]
        if found and len(found) < len(parts):
            said.append(f"{origin}: {_named(found)}")
    return "; ".join(said)


def _named(parts: Sequence[Provenance]) -> str:
    """Few parts by name, each with its levels, the sides where they differ; the rest counted."""
    levels: dict[str, dict[str, list[str]]] = {}
    for one in sorted(parts, key=lambda part: rank(part.level)):
        sides = levels.setdefault(one.structure, {})
        sides.setdefault(one.side, []).extend(
            [one.level] if one.level not in ("", one.structure) else []
        )
    names = [name for structure, sides in levels.items() for name in _names(structure, sides)]
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _names(structure: str, sides: Mapping[str, Sequence[str]]) -> list[str]:
    """``psoas (L3 L4)``, or ``psoas left (L3)`` where the sides are not the same."""
    if len(sides) == 2 and len({tuple(levels) for levels in sides.values()}) == 1:
        sides = {"": next(iter(sides.values()))}
    return [
        " ".join(word for word in (structure, side) if word)
        + (f" ({' '.join(dict.fromkeys(levels))})" if levels else "")
        for side, levels in sides.items()
    ]
