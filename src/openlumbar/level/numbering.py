"""Which link of the chain is S1, how sure that is, and the names that follow from it.

Every link is asked to be S1, and so is a link below the picture. A guess scores the sum of
log-probabilities of what is seen: the tissue that the network gave each link in the role the
guess gives it, and the disc below each link. Its share is ``exp(score / TEMPERATURE)`` over the
sum of all guesses. The confidence of the numbering is that share

* times :func:`regularity` of the chain,
* times a ramp of the network's mean certainty at S1 and the two bodies above it (``block``),
* times :data:`DISC_BELOW_S1` where a well-formed disc lies below S1,
* times :data:`MISSING` for each body thought missing (for a name: between it and the sacrum),
* and no more than ``block.WITHOUT_SACRUM`` where no link is S1 to the network,
* times :data:`LUMBAR_ONLY`.

The probabilities are ours, set by hand, to be calibrated on validation predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.anatomy import VERTEBRAE
from openlumbar.core.masks import Tissue
from openlumbar.level.chain import Chain, Link

#: Softens the posterior over guesses: neighbouring pieces of evidence are not independent.
TEMPERATURE = 1.3
#: Below this confidence a name may be wrong, and says so.
UNSURE = 0.65
#: A guess other than the best with at least this share is mentioned.
RIVAL = 0.15

#: P(tissue | role): how often the network calls a link of this role what.
_SEEN_AS = {
    "lumbar": {Tissue.BODY: 0.95, Tissue.S1: 0.045, Tissue.S2: 0.005},
    "S1": {Tissue.BODY: 0.12, Tissue.S1: 0.82, Tissue.S2: 0.06},
    "S2": {Tissue.BODY: 0.05, Tissue.S1: 0.15, Tissue.S2: 0.80},
}
#: P(a well-formed disc is found below | role).
_DISC_BELOW = {"lumbar": 0.93, "S1": 0.12, "S2": 0.03}
#: A priori: S1 lies below the picture, when the lowest link is near the border or not.
_BELOW_BORDER = {True: 0.30, False: 0.03}
#: Length of a disc, in depths of the body above it, that counts as well formed.
_FULL_DISC = 0.6

#: A body thought missing between a name and the sacrum leaves this much confidence.
MISSING = 0.6
#: A well-formed disc below S1 leaves this much: it may be L6, or L5 taken for S1.
DISC_BELOW_S1 = 0.45

#: Names are counted from the sacrum. That a spine has four or six lumbar vertebrae cannot be
#: excluded where no rib is seen, so no name is surer than this (ours, not measured).
LUMBAR_ONLY = 0.95

#: Names upward from the vertebra on S1.
UPWARD: tuple[str, ...] = tuple(
    name for name in reversed(VERTEBRAE) if name not in ("S2", "S1", "L6", "T13")
)


@dataclass(frozen=True)
class Evidence:
    """What the picture says about one link, for the choice of S1.

    Attributes
    ----------
    tissue
        Share of each tissue of the column.
    certainty
        0 … 1, mean of the network's certainty.
    disc_below
        0 … 1: how well formed the disc below it is.
    weight
        0 … 1: small or cut links say less.
    """

    tissue: dict[int, float]
    certainty: float
    disc_below: float
    weight: float


@dataclass(frozen=True)
class Guess:
    """The chosen place of S1.

    Attributes
    ----------
    sacral
        Index of S1 among the links; the number of links when it lies below the picture.
    shares
        Probability of each guess 0 … n.
    """

    sacral: int
    shares: tuple[float, ...]

    @property
    def share(self) -> float:
        """Probability of the chosen guess."""
        return self.shares[self.sacral]


def evidence_of(chain: Chain, certainty: NDArray[np.uint8]) -> tuple[Evidence, ...]:
    """Gather what is seen of every link."""
    result = []
    for number, link in enumerate(chain.links):
        following = chain.links[number + 1] if number + 1 < len(chain.links) else None
        end = following.along_mm if following else link.along_mm + 1.3 * chain.typical_mm
        lengths = [d.depth_mm for d in chain.discs if link.along_mm < d.along_mm < end]
        formed = min(1.0, max(lengths, default=0.0) / (_FULL_DISC * link.depth_mm))
        tissue = {value: link.piece.share(value) for value in _SEEN_AS["lumbar"]}
        weight = min(1.0, link.front_mm2 / 400.0)
        result.append(Evidence(tissue, certainty_of(link, certainty), formed, weight))
    return tuple(result)


def certainty_of(link: Link, certainty: NDArray[np.uint8]) -> float:
    """Mean certainty of the network over a link, 0 … 1; ``certainty`` is canonical."""
    return float(certainty[tuple(link.piece.voxels.T)].mean()) / 255.0


def choose_sacrum(seen: Sequence[Evidence], *, at_border: bool) -> Guess:
    """Weigh every place of S1.

    Parameters
    ----------
    seen
        Evidence of the links from head to foot.
    at_border
        Whether the chain goes on to the lower border of the picture.
    """
    count = len(seen)
    outside = _BELOW_BORDER[at_border]
    scores = []
    for sacral in range(count + 1):
        prior = outside if sacral == count else (1 - outside) / max(count, 1)
        total = np.log(prior)
        for number, evidence in enumerate(seen):
            last = number == count - 1
            total += _agreement(evidence, _role(number - sacral), last=last)
        scores.append(total)
    powers = np.exp((np.array(scores) - max(scores)) / TEMPERATURE)
    shares = powers / powers.sum()
    return Guess(int(shares.argmax()), tuple(float(share) for share in shares))


def _role(below: int) -> str:
    if below < 0:
        return "lumbar"
    return "S1" if below == 0 else "S2"


def _agreement(evidence: Evidence, role: str, *, last: bool) -> float:
    trust = evidence.weight * evidence.certainty**2
    tissue = sum(share * np.log(_SEEN_AS[role][value]) for value, share in evidence.tissue.items())
    formed, present = evidence.disc_below, _DISC_BELOW[role]
    disc = formed * np.log(present) + (1 - formed) * np.log(1 - present)
    # Below the last link the picture may end: an absent disc says little there.
    if last and formed == 0:
        disc *= 0.3
    return float(trust * (2.0 * tissue + disc))


def names_upward(links: int, missing: Sequence[int], sacral: int) -> tuple[str, ...]:
    """Names of the links from head to foot; the empty string beyond T1 and below S2.

    Missing bodies are counted, so that a hole in the chain shifts no name.
    """
    names = []
    for number in range(links):
        if number >= sacral:
            names.append(("S1", "S2")[number - sacral] if number - sacral < 2 else "")
            continue
        steps = sacral - number - 1 + sum(missing[number : min(sacral, links - 1)])
        names.append(UPWARD[steps] if steps < len(UPWARD) else "")
    return tuple(names)


def name_above(name: str) -> str:
    """The vertebra on top of one; the empty string beyond T1.

    >>> name_above("L1"), name_above("S1"), name_above("T1")
    ('T12', 'L5', '')
    """
    if name == "S2":
        return "S1"
    if name == "S1":
        return "L5"
    if name not in UPWARD or name == UPWARD[-1]:
        return ""
    return UPWARD[UPWARD.index(name) + 1]


def name_below(name: str) -> str:
    """The vertebra under one; the empty string below S2."""
    if name in ("S1", "L5"):
        return {"S1": "S2", "L5": "S1"}[name]
    if name not in UPWARD:
        return ""
    return UPWARD[UPWARD.index(name) - 1]


def regularity(chain: Chain, sacral: int) -> float:
    """0.4 … 1: how evenly the bodies above the sacrum follow each other.

    The steps between neighbours, a step over missing bodies shared out, over a straight line
    fitted to them: below 12 % scatter nothing is taken off, at 32 % the factor is 0.4. A body
    more than 1.45 typical lengths long may be two.
    """
    above = chain.links[: min(sacral, len(chain.links) - 1) + 1]
    lost = np.array(chain.missing[: len(above) - 1], float)
    long = any(link.length_mm > 1.45 * chain.typical_mm for link in above[:sacral])
    factor = 0.6 if long else 1.0
    steps = np.diff([link.along_mm for link in above]) / (1.0 + lost)
    if len(steps) < 3:
        return factor
    places = np.arange(len(steps))
    scatter = float(np.std(steps - np.polyval(np.polyfit(places, steps, 1), places)))
    relative = scatter / max(float(steps.mean()), 1.0)
    return factor * float(np.clip(1.0 - 3.0 * (relative - 0.12), 0.4, 1.0))
