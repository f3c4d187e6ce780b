"""Loads of the exams beside published ranges, by several ways of solving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from loads_validation.evidence import HESS, L4_L5, STANDING, evidence_of, flexed, solved
from loads_validation.exams import Pair
from loads_validation.page import ranged, table
from published_loads import GRAVITY, Person, Range, plausible, plausible_ratio

from openlumbar.mechanics import Task
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.model import Model
from openlumbar.mechanics.solve import SolveOptions

#: How forces of muscles are found; the first is ours.
WAYS = {
    "Σa² (ours)": SolveOptions(),
    "Σa³": SolveOptions(power=3),
    "Σa², no muscle below 0.01 (OpenSim's default)": SolveOptions(activation_floor=0.01),
}
#: Mass of the man whose pressures were measured (Wilke et al. 1999, abstract).
MEASURED_KG = 70.0
#: A model's load that was read with its posture: 20° of flexion, nothing in the hands.
SLIGHT, SLIGHT_SOURCE = flexed(20.0), "fbioe661837"


def published(pairs: Sequence[Pair], book: Mapping[str, Any]) -> str:
    """One row an exam, one a way of solving, and all as multiples of body weight."""
    models = [evidence_of(pair.networks).model() for pair in pairs]
    return "\n\n".join(
        (
            "Compression at L4-L5, N, by the networks' masks; beside it the published pressures "
            "over the person's own disc.",
            _persons(pairs, models, book),
            _in_body_weights(pairs, models, book),
            "Means (least … most) of the exams, and of the base models, at L4-L5:",
            _ways(models),
        )
    )


def disc_mm2(pair: Pair) -> float:
    """Area of the L4-L5 disc by the networks' axial masks; a phantom's series shows it always."""
    return next(
        m.value
        for m in pair.networks.measurements
        if (m.structure, m.metric, m.level, m.slice) == ("disc", "area_mm2", "L4-L5", None)
        and m.value is not None
    )


def _persons(pairs: Sequence[Pair], models: Sequence[Model], book: Mapping[str, Any]) -> str:
    rows, times = [], plausible_ratio(book)
    above = plausible_ratio(book, above_lying=True)
    for pair, model in zip(pairs, models, strict=True):
        person = Person(disc_mm2(pair), model.mass_kg)
        upright, hess = (_load(model, task) for task in (STANDING, HESS))
        rows.append(
            (
                pair.name,
                f"{model.sex}, {model.height_m:.2f} m, {model.mass_kg:.0f} kg",
                f"{person.area_mm2:.0f}",
                *_beside(upright, plausible(book, "standing", person)),
                *_beside(hess, plausible(book, "hess2023", person)),
                *_beside(hess / upright, times, ".1f"),
                _marked(hess / upright, above, ".1f"),
            )
        )
    header = (
        "exam", "person", "disc, mm²", "standing", "published", "Hess's task", "published",
        "ratio", "published", "above lying prone",
    )  # fmt: skip
    return table(header, rows)


def _in_body_weights(
    pairs: Sequence[Pair], models: Sequence[Model], book: Mapping[str, Any]
) -> str:
    """The same range for anybody: the measured man's, with the disc that men here have."""
    discs = [disc_mm2(pair) for pair in pairs if pair.who.sex == "M"]
    if not discs:
        return "No man is among the exams, so there is no disc for a range in body weights."
    man = Person(float(np.mean(discs)), MEASURED_KG)
    told = []
    for name, task in {"standing": STANDING, "hess2023": HESS}.items():
        low, high = (force / (MEASURED_KG * GRAVITY) for force in plausible(book, name, man))
        found = [_load(model, task) / (model.mass_kg * GRAVITY) for model in models]
        inside = sum(low <= ours <= high for ours in found)
        base = [_load(model, task) / (model.mass_kg * GRAVITY) for model in map(base_model, "MF")]
        told.append(
            f"{name} {low:.2f} … {high:.2f}, the exams {ranged(found, '.2f')}, {inside} of "
            f"{len(found)} within, base models M {base[0]:.2f}, F {base[1]:.2f}"
        )
    return (
        f"In body weights, of a man of {MEASURED_KG:g} kg, as Wilke's was, with the mean disc of "
        f"the men here, {man.area_mm2:.0f} mm²: {'; '.join(told)}."
    )


def _beside(ours: float, range_: Range, pattern: str = ".0f") -> tuple[str, str]:
    return f"{ours:{pattern}}", _marked(ours, range_, pattern)


def _marked(ours: float, range_: Range, pattern: str) -> str:
    """The range, and that ours is not within it."""
    low, high = range_
    mark = "" if low <= ours <= high else " **outside**"
    return f"{low:{pattern}} … {high:{pattern}}{mark}"


def _load(model: Model, task: Task, options: SolveOptions | None = None) -> float:
    return float(solved(model, task, options).compression_n[L4_L5])


def _ways(models: Sequence[Model]) -> str:
    rows = []
    of = {"exams": models, **{f"base model {sex}": [base_model(sex)] for sex in "MF"}}
    for name, chosen in of.items():
        weights = np.array([model.mass_kg * GRAVITY for model in chosen])
        for way, options in WAYS.items():
            upright, hess, slight = (
                np.array([_load(model, task, options) for model in chosen])
                for task in (STANDING, HESS, SLIGHT)
            )
            cells = (
                (upright, ".0f"),
                (hess, ".0f"),
                (hess / upright, ".1f"),
                (slight / weights, ".2f"),
            )
            shown = [
                ranged(values, pattern) if len(chosen) > 1 else f"{values[0]:{pattern}}"
                for values, pattern in cells
            ]
            rows.append((name, way, *shown))
    header = (
        "of", "solved by", "standing, N", "Hess's task, N", "ratio",
        f"20° of flexion, body weights ({SLIGHT_SOURCE}: 1.75)",
    )  # fmt: skip
    return table(header, rows)
