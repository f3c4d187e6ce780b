"""What one person's muscles are like, and how that is drawn by chance.

All sizes are generic values chosen by us, not taken from a published table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

#: Names as in :mod:`openlumbar.core.anatomy`.
MUSCLES: tuple[str, ...] = ("multifidus", "erector spinae", "psoas", "quadratus lumborum")

SIDES: tuple[str, ...] = ("left", "right")

#: Least and greatest fat part of a muscle at a level.
FAT_LIMITS = (0.015, 0.8)


class _Usual(NamedTuple):
    """What is usual of one muscle.

    Attributes
    ----------
    man, woman
        Thickness against the mean of both sexes.
    ageing
        Part of the thickness that is lost from youth to old age.
    fat
        Against the person's mean, as log odds: (at L1-2, at L5-S1).
    """

    man: float
    woman: float
    ageing: float
    fat: tuple[float, float]


_USUAL = {
    "multifidus": _Usual(1.03, 0.97, 0.04, (-0.7, 0.6)),
    "erector spinae": _Usual(1.03, 0.97, 0.04, (-1.0, 0.1)),
    "psoas": _Usual(1.09, 0.90, 0.14, (-1.8, -1.6)),
    "quadratus lumborum": _Usual(1.07, 0.93, 0.08, (-1.2, -1.0)),
}


@dataclass(frozen=True)
class MuscleSpec:
    """Size, shape and fat of one muscle of one side.

    Attributes
    ----------
    name, side
        One of :data:`MUSCLES`; ``left`` or ``right``.
    scale
        Linear size against the reference person.
    atrophy
        Part of its radius that the muscle has lost within its compartment; fat has taken
        the place.
    fat
        Fat part (at L1-L2, at L5-S1); in between and beyond, the log odds are linear.
    wave
        Deviation of the outline: (cosine, sine) of 2, 3 and 4 waves about it, as part of
        the radius.
    shift_mm
        Outward and backward.
    cleft_mm
        Reach of the fat that lies between the multifidus and the lamina.
    """

    name: str
    side: str
    scale: float = 1.0
    atrophy: float = 0.0
    fat: tuple[float, float] = (0.05, 0.1)
    wave: tuple[float, ...] = (0.0,) * 6
    shift_mm: tuple[float, float] = (0.0, 0.0)
    cleft_mm: float = 0.0

    def fat_at(self, level: np.ndarray | float) -> np.ndarray:
        """Fat part at a level: 0 is disc T12-L1, 5 is L5-S1."""
        upper, lower = (_log_odds(part) for part in self.fat)
        share = (np.clip(level, 0.0, 6.0) - 1.0) / 4.0
        return np.clip(_part(upper + (lower - upper) * share), *FAT_LIMITS)


@dataclass(frozen=True)
class MuscleRanges:
    """Distributions of the muscles: SDs, or chances.

    Attributes
    ----------
    thickness
        Of the linear size between people of one sex, age and build; the muscles share it.
    single, side
        Of a muscle's size against the person's, and of a side's against the muscle's.
    log_odds
        Of the fat between people of one age.
    wave
        Of the outline's deviation, as part of the radius.
    plane_mm
        Least and greatest thickness of the fat planes between muscles.
    p_one_sided
        Chance that one multifidus has wasted away more than the other.
    """

    thickness: float = 0.055
    single: float = 0.04
    side: float = 0.025
    log_odds: float = 0.55
    wave: float = 0.02
    shift_mm: float = 1.0
    plane_mm: tuple[float, float] = (0.5, 1.5)
    p_one_sided: float = 0.12


class MuscleOwner(NamedTuple):
    """Whose muscles they are: sex, wear (0 young … 1 old), kg/m², mean fat part."""

    sex: str
    wear: float
    mass_index: float
    fat: float


def _log_odds(part: float) -> float:
    part = float(np.clip(part, 0.005, 0.95))
    return float(np.log(part / (1 - part)))


def _part(log_odds: np.ndarray | float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(log_odds)))


@dataclass(frozen=True)
class _Shared:
    """What all muscles of one person have in common."""

    owner: MuscleOwner
    ranges: MuscleRanges
    thickness: float
    atrophy: float
    log_odds: float
    wasted: str


def _atrophy(rng: np.random.Generator, shared: _Shared, name: str, side: str) -> float:
    back = name in MUSCLES[:2]
    lost = shared.atrophy * (1.0 if name == "multifidus" else 0.6 if back else 0.25)
    if name == "multifidus" and side == shared.wasted:
        lost += rng.uniform(0.05, 0.15)
    return float(np.clip(lost, 0.0, 0.3))


def _cleft(rng: np.random.Generator, shared: _Shared) -> float:
    return float(np.clip(rng.normal(1.0 + 2.5 * shared.owner.wear, 1.5), 0.0, 7.0))


def _pair(rng: np.random.Generator, shared: _Shared, name: str) -> tuple[MuscleSpec, MuscleSpec]:
    owner, ranges, usual = shared.owner, shared.ranges, _USUAL[name]
    size = shared.thickness * (usual.man if owner.sex == "M" else usual.woman)
    size *= (1 - usual.ageing * (owner.wear - 0.4)) * rng.normal(1, ranges.single)
    wave = rng.normal(0, ranges.wave, 6)
    fat = shared.log_odds + np.array(usual.fat) + rng.normal(0, 0.25, 2)
    specs = []
    for side in SIDES:
        lost = _atrophy(rng, shared, name, side)
        parts = np.clip(_part(fat + rng.normal(0, 0.12, 2) + 2.5 * lost), *FAT_LIMITS)
        specs.append(
            MuscleSpec(
                name=name,
                side=side,
                scale=float(np.clip(size * rng.normal(1, ranges.side), 0.7, 1.35)),
                atrophy=lost,
                fat=(float(parts[0]), float(parts[1])),
                wave=tuple(float(w) for w in wave + rng.normal(0, 0.5 * ranges.wave, 6)),
                cleft_mm=_cleft(rng, shared) if name == "multifidus" else 0.0,
                shift_mm=(rng.normal(0, ranges.shift_mm), rng.normal(0, ranges.shift_mm)),
            )
        )
    return specs[0], specs[1]


@dataclass(frozen=True)
class MusclesSpec:
    """All muscles of one person; without arguments, of the reference person.

    Attributes
    ----------
    each
        Left and right of every one of :data:`MUSCLES`.
    plane_mm
        Thickness of the fat planes between them.
    """

    each: tuple[MuscleSpec, ...] = tuple(
        MuscleSpec(name, side) for name in MUSCLES for side in SIDES
    )
    plane_mm: float = 0.8

    def of(self, name: str, side: str) -> MuscleSpec:
        """The muscle of that name and side."""
        return next(spec for spec in self.each if (spec.name, spec.side) == (name, side))


def sample_muscles(
    rng: np.random.Generator, owner: MuscleOwner, ranges: MuscleRanges | None = None
) -> MusclesSpec:
    """Draw one person's muscles.

    Parameters
    ----------
    rng
        Source of chance.
    owner
        Whose muscles they are.
    ranges
        Distributions.
    """
    ranges = ranges or MuscleRanges()
    thickness = rng.normal(1, ranges.thickness) * (owner.mass_index / 26.0) ** 0.15
    log_odds = _log_odds(owner.fat) + rng.normal(0, ranges.log_odds)
    shared = _Shared(
        owner=owner,
        ranges=ranges,
        thickness=float(np.clip(thickness, 0.8, 1.25)),
        atrophy=float(np.clip(rng.normal(0.09 * owner.wear - 0.01, 0.03), 0, 0.2)),
        log_odds=log_odds,
        wasted=str(rng.choice(SIDES)) if rng.random() < ranges.p_one_sided else "",
    )
    plane = float(np.clip(rng.normal(0.7 + 0.5 * owner.wear, 0.2), *ranges.plane_mm))
    each = tuple(spec for name in MUSCLES for spec in _pair(rng, shared, name))
    return MusclesSpec(each, plane)
