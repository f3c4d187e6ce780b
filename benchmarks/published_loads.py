"""Published loads of the lumbar spine, in newtons where that can be, and ours beside them.

    python benchmarks/published_loads.py OUT --docs

``OUT`` is an output folder; its L4-L5 disc area (axial series) turns pressures into forces and
its person's mass body weights into newtons. ``--area-mm2`` and ``--mass-kg`` say them instead.
What was published, and what of it was read, stands in ``data/published_loads.toml``. ``--docs``
puts the tables into the docs.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loads_validation.page import table, write

from openlumbar import Analysis
from openlumbar.core.loads import Loads

DATA = Path(__file__).parent / "data" / "published_loads.toml"
GRAVITY = 9.80665
LEVEL = "L4-L5"

#: Between which published tasks each of ours lies, the lighter and the heavier.
BETWEEN = {"standing": ("standing", "standing"), "hess2023": ("flexed", "lifting")}

#: Ratios that are shown, and whether the pressure of lying prone is taken off both.
_RATIOS = {
    "hess2023 over standing": False,
    "the same, lying prone taken off the pressures": True,
}

Range = tuple[float, float]


@dataclass(frozen=True)
class Person:
    """Of whom the published values become newtons."""

    area_mm2: float
    mass_kg: float


def newtons(load: Mapping[str, Any], person: Person, shares: Range) -> Range | None:
    """A published value as a range of forces; None where it says none."""
    value, unit = load["value"], load["unit"]
    if unit == "MPa":
        low, high = (value * person.area_mm2 * share for share in shares)
        return low, high
    scale = {"N": 1.0, "body weights": person.mass_kg * GRAVITY}.get(unit)
    return None if scale is None else (value * scale, value * scale)


def plausible(book: Mapping[str, Any], task: str, person: Person) -> Range:
    """From the least of the lighter to the most of the heavier task, of pressures at L4-L5."""
    shares = book["conversion"]["low"], book["conversion"]["high"]
    lighter, heavier = BETWEEN[task]
    found = {
        kind: [
            force
            for load in book["load"]
            if (load["task"], load["level"], load["unit"]) == (kind, LEVEL, "MPa")
            and (force := newtons(load, person, shares))
        ]
        for kind in (lighter, heavier)
    }
    return min(low for low, _ in found[lighter]), max(high for _, high in found[heavier])


def plausible_ratio(book: Mapping[str, Any], *, above_lying: bool = False) -> Range:
    """Hess's task over standing: the same bounds, of pressures over that of standing.

    With ``above_lying`` of what each adds to lying prone: a disc that bears nearly nothing has
    a pressure of its own, which neither weight nor muscles make.
    """
    bare = dict(book) | {"conversion": {"low": 1.0, "high": 1.0}}
    anyone = Person(area_mm2=1.0, mass_kg=1.0)
    light, heavy = plausible(bare, "hess2023", anyone)
    standing, _ = plausible(bare, "standing", anyone)
    lying = _lying_mpa(book) if above_lying else 0.0
    return (light - lying) / (standing - lying), (heavy - lying) / (standing - lying)


def _lying_mpa(book: Mapping[str, Any]) -> float:
    return min(
        load["value"]
        for load in book["load"]
        if (load["task"], load["level"], load["unit"]) == ("lying", LEVEL, "MPa")
    )


def _force(force: Range | None) -> str:
    if force is None:
        return ""
    low, high = force
    return f"{low:.0f}" if low == high else f"{low:.0f} … {high:.0f}"


def published_table(book: Mapping[str, Any], person: Person) -> str:
    """Every number, with its source."""
    shares = book["conversion"]["low"], book["conversion"]["high"]
    header = ("source", "of", "read", "subject", "task", "level", "what", "value", "N")
    return table(
        header,
        (
            (
                f"[{load['source']}](#sources)",
                book["source"][load["source"]]["kind"],
                book["source"][load["source"]]["read"].split(":")[0],
                load["subject"],
                load["what"],
                load["level"],
                load["quantity"] + (f" ({load['note']})" if "note" in load else ""),
                f"{load['value']:g} {load['unit']}".removesuffix(" 1"),
                _force(newtons(load, person, shares)),
            )
            for load in book["load"]
        ),
    )


def sources_list(book: Mapping[str, Any]) -> str:
    """What each key stands for."""
    lines = (
        f"- **{key}**: {source['citation']}. Read: {source['read']}, at <{source['url']}>."
        if source["url"].startswith("http")
        else f"- **{key}**: {source['citation']}. Read: {source['read']}."
        for key, source in book["source"].items()
    )
    return "\n".join(lines)


def trends_list(book: Mapping[str, Any]) -> str:
    """What was read without a number that a load could be held against."""
    return "\n".join(f"- {trend['source']}: {trend['says']}." for trend in book["trend"])


def ours_at(loads: Loads | None, task: str) -> float | None:
    """Compression of the joint L4-L5 in one of our tasks, newtons."""
    return next(
        (
            load.compression_n
            for solved in (loads.tasks if loads else ())
            if solved.task == task
            for load in solved.loads
            if (load.place, load.level) == ("joint", LEVEL)
        ),
        None,
    )


def ranges_table(book: Mapping[str, Any], person: Person, loads: Loads | None) -> str:
    """The plausible range of each of our tasks, and ours."""
    rows = []
    for task in BETWEEN:
        low, high = plausible(book, task, person)
        ours = ours_at(loads, task)
        verdict = "" if ours is None else ("yes" if low <= ours <= high else "**no**")
        rows.append((task, f"{low:.0f} … {high:.0f}", f"{ours:.0f}" if ours else "–", verdict))
    upright, hess = ours_at(loads, "standing"), ours_at(loads, "hess2023")
    times = hess / upright if upright and hess else None
    shown = "–" if times is None else f"{times:.2f}"
    for name, above_lying in _RATIOS.items():
        least, most = plausible_ratio(book, above_lying=above_lying)
        inside = "" if times is None else ("yes" if least <= times <= most else "**no**")
        rows.append((name, f"{least:.1f} … {most:.1f}", shown, inside))
    return table(("task", "published, N", "ours, N", "within"), rows)


def person_of(analysis: Analysis | None, area_mm2: float | None, mass_kg: float | None) -> Person:
    """From the exam, or as given.

    Raises
    ------
    SystemExit
        Neither tells the disc's area or the mass.
    """
    if analysis is not None:
        areas = (
            m.value
            for m in analysis.measurements
            if (m.structure, m.metric, m.level, m.slice) == ("disc", "area_mm2", LEVEL, None)
        )
        area_mm2 = area_mm2 or next(areas, None)
        mass_kg = mass_kg or analysis.exam.subject.mass_kg
    if area_mm2 is None or mass_kg is None:
        sys.exit("give OUT of an exam with an axial series and a mass, or --area-mm2 and --mass-kg")
    return Person(area_mm2, mass_kg)


def page_of(book: Mapping[str, Any], person: Person, loads: Loads | None) -> str:
    """All tables, in Markdown."""
    share = book["conversion"]
    return "\n\n".join(
        (
            f"For a disc of {person.area_mm2:.0f} mm² at L4-L5 and a person of "
            f"{person.mass_kg:.1f} kg. A pressure p becomes {share['low']:g} … {share['high']:g} "
            "times p × area.",
            ranges_table(book, person, loads),
            "### Every number",
            published_table(book, person),
            "### Trends",
            trends_list(book),
            "### Sources",
            sources_list(book),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, help="an output folder")
    parser.add_argument("--area-mm2", type=float)
    parser.add_argument("--mass-kg", type=float)
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    analysis = Analysis.load(given.out) if given.out else None
    book = tomllib.loads(DATA.read_text("utf-8"))
    person = person_of(analysis, given.area_mm2, given.mass_kg)
    text = page_of(book, person, analysis.loads if analysis else None)
    print(text)
    if given.docs:
        write("literature", text)


if __name__ == "__main__":
    main()
