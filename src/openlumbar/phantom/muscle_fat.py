"""Fat within a muscle: a pattern at several scales whose mean is what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openlumbar.phantom.muscle_specs import MuscleSpec
from openlumbar.phantom.texture import Texture

Floats = NDArray[np.floating]

_LEVELS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
# Fat that even the cleanest fibre bundle holds, and muscle that is left in the fattest.
_LEAST, _MOST = 0.008, 0.97


class Place(NamedTuple):
    """Points within a muscle.

    Attributes
    ----------
    x, y
        Outward and backward of the middle of its cross-section, mm.
    z
        Upward, LPS, mm.
    edge
        Distance from its outline, mm, negative inside.
    level
        Along the spine; 0 is disc T12-L1, 5 L5-S1.
    half
        Half axes of the cross-section: ``[2, point]``, mm.
    """

    x: Floats
    y: Floats
    z: Floats
    edge: Floats
    level: Floats
    half: Floats


@dataclass(frozen=True)
class _Look:
    """How fat spreads in a muscle.

    Attributes
    ----------
    root
        Where the septa fan out from, in half axes from the muscle's middle: outward,
        backward.
    deep
        How much more fat lies near that root than far from it.
    rim
        How much more lies at the outline than within.
    septa
        How much goes into thin septa rather than into patches.
    shift
        Of the texture, so that no two muscles have the same pattern.
    """

    root: tuple[float, float]
    deep: float
    rim: float
    septa: float
    shift: int


_LOOKS = {
    "multifidus": _Look((-0.5, -1.1), 0.75, 0.20, 0.60, 31),
    "erector spinae": _Look((-0.7, -1.4), 0.50, 0.22, 0.60, 37),
    "psoas": _Look((-0.6, 1.3), 0.15, 0.15, 0.40, 41),
    "quadratus lumborum": _Look((-2.0, 0.3), 0.10, 0.20, 0.40, 43),
}


def _ridge(field: Floats, width: float) -> Floats:
    """Thin sheets where a smooth field passes its middle."""
    return np.exp(-(((field - np.float32(0.5)) / np.float32(width)) ** 2))


@dataclass(frozen=True, eq=False)
class FatPattern:
    """The fat of one muscle of one side.

    Parameters
    ----------
    spec
        What is asked for.
    texture
        Source of the pattern.
    thresholds
        By level; from :meth:`calibrated`.
    """

    spec: MuscleSpec
    texture: Texture
    thresholds: tuple[float, ...] = (0.0,) * len(_LEVELS)

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of the thresholds."""
        return _LEVELS

    def _score(self, at: Place) -> Floats:
        """Where fat comes first: the higher, the sooner."""
        look, look_up = _LOOKS[self.spec.name], self.texture.linear
        shift = look.shift + 7 * (self.spec.side == "left")
        reach = np.sqrt(at.half[0] * at.half[1])
        # Fibres run downward and outward; septa fan out from the depth.
        x = at.x + np.float32(0.15) * (at.z % np.float32(400.0))
        away_x = at.x - np.float32(look.root[0]) * reach
        away_y = at.y - np.float32(look.root[1]) * reach
        away = np.sqrt(away_x * away_x + away_y * away_y)
        fan = np.arctan2(away_x, np.abs(away_y) + np.float32(1.0)) * np.float32(22.0)
        wobble = look_up((x, at.y, at.z), (2.2, 2.2, 8.0), shift)
        fan += np.float32(6.0) * (wobble - np.float32(0.5))
        fine = _ridge(look_up((fan, away, at.z), (0.85, 3.0, 7.0), shift + 1), 0.07)
        sheet = _ridge(look_up((fan, away, at.z), (1.7, 5.5, 10.0), shift + 2), 0.05)
        cloud = look_up((fan, away, at.z), (2.2, 3.2, 8.0), shift + 3)
        grain = look_up((at.x, at.y, at.z), (0.5, 0.5, 2.0), shift + 4)
        depth = np.exp(-((away / (np.float32(1.1) * reach)) ** 2))
        score = np.maximum(np.float32(0.7) * fine, sheet) * (np.float32(0.4) + depth)
        score = np.float32(look.septa) * score * (np.float32(0.4) + np.float32(0.9) * wobble)
        score += np.float32(0.8 - look.septa) * cloud + np.float32(0.14) * grain
        score += np.float32(look.deep) * depth
        score += np.float32(look.rim) * np.exp(at.edge / np.float32(1.5))
        if self.spec.name == "erector spinae":
            score += self._septum(at)
        return score

    def _septum(self, at: Place) -> Floats:
        """Between longissimus and iliocostalis."""
        bend = at.x - np.float32(0.1) * at.half[0] + np.float32(0.25) * at.y
        bend += np.float32(1.6) * np.sin(at.y / np.float32(5.0) + at.z / np.float32(40.0))
        return np.float32(0.4) * np.exp(-((bend / np.float32(0.7)) ** 2))

    def _part(self, score: Floats, threshold: Floats | float) -> Floats:
        return np.clip(np.float32(_LEAST) + np.float32(3.2) * (score - threshold), _LEAST, _MOST)

    def part(self, at: Place) -> Floats:
        """Fat part of each point, 0 … 1."""
        threshold = np.interp(at.level, _LEVELS, self.thresholds).astype(np.float32)
        return self._part(self._score(at), threshold).astype(np.float32)

    def calibrated(self, places: list[Place | None]) -> FatPattern:
        """The pattern whose mean at each level is the part that the spec asks for.

        Parameters
        ----------
        places
            Points about each of :attr:`levels`, spread evenly over the muscle; None where
            there is no muscle.
        """
        thresholds = [
            np.nan if at is None else self._threshold(self._score(at), float(wanted))
            for at, wanted in zip(places, self.spec.fat_at(np.array(_LEVELS)), strict=True)
        ]
        known = np.isfinite(thresholds)
        filled = np.interp(_LEVELS, np.array(_LEVELS)[known], np.array(thresholds)[known])
        return replace(self, thresholds=tuple(float(t) for t in filled))

    def _threshold(self, score: Floats, wanted: float) -> float:
        low, high = float(score.min()) - 1.0, float(score.max()) + 1.0
        for _ in range(20):
            middle = (low + high) / 2
            if self._part(score, middle).mean() > wanted:
                low = middle
            else:
                high = middle
        return (low + high) / 2
