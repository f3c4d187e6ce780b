"""Hess's tables 6 to 8: loads by the networks' masks against those by true masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from loads_validation.evidence import HESS as HESS_TASK
from loads_validation.evidence import STANDING, Evidence, evidence_of, solved
from loads_validation.exams import SIDES, Pair
from loads_validation.page import table

from openlumbar import Analysis
from openlumbar.core.loads import Load, Loads
from openlumbar.evaluate.comparison import Comparison, ExamPair, Row, compare
from openlumbar.mechanics import solve_loads
from openlumbar.mechanics.model import Array
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
TASKS = (STANDING, HESS_TASK)
#: Perturbed models an exam.
SAMPLES = 60
_DIGITS = {"mm": 2, "cm²": 3, "N": 0}


def solved_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Every exam with its loads, by true masks and by the networks'."""
    return [replace(pair, **{side: _with_loads(pair, side) for side in SIDES}) for pair in pairs]


def _with_loads(pair: Pair, side: str) -> Analysis:
    analysis = pair.of(side)
    loads = solve_loads(pair.who, analysis.measurements, analysis.levels.rows)
    return replace(analysis, loads=loads)


def people(pairs: Sequence[Pair]) -> str:
    """Who they are, the agreement beside Hess's, and how many intervals hold."""
    found = compare(
        (ExamPair(pair.name, pair.true, pair.networks) for pair in pairs),
        sides=("true masks", "networks"),
    )
    return "\n\n".join(
        (
            _persons(pairs),
            _agreement(found),
            _centroids(found),
            _coverage(pairs),
            "The same of intervals that leave out what both sides share (height, mass, and how the "
            "person stands), at the discs:",
            _coverage_of_measuring(pairs),
        )
    )


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


def _coverage_of_measuring(pairs: Sequence[Pair]) -> str:
    """Likewise, with the uncertainty of spine and muscles alone."""
    apart, spread = [], []
    for pair in pairs:
        true, mine = evidence_of(pair.true), evidence_of(pair.networks)
        apart.append(_compressions(mine) - _compressions(true))
        rng = np.random.default_rng(0)
        drawn = [_compressions(_measured_again(mine, rng)) for _ in range(SAMPLES)]
        spread.append(np.std(drawn, axis=0, ddof=1))
    score = np.abs(np.array(apart) / np.array(spread))
    rows = [
        (
            task.name,
            *(f"{(score[:, n] <= limit).sum()} of {score[:, n].size}" for limit in (1.0, 1.96)),
            f"{np.mean(spread, axis=(0, 2))[n]:.0f}",
        )
        for n, task in enumerate(TASKS)
    ]
    header = (
        "task", "within 1 standard deviation (68 % expected)", "within 1.96 (95 %)",
        "mean standard deviation, N",
    )  # fmt: skip
    return table(header, rows)


def _compressions(evidence: Evidence) -> Array:
    """``[2, 6]``: tasks, discs."""
    model = evidence.model()
    return np.array([solved(model, task).compression_n for task in TASKS])


def _measured_again(evidence: Evidence, rng: np.random.Generator) -> Evidence:
    for part in ("spine as imaged", "muscles"):
        evidence = evidence.drawn(part, rng)
    return evidence
