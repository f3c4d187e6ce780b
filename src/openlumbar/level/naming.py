"""Tissue of a sagittal series → named vertebrae and discs (design.md, section 1, ``level/``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Series
from openlumbar.core.levels import LevelRow, Numbering
from openlumbar.core.masks import SeriesMasks, TissueMask
from openlumbar.level.block import BlockLevels, name_block, name_block_like, read_block
from openlumbar.level.rows import rows_of


@dataclass(frozen=True, eq=False)
class SeriesLevels:
    """Named anatomy of one sagittal series.

    Attributes
    ----------
    masks
        Label maps, a volume a block, on the blocks' own grids.
    rows
        Of ``levels.csv``: each vertebra (S1 and S2 included) from head to foot, then each disc.
    numbering
        How far the names can be trusted, and why.
    """

    masks: SeriesMasks
    rows: tuple[LevelRow, ...]
    numbering: Numbering


def name_levels(series: Series, masks: Sequence[TissueMask]) -> SeriesLevels:
    """Part, order and name the vertebrae and discs of a sagittal series.

    The block that shows most of the spine is numbered from the sacrum upward; other blocks
    take its names by their place in the patient.

    Parameters
    ----------
    series
        For its name, its blocks' geometry and their instances.
    masks
        Tissue of each block, on the block's own grid.

    Returns
    -------
    SeriesLevels
        Never empty of a verdict: where no spine is found the numbering says
        ``not-a-lumbar-spine`` with confidence 0 and bodies are of unknown level.

    Raises
    ------
    StageError
        ``masks`` do not fit the series' blocks.
    """
    _check(series, masks)
    blocks = [read_block(mask) for mask in masks]
    main = int(np.argmax([block.spine_mm3 for block in blocks]))
    named: list[BlockLevels] = [name_block(blocks[main], series.name)] * len(blocks)
    for number, block in enumerate(blocks):
        if number != main:
            named[number] = name_block_like(block, named[main], series.name)
    rows = tuple(
        row for number, levels in enumerate(named) for row in rows_of(series, number, levels)
    )
    labels = tuple(
        mask.tissue.with_array(levels.labels) for mask, levels in zip(masks, named, strict=True)
    )
    bodies = tuple(
        mask.tissue.with_array(levels.bodies) for mask, levels in zip(masks, named, strict=True)
    )
    numbering = replace(named[main].numbering, series=series.name)
    return SeriesLevels(SeriesMasks(series.name, labels, bodies), rows, numbering)


def _check(series: Series, masks: Sequence[TissueMask]) -> None:
    if len(masks) != len(series.blocks) or not masks:
        raise StageError(
            f"{series.name}: {len(masks)} masks for {len(series.blocks)} blocks; "
            "name_levels needs one mask for each block"
        )
    for number, (block, mask) in enumerate(zip(series.blocks, masks, strict=True)):
        shapes: tuple[tuple[int, ...], NDArray] = (mask.tissue.shape, mask.certainty)
        if shapes[0] != block.volume.shape or shapes[1].shape != block.volume.shape:
            raise StageError(
                f"{series.name}, block {number}: tissue {mask.tissue.shape} and certainty "
                f"{mask.certainty.shape} on a grid of {block.volume.shape}; segment the block "
                "on its own grid"
            )
