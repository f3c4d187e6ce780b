"""The scale of positions along the lumbar spine: its names, and its length in millimetres.

Discs lie at whole numbers (T12-L1 at 0, L1-L2 at 1 … L5-S1 at 5), vertebrae halfway between
(:data:`openlumbar.core.levels.POSITIONS`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openlumbar.level.spine_names import SpineNames

#: Half the share of a level that its disc takes: disc L4-L5 spans 4 ± this. Generic, ours.
HALF_DISC = 0.17

#: From disc to disc, mm, downward from position -4. T11-T12 to L5-S1: means of 30 patients of
#: SPIDER, ``benchmarks/disc_pitch.py``; above and below: generic, ours.
_PITCH_MM: tuple[float, ...] = (24, 26, 28, 31.0, 32.7, 34.9, 36.1, 36.1, 35.5, 30, 25, 22)
_FIRST = -4
_KNOTS = np.arange(_FIRST, _FIRST + len(_PITCH_MM) + 1, dtype=float)
_KNOTS_MM = np.concatenate([[0.0], np.cumsum(_PITCH_MM)])
_NAMES = SpineNames()
#: The disc S1-S2.
_LOWEST = 6


def to_mm(position: ArrayLike) -> NDArray[np.float64]:
    """Where a position lies along a typical spine, mm, greater toward the foot."""
    return np.interp(np.asarray(position, float), _KNOTS, _KNOTS_MM)


def to_position(along_mm: ArrayLike) -> NDArray[np.float64]:
    """The inverse of :func:`to_mm`; its end values beyond the table's ends."""
    return np.interp(np.asarray(along_mm, float), _KNOTS_MM, _KNOTS)


def level_at(position: float) -> str:
    """The disc or vertebra at a position, five lumbar vertebrae taken for granted.

    >>> level_at(4.1), level_at(4.5), level_at(5.3), level_at(-0.4)
    ('L4-L5', 'L5', 'S1', 'T12')
    """
    if abs(position - round(position)) <= HALF_DISC:
        return disc_at(position)
    return _NAMES.name(min(math.floor(position), _LOWEST) + 0.5) or ""


def disc_at(position: float) -> str:
    """The nearest disc; S1-S2 is the lowest there is.

    >>> disc_at(4.4), disc_at(0.2), disc_at(7.0)
    ('L4-L5', 'T12-L1', 'S1-S2')
    """
    return _NAMES.disc(position) or ""


def shifted(name: str, levels: int) -> str:
    """The vertebra or disc so many levels below one; empty beyond the table's ends.

    >>> shifted("L4-L5", 1), shifted("L4", -1), shifted("L5-L6", 0)
    ('L5-S1', 'L3', 'L5-L6')
    """
    place = _NAMES.position(name)
    if levels == 0 or place is None:
        return name
    return _NAMES.name(place + levels) or ""
