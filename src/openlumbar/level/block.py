"""Naming of one block: chain, numbering, discs, label maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core import anatomy
from openlumbar.core.levels import Numbering
from openlumbar.core.masks import Tissue, TissueMask
from openlumbar.core.volume import Volume
from openlumbar.imaging.frame import Frame, frame_of
from openlumbar.level.chain import Chain, Link, Nothing, find_chain
from openlumbar.level.numbering import (
    DISC_BELOW_S1,
    LUMBAR_ONLY,
    MISSING,
    RIVAL,
    UNSURE,
    Evidence,
    Guess,
    certainty_of,
    choose_sacrum,
    evidence_of,
    name_above,
    name_below,
    names_upward,
    regularity,
)
from openlumbar.level.paint import Painter
from openlumbar.level.pieces import Grid, Piece
from openlumbar.level.shape import canal_beside, leaves_slices, link_flags, transitional_flags

#: Mean certainty below which the segmentation of a structure counts as unsure.
LOW_CERTAINTY = 0.6
#: Regularity of the chain below which it is named among the evidence.
EVEN_ENOUGH = 0.9
#: No numbering without a sacrum in view is surer than this.
WITHOUT_SACRUM = 0.4
UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class ReadBlock:
    """A block's tissue turned into canonical order and cropped to what it holds."""

    volume: Volume
    frame: Frame
    grid: Grid
    tissue: NDArray[np.uint8]
    certainty: NDArray[np.uint8]
    chain: Chain | Nothing

    @property
    def spine_mm3(self) -> float:
        """Volume of the column: the block with most is numbered first."""
        if isinstance(self.chain, Nothing):
            return 0.0
        voxels = sum(len(link.piece.voxels) for link in self.chain.links)
        return voxels * float(np.prod(self.grid.spacing_mm))

    def centre_of(self, piece: Piece) -> NDArray[np.float64]:
        """Centroid as (k, j, i) of the block's volume."""
        return self.frame.to_original(
            piece.centroid + np.asarray(self.grid.origin), self.volume.shape
        )


@dataclass(frozen=True, eq=False)
class Found:
    """One named structure: ``structure`` is ``vertebra`` or ``disc``, ``centre`` is (k, j, i)."""

    structure: str
    name: str
    code: int
    centre: NDArray[np.float64]
    confidence: float
    source: str
    flags: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class BlockLevels:
    """Named anatomy of one block; arrays in the volume's own order."""

    volume: Volume
    labels: NDArray[np.uint16]
    bodies: NDArray[np.uint16]
    vertebrae: tuple[Found, ...]
    discs: tuple[Found, ...]
    numbering: Numbering


@dataclass(frozen=True, eq=False)
class Verdict:
    """Names of a chain's links and how far they can be trusted.

    Attributes
    ----------
    names
        One a link; empty where there is none.
    sacral
        Index of S1, the number of links when out of view.
    confidence
        One a link.
    flags
        One tuple a link.
    numbering
        Of the block as a whole.
    """

    names: tuple[str, ...]
    sacral: int
    confidence: tuple[float, ...]
    flags: tuple[tuple[str, ...], ...]
    numbering: Numbering


def read_block(mask: TissueMask) -> ReadBlock:
    """Turn, crop, and find the column of a block."""
    frame = frame_of(mask.tissue)
    tissue = frame.canonical(mask.tissue.array)
    certainty = frame.canonical(mask.certainty)
    box = _box(tissue)
    origin = (box[0].start, box[1].start, box[2].start)
    tissue, certainty = np.ascontiguousarray(tissue[box]), np.ascontiguousarray(certainty[box])
    sizes = [mask.tissue.shape[axis] for axis in frame.order]
    picture = (sizes[0], sizes[1], sizes[2])
    grid = Grid(tissue.shape, frame.spacing_mm, origin, picture)
    return ReadBlock(mask.tissue, frame, grid, tissue, certainty, find_chain(tissue, grid))


def _box(tissue: NDArray[np.uint8]) -> tuple[slice, slice, slice]:
    """The part with any tissue, and a margin for what painting adds."""
    beside: NDArray[np.bool_] = np.any(tissue > 0, axis=2)
    rows, slices = beside.any(0), beside.any(1)
    held = [np.flatnonzero(slices), np.flatnonzero(rows)]
    first, last = (held[1][0], held[1][-1] + 1) if len(held[1]) else (0, 1)
    held.append(np.flatnonzero((tissue[:, first:last] > 0).any((0, 1))))
    box = []
    for places, length in zip(held, tissue.shape, strict=True):
        low, high = (places[0], places[-1] + 1) if len(places) else (0, 1)
        box.append(slice(max(0, int(low) - 3), min(length, int(high) + 3)))
    return box[0], box[1], box[2]


def name_block(block: ReadBlock, series: str) -> BlockLevels:
    """Number a block from what it shows itself."""
    chain = block.chain
    if isinstance(chain, Nothing) or not _is_spine(chain):
        return _no_spine(block, series)
    seen = evidence_of(chain, block.certainty)
    guess = choose_sacrum(seen, at_border=_ends_at_border(chain, block.grid))
    names = names_upward(len(chain.links), chain.missing, guess.sacral)
    verdict = _judge(block, chain, seen, guess, names)
    return _finish(block, chain, verdict)


def name_block_like(block: ReadBlock, main: BlockLevels, series: str) -> BlockLevels:
    """Name a further block of a series by the nearest vertebra of the main one."""
    chain = block.chain
    if isinstance(chain, Nothing) or not main.vertebrae or main.vertebrae[0].name == UNKNOWN:
        return _no_spine(block, series)
    names, sacral = _names_like(block, chain, main)
    base = min(found.confidence for found in main.vertebrae)
    seen = evidence_of(chain, block.certainty)
    confidence = tuple(base * _trust(evidence) for evidence in seen)
    flags = _flags(chain, sacral, _canal_beside(block, chain), seen, confidence)
    verdict = Verdict(names, sacral, confidence, flags, main.numbering)
    return _finish(block, chain, verdict)


def _names_like(block: ReadBlock, chain: Chain, main: BlockLevels) -> tuple[tuple[str, ...], int]:
    """Names counted from the link that lies nearest to a vertebra of the main block."""
    known = np.array([main.volume.to_patient(found.centre)[1:] for found in main.vertebrae])
    here = np.array(
        [block.volume.to_patient(block.centre_of(link.piece))[1:] for link in chain.links]
    )
    apart = np.linalg.norm(here[:, None] - known[None], axis=2)
    anchor, nearest = np.unravel_index(int(apart.argmin()), apart.shape)
    names = [""] * len(chain.links)
    names[anchor] = main.vertebrae[int(nearest)].name
    for number in range(int(anchor) - 1, -1, -1):
        names[number] = _count(names[number + 1], name_above, chain.missing[number] + 1)
    for number in range(int(anchor) + 1, len(names)):
        names[number] = _count(names[number - 1], name_below, chain.missing[number - 1] + 1)
    sacral = next((n for n, name in enumerate(names) if name in ("S1", "S2")), len(names))
    return tuple(names), sacral


def _count(name: str, step: Callable[[str], str], times: int) -> str:
    for _ in range(times):
        name = step(name)
    return name


def _is_spine(chain: Chain) -> bool:
    """At least two links, one of them a body of some size."""
    return len(chain.links) >= 2 and max(link.front_mm2 for link in chain.links) >= 150.0


def _ends_at_border(chain: Chain, grid: Grid) -> bool:
    """Whether one more link below the last would not be whole in the picture."""
    last = chain.links[-1]
    tangent = chain.curve.tangent_at(last.end_mm)
    steps = np.asarray(grid.spacing_mm[1:])
    below = last.piece.place + tangent * (last.end_mm - last.along_mm + 0.9 * chain.typical_mm)
    index = below / steps + np.asarray(grid.origin[1:])
    return bool((index < 0).any() or (index > np.asarray(grid.picture[1:]) - 1).any())


def _judge(
    block: ReadBlock,
    chain: Chain,
    seen: Sequence[Evidence],
    guess: Guess,
    names: tuple[str, ...],
) -> Verdict:
    count, sacral = len(chain.links), guess.sacral
    transitional = transitional_flags(chain, sacral)
    total = LUMBAR_ONLY * guess.share * regularity(chain, sacral) * _anchor_trust(seen, sacral)
    if "possible-lumbarised-s1" in transitional:
        total *= DISC_BELOW_S1
    labelled = sacral < count and seen[sacral].tissue[Tissue.S1] > 0.5
    if not labelled:
        total = min(total, WITHOUT_SACRUM)
    lost = [sum(chain.missing[n : max(n, min(sacral, count - 1))]) for n in range(count)]
    confidence = [
        total * MISSING**gone * _trust(evidence) for gone, evidence in zip(lost, seen, strict=True)
    ]
    whole = total * MISSING ** max(lost, default=0)
    canal = _canal_beside(block, chain)
    flags = _flags(chain, sacral, canal, seen, confidence)
    series_flags = (*_series_flags(chain, guess, canal, seen, whole), *transitional)
    evidence = _sentences(chain, guess, seen, names)
    numbering = Numbering("", round(whole, 3), series_flags, evidence)
    return Verdict(names, sacral, tuple(confidence), flags, numbering)


def _anchor_trust(seen: Sequence[Evidence], sacral: int) -> float:
    """0.3 … 1 from the network's certainty at S1 and the two bodies above it."""
    near = [seen[n].certainty for n in range(max(0, sacral - 2), min(sacral + 1, len(seen)))]
    return float(np.clip((np.mean(near) - 0.35) / 0.35, 0.3, 1.0)) if near else 0.3


def _trust(evidence: Evidence) -> float:
    """An unsure outline weakens a name a little; where it stands in the chain still counts."""
    return float(np.clip((evidence.certainty - 0.2) / 0.4, 0.7, 1.0))


def _flags(
    chain: Chain,
    sacral: int,
    canal: Sequence[bool],
    seen: Sequence[Evidence],
    confidence: Sequence[float],
) -> tuple[tuple[str, ...], ...]:
    flags = link_flags(chain, sacral, canal)
    for number, evidence in enumerate(seen):
        if evidence.certainty < LOW_CERTAINTY:
            flags[number].append("low-certainty")
        if confidence[number] < UNSURE:
            flags[number].append("numbering-uncertain")
    return tuple(tuple(dict.fromkeys(words)) for words in flags)


def _canal_beside(block: ReadBlock, chain: Chain) -> tuple[bool, ...]:
    along, _ = chain.curve.maps(block.grid.shape[1:], block.grid.spacing_mm[1:])
    return canal_beside(chain, block.tissue == Tissue.CANAL, along)


def _series_flags(
    chain: Chain, guess: Guess, canal: Sequence[bool], seen: Sequence[Evidence], total: float
) -> tuple[str, ...]:
    rival_below = sum(guess.shares[guess.sacral + 1 : len(chain.links)])
    flags = {
        "numbering-uncertain": total < UNSURE,
        "sacrum-out-of-view": guess.sacral == len(chain.links),
        "possible-l6": rival_below > RIVAL,
        "missing-disc": any(chain.missing),
        "leaves-slices": leaves_slices(chain, guess.sacral, canal),
        "no-canal": not any(canal),
        "low-certainty": float(np.mean([e.certainty for e in seen])) < LOW_CERTAINTY,
    }
    return tuple(word for word, holds in flags.items() if holds)


def _sentences(
    chain: Chain, guess: Guess, seen: Sequence[Evidence], names: Sequence[str]
) -> tuple[str, ...]:
    count = len(chain.links)
    above = sum(1 for name in names if name and not name.startswith("S"))
    said = []
    if guess.sacral < count:
        share = seen[guess.sacral].tissue[Tissue.S1]
        said.append(
            f"S1 was found: the network calls {share:.0%} of that segment S1, with a certainty of "
            f"{seen[guess.sacral].certainty:.2f}; of all places weighed for S1 it has "
            f"{guess.share:.0%} of the weight."
        )
    else:
        said.append("No sacrum is in view: the lowest vertebra is taken for L5, a guess.")
    said.append(
        f"{above} vertebrae are counted above the sacrum. Without ribs in the picture four, five "
        "or six lumbar vertebrae cannot be told apart."
    )
    even = regularity(chain, guess.sacral)
    if even < EVEN_ENOUGH:
        said.append(
            f"The vertebrae above the sacrum follow each other unevenly, or one is as long as "
            f"two; the confidence is multiplied by {even:.2f} for it."
        )
    for number, lost in enumerate(chain.missing):
        if lost and number < guess.sacral:
            said.append(
                f"The gap below {names[number] or UNKNOWN} is as wide as if {lost} "
                "vertebra were missing; the names skip it."
            )
    if guess.sacral + 1 < count and any(
        e.tissue[Tissue.BODY] > 0.5 for e in seen[guess.sacral + 1 :]
    ):
        said.append("A segment below S1 looks like a lumbar body to the network.")
    return tuple(said)


def _no_spine(block: ReadBlock, series: str) -> BlockLevels:
    """Labels of unknown level, and a verdict that says so."""
    painter = Painter(block.tissue, block.grid)
    chain = block.chain
    if isinstance(chain, Nothing):
        bones, discs = list(chain.bones), list(chain.discs)
    else:
        bones = [link.piece for link in chain.links]
        discs = [disc.piece for disc in chain.discs]
    bones = [bone for bone in bones if bone.area_mm2 >= 80.0]
    for bone in bones:
        painter.body(bone, anatomy.UNKNOWN_VERTEBRA)
    for disc in discs:
        painter.disc(disc, anatomy.UNKNOWN_DISC)
    painter.loose_canal()
    flags = ("not-a-lumbar-spine", "numbering-uncertain")
    numbering = Numbering(
        series, 0.0, flags, ("Fewer than two vertebrae were found: nothing can be counted.",)
    )
    vertebrae = tuple(
        _found(block, "vertebra", bone, (UNKNOWN, anatomy.UNKNOWN_VERTEBRA), 0.0, "none", flags)
        for bone in bones
    )
    return _result(block, painter, vertebrae, (), numbering)


def _finish(block: ReadBlock, chain: Chain, verdict: Verdict) -> BlockLevels:
    painter = Painter(block.tissue, block.grid)
    source = "sacrum" if verdict.sacral < len(chain.links) else "count"
    vertebrae = []
    for number, (link, name) in enumerate(zip(chain.links, verdict.names, strict=True)):
        if not name and number > verdict.sacral:
            painter.sacrum(link.piece)
            continue
        code = anatomy.vertebra_code(name) if name else anatomy.UNKNOWN_VERTEBRA
        painter.body(link.piece, code)
        label = (name or UNKNOWN, code)
        trust, words = verdict.confidence[number], verdict.flags[number]
        vertebrae.append(_found(block, "vertebra", link.piece, label, trust, source, words))
    discs = _name_discs(block, chain, verdict, painter, source)
    painter.rest(chain, verdict.names, verdict.sacral)
    return _result(block, painter, tuple(vertebrae), tuple(discs), verdict.numbering)


def _name_discs(
    block: ReadBlock, chain: Chain, verdict: Verdict, painter: Painter, source: str
) -> list[Found]:
    """Name each disc after the levels it lies between; levels may be missing bodies."""
    along, names = with_missing(chain, verdict.names, verdict.sacral)
    result: dict[str, list[Link]] = {}
    for disc in chain.discs:
        below = int(np.searchsorted(along, disc.along_mm))
        upper = names[below - 1] if below else name_above(names[0])
        lower = names[below] if below < len(names) else name_below(names[-1])
        if upper and lower and upper != "S2":
            result.setdefault(f"{upper}-{lower}", []).append(disc)
    found = []
    for name, parts in result.items():
        disc = max(parts, key=lambda part: part.front_mm2)
        code = anatomy.disc_code(name)
        painter.disc(disc.piece, code)
        nearest = int(np.abs([li.along_mm - disc.along_mm for li in chain.links]).argmin())
        certainty = certainty_of(disc, block.certainty)
        trust = verdict.confidence[nearest]
        words = ["partly-in-view"] if disc.piece.is_cut else []
        words += ["low-certainty"] if certainty < LOW_CERTAINTY else []
        words += ["numbering-uncertain"] if trust < UNSURE else []
        found.append(_found(block, "disc", disc.piece, (name, code), trust, source, tuple(words)))
    return found


def with_missing(
    chain: Chain, names: Sequence[str], sacral: int
) -> tuple[NDArray[np.float64], list[str]]:
    """Arc lengths and names of the levels, bodies thought missing put in between."""
    along: list[float] = []
    full: list[str] = []
    for number, link in enumerate(chain.links):
        along.append(link.along_mm)
        full.append(names[number])
        lost = chain.missing[number] if number < min(sacral, len(chain.missing)) else 0
        if lost:
            inside = np.linspace(link.along_mm, chain.links[number + 1].along_mm, lost + 2)[1:-1]
            along += [float(place) for place in inside]
            for _ in range(lost):
                full.append(name_below(full[-1]))
    return np.array(along), full


def _found(
    block: ReadBlock,
    structure: str,
    piece: Piece,
    label: tuple[str, int],
    confidence: float,
    source: str,
    flags: tuple[str, ...],
) -> Found:
    centre = block.centre_of(piece)
    return Found(structure, label[0], label[1], centre, confidence, source, flags)


def _result(
    block: ReadBlock,
    painter: Painter,
    vertebrae: tuple[Found, ...],
    discs: tuple[Found, ...],
    numbering: Numbering,
) -> BlockLevels:
    labels, bodies = painter.finished()
    labels, bodies = (_whole(block, part) for part in (labels, bodies))
    return BlockLevels(block.volume, labels, bodies, vertebrae, discs, numbering)


def _whole(block: ReadBlock, part: NDArray[np.uint16]) -> NDArray[np.uint16]:
    result = np.zeros(block.grid.picture, np.uint16)
    box = tuple(slice(o, o + n) for o, n in zip(block.grid.origin, block.grid.shape, strict=True))
    result[box] = part
    return block.frame.original(result)
