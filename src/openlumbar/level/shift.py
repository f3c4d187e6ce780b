"""Whether the sagittal count and the looks of the axial slices agree, and by how much not.

A wrong count shifts all names alike. So one number is asked for: the shift *k*, in levels, from
the sagittal names to the true ones (+1: each slice lies one level lower than the count says).
Bayes' rule::

    P(k | count, looks)  ∝  P(k | count) × P(looks | k)

* ``P(0 | count)`` is the confidence of the sagittal names; the rest goes to other shifts by
  :data:`MISCOUNTS`. It comes from sagittal pictures, the looks from muscles and organs beside
  the spine in other pictures: the two count as independent.
* ``P(looks | k)`` is what the stack's likelihood (:mod:`.stack`, tempered there) says of the
  positions that the count gives the slices, all moved by *k*. One stack in
  1 / :data:`~openlumbar.level.stack.STACK_LAPSE` says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.level.scale import disc_at, level_at
from openlumbar.level.stack import STACK_LAPSE, UNSURE, StackReading

SHIFTS: tuple[int, ...] = (-2, -1, 0, 1, 2)
#: How a wrong count is wrong, one a shift: mostly by one. Generic, ours.
MISCOUNTS: tuple[float, ...] = (0.05, 0.45, 0.0, 0.45, 0.05)
#: No count is weighed as surer, or as less sure, than this: its names are its best guess, so none
#: that is off by one can be likelier before the looks are seen.
_SUREST, _LEAST_SURE = 0.99, 0.35

#: What flags of a sagittal numbering say of the lumbosacral border.
BORDER_SIGNS: dict[str, str] = {
    "possible-l6": "what it calls S1 may be a lumbar vertebra",
    "possible-lumbarised-s1": "what it calls S1 has a well-formed disc below it",
    "possible-sacralised-l5": "the disc above what it calls S1 is small",
}
#: What a shift means for the border, if the count took the right segment for the first sacral.
_IF_COUNT_HOLDS = {
    1: "a lumbar vertebra more than usual (L6, or a lumbarised S1)",
    -1: "a lumbar vertebra less than usual (a sacralised L5)",
}
_IF_LOOKS_HOLD = {1: "S2", -1: "L5"}


@dataclass(frozen=True, eq=False)
class ShiftBelief:
    """Probability of each of :data:`SHIFTS`.

    Attributes
    ----------
    count
        0 … 1: the confidence of the sagittal count as it was given.
    looks
        By the looks alone, all shifts taken for equally likely before; None without looks.
    both
        By count and looks; None without looks.
    """

    count: float
    looks: NDArray[np.float64] | None = None
    both: NDArray[np.float64] | None = None

    @property
    def best(self) -> int:
        """The likeliest shift."""
        return 0 if self.both is None else SHIFTS[int(self.both.argmax())]

    @property
    def confidence(self) -> float:
        """Probability of the likeliest shift."""
        return self.count if self.both is None else float(self.both.max())

    @property
    def seen(self) -> int | None:
        """The shift that the looks by themselves are sure of; None where they are not."""
        if self.looks is None or self.looks.max() < UNSURE:
            return None
        return SHIFTS[int(self.looks.argmax())]

    @property
    def in_conflict(self) -> bool:
        """Whether the looks speak for another count than the sagittal one."""
        return self.best != 0 or self.seen not in (None, 0)


def weigh_shifts(
    confidence: float, positions: Sequence[float | None], reading: StackReading | None
) -> ShiftBelief:
    """How likely each shift of the sagittal names is.

    Parameters
    ----------
    confidence
        0 … 1, of the sagittal count.
    positions
        Of each slice by that count; None where it gives none.
    reading
        What the looks say; None, or one without positions, changes nothing.
    """
    if reading is None or all(place is None for place in reading.positions):
        return ShiftBelief(confidence)
    sure = float(np.clip(confidence, _LEAST_SURE, _SUREST))
    count = np.where(np.array(SHIFTS) == 0, sure, (1 - sure) * np.array(MISCOUNTS))
    fits = np.array(
        [reading.fit([None if u is None else u + k for u in positions]) for k in SHIFTS]
    )
    likely = np.exp(fits - fits.max())
    looks = (1 - STACK_LAPSE) * likely / likely.sum() + STACK_LAPSE / len(SHIFTS)
    both = count * looks
    return ShiftBelief(confidence, looks, both / both.sum())


def is_transitional(belief: ShiftBelief, flags: Iterable[str]) -> bool:
    """Whether the vertebra at the lumbosacral border may be a transitional one.

    The looks must be sure that the count is off by one, and the count must either be sure of
    itself, so that sacrum and muscles contradict each other, or doubt the border too.
    """
    doubted = bool(set(flags) & BORDER_SIGNS.keys())
    return belief.seen in (-1, 1) and (belief.count >= UNSURE or doubted)


def shift_sentences(belief: ShiftBelief, position: float, flags: Iterable[str]) -> tuple[str, ...]:
    """Why the names are what they are.

    Parameters
    ----------
    belief
        Of the series.
    position
        Of one of its slices by the sagittal count, to speak of.
    flags
        Of the sagittal numbering.
    """
    if belief.looks is None:
        return ()
    if not belief.in_conflict:
        return (_agreement(belief),)
    said = [_conflict(belief, position)]
    if is_transitional(belief, flags):
        said += _border(belief.seen or 0, sorted(set(flags) & BORDER_SIGNS.keys()))
    return tuple(said)


def ilium_sentence(reading: StackReading, positions: Sequence[float | None]) -> tuple[str, ...]:
    """Where the ilium comes into view, by the count and by the looks; nothing where unknown."""
    seen = reading.signs.get("ilium")
    if seen is None:
        return ()
    both = zip(seen, positions, reading.positions, strict=True)
    places = [(u, v) for p, u, v in both if p >= 0.5 and u is not None and v is not None]
    if not places:
        return ("The ilium is not in view on any slice.",)
    counted, looked = min(places)
    return (
        f"The uppermost slice that shows the ilium lies at {level_at(counted)} by the sagittal "
        f"count, at {level_at(looked)} by its looks.",
    )


def _share(belief: ShiftBelief, shift: int) -> float:
    return 0.0 if belief.looks is None else float(belief.looks[SHIFTS.index(shift)])


def _agreement(belief: ShiftBelief) -> str:
    share = _share(belief, 0)
    if belief.seen == 0:
        return (
            f"The looks of the slices agree with the sagittal count: {share:.0%} by themselves, "
            f"{belief.confidence:.0%} together."
        )
    return (
        "The looks of the slices do not settle the count: they give the sagittal one "
        f"{share:.0%}, a level higher {_share(belief, -1):.0%}, a level lower "
        f"{_share(belief, 1):.0%}."
    )


def _conflict(belief: ShiftBelief, position: float) -> str:
    """Both readings, and which one the names follow."""
    shift = belief.best if belief.seen in (None, 0) else belief.seen
    followed = "the sagittal count" if belief.best == 0 else "the looks"
    return (
        f"The sagittal series counts {disc_at(position)} where the muscles look like "
        f"{disc_at(position + (shift or 0))} (count {belief.count:.0%} sure; "
        f"looks {_share(belief, shift or 0):.0%}). The names follow {followed}, which together has "
        f"{belief.confidence:.0%}."
    )


def _border(shift: int, signs: Sequence[str]) -> list[str]:
    """What speaks for which reading of the lumbosacral border."""
    said = [
        f"If the count has the sacrum right, this person has {_IF_COUNT_HOLDS[shift]}; if the "
        f"muscles are those of their level, what the count calls S1 is {_IF_LOOKS_HOLD[shift]}."
    ]
    said += [f"The sagittal series is in doubt too: {BORDER_SIGNS[sign]}." for sign in signs]
    said.append("Only a picture of the whole spine, or the ribs, can settle it.")
    return said
