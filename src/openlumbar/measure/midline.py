"""Which slice goes through the middle of a structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openlumbar.core import anatomy
from openlumbar.measure.view import BlockView, Part

#: A slice further than this (and than 0.6 slices) from a structure's middle is off it, mm.
OFF_MM = 4.0


@dataclass(frozen=True)
class Middle:
    """The slice that a structure is measured in.

    Attributes
    ----------
    slice
        Canonical.
    flags
        ``off-midline`` or nothing.
    """

    slice: int
    flags: tuple[str, ...]


def middle_of(view: BlockView, part: Part) -> Middle:
    """The slice nearest to the middle of a body or disc.

    The middle is the centre of mass along the slices, as Hess et al. 2023 choose a disc's
    most central slice. Where the first or last slice of the block cuts the structure
    (scoliosis, a narrow slab) its centre is not its middle: there the spinal canal beside
    it, which the same spine carries behind its middle, says where that lies.
    """
    centre = float(part.centroid[0])
    if any(part.leaves):
        found = _canal_beside(view, part)
        if found is None:
            return Middle(_nearest(centre, part), ("off-midline",))
        centre = found
    slice_ = _nearest(centre, part)
    off = abs(slice_ - centre) * view.spacing_mm[0]
    far = off > max(OFF_MM, 0.6 * view.spacing_mm[0])
    return Middle(slice_, ("off-midline",) if far else ())


def _nearest(centre: float, part: Part) -> int:
    first, last = part.extent
    return int(np.clip(np.floor(centre + 0.5), first, last))


def _canal_beside(view: BlockView, part: Part) -> float | None:
    """Middle of the canal along the slices, in the rows of a part."""
    canal = view.parts.get(anatomy.SPINAL_CANAL)
    if canal is None:
        return None
    first = max(part.origin[1] - canal.origin[1], 0)
    last = max(part.origin[1] + part.mask.shape[1] - canal.origin[1], 0)
    beside = canal.mask[:, first:last].sum((1, 2))
    if beside.sum() * np.prod(view.pixel_mm) < 20.0:
        return None
    return float((beside * np.arange(len(beside))).sum() / beside.sum() + canal.origin[0])
