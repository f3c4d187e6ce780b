"""Which pieces are the column, in order from head to foot, and what is missing between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.masks import Tissue
from openlumbar.level.curve import SpineCurve, curve_through
from openlumbar.level.pieces import Grid, Piece, column_pieces, disc_pieces, join, part_in

#: A body longer than this many typical bodies is two that touch.
TWO_BODIES = 1.55
#: Two neighbours that together are no longer than this are fragments of one body.
ONE_BODY = 1.25
#: The same where one of them is so short, in typical bodies, that it can be none by itself.
SCRAP, ONE_FROM_SCRAP = 0.6, 1.5
#: Bodies further apart than this many typical steps have lost one between them.
GAP = 1.6
#: More bodies missing in one gap than this cannot be counted across it.
ABYSS = 2
#: Height of a body over its depth when nothing better is known; generic.
_HEIGHT_TO_DEPTH = 0.8


@dataclass(frozen=True, eq=False)
class Link:
    """One body of the chain, measured along the curve.

    Attributes
    ----------
    along_mm
        Arc length of the centroid.
    start_mm, end_mm
        Arc length of the upper and lower end on the best slice.
    depth_mm
        Extent from front to back on the best slice.
    mean_height_mm
        Area over depth on the best slice.
    """

    piece: Piece
    along_mm: float
    start_mm: float
    end_mm: float
    depth_mm: float
    mean_height_mm: float

    @property
    def length_mm(self) -> float:
        """Extent along the curve."""
        return self.end_mm - self.start_mm

    @property
    def front_mm2(self) -> float:
        """Area on the best slice."""
        return self.piece.area_mm2


@dataclass(frozen=True, eq=False)
class Chain:
    """The column of one block.

    Attributes
    ----------
    links
        Bodies and sacral segments from head to foot.
    missing
        How many bodies are thought missing after each link (one entry less than links).
    discs
        Disc pieces near the curve, from head to foot.
    astray
        Bone pieces that belong to no link.
    """

    links: tuple[Link, ...]
    missing: tuple[int, ...]
    discs: tuple[Link, ...]
    astray: tuple[Piece, ...]
    curve: SpineCurve
    typical_mm: float


def find_chain(tissue: NDArray[np.uint8], grid: Grid) -> Chain | Nothing:
    """The column in a canonical tissue map; :class:`Nothing` without any body."""
    bones, discs = column_pieces(tissue, grid), disc_pieces(tissue, grid)
    chosen = _best_path(bones)
    if not chosen:
        return Nothing(tuple(bones), tuple(discs))
    others = [bone for bone in bones if not any(bone is link for link in chosen)]
    curve = _curve_of(chosen, discs)
    for _ in range(2):
        links = [measure(piece, curve) for piece in chosen]
        near = _near_discs(discs, curve, links)
        typical = typical_length(links, _between(links, near))
        links, others = _absorb(links, others, curve, typical)
        links = _part_long(links, near, curve, typical)
        links = _merge_short(links, near, curve, typical)
        chosen = [link.piece for link in links]
        curve = _curve_of(chosen, [disc.piece for disc in near])
    links = _drop_loose_ends([measure(piece, curve) for piece in chosen], typical)
    near = _near_discs(discs, curve, links)
    missing = _missing(links, near, typical)
    links, missing = _below_abyss(links, missing)
    return Chain(tuple(links), missing, tuple(near), tuple(others), curve, typical)


@dataclass(frozen=True, eq=False)
class Nothing:
    """No column: only loose pieces."""

    bones: tuple[Piece, ...]
    discs: tuple[Piece, ...]


def measure(piece: Piece, curve: SpineCurve) -> Link:
    """Place a piece on the curve."""
    steps = np.asarray(piece.grid.spacing_mm[1:])
    best = piece.voxels[piece.voxels[:, 0] == piece.best_slice][:, 1:] * steps
    middle = float(curve.project(piece.place)[0][0])
    tangent = curve.tangent_at(middle)
    away = best - piece.place
    # Straight axes through the piece: a body is a box, whatever the curve does.
    along = away @ tangent
    across = away[:, 1] * tangent[0] - away[:, 0] * tangent[1]
    start, end = np.percentile(along, [1.5, 98.5])
    front, back = np.percentile(across, [1.5, 98.5])
    depth = float(back - front) + float(steps.mean())
    area = len(best) * piece.grid.pixel_mm2
    return Link(piece, middle, middle + start, middle + end, depth, area / depth)


def typical_length(links: Sequence[Link], discs: int = 0) -> float:
    """Extent of a usual body along the curve, mm; touching pairs do not lengthen it.

    Where the ``discs`` found are about as many as the gaps, the links are single bodies
    whatever their proportions: some headers state a wrong pixel spacing.
    """
    if len(links) > 2 and discs >= 0.7 * (len(links) - 1):
        return float(np.median([link.length_mm for link in links]))
    depth = float(np.median([link.depth_mm for link in links]))
    single = [li.length_mm for li in links if 0.45 * depth < li.length_mm < 1.2 * depth]
    return float(np.median(single)) if single else _HEIGHT_TO_DEPTH * depth


def _curve_of(bones: Sequence[Piece], discs: Sequence[Piece]) -> SpineCurve:
    """Through the bodies, and through the discs that lie between two of them."""
    places = [bone.place for bone in bones]
    rough = curve_through(places)
    ends = [float(rough.project(place)[0][0]) for place in (places[0], places[-1])]
    nodes = [(float(rough.project(place)[0][0]), place) for place in places]
    for disc in discs:
        along, offset = (float(v[0]) for v in rough.project(disc.place))
        room = min((abs(along - other) for other, _ in nodes), default=0.0)
        if ends[0] < along < ends[1] and abs(offset) < 6 and room > 10:
            nodes.append((along, disc.place))
    nodes.sort(key=lambda node: node[0])
    return curve_through([place for _, place in nodes])


def _best_path(bones: Sequence[Piece]) -> list[Piece]:
    """The heaviest path from head to foot that a column could take (dynamic programming)."""
    order = sorted(bones, key=lambda bone: bone.place[0])
    if not order:
        return []
    # Several bodies that still hang together weigh as many and have a far-off centre.
    gain = [max(min(bone.area_mm2, 500.0) / 500.0, bone.area_mm2 / 1000.0) for bone in order]
    places = np.array([bone.place for bone in order])
    best, previous = list(gain), [-1] * len(order)
    for lower in range(len(order)):
        for upper in range(lower):
            score = best[upper] + gain[lower] - _step_cost(places[lower] - places[upper])
            if score > best[lower]:
                best[lower], previous[lower] = score, upper
    index = int(np.argmax(best))
    path = []
    while index >= 0:
        path.append(order[index])
        index = previous[index]
    return path[::-1]


def _step_cost(step: NDArray[np.float64]) -> float:
    """How unlikely two pieces this far apart (row, column in mm) follow each other.

    From T1 to S2 neighbouring centres lie about 18 to 45 mm apart; the sacrum leans back
    by up to some 70 degrees, the rest of the column far less.
    """
    length = float(np.linalg.norm(step))
    down, back = step[0] / max(length, 1e-6), step[1] / max(length, 1e-6)
    if down < 0.2:
        return 5.0
    cost = 0.25 if length < 12 else max(0.0, length - 50.0) / 40.0
    lean = max(0.0, -back - 0.55) + max(0.0, back - 0.8)
    return cost + 4.0 * lean


def _absorb(
    links: list[Link], others: list[Piece], curve: SpineCurve, typical: float
) -> tuple[list[Link], list[Piece]]:
    """Give stray fragments that lie within a link's stretch and depth to that link."""
    kept: list[Piece] = []
    gained: list[list[Piece]] = [[] for _ in links]
    for other in others:
        stray = measure(other, curve)
        offset = float(curve.project(other.place)[1][0])
        inside = [
            number
            for number, link in enumerate(links)
            if _overlap(stray, link) > 0.5 * max(stray.length_mm, 1.0)
            and abs(offset) < 0.5 * link.depth_mm + 2.0
            and max(stray.end_mm, link.end_mm) - min(stray.start_mm, link.start_mm)
            < ONE_BODY * typical
        ]
        if inside:
            gained[max(inside, key=lambda number: _overlap(stray, links[number]))].append(other)
        else:
            kept.append(other)
    grown = [
        measure(join([link.piece, *more]), curve) if more else link
        for link, more in zip(links, gained, strict=True)
    ]
    return grown, kept


def _overlap(one: Link, other: Link) -> float:
    return min(one.end_mm, other.end_mm) - max(one.start_mm, other.start_mm)


def _part_long(
    links: list[Link], discs: list[Link], curve: SpineCurve, typical: float
) -> list[Link]:
    result: list[Link] = []
    for link in links:
        count = _bodies_in(link, discs, typical)
        if count < 2:
            result.append(link)
            continue
        steps = np.asarray(link.piece.grid.spacing_mm[1:])
        along, _ = curve.project(link.piece.voxels[:, 1:] * steps)
        parts = part_in(link.piece, along, count)
        result += sorted((measure(p, curve) for p in parts), key=lambda part: part.along_mm)
    return result


def _bodies_in(link: Link, discs: list[Link], typical: float) -> int:
    """How many bodies a link holds, by its length and by discs that lie within its stretch."""
    if link.length_mm < TWO_BODIES * typical or link.length_mm < 1.15 * link.depth_mm:
        return 1
    within = [
        disc
        for disc in discs
        if link.start_mm + 0.4 * typical < disc.along_mm < link.end_mm - 0.4 * typical
    ]
    return max(len(within) + 1, round((link.length_mm + 0.25 * typical) / (1.25 * typical)))


def _merge_short(
    links: list[Link], discs: list[Link], curve: SpineCurve, typical: float
) -> list[Link]:
    """Join neighbours that together are one body with no disc between them."""
    usual = float(np.median([link.front_mm2 for link in links]))
    result: list[Link] = []
    for link in links:
        both = measure(join([result[-1].piece, link.piece]), curve) if result else link
        if result and _are_one((result[-1], link, both), discs, typical, usual):
            result[-1] = both
        else:
            result.append(link)
    return result


def _are_one(
    links: tuple[Link, Link, Link], discs: list[Link], typical: float, usual_mm2: float
) -> bool:
    """Whether neighbours are fragments of one body: upper, lower, and the two joined.

    Told by length, or by area: the curve that lengths are measured along bends where a
    fragment pulls it aside.
    """
    upper, lower, both = links
    shorter = min(upper.length_mm, lower.length_mm)
    limit = ONE_FROM_SCRAP if shorter < SCRAP * typical else ONE_BODY
    smaller = min(upper.front_mm2, lower.front_mm2)
    small = smaller < 0.7 * usual_mm2 and both.front_mm2 < ONE_BODY * usual_mm2
    if both.length_mm > limit * typical and not small:
        return False
    if lower.start_mm - upper.end_mm > 0.3 * typical:
        return False
    between = [
        disc
        for disc in discs
        if upper.along_mm < disc.along_mm < lower.along_mm
        and disc.depth_mm > 0.4 * max(upper.depth_mm, lower.depth_mm)
    ]
    return not between


def _near_discs(discs: Sequence[Piece], curve: SpineCurve, links: Sequence[Link]) -> list[Link]:
    """Discs within the column, fragments of one disc joined, from head to foot."""
    depth = float(np.median([link.depth_mm for link in links]))
    reach = typical_length(links)
    placed = []
    for disc in discs:
        offset = float(curve.project(disc.place)[1][0])
        link = measure(disc, curve)
        ends = links[0].start_mm - 0.7 * reach, links[-1].end_mm + 0.7 * reach
        if abs(offset) < 0.75 * depth and ends[0] < link.along_mm < ends[1]:
            placed.append(link)
    placed.sort(key=lambda link: link.along_mm)
    middles = [link.along_mm for link in links]
    merged: list[Link] = []
    for link in placed:
        same = merged and _same_disc(merged[-1], link, middles, reach)
        if same:
            merged[-1] = measure(join([merged[-1].piece, link.piece]), curve)
        else:
            merged.append(link)
    return merged


def _same_disc(upper: Link, lower: Link, middles: list[float], typical: float) -> bool:
    """Fragments lie in one gap between bodies and closer together than a body is tall."""
    apart = lower.along_mm - upper.along_mm
    body_between = any(upper.along_mm < middle < lower.along_mm for middle in middles)
    return apart < 0.55 * typical and not body_between


def _drop_loose_ends(links: list[Link], typical: float) -> list[Link]:
    """Remove small blobs at the ends of the chain that are no bodies cut by the border."""
    while len(links) > 1 and _is_loose(links[0], links[1], typical, 0):
        links = links[1:]
    while len(links) > 1 and _is_loose(links[-1], links[-2], typical, -1):
        links = links[:-1]
    return links


def _is_loose(end: Link, neighbour: Link, typical: float, border: int) -> bool:
    cut = end.piece.touches(1, border)
    far = abs(end.along_mm - neighbour.along_mm) > 2.6 * typical
    if cut:
        return far
    sacral = end.piece.share(Tissue.BODY) < 0.5
    least = 80.0 if sacral else 0.25 * neighbour.front_mm2
    return far or end.front_mm2 < max(80.0, least)


def _between(links: Sequence[Link], discs: Sequence[Link]) -> int:
    """How many gaps between links hold a disc."""
    return sum(
        any(upper.along_mm < disc.along_mm < lower.along_mm for disc in discs)
        for upper, lower in pairwise(links)
    )


def _below_abyss(links: list[Link], missing: tuple[int, ...]) -> tuple[list[Link], tuple[int, ...]]:
    """Give up what stands above a gap too wide to count across, unless little is below it."""
    wide = [number for number, lost in enumerate(missing) if lost > ABYSS]
    first = wide[-1] + 1 if wide else 0
    if len(links) - first < 2:
        return links, missing
    return links[first:], missing[first:]


def _missing(links: Sequence[Link], discs: Sequence[Link], typical: float) -> tuple[int, ...]:
    """Bodies missing after each link: a wide gap, or two discs between two neighbours."""
    result = []
    for upper, lower in pairwise(links):
        sacral = upper.piece.share(Tissue.BODY) < 0.5
        step = 0.5 * (upper.length_mm + lower.length_mm) + 0.28 * typical
        step = max(step, 0.75 * typical)
        apart = (lower.along_mm - upper.along_mm) / step
        between = sum(upper.along_mm < disc.along_mm < lower.along_mm for disc in discs)
        count = round(apart) - 1 if apart > GAP else 0
        if between >= 2 and apart > 1.35:
            count = max(count, between - 1)
        result.append(0 if sacral else max(0, count))
    return tuple(result)
