"""Tissues of an axial slice, and how the patient lies in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.masks import AXIAL_OF_MUSCLE, AxialTissue

#: Of a smaller body or disc the centre says little of how the patient lies.
_LEAST_BODY_MM2 = 150.0
#: Muscles of a pair are of one size within this factor, and of at least this area.
_PAIR_RATIO, _LEAST_PAIR_MM2 = 3.0, 100.0
#: Nobody lies turned further; what seems so was misread (as in segment.axial_align).
_MOST_TURN_RAD = np.radians(35.0)

_TISSUE_OF_KIND: dict[str, int] = {
    "vertebra": AxialTissue.POSTERIOR,
    "sacrum": AxialTissue.POSTERIOR,
    "disc": AxialTissue.DISC,
    "canal": AxialTissue.SAC,
    "cord": AxialTissue.SAC,
}


def axial_tissue(codes: NDArray[np.uint16], bodies: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Codes of a slice as classes of :class:`~openlumbar.core.masks.AxialTissue`.

    Parameters
    ----------
    codes, bodies
        As in :class:`~openlumbar.core.masks.AxialMask`, any shape.

    Returns
    -------
    ndarray
        ``uint8`` of the same shape.
    """
    table = np.zeros(int(codes.max(initial=0)) + 1, np.uint8)
    for code in np.flatnonzero(np.bincount(codes.ravel())):
        table[code] = _tissue_of_code(int(code))
    tissue = table[codes]
    tissue[(bodies > 0) & (tissue == AxialTissue.POSTERIOR)] = AxialTissue.BODY
    return tissue


def spine_pose(
    tissue: NDArray[np.uint8], spacing_mm: tuple[float, float]
) -> tuple[tuple[float, float], float]:
    """Where the sac lies in a slice, and how the patient is turned in it.

    Parameters
    ----------
    tissue
        ``uint8[row, column]``, classes of :class:`~openlumbar.core.masks.AxialTissue`, rows
        from front to back, columns toward the patient's left.
    spacing_mm
        Between rows and between columns.

    Returns
    -------
    centre : tuple of float
        Row and column of the sac's centre; of the picture's where there is no sac.
    turn_rad : float
        Positive when the front points to the picture's left, by the body in front of the sac
        and by the muscles on either side; 0 where sac or body is not seen, or where they
        stand as in no patient.
    """
    if not (tissue == AxialTissue.SAC).any():
        return ((tissue.shape[0] - 1) / 2, (tissue.shape[1] - 1) / 2), 0.0
    sac = _centre_of(tissue == AxialTissue.SAC)
    centre = (float(sac[0]), float(sac[1]))
    column = (tissue == AxialTissue.BODY) | (tissue == AxialTissue.DISC)
    if column.sum() * np.prod(spacing_mm) < _LEAST_BODY_MM2:
        return centre, 0.0
    spine = (_centre_of(column) - sac) * np.array(spacing_mm)
    # Sac and body lie so near to each other that a few pixels more on one side would turn the
    # patient; pairs of muscles lie far apart.
    front = spine + _across_muscles(tissue, sac, spine, spacing_mm)
    turn = float(np.arctan2(-front[1], -front[0]))
    return centre, turn if abs(turn) <= _MOST_TURN_RAD else 0.0


def _across_muscles(
    tissue: NDArray[np.uint8],
    sac: NDArray[np.float64],
    spine: NDArray[np.float64],
    spacing_mm: tuple[float, float],
) -> NDArray[np.float64]:
    """Sum over the pairs of muscles of the way from one side to the other, turned to the front.

    In millimetres (backward, leftward); ``spine`` is the way from sac to body in them.
    """
    rows, columns = (np.arange(n) for n in tissue.shape)
    # Positive toward the patient's left of the line through sac and body.
    aside = np.subtract.outer(
        (rows - sac[0]) * spacing_mm[0] * spine[1], (columns - sac[1]) * spacing_mm[1] * spine[0]
    )
    total = np.zeros(2)
    for muscle in set(AXIAL_OF_MUSCLE.values()):
        sides = [(tissue == muscle) & half for half in (aside < 0, aside > 0)]
        least, most = sorted(float(side.sum()) * np.prod(spacing_mm) for side in sides)
        if least < _LEAST_PAIR_MM2 or most > _PAIR_RATIO * least:
            continue
        back, left = (_centre_of(sides[1]) - _centre_of(sides[0])) * np.array(spacing_mm)
        total += np.array([-left, back])
    return total


def _centre_of(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Row and column of the centre of a mask that is not empty."""
    by_axis = [mask.sum(1), mask.sum(0)]
    return np.array([count @ np.arange(len(count)) / count.sum() for count in by_axis])


def _tissue_of_code(code: int) -> int:
    if code in AXIAL_OF_MUSCLE:
        return AXIAL_OF_MUSCLE[code]
    kind = BY_CODE[code].kind if code in BY_CODE else ""
    return _TISSUE_OF_KIND.get(kind, AxialTissue.BACKGROUND)
