"""Whether masks are those of a series: what every step that names axial slices asks first."""

from __future__ import annotations

from collections.abc import Sequence

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Series
from openlumbar.core.masks import AxialMask


def check_masks(series: Series, found: Sequence[AxialMask], step: str) -> None:
    """Refuse masks that do not lie on the blocks of an axial series.

    Raises
    ------
    StageError
        There is not one mask a block, on its grid, with flags for each slice; ``step`` is who
        needs them.
    """
    shapes = [mask.labels.shape for mask in found]
    wanted = [block.volume.shape for block in series.blocks]
    flagged = [len(mask.flags) for mask in found]
    if shapes != wanted or flagged != [slices for slices, *_ in wanted]:
        raise StageError(
            f"{series.name}: masks of {shapes} with flags of {flagged} slices, for blocks of "
            f"{wanted}; {step} needs one mask a block, on its grid, with flags a slice"
        )
