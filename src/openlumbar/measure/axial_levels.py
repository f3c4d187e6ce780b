"""Numbers of a disc level: those of the slice that lies best in the disc."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from openlumbar.core.levels import LevelRow
from openlumbar.core.measurement import Measurement

#: Slices whose confidence differs by less than this lie equally well.
ALIKE = 1e-6
#: Doubts of a slice's name, and so of which disc its numbers stand for. Beside the slice itself
#: its number is right whatever its name.
OF_NAMES = ("numbering-uncertain", "level-uncertain", "level-conflict", "outside-the-spine")

#: Block and slice.
Place = tuple[int, int]


def at_levels(
    measurements: Sequence[Measurement], named: Mapping[Place, LevelRow]
) -> Iterator[Measurement]:
    """One row a metric, structure and side for each disc that slices lie in.

    Parameters
    ----------
    measurements
        Of all slices of one series.
    named
        Row of each named slice of that series, by block and slice. Those with ``best`` set
        are their disc's. A disc without one takes, of the slices whose ``level`` it is,
        that of the highest ``level_confidence``. Of several that lie equally well the
        numbers' mean is taken, and that of their uncertainties, since slices of one muscle
        are off together.

    Yields
    ------
    Measurement
        ``slice`` is None; ``block`` that of the first of its slices. A level whose slices
        differ in what they withhold takes what is given. Then for each of its slices
        ``chosen_for_level``, with that ``slice``. Numbers of a level carry the doubts of
        its slices' names (:data:`OF_NAMES`).
    """
    for level, chosen in _chosen(named).items():
        groups: dict[tuple[str, str, str], list[Measurement]] = {}
        for m in measurements:
            if (m.block, m.slice) in chosen and m.structure != "vertebra":
                groups.setdefault((m.structure, m.side, m.metric), []).append(m)
        doubts = _doubts(named[place] for place in chosen)
        for group in groups.values():
            yield _one(level, group, doubts)
        measured = {(m.block, m.slice) for m in measurements}
        yield from (_mark(named[place]) for place in chosen if place in measured)


def _chosen(named: Mapping[Place, LevelRow]) -> dict[str, list[Place]]:
    """Of each disc the slices that stand for it, discs and slices in the order of the rows."""
    best: dict[str, list[Place]] = {}
    within: dict[str, list[Place]] = {}
    for place, row in named.items():
        if row.best:
            best.setdefault(row.disc_level, []).append(place)
        if row.level == row.disc_level:
            within.setdefault(row.disc_level, []).append(place)
    levels = dict.fromkeys(row.disc_level for row in named.values())
    found = {level: best.get(level) or _surest(named, within.get(level, [])) for level in levels}
    return {level: places for level, places in found.items() if places}


def _surest(named: Mapping[Place, LevelRow], places: Sequence[Place]) -> list[Place]:
    highest = max((named[place].level_confidence for place in places), default=0.0)
    return [p for p in places if named[p].level_confidence >= highest - ALIKE]


def _doubts(rows: Iterator[LevelRow]) -> tuple[str, ...]:
    words = dict.fromkeys(word for row in rows for word in row.flags)
    return tuple(word for word in words if word in OF_NAMES)


def _one(level: str, group: Sequence[Measurement], doubts: Sequence[str]) -> Measurement:
    given = [m for m in group if m.value is not None] or list(group)
    flags = tuple(dict.fromkeys([*(word for m in given for word in m.flags), *doubts]))
    first = replace(given[0], level=level, slice=None, flags=flags)
    if len(given) == 1 or first.value is None:
        return first
    sds = [m.uncertainty for m in given if m.uncertainty is not None]
    return replace(
        first,
        value=float(np.mean([m.value for m in given])),
        uncertainty=float(np.mean(sds)) if sds else None,
        confidence=min(m.confidence for m in given),
    )


def _mark(row: LevelRow) -> Measurement:
    """Tells a slice whose numbers its level's are."""
    return Measurement(
        series=row.series,
        block=row.block,
        structure="slice",
        level=row.disc_level,
        metric="chosen_for_level",
        value=1.0,
        uncertainty=None,
        confidence=round(row.level_confidence, 3),
        slice=row.slice,
        flags=_doubts(iter((row,))),
    )
