"""Rows of ``levels.csv`` from the named structures of a block."""

from __future__ import annotations

import numpy as np

from openlumbar.core.exam import Series
from openlumbar.core.levels import LevelRow
from openlumbar.level.block import BlockLevels, Found


def rows_of(series: Series, block: int, levels: BlockLevels) -> list[LevelRow]:
    """One row for each vertebra, then one for each disc, from head to foot."""
    return [_row(series, block, found) for found in (*levels.vertebrae, *levels.discs)]


def _row(series: Series, block: int, found: Found) -> LevelRow:
    volume = series.blocks[block].volume
    x, y, z = (float(value) for value in volume.to_patient(found.centre))
    index = int(np.clip(round(found.centre[0]), 0, volume.shape[0] - 1))
    instances = series.blocks[block].instances
    return LevelRow(
        series=series.name,
        block=block,
        slice=index,
        instance=instances[index] if index < len(instances) else "",
        structure=found.structure,
        label=found.code,
        level=found.name,
        disc_level=found.name if found.structure == "disc" else "",
        level_confidence=round(found.confidence, 3),
        x_mm=round(x, 3),
        y_mm=round(y, 3),
        z_mm=round(z, 3),
        source=found.source,
        flags=found.flags,
    )
