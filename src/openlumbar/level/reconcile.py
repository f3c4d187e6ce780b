"""One name for each axial slice from two readings: geometry, and looks.

Where both are there, a shift by whole levels between them is weighed (:mod:`.shift`): the names
follow the likelier count, their confidence is its probability, and a conflict is flagged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.anatomy import SPINAL_CANAL
from openlumbar.core.exam import Series
from openlumbar.core.levels import LevelRow, Numbering
from openlumbar.core.masks import AxialMask
from openlumbar.level.geometry import Placing, SlicePlace
from openlumbar.level.naming import SeriesLevels
from openlumbar.level.scale import disc_at, level_at, shifted
from openlumbar.level.shift import (
    ShiftBelief,
    ilium_sentence,
    is_transitional,
    shift_sentences,
    weigh_shifts,
)
from openlumbar.level.stack import UNRECOGNISED, UNSURE, StackReading

#: By its looks a slice lies in a disc's plane within this part of a level; and how much of that
#: the mask's disc is worth, where it shows one.
_AT_DISC, _DISC_WORTH = 0.25, 0.25
_NEITHER = "Neither a sagittal series nor the looks of the slices tell their levels."


@dataclass(frozen=True)
class SliceNames:
    """The levels of one axial series.

    Attributes
    ----------
    rows
        Of ``levels.csv``, one a slice, block by block.
    numbering
        How far they can be trusted as a whole, and why; None where nothing was asked.
    """

    rows: tuple[LevelRow, ...]
    numbering: Numbering | None


def reconcile(
    series: Series,
    found: Sequence[AxialMask],
    placing: Placing | None,
    reading: StackReading | None,
    spines: Sequence[SeriesLevels] = (),
) -> SliceNames:
    """Name the slices of an axial series by what geometry and looks say of them.

    Parameters
    ----------
    series
        For its name, its blocks' geometry and their instances.
    found
        One a block, on the block's own grid; its flags go on to the rows.
    placing
        Where the slices cut the spine of a sagittal series; None without one.
    reading
        What their looks say; None without a classifier.
    spines
        The sagittal series behind ``placing``, for what they doubt of the lumbosacral border.

    Returns
    -------
    SliceNames
        A row has the source ``both`` where both readings place the slice or where the looks
        moved its name, else ``geometry``, ``looks`` or ``none``. With neither reading rows have
        no level, and there is no numbering.
    """
    rows = blank_rows(series, found)
    if placing is None and reading is None:
        return SliceNames(rows, None)
    placing = placing or Placing((None,) * len(rows), frozenset())
    if any(placing.places):
        named, numbering = _with_geometry(rows, placing, reading, spines)
    elif reading is not None and any(place is not None for place in reading.positions):
        named, numbering = _by_looks(rows, placing, reading)
    else:
        said = (*placing.evidence, *(reading.evidence if reading else ()), _NEITHER)
        flags = _joined(placing.flags, ("level-uncertain",))
        named, numbering = list(rows), Numbering(series.name, 0.0, flags, said)
    return SliceNames(tuple(_doubted(row) for row in named), numbering)


def blank_rows(series: Series, found: Sequence[AxialMask]) -> tuple[LevelRow, ...]:
    """A row without a level for each slice.

    The centre (LPS, mm) is that of the dural sac; on a slice without one, of the picture.
    """
    return tuple(
        _blank(series, block, k, mask)
        for block, mask in enumerate(found)
        for k in range(mask.labels.shape[0])
    )


def _blank(series: Series, block: int, k: int, mask: AxialMask) -> LevelRow:
    x, y, z = (
        float(value) for value in mask.labels.to_patient((k, *_centre(mask.labels.array[k])))
    )
    return LevelRow(
        series=series.name,
        block=block,
        slice=k,
        instance=series.blocks[block].instances[k],
        structure="slice",
        label=0,
        level="",
        disc_level="",
        level_confidence=0.0,
        x_mm=round(x, 3),
        y_mm=round(y, 3),
        z_mm=round(z, 3),
        source="none",
        flags=mask.flags[k],
    )


def _centre(codes: NDArray[np.uint16]) -> tuple[float, float]:
    """Row and column of the sac's centre, or of the picture's."""
    sac = np.argwhere(codes == SPINAL_CANAL)
    row, column = sac.mean(axis=0) if len(sac) else (np.array(codes.shape) - 1) / 2
    return float(row), float(column)


def _with_geometry(
    rows: Sequence[LevelRow],
    placing: Placing,
    reading: StackReading | None,
    spines: Sequence[SeriesLevels],
) -> tuple[list[LevelRow], Numbering]:
    """Names of the sagittal count, moved by the shift that count and looks make likeliest."""
    positions = [place.position if place else None for place in placing.places]
    count = max(place.confidence for place in placing.places if place)
    belief = weigh_shifts(count, positions, reading)
    named = [
        _placed(row, place, belief.confidence * place.confidence / max(count, 1e-9), belief.best)
        if place
        else row
        for row, place in zip(rows, placing.places, strict=True)
    ]
    named = [
        replace(row, best=n in placing.best) if row.level else row for n, row in enumerate(named)
    ]
    if reading is not None and belief.looks is not None:
        named = _with_looks(named, positions, belief, reading)
    if belief.in_conflict:
        named = [
            replace(row, flags=_joined(row.flags, ("level-conflict",))) if row.level else row
            for row in named
        ]
    return named, _numbering(rows[0].series, placing, belief, reading, spines)


def _placed(row: LevelRow, place: SlicePlace, confidence: float, shift: int) -> LevelRow:
    return replace(
        row,
        level=shifted(place.level, shift),
        disc_level=shifted(place.disc_level, shift),
        level_confidence=round(confidence, 3),
        source="both" if shift else "geometry",
        flags=_joined(row.flags, place.flags),
        within=place.within,
    )


def _with_looks(
    named: Sequence[LevelRow],
    positions: Sequence[float | None],
    belief: ShiftBelief,
    reading: StackReading,
) -> list[LevelRow]:
    """The looks' part: sources, and slices that they show where geometry does not reach.

    Those go on from the slices that both place: the stack's own steps lead from one to the other.
    """
    pairs = list(zip(positions, reading.positions, strict=True))
    apart = [u + belief.best - v for u, v in pairs if u is not None and v is not None]
    shift = float(np.median(apart)) if apart else 0.0
    surest = max(reading.confidence)
    result = []
    for row, (u, v), sure in zip(named, pairs, reading.confidence, strict=True):
        if v is None:
            result.append(row)
        elif u is not None:
            result.append(replace(row, source="both"))
        else:
            trust = belief.confidence * sure / surest if apart else sure
            result.append(_looked(row, v + shift, trust))
    return result


def _looked(row: LevelRow, position: float, confidence: float) -> LevelRow:
    return replace(
        row,
        level=level_at(position),
        disc_level=disc_at(position),
        level_confidence=round(confidence, 3),
        source="looks",
    )


def _by_looks(
    rows: Sequence[LevelRow], placing: Placing, reading: StackReading
) -> tuple[list[LevelRow], Numbering]:
    """Names by the looks alone."""
    best = _best_by_looks(reading)
    named = [
        row if place is None else replace(_looked(row, place, sure), best=n in best)
        for n, (row, place, sure) in enumerate(
            zip(rows, reading.positions, reading.confidence, strict=True)
        )
    ]
    flags = _joined(placing.flags, reading.flags)
    said = (*placing.evidence, *reading.evidence)
    return named, Numbering(rows[0].series, round(reading.sure, 3), flags, said)


def _best_by_looks(reading: StackReading) -> frozenset[int]:
    """For each lumbar disc the slice nearest to it, rather one that shows disc than bone."""
    best: dict[int, tuple[float, int]] = {}
    for n, (place, share) in enumerate(zip(reading.positions, reading.disc_share, strict=True)):
        if place is None or not -0.5 < place < 5.5:
            continue
        disc = round(place)
        off = abs(place - disc)
        cost = off - _DISC_WORTH * (0.0 if np.isnan(share) else float(share))
        if off <= _AT_DISC and (disc not in best or cost < best[disc][0]):
            best[disc] = (cost, n)
    return frozenset(n for _, n in best.values())


def _numbering(
    series: str,
    placing: Placing,
    belief: ShiftBelief,
    reading: StackReading | None,
    spines: Sequence[SeriesLevels],
) -> Numbering:
    """Of a series that geometry places, whatever its looks say."""
    positions = [place.position if place else None for place in placing.places]
    doubts = {flag for spine in spines for flag in spine.numbering.flags}
    flags = {
        "level-conflict": belief.in_conflict,
        "level-uncertain": belief.confidence < UNSURE,
        "transitional": is_transitional(belief, doubts),
    }
    lowest = max(u for u in positions if u is not None)
    said = [*placing.evidence, *shift_sentences(belief, min(lowest, 5.0), doubts)]
    if reading is not None:
        said += reading.evidence
        said += ilium_sentence(reading, positions) if belief.in_conflict else ()
    set_flags = tuple(word for word, holds in flags.items() if holds)
    return Numbering(
        series, round(belief.confidence, 3), _joined(placing.flags, set_flags), tuple(said)
    )


def _doubted(row: LevelRow) -> LevelRow:
    """A row says so where its level is unsure; one that was not recognised says so already."""
    unknown = not row.level and not UNRECOGNISED & set(row.flags)
    if unknown or (row.level and row.level_confidence < UNSURE):
        return replace(row, flags=_joined(row.flags, ("level-uncertain",)))
    return row


def _joined(*flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(flag for group in flags for flag in group))
