"""What the shape of the chain says: collapsed, fused, cut, out of the slices, transitional."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openlumbar.level.chain import Chain, Link

#: A body this much lower than the mean of its neighbours is flagged.
COLLAPSED = 0.68
#: Bodies nearer than this without a disc between them are fused, mm.
FUSED_GAP_MM = 1.5
#: Canal beside a body counts as found from this area on, mm².
CANAL_MM2 = 20.0


def link_flags(chain: Chain, sacral: int, canal: Sequence[bool]) -> list[list[str]]:
    """Flags of each link from head to foot.

    Parameters
    ----------
    sacral
        Index of S1.
    canal
        Whether canal was found beside each link.
    """
    flags: list[list[str]] = [[] for _ in chain.links]
    lumbar = range(min(sacral, len(chain.links)))
    mostly = sum(canal[n] for n in lumbar) >= 2
    for number, link in enumerate(chain.links):
        if link.piece.is_cut:
            flags[number].append("partly-in-view")
        if number in lumbar and _is_collapsed(chain.links, number, sacral):
            flags[number].append("collapsed")
        if number in lumbar and mostly and not canal[number] and not link.piece.is_cut:
            flags[number].append("no-canal")
    for number in range(min(sacral, len(chain.links) - 1)):
        word = _bare_gap(chain, number)
        if word:
            flags[number].append(word)
        if word == "fused":
            flags[number + 1].append(word)
    return flags


def _is_collapsed(links: Sequence[Link], number: int, sacral: int) -> bool:
    """Much lower than its neighbours; the highest and lowest have one, S1 is none."""
    if links[number].piece.is_cut:
        return False
    near = [
        links[n].mean_height_mm
        for n in (number - 1, number + 1)
        if 0 <= n < min(sacral, len(links)) and not links[n].piece.is_cut
    ]
    return bool(near) and links[number].mean_height_mm < COLLAPSED * float(np.mean(near))


def _bare_gap(chain: Chain, number: int) -> str:
    """The flag for a gap without a disc: the bodies touch, or a disc is missing."""
    upper, lower = chain.links[number], chain.links[number + 1]
    if any(upper.along_mm < disc.along_mm < lower.along_mm for disc in chain.discs):
        return ""
    if chain.missing[number]:
        return "missing-disc"
    return "fused" if lower.start_mm - upper.end_mm < FUSED_GAP_MM else "missing-disc"


def canal_beside(
    chain: Chain, canal: NDArray[np.bool_], along: NDArray[np.float32]
) -> tuple[bool, ...]:
    """Whether canal lies beside each link, on any slice.

    Parameters
    ----------
    canal
        ``[slice, row, column]``, canonical.
    along
        Arc length of each ``[row, column]``.
    """
    pixel = chain.links[0].piece.grid.pixel_mm2
    places = along[canal.any(0)]
    return tuple(
        float(((places > link.start_mm) & (places < link.end_mm)).sum()) * pixel >= CANAL_MM2
        for link in chain.links
    )


def leaves_slices(chain: Chain, sacral: int, canal: Sequence[bool]) -> bool:
    """Canal at some lumbar levels and none at two or more others: the spine leaves the slab."""
    inner = [
        canal[number]
        for number in range(min(sacral, len(chain.links)))
        if not chain.links[number].piece.is_cut
    ]
    return sum(inner) >= 2 and len(inner) - sum(inner) >= 2


def transitional_flags(chain: Chain, sacral: int) -> list[str]:
    """Signs of a lumbosacral transitional vertebra, by geometry alone and conservative.

    Generic rules of ours: a disc below S1 about as long and half as tall as the one above it
    says lumbarised S1; a disc above S1 that is short and thin under a well-formed one says
    sacralised L5.
    """
    if not 0 < sacral < len(chain.links):
        return []
    first = chain.links[sacral]
    above = _disc_between(chain, chain.links[sacral - 1].along_mm, first.along_mm)
    below = _disc_between(chain, first.along_mm, first.along_mm + 1.2 * chain.typical_mm)
    flags = []
    if above and below:
        long = below.depth_mm > 0.75 * above.depth_mm
        if long and below.mean_height_mm > 0.5 * above.mean_height_mm:
            flags.append("possible-lumbarised-s1")
    if sacral >= 2 and above:
        upper = _disc_between(
            chain, chain.links[sacral - 2].along_mm, chain.links[sacral - 1].along_mm
        )
        short = upper and above.depth_mm < 0.6 * upper.depth_mm
        if short and upper and above.mean_height_mm < 0.5 * upper.mean_height_mm:
            flags.append("possible-sacralised-l5")
    return flags


def _disc_between(chain: Chain, low: float, high: float) -> Link | None:
    found = [disc for disc in chain.discs if low < disc.along_mm < high]
    return max(found, key=lambda disc: disc.front_mm2, default=None)
