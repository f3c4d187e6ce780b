"""Names of vertebrae and discs ↔ places along the spine (:mod:`openlumbar.core.levels`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openlumbar.core.anatomy import VERTEBRAE

#: Lumbar vertebrae where no name says otherwise.
USUAL_LUMBAR = 5


@dataclass(frozen=True)
class SpineNames:
    """How one spine is counted.

    Attributes
    ----------
    lumbar
        Number of lumbar vertebrae.
    thoracic
        12, or 13 where there is a T13.
    """

    lumbar: int = USUAL_LUMBAR
    thoracic: int = 12

    def position(self, name: str) -> float | None:
        """Place of a vertebra or disc; None for what is no name of either.

        >>> SpineNames().position("L4-L5"), SpineNames().position("S1")
        (4.0, 5.5)
        >>> SpineNames(lumbar=6).position("L6-S1"), SpineNames(lumbar=6).position("S1")
        (6.0, 6.5)
        """
        upper, _, lower = name.partition("-")
        place = self._vertebra_place(upper)
        if not lower or place is None:
            return place
        return place + 0.5 if self._vertebra_place(lower) is not None else None

    def name(self, position: float) -> str | None:
        """The vertebra or disc nearest to a place; None beyond T1 and S2.

        >>> SpineNames().name(4.1), SpineNames().name(4.4), SpineNames(lumbar=6).name(6.0)
        ('L4-L5', 'L5', 'L6-S1')
        """
        halves = round(2 * position)
        if halves % 2:
            return self._vertebra(halves // 2 + 1)
        return self._disc(halves // 2)

    def disc(self, position: float) -> str | None:
        """The disc nearest to a place; None above T1-T2 and below S1-S2."""
        return self._disc(min(round(position), self.lumbar + 1))

    def _disc(self, place: int) -> str | None:
        upper, lower = self._vertebra(place), self._vertebra(place + 1)
        return f"{upper}-{lower}" if upper and lower else None

    def _vertebra(self, number: int) -> str | None:
        """The vertebra of a number: L1 is 1, the lowest thoracic one 0."""
        if number < 1:
            name = f"T{self.thoracic + number}"
        elif number <= self.lumbar:
            name = f"L{number}"
        else:
            name = f"S{number - self.lumbar}"
        return name if name in VERTEBRAE else None

    def _vertebra_place(self, name: str) -> float | None:
        if name not in VERTEBRAE:
            return None
        before = {"T": -self.thoracic, "L": 0, "S": self.lumbar}[name[0]]
        return before + int(name[1:]) - 0.5


def counted_by(names: Iterable[str]) -> SpineNames:
    """How a spine with these vertebrae and discs is counted.

    The number of lumbar vertebrae is read off what stands on S1; without that an L6 says six,
    and five is assumed otherwise.

    >>> counted_by(["L3-L4", "L4-S1"])
    SpineNames(lumbar=4, thoracic=12)
    >>> counted_by(["L5", "L6"]).lumbar, counted_by(["L4", "L5"]).lumbar
    (6, 5)
    """
    seen = set(names)
    on_sacrum = [f"L{n}" for n in (4, 5, 6) if f"L{n}-S1" in seen]
    vertebrae = {part for name in seen for part in name.split("-")}
    lumbar = int(on_sacrum[0][1]) if on_sacrum else (6 if "L6" in vertebrae else USUAL_LUMBAR)
    return SpineNames(lumbar, 13 if "T13" in vertebrae else 12)
