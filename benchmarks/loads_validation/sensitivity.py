"""What a load is sensitive to, and what its interval is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from loads_validation.evidence import HESS, L4_L5, PARTS, STANDING, Evidence, evidence_of, solved
from loads_validation.exams import Pair
from loads_validation.page import ranged, table

from openlumbar.core.errors import StageError
from openlumbar.mechanics.model import MEASURED_GROUPS
from openlumbar.mechanics.sections import GROUPS

PATH_MM, AREA, LORDOSIS_DEG, SLOPE_DEG, MASS_KG, HEIGHT_M = 5.0, 0.10, 6.0, 4.0, 2.0, 0.02
BACK = ("multifidus", "erector spinae")
#: Perturbed models of each part of the interval.
SAMPLES = 60
Change = Callable[[Evidence, float], Evidence]


def sensitivity(pairs: Sequence[Pair]) -> str:
    """One thing changed at a time, then one part of the uncertainty drawn at a time."""
    people = [evidence_of(pair.true) for pair in pairs]
    return "\n\n".join(
        (
            "Change of the compression at L4-L5, N: mean (least … most) of the exams, true masks. "
            "The paths of a muscle are all moved by the same length.",
            _changes(people),
            f"One standard deviation of the compression at L4-L5, N, when one part of the "
            f"uncertainty alone is drawn {SAMPLES} times: mean (least … most) of the exams.",
            _parts(people),
        )
    )


def _changes(people: Sequence[Evidence]) -> str:
    rows = []
    before = np.array([_loads(one) for one in people])
    for name, (change, *amounts) in _cases().items():
        for amount, sign in zip(amounts, (-1.0, 1.0), strict=True):
            moved = np.array([_loads(change(one, sign)) for one in people]) - before
            rows.append((name, amount, *(ranged(column, "+.0f") for column in moved.T)))
    return table(("changed", "by", "standing", "Hess's task"), rows)


def _cases() -> Mapping[str, tuple[Change, str, str]]:
    """What is changed, and by how much downward and upward."""
    every = (*MEASURED_GROUPS, *(group for group in GROUPS if group not in MEASURED_GROUPS))
    back_mm, front_mm = f"{PATH_MM:g} mm backward", f"{PATH_MM:g} mm forward"
    paths = {"multifidus": ("multifidus",), "erector spinae": ("erector spinae",)}
    paths |= {"multifidus and erector spinae": BACK, "psoas": ("psoas",)}
    paths |= {"quadratus lumborum": ("quadratus lumborum",), "all muscles": every}
    found: dict[str, tuple[Change, str, str]] = {
        f"paths of {name}": (
            lambda e, sign, groups=groups: _moved(e, groups, sign * PATH_MM),
            back_mm,
            front_mm,
        )
        for name, groups in paths.items()
    }
    percent = f"{100 * AREA:g} %"
    for name, groups in {"multifidus and erector spinae": BACK, "all muscles": every}.items():
        found[f"areas of {name}"] = (
            lambda e, sign, groups=groups: _grown(e, groups, 1 + sign * AREA),
            f"-{percent}",
            f"+{percent}",
        )
    found["lordosis"] = (_curved, f"-{LORDOSIS_DEG:g}°", f"+{LORDOSIS_DEG:g}°")
    found["sacral slope"] = (_sloped, f"-{SLOPE_DEG:g}°", f"+{SLOPE_DEG:g}°")
    found["body mass"] = (_heavier, f"-{MASS_KG:g} kg", f"+{MASS_KG:g} kg")
    found["body height"] = (_taller, f"-{HEIGHT_M:g} m", f"+{HEIGHT_M:g} m")
    return found


def _moved(evidence: Evidence, groups: Sequence[str], forward_mm: float) -> Evidence:
    """Measured centroids of some muscles, and generic paths of the others, moved forward."""
    place, generic = evidence.muscles.place_mm.copy(), evidence.muscles.generic_place_mm.copy()
    for group in groups:
        generic[GROUPS.index(group), 0] += forward_mm
        if group in MEASURED_GROUPS:
            place[MEASURED_GROUPS.index(group), ..., 0] += forward_mm
    return replace(
        evidence, muscles=replace(evidence.muscles, place_mm=place, generic_place_mm=generic)
    )


def _grown(evidence: Evidence, groups: Sequence[str], factor: float) -> Evidence:
    area, generic = evidence.muscles.csa_cm2.copy(), evidence.muscles.generic_area.copy()
    for group in groups:
        generic[GROUPS.index(group)] *= factor
        if group in MEASURED_GROUPS:
            area[MEASURED_GROUPS.index(group)] *= factor
    return replace(evidence, muscles=replace(evidence.muscles, csa_cm2=area, generic_area=generic))


def _curved(evidence: Evidence, sign: float) -> Evidence:
    rule = replace(evidence.rule, lordosis_deviation_deg=sign * LORDOSIS_DEG)
    return replace(evidence, rule=rule)


def _sloped(evidence: Evidence, sign: float) -> Evidence:
    return replace(evidence, rule=replace(evidence.rule, slope_deviation_deg=sign * SLOPE_DEG))


def _heavier(evidence: Evidence, sign: float) -> Evidence:
    person = evidence.person
    return replace(evidence, person=replace(person, mass_kg=person.mass_kg + sign * MASS_KG))


def _taller(evidence: Evidence, sign: float) -> Evidence:
    person = evidence.person
    return replace(evidence, person=replace(person, height_m=person.height_m + sign * HEIGHT_M))


def _loads(evidence: Evidence) -> tuple[float, ...]:
    """Compression at L4-L5, standing and in Hess's task."""
    model = evidence.model()
    return tuple(float(solved(model, task).compression_n[L4_L5]) for task in (STANDING, HESS))


def _parts(people: Sequence[Evidence]) -> str:
    rows = []
    for part in (*PARTS, "all together"):
        names = tuple(PARTS) if part == "all together" else (part,)
        spread = np.array([_spread(one, names) for one in people])
        rows.append((part, *(ranged(column) for column in spread.T)))
    return table(("drawn", "standing", "Hess's task"), rows)


def _spread(evidence: Evidence, parts: Sequence[str]) -> tuple[float, ...]:
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(SAMPLES):
        other = evidence
        for part in parts:
            other = other.drawn(part, rng)
        try:
            drawn.append(_loads(other))
        except StageError:  # as in mechanics/loads.py: a model that cannot be balanced
            continue
    return tuple(np.std(drawn, axis=0, ddof=1))
