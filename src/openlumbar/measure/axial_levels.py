"""Numbers of a disc level: those of the slice that lies best in the disc."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from openlumbar.core.levels import LevelRow
from openlumbar.core.measurement import Measurement

#: Slices whose confidence differs by less than this lie equally well.
ALIKE = 1e-6


def at_levels(
    measurements: Sequence[Measurement], named: Mapping[tuple[int, int], LevelRow]
) -> Iterator[Measurement]:
    """One row a metric, structure and side for each disc that slices lie in.

    Parameters
    ----------
    measurements
        Of all slices of a series.
    named
        Row of each named slice, by block and slice. A slice lies in a disc where its
        ``level`` is one; that of the highest ``level_confidence`` lies best. Of several that
        lie equally well the numbers' mean is taken, and that of their uncertainties, since
        slices of one muscle are off together.

    Yields
    ------
    Measurement
        ``slice`` is None; ``block`` that of the first of its slices. A level whose slices
        differ in what they withhold takes what is given.
    """
    for level, chosen in _chosen(named).items():
        groups: dict[tuple[str, str, str], list[Measurement]] = {}
        for m in measurements:
            if (m.block, m.slice) in chosen and m.structure not in ("slice", "vertebra"):
                groups.setdefault((m.structure, m.side, m.metric), []).append(m)
        for group in groups.values():
            yield _one(level, group)


def _chosen(named: Mapping[tuple[int, int], LevelRow]) -> dict[str, list[tuple[int, int]]]:
    """Of each disc the slices that lie best in it, in the order that the rows came in."""
    within: dict[str, list[tuple[int, int]]] = {}
    for place, row in named.items():
        if row.level == row.disc_level:
            within.setdefault(row.disc_level, []).append(place)
    best = {}
    for level, places in within.items():
        highest = max(named[place].level_confidence for place in places)
        best[level] = [p for p in places if named[p].level_confidence >= highest - ALIKE]
    return best


def _one(level: str, group: Sequence[Measurement]) -> Measurement:
    given = [m for m in group if m.value is not None] or list(group)
    if len(given) == 1 or given[0].value is None:
        return replace(given[0], level=level, slice=None)
    sds = [m.uncertainty for m in given if m.uncertainty is not None]
    return replace(
        given[0],
        level=level,
        slice=None,
        value=float(np.mean([m.value for m in given])),
        uncertainty=float(np.mean(sds)) if sds else None,
        confidence=min(m.confidence for m in given),
        flags=tuple(dict.fromkeys(word for m in given for word in m.flags)),
    )
