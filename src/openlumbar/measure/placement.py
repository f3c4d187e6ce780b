"""How the slices lie to the spine: turned, leaning, beside its middle, or against the header.

All of it is read from the masks. A technician turns the slices to fit the patient, so the
header's angles say nothing of how they lie to this spine.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from openlumbar.core import anatomy
from openlumbar.measure.column import LAST_DISC, S1, chain_of
from openlumbar.measure.reading import Reading
from openlumbar.measure.view import BlockView, Part

#: An arch of fewer voxels than these does not tell where it lies.
_LEAST_ARCH = 30


def turn_of(view: BlockView) -> float:
    """Angle between the slices and the spine's plane of symmetry, about the head-foot axis.

    Arches lie straight behind their bodies; in slices turned against the spine they lie to
    one side, by the tangent of the turn. The median over the vertebrae, degrees; 0 where
    fewer than two show both within the slices.
    """
    found = [_turn(view, part) for code, part in view.parts.items() if is_body(code)]
    known = [turn for turn in found if turn is not None]
    return float(np.degrees(np.arctan(np.median(known)))) if len(known) > 1 else 0.0


def is_body(code: int) -> bool:
    """Whether a code is a vertebra's."""
    return code in anatomy.BY_CODE and anatomy.BY_CODE[code].kind == "vertebra"


def _turn(view: BlockView, body: Part) -> float | None:
    """Sideways step of one vertebra's arch for each step back; None if cut off sideways."""
    box = view.boxes.get(body.code)
    if box is None or view.labels.shape[0] < 3:
        return None
    places = np.argwhere((view.labels[box] == body.code) & (view.bodies[box] != body.code))
    if len(places) < _LEAST_ARCH:
        return None
    middle = places.mean(0) + [side.start for side in box]
    aside, _, behind = (middle - body.centroid) * np.array(view.spacing_mm)
    return float(aside / behind) if behind > 10 else None


def obliquity_deg(view: BlockView, turn_deg: float, reading: Reading) -> float:
    """Angle between the slices' normal and the structure's own left-right axis, degrees.

    About the head-foot axis by the turn of the whole block (:func:`turn_of`), about the
    front-back axis by how the structure's centre moves up or down from slice to slice.
    """
    parts = [view.parts[code] for code in reading.codes if code in view.parts]
    leans = [part.lean for part in parts if part.code != anatomy.SPINAL_CANAL]
    lean = float(np.mean(leans)) if leans else 0.0
    turn = np.tan(np.radians(turn_deg))
    return float(np.degrees(np.arctan(np.hypot(turn, lean))))


def aside_mm(view: BlockView, reading: Reading) -> float:
    """Distance of the reading's slice from the middle of what it is of, mm."""
    known = [code for code in reading.codes if code in view.parts]
    # The canal's own middle is found level by level, by what reads it.
    parts = [view.parts[code] for code in known if code != anatomy.SPINAL_CANAL]
    if reading.slice is None or not parts:
        return 0.0
    middle = float(np.mean([part.centroid[0] for part in parts]))
    return abs(reading.slice - middle) * view.spacing_mm[0]


def leaves_sideways(view: BlockView, part: Part) -> bool:
    """Whether a part and the canal beside it leave the slices on one and the same side.

    Where they leave on both the block is narrow, and was laid about the middle.
    """
    low, high = part.leaves
    if low == high:
        return False
    rows = slice(part.origin[1], part.origin[1] + part.mask.shape[1])
    canal = view.labels[:, rows] == anatomy.SPINAL_CANAL
    side, other = (0, -1) if low else (-1, 0)
    shown = canal.sum((1, 2))
    return bool(not shown.any() or (shown[side] >= 0.5 * shown.max() and not shown[other]))


def contradictions(view: BlockView) -> tuple[str, ...]:
    """``upside-down`` where the order of the names, or the canal, runs against the header.

    Or where whoever gave the names says so.
    """
    told = any("upside-down" in row.flags for row in view.rows)
    swapped = told or _runs_upward(view) or _canal_in_front(view)
    return ("upside-down",) if swapped else ()


def _runs_upward(view: BlockView) -> bool:
    """Whether lower vertebrae lie higher."""
    order = [anatomy.vertebra_code(name) for name in anatomy.VERTEBRAE]
    places = [view.parts[code].place_mm[0] for code in order if code in view.parts]
    steps = np.diff(places)
    return bool(len(steps) and (steps < 0).sum() > (steps > 0).sum())


def out_of_order(view: BlockView) -> frozenset[int]:
    """Codes of vertebrae and discs that lie above one that should lie above them.

    The sacrum and the disc on it are left out: S1 may lie as high as that disc.
    """
    chain = [part for part in chain_of(view) if part.code not in (S1, LAST_DISC)]
    steps = [pair for pair in pairwise(chain) if pair[1].place_mm[0] < pair[0].place_mm[0]]
    return frozenset(part.code for pair in steps for part in pair)


def _canal_in_front(view: BlockView) -> bool:
    """Whether the canal lies in front of most bodies beside it."""
    canal = view.parts.get(anatomy.SPINAL_CANAL)
    if canal is None:
        return False
    bodies = [part for code, part in view.parts.items() if is_body(code)]
    sides = [side for side in (_canal_behind_mm(view, canal, body) for body in bodies) if side]
    return bool(sides) and float(np.median(sides)) < 0


def _canal_behind_mm(view: BlockView, canal: Part, body: Part) -> float | None:
    """How far behind a body's centre the canal lies in the rows of the body."""
    first = body.origin[1] - canal.origin[1]
    rows = slice(max(first, 0), max(first + body.mask.shape[1], 0))
    places = np.nonzero(canal.mask[:, rows])[2]
    if not len(places):
        return None
    return float(places.mean() + canal.origin[2] - body.centroid[2]) * view.spacing_mm[2]
