"""Hess's tables 6 to 8: loads by the networks' masks against those by true masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from loads_validation.evidence import options
from loads_validation.exams import SIDES, Pair
from loads_validation.page import table

from openlumbar.core.loads import Load, Loads
from openlumbar.evaluate.comparison import Comparison, ExamPair, Row, compare
from openlumbar.mechanics import solve_loads
from openlumbar.stats.agreement import MeanError

#: Hess et al. 2023, tables 6 to 8 (n = 9; of table 7's names the first, which holds where five
#: lumbar vertebrae are counted): r and mean absolute error, by quantity and level.
HESS: dict[tuple[str, str], tuple[str, str]] = {
    ("disc bounding_height_mm", ""): ("0.846", "1.45 ± 0.380"),
    ("disc bounding_height_mm", "T11-T12"): ("0.951", "1.05 ± 1.03"),
    ("disc bounding_height_mm", "T12-L1"): ("0.847", "1.23 ± 0.85"),
    ("disc bounding_height_mm", "L1-L2"): ("0.155", "2.17 ± 1.81"),
    ("disc bounding_height_mm", "L2-L3"): ("0.696", "0.90 ± 0.52"),
    ("disc bounding_height_mm", "L3-L4"): ("0.795", "1.24 ± 1.02"),
    ("disc bounding_height_mm", "L4-L5"): ("0.562", "2.24 ± 1.26"),
    ("disc bounding_height_mm", "L5-S1"): ("0.945", "1.32 ± 1.18"),
    ("multifidus csa_cm2", ""): ("0.720", "0.489 ± 0.122"),
    ("psoas csa_cm2", ""): ("0.892", "0.457 ± 0.152"),
    ("quadratus lumborum csa_cm2", ""): ("0.905", "0.197 ± 0.0584"),
    ("erector spinae csa_cm2", ""): ("0.897", "0.964 ± 0.208"),
    ("vertebra compression_n", ""): ("0.767", "143 ± 50"),
    ("vertebra compression_n", "L1"): ("0.699", "101 ± 104"),
    ("vertebra compression_n", "L2"): ("0.869", "137 ± 99"),
    ("vertebra compression_n", "L3"): ("0.795", "143 ± 146"),
    ("vertebra compression_n", "L4"): ("0.688", "164 ± 146"),
    ("vertebra compression_n", "L5"): ("0.547", "172 ± 160"),
}
_DIGITS = {"mm": 2, "cm²": 3, "N": 0}


def solved_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Every exam with its loads, by true masks and by the networks'."""
    return [replace(pair, **{side: _with_loads(pair, side) for side in SIDES}) for pair in pairs]


def _with_loads(pair: Pair, side: str):
    analysis = pair.of(side)
    loads = solve_loads(pair.who, analysis.measurements, analysis.levels.rows, options())
    return replace(analysis, loads=loads)


def people(pairs: Sequence[Pair]) -> str:
    """Who they are, the agreement beside Hess's, and how many intervals hold."""
    found = compare(
        (ExamPair(pair.name, pair.true, pair.networks) for pair in pairs),
        sides=("true masks", "networks"),
    )
    return "\n\n".join((_persons(pairs), _agreement(found), _centroids(found), _coverage(pairs)))


def _persons(pairs: Sequence[Pair]) -> str:
    rows = []
    for pair in pairs:
        flags = [pair.of(side).loads.flags for side in SIDES]
        who = pair.who
        rows.append(
            (
                pair.name,
                str(who.sex),
                f"{who.height_m:.2f} m",
                f"{who.mass_kg:.0f} kg",
                *(_l4_l5(pair.of(side).loads, "standing") for side in SIDES),
                *(_l4_l5(pair.of(side).loads, "hess2023") for side in SIDES),
                ", ".join(sorted({*flags[0], *flags[1]})) or "–",
            )
        )
    header = (
        "exam", "sex", "height", "mass", "standing, true masks", "networks",
        "Hess's task, true masks", "networks", "flags of either",
    )  # fmt: skip
    return "Compression at L4-L5, N, with its interval:\n\n" + table(header, rows)


def load_at(loads: Loads, task: str, place: str, level: str) -> Load:
    """One load."""
    (one,) = (one for one in loads.tasks if one.task == task)
    (load,) = (load for load in one.loads if (load.place, load.level) == (place, level))
    return load


def _l4_l5(loads: Loads, task: str) -> str:
    load = load_at(loads, task, "joint", "L4-L5")
    return f"{load.compression_n:.0f} ({load.low_n:.0f} … {load.high_n:.0f})"


def _agreement(found: Comparison) -> str:
    by_level = [row for row in (*found.disc_heights, *found.loads) if row.level]
    rows = [_line(row) for row in (*found.overall, *by_level)]
    header = ("what", "level", "n", "r", "Hess's r", "MAE", "Hess's MAE", "bias", "limits")
    return table(header, rows)


def _line(row: Row) -> tuple[str, ...]:
    theirs = HESS.get((row.quantity.name, row.level), ("–", "–"))
    digits = _DIGITS[row.quantity.unit]
    agreement = row.agreement
    return (
        f"{row.quantity.title}, {row.quantity.unit}",
        row.level or "all",
        str(row.compared),
        "–" if row.correlation is None else f"{row.correlation.r:.3f}",
        theirs[0],
        _error(row.error, digits),
        theirs[1],
        "–" if agreement is None else f"{agreement.bias:+.{digits}f}",
        "–"
        if agreement is None
        else f"{agreement.lower:+.{digits}f} … {agreement.upper:+.{digits}f}",
    )


def _error(error: MeanError | None, digits: int) -> str:
    if error is None:
        return "–"
    half = "" if error.half_width is None else f" ± {error.half_width:.{digits}f}"
    return f"{error.mean:.{digits}f}{half}"


def _centroids(found: Comparison) -> str:
    rows = [
        (
            row.quantity.title.partition(", ")[2],
            str(row.compared),
            _error(row.error, 2),
            "–" if row.error is None else f"{row.error.largest:.1f}",
        )
        for row in found.centroids
    ]
    return table(("centroids of", "n", "mean distance ± 95 %, mm", "largest, mm"), rows)


def _coverage(pairs: Sequence[Pair]) -> str:
    """How many of the networks' intervals hold the load by true masks."""
    rows = []
    for task, place in product(("standing", "hess2023"), ("joint", "vertebra")):
        held, halves, apart = [], [], []
        for pair in pairs:
            mine = next(one for one in pair.networks.loads.tasks if one.task == task)
            for load in (load for load in mine.loads if load.place == place):
                true = load_at(pair.true.loads, task, place, load.level).compression_n
                held.append(load.low_n <= true <= load.high_n)
                halves.append((load.high_n - load.low_n) / 2)
                apart.append(abs(true - load.compression_n))
        count = len(held)
        rows.append(
            (
                task,
                place,
                f"{sum(held)} of {count}",
                f"{sum(halves) / count:.0f}",
                f"{sum(apart) / count:.0f}",
            )
        )
    header = (
        "task", "place", "intervals that hold the load by true masks",
        "their mean half width, N", "mean distance of the two loads, N",
    )  # fmt: skip
    return table(header, rows)
