"""Whether a slice is an axial lumbar slice with its muscles, and what is doubtful about it.

A network names pixels in any picture. What makes a cross-section of the lumbar spine is how
the parts lie to each other: body, sac, posterior elements from front to back, muscles of the
back behind on both sides, psoas or quadratus beside the spine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from openlumbar.core import anatomy
from openlumbar.core.masks import AxialTissue
from openlumbar.segment.axial_align import MOST_TURN_RAD
from openlumbar.segment.axial_clean import SIDES, CleanSlice
from openlumbar.segment.landmarks import Landmarks, PlaneGrid, centre_mm

NOT_A_SLICE, UPSIDE_DOWN = "not-an-axial-lumbar-slice", "upside-down"
MISSING, UNSURE = "muscle-missing", "low-certainty"

#: One more than the largest code.
_CODES = max(anatomy.BY_CODE) + 1
_BACK = (AxialTissue.MULTIFIDUS, AxialTissue.ERECTOR_SPINAE)
_BESIDE = (AxialTissue.PSOAS, AxialTissue.QUADRATUS_LUMBORUM)


@dataclass(frozen=True)
class Traits:
    """What a reading of a slice shows.

    Attributes
    ----------
    turn_deg
        Of the patient in the picture, without sign.
    column_mm2, sac_mm2
        Areas of body with disc, and of the sac.
    gap_mm
        From the centre of the body to that of the sac.
    back_mm2
        Multifidus and erector spinae, of the side that has less.
    behind_mm
        How far their centre lies behind the body's.
    beside_mm2
        Psoas and quadratus lumborum, both sides.
    certainty
        Mean probability of what was named, 0 … 1.
    agreement
        Of the two looks at the slice: Dice overlap of all that they call the same.
    """

    turn_deg: float
    column_mm2: float
    sac_mm2: float
    gap_mm: float
    back_mm2: float
    behind_mm: float
    beside_mm2: float
    certainty: float
    agreement: float


@dataclass(frozen=True)
class Rule:
    """Limits of one trait, and why."""

    trait: str
    least: float
    most: float
    why: str


#: What every axial lumbar slice shows. Ours: areas and distances of small and large patients
#: with room to spare; certainty and agreement between those of lumbar slices (80 real ones,
#: phantoms) and those of pictures of something else that the network made anatomy of.
RULES: tuple[Rule, ...] = (
    Rule("turn_deg", 0, float(np.degrees(MOST_TURN_RAD)), "nobody lies further on one side"),
    Rule("column_mm2", 350, 4500, "an L1 of a small woman has 900, half a section of S2 400"),
    Rule("sac_mm2", 15, 800, "from a severe stenosis to a wide sac with ectasia"),
    Rule("gap_mm", 11, 52, "half a body and half a canal, from front to back, cut obliquely"),
    Rule("back_mm2", 150, 12000, "the least on one side: atrophy or a picture that cuts it"),
    Rule("behind_mm", 15, 90, "the muscles of the back lie behind the body"),
    Rule("beside_mm2", 150, 14000, "psoas or quadratus begins at L1: above, there is neither"),
    Rule("certainty", 0.7, 1, "in pictures of something else the network wavers"),
    Rule("agreement", 0.62, 1, "what is made up changes with the eye and the frame"),
)
#: A picture is called upside down only when the turned one is read with this certainty.
TURNED_CERTAINTY = 0.85
#: A muscle that its other side shows with at least this area is missing below that share.
_SHOWN_MM2, _MISSING_SHARE = 200.0, 0.1
#: A structure of at least this area that is named with less than this certainty is doubtful,
#: and a sac of any.
_DOUBTFUL_MM2, _DOUBTFUL = 100.0, 0.6


@dataclass(frozen=True, eq=False)
class Reading:
    """A slice as it was read.

    Attributes
    ----------
    clean
        Named structures.
    certainty
        ``float32[row, column]``: probability of the chosen class.
    landmarks, grid
        Of these pixels.
    agreement
        Of the two looks at the slice; 1 where it was looked at once.
    """

    clean: CleanSlice
    certainty: NDArray[np.float32]
    landmarks: Landmarks
    grid: PlaneGrid
    agreement: float = 1.0

    @cached_property
    def pixels(self) -> NDArray[np.intp]:
        """Number of pixels of each code, by code."""
        return np.bincount(self.clean.codes.ravel(), minlength=_CODES)

    def area_mm2(self, *codes: int) -> float:
        """Area of these codes together."""
        return float(self.pixels[list(codes)].sum() * self.grid.pixel_mm2)

    @cached_property
    def certainties(self) -> NDArray[np.float64]:
        """Mean certainty of each code, by code; 0 where there is none."""
        total = np.bincount(self.clean.codes.ravel(), self.certainty.ravel(), _CODES)
        return total / np.maximum(self.pixels, 1)


def traits_of(reading: Reading) -> Traits:
    """Measure what :data:`RULES` ask for."""
    codes, landmarks, grid = reading.clean.codes, reading.landmarks, reading.grid
    back = [[SIDES[muscle][side] for muscle in _BACK] for side in range(2)]
    beside = [code for muscle in _BESIDE for code in SIDES[muscle]]
    named = reading.pixels[1:]
    return Traits(
        turn_deg=float(np.degrees(abs(landmarks.turn_rad))),
        column_mm2=float(landmarks.body_mask.sum() * grid.pixel_mm2),
        sac_mm2=reading.area_mm2(anatomy.SPINAL_CANAL),
        gap_mm=float(np.linalg.norm(landmarks.body - landmarks.sac)),
        back_mm2=min(reading.area_mm2(*side) for side in back),
        behind_mm=_behind_mm(_is_any(codes, back[0] + back[1]), landmarks, grid),
        beside_mm2=reading.area_mm2(*beside),
        certainty=float(named @ reading.certainties[1:] / max(named.sum(), 1)),
        agreement=reading.agreement,
    )


def _is_any(codes: NDArray[np.uint16], wanted: list[int]) -> NDArray[np.bool_]:
    table = np.zeros(_CODES, bool)
    table[wanted] = True
    return table[codes]


def _behind_mm(mask: NDArray[np.bool_], landmarks: Landmarks, grid: PlaneGrid) -> float:
    """How far the centre of a mask lies behind that of the body; 0 of an empty mask."""
    if not mask.any():
        return 0.0
    return float((landmarks.body - centre_mm(mask, grid)) @ landmarks.front)


def broken_rules(traits: Traits) -> tuple[Rule, ...]:
    """The rules that a reading does not keep; empty for an axial lumbar slice."""
    return tuple(
        rule for rule in RULES if not rule.least <= getattr(traits, rule.trait) <= rule.most
    )


def is_lumbar(reading: Reading | None, least_certainty: float = 0.0) -> bool:
    """Whether a reading shows an axial lumbar slice, with at least this certainty."""
    if reading is None:
        return False
    traits = traits_of(reading)
    return not broken_rules(traits) and traits.certainty >= least_certainty


def doubts(reading: Reading) -> tuple[str, ...]:
    """Flags of a slice that was recognised."""
    checks: dict[str, Callable[[Reading], bool]] = {MISSING: _lacks_muscle, UNSURE: _is_unsure}
    return tuple(flag for flag, check in checks.items() if check(reading))


def _lacks_muscle(reading: Reading) -> bool:
    """Whether a side lacks a muscle of the other, or both a muscle that every slice has."""
    areas = {muscle: [reading.area_mm2(code) for code in pair] for muscle, pair in SIDES.items()}
    one_sided = (
        max(pair) >= _SHOWN_MM2 and min(pair) < _MISSING_SHARE * max(pair)
        for pair in areas.values()
    )
    return any(one_sided) or any(not any(areas[muscle]) for muscle in _BACK)


def _is_unsure(reading: Reading) -> bool:
    """Whether a structure of some size, or the sac, was named with little certainty."""
    counts = reading.pixels * reading.grid.pixel_mm2 >= _DOUBTFUL_MM2
    counts[anatomy.SPINAL_CANAL] = reading.pixels[anatomy.SPINAL_CANAL] > 0
    return bool((reading.certainties[1:][counts[1:]] < _DOUBTFUL).any())
