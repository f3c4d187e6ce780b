"""A number beside its truth, and what a set of such pairs comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from openlumbar.core.anatomy import VERTEBRAE
from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import METRICS

#: Structure, level, metric.
Key = tuple[str, str, str]

#: The largest mean absolute error asked for (issue 3, point 2): on phantoms by unit …
ON_PHANTOMS = {"true masks": {"mm": 0.3, "deg": 1.0}, "predicted masks": {"mm": 0.8, "deg": 2.0}}
#: … and on patients by metric.
ON_PATIENTS = {
    "disc height_mm": 0.8,
    "vertebra anterior_height_mm": 0.8,
    "vertebra middle_height_mm": 0.8,
    "vertebra posterior_height_mm": 0.8,
}


@dataclass(frozen=True)
class Pair:
    """One number and what it should be.

    Attributes
    ----------
    case
        Patient, or seed of the phantom.
    truth, value
        None where it could not be measured there.
    uncertainty
        Of the value, one standard deviation.
    flags
        Of the value.
    """

    case: str
    structure: str
    level: str
    metric: str
    truth: float | None
    value: float | None
    uncertainty: float | None
    flags: tuple[str, ...] = ()

    @property
    def error(self) -> float | None:
        """Value less truth."""
        if self.value is None or self.truth is None:
            return None
        return self.value - self.truth


def by_key(measurements: Iterable[Measurement]) -> dict[Key, Measurement]:
    """Measurements of one block by structure, level and metric."""
    return {(m.structure, m.level, m.metric): m for m in measurements}


def pair_up(
    case: str, truth: Mapping[Key, float | None], found: Mapping[Key, Measurement]
) -> list[Pair]:
    """Put each number that has a truth beside what was found; what was not found has no value."""
    pairs = []
    for key, true in truth.items():
        other = found.get(key)
        pairs.append(
            Pair(
                case,
                *key,
                truth=true,
                value=other.value if other else None,
                uncertainty=other.uncertainty if other else None,
                flags=other.flags if other else ("not found",),
            )
        )
    return pairs


def summary(pairs: Sequence[Pair]) -> dict[str, float | int | None]:
    """What the errors of one metric come to.

    Returns
    -------
    dict
        ``asked``: numbers with a truth. ``compared``: of these, reported. ``withheld``:
        the rest, as a share. ``mae``, ``max``, ``bias``, ``sd`` of the errors;
        ``pearson_r``; ``within_1sd``, ``within_2sd``: share of the errors inside one and
        two of their own reported uncertainties.
    """
    asked = [pair for pair in pairs if pair.truth is not None]
    compared = [pair for pair in asked if pair.error is not None]
    result: dict[str, float | int | None] = {
        "asked": len(asked),
        "compared": len(compared),
        "withheld": round(1 - len(compared) / len(asked), 4) if asked else None,
        "flagged": sum(bool(pair.flags) for pair in compared),
    }
    return result | _errors(compared)


def _errors(compared: Sequence[Pair]) -> dict[str, float | None]:
    if not compared:
        return {}
    errors = _array(pair.error for pair in compared)
    truth = _array(pair.truth for pair in compared)
    value = _array(pair.value for pair in compared)
    varied = len(compared) > 2 and np.ptp(truth) > 0 and np.ptp(value) > 0
    return {
        "mae": round(float(np.abs(errors).mean()), 4),
        "max": round(float(np.abs(errors).max()), 4),
        "bias": round(float(errors.mean()), 4),
        "sd": round(float(errors.std(ddof=1)), 4) if len(errors) > 1 else None,
        "pearson_r": round(float(stats.pearsonr(truth, value).statistic), 4) if varied else None,
        **_coverage(compared),
    }


def _coverage(compared: Sequence[Pair]) -> dict[str, float | None]:
    sure = [pair for pair in compared if pair.uncertainty]
    if not sure:
        return {"within_1sd": None, "within_2sd": None}
    ratio = np.abs(_array(pair.error for pair in sure)) / _array(p.uncertainty for p in sure)
    return {
        "within_1sd": round(float((ratio <= 1).mean()), 4),
        "within_2sd": round(float((ratio <= 2).mean()), 4),
    }


def _array(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array(list(values), np.float64)


def by_metric(pairs: Sequence[Pair]) -> dict[str, dict[str, float | int | None]]:
    """:func:`summary` of each metric, in the order of the table; ``structure metric`` names it."""
    tables = {}
    for structure, metric in METRICS:
        of_metric = [p for p in pairs if (p.structure, p.metric) == (structure, metric)]
        if of_metric:
            tables[f"{structure} {metric}"] = summary(of_metric)
    return tables


def by_level(pairs: Sequence[Pair], structure: str, metric: str) -> dict[str, dict]:
    """:func:`summary` of one metric at each level, from the head downward."""
    chosen = [p for p in pairs if (p.structure, p.metric) == (structure, metric)]
    levels = sorted({p.level for p in chosen}, key=lambda name: VERTEBRAE.index(name.split("-")[0]))
    return {level: summary([p for p in chosen if p.level == level]) for level in levels}


def worst(pairs: Sequence[Pair], unit: str, count: int = 10) -> list[Pair]:
    """The largest errors among metrics of one unit."""
    of_unit = [
        pair
        for pair in pairs
        if METRICS[pair.structure, pair.metric].unit == unit and pair.error is not None
    ]
    return sorted(of_unit, key=lambda pair: -abs(pair.error or 0))[:count]
