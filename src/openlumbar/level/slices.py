"""Axial slices as rows of ``levels.csv``: where each lies, and what is doubted of it.

Their levels are not known yet: ``level`` and ``disc_level`` are empty, the source is
``none`` and the confidence 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.anatomy import SPINAL_CANAL
from openlumbar.core.errors import StageError
from openlumbar.core.exam import Series
from openlumbar.core.levels import LevelRow
from openlumbar.core.masks import AxialMask


def name_slices(series: Series, found: Sequence[AxialMask]) -> tuple[LevelRow, ...]:
    """Make the row of each slice of an axial series.

    Parameters
    ----------
    series
        For its name, its blocks' geometry and their instances.
    found
        One a block, on the block's own grid; its flags become those of the rows.

    Returns
    -------
    tuple of LevelRow
        Block by block, in the order of the slices. The centre (LPS, mm) is that of the dural
        sac; on a slice without one, of the picture.

    Raises
    ------
    StageError
        ``found`` does not fit the series' blocks.
    """
    _check(series, found)
    return tuple(
        _row(series, block, k, mask)
        for block, mask in enumerate(found)
        for k in range(mask.labels.shape[0])
    )


def _row(series: Series, block: int, k: int, mask: AxialMask) -> LevelRow:
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


def _check(series: Series, found: Sequence[AxialMask]) -> None:
    shapes = [mask.labels.shape for mask in found]
    wanted = [block.volume.shape for block in series.blocks]
    flagged = [len(mask.flags) for mask in found]
    if shapes != wanted or flagged != [slices for slices, *_ in wanted]:
        raise StageError(
            f"{series.name}: masks of {shapes} with flags of {flagged} slices, for blocks of "
            f"{wanted}; name_slices needs one mask a block, on its grid, with flags a slice"
        )
