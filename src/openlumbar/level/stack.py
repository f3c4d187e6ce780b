"""The levels of an axial series by its looks: a stack is read as one, not slice by slice.

How far apart slices lie along the spine is known in millimetres (:mod:`.along`). Two numbers are
not: which position the middle of the stack has, and how long this person's levels are. Every
pair of them on a grid gives each slice a position, and each slice's probabilities say how well
it fits there. The sum over the grid is done in full, so the result is the posterior itself.

The likelihood of one slice at position *u*:

* each class of the classifier that has a place stands at it
  (:data:`openlumbar.core.levels.POSITIONS`); between two of them both count, in proportion.
  Above the first and below the last the end class counts. Five discs serve as well as twelve
  places;
* ``other`` (and any class without a place) says nothing about *u*, for or against;
* one slice in :data:`SLICE_LAPSE` … looks like any place at all;
* where the mask shows disc or body, discs belong at whole numbers: that fixes the phase.

Slices close to each other look alike and are wrong together. So the log-likelihood of a slice
is divided by the number of slices that repeat it, ``Σ exp(-distance / CORRELATION_MM)`` over the
stack: of dense slices, each stretch of twice that length counts as one independent look, and
a lone slice counts whole. A person can be unlike others all along: one stack in
1 / :data:`STACK_LAPSE` misleads as a whole, and no reading is surer than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Series
from openlumbar.core.levels import POSITIONS, SliceLooks
from openlumbar.core.masks import AxialMask
from openlumbar.level.along import along_spine, disc_shares
from openlumbar.level.scale import level_at, to_mm, to_position

#: Distance along the spine over which the classifier's errors are alike, mm: the one constant
#: that tempers the likelihood. About half a level; generic, ours.
CORRELATION_MM = 20.0
#: Chance that the looks of one slice, and of a whole stack, say nothing of the level; ours.
SLICE_LAPSE, STACK_LAPSE = 0.02, 0.02
#: Below this confidence a level is ``level-uncertain``; as of a sagittal numbering.
UNSURE = 0.65
#: Flags of slices in which nothing was recognised; their looks mean nothing.
UNRECOGNISED = frozenset({"not-an-axial-lumbar-slice", "upside-down"})

#: Standard deviation of the length of a person's levels over the typical one, log scale.
#: ``benchmarks/disc_pitch.py`` finds 0.064 in 30 patients; axial series show smaller people too.
_LENGTH_SD = 0.08
_LENGTHS = np.linspace(-2.5, 2.5, 17)
#: Positions of the middle of a stack that are weighed, and those a slice can have.
_MIDDLES = np.arange(-2.0, 7.5, 0.05)
_PLACES = np.arange(-4.0, 8.0, 0.05)
#: The middle of a lumbar stack lies between these; beyond, it is the less likely the farther.
_USUAL, _BEYOND_SD = (0.5, 5.5), 1.0
#: A slice is in the disc up to the first distance from a whole number, beside it from the second.
_IN_DISC, _BESIDE_DISC = 0.10, 0.30
#: How often disc and body are mistaken for each other in the mask; ours.
_MISTAKEN = 0.1


@dataclass(frozen=True, eq=False)
class StackReading:
    """What the looks of an axial series say of its levels.

    Attributes
    ----------
    positions
        Of each slice along the spine (:data:`openlumbar.core.levels.POSITIONS`), block by
        block; None where the slice shows nothing of it.
    confidence
        0 … 1 for each slice: posterior mass within half a level of its position.
    sure
        Posterior mass of the stack's reading, all slices within half a level together.
    rival
        Posterior mass of the likelier reading that is off by one level; None without a reading.
    flags
        Words of :mod:`openlumbar.core.flags` about the series.
    evidence
        Sentences that say why.
    scores
        ``[slices, m]``: tempered log-likelihood of each slice at places along the spine, its
        greatest 0 (:meth:`fit` reads it); 0 throughout for a slice that says nothing.
    disc_share
        Of each slice: disc over disc and body in its mask, NaN without either.
    signs
        Probability of each sign (``kidney``, ``ilium``) on each slice, NaN where unknown.
    """

    positions: tuple[float | None, ...]
    confidence: tuple[float, ...]
    sure: float
    rival: float | None
    flags: tuple[str, ...]
    evidence: tuple[str, ...]
    scores: NDArray[np.float64]
    disc_share: NDArray[np.float64]
    signs: Mapping[str, NDArray[np.float64]]

    def fit(self, positions: Sequence[float | None]) -> float:
        """Log-likelihood of the looks if the slices had these positions; None: any.

        Parameters
        ----------
        positions
            One a slice, in the order of ``positions``.
        """
        return sum(
            float(np.interp(place, _PLACES, score))
            for place, score in zip(positions, self.scores, strict=True)
            if place is not None
        )


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Weight of each reading ``[m]`` and the position it gives each slice ``[m, slices]``."""

    weight: NDArray[np.float64]
    middle: NDArray[np.float64]
    places: NDArray[np.float64]


def read_stack(
    series: Series, found: Sequence[AxialMask], looks: Sequence[SliceLooks]
) -> StackReading:
    """Decode the levels of an axial series from what a classifier says of its slices.

    Parameters
    ----------
    series
        For its blocks' geometry.
    found
        One a block: where the spine is, and which slices show none.
    looks
        Of the slices of this series, in any order; those of other series are passed over, and
        slices without looks are placed by their neighbours.

    Returns
    -------
    StackReading
        Without any slice that shows a level: no positions, and the flag ``level-uncertain``.

    Raises
    ------
    StageError
        ``looks`` name a slice that the series does not have, or one twice.
    """
    by_slice = _by_slice(series, found, looks)
    along = along_spine(series, found)
    shares = disc_shares(found)
    telling = np.array([_is_telling(one) for one in by_slice])
    scores = _scores(by_slice, shares, along)
    shown = _shown(telling, along, found)
    signs = _signs(by_slice)
    if not telling.any():
        return _nothing(len(by_slice), scores, shares, signs)
    posterior = _posterior(scores, along)
    middle = _most_likely(posterior)
    mean, mass = _placed(posterior, middle)
    sure, rivals = _mass(posterior, middle), [_mass(posterior, middle + n) for n in (-1, 1)]
    positions = tuple(float(u) if ok else None for u, ok in zip(mean, shown, strict=True))
    return StackReading(
        positions=positions,
        confidence=tuple(float(p) if ok else 0.0 for p, ok in zip(mass, shown, strict=True)),
        sure=sure,
        rival=max(rivals),
        flags=("level-uncertain",) if sure < UNSURE else (),
        evidence=_evidence(positions, along, sure, rivals),
        scores=scores,
        disc_share=shares,
        signs=signs,
    )


def _by_slice(
    series: Series, found: Sequence[AxialMask], looks: Sequence[SliceLooks]
) -> list[SliceLooks | None]:
    """The looks of each slice in order; None where there are none or nothing was recognised."""
    given: dict[tuple[int, int], SliceLooks] = {}
    for one in looks:
        if one.series == series.name:
            if (one.block, one.slice) in given:
                raise StageError(
                    f"{series.name}: two looks of slice {one.slice} of block {one.block}; "
                    "read_stack needs one a slice"
                )
            given[one.block, one.slice] = one
    slices = [(n, k) for n, mask in enumerate(found) for k in range(mask.labels.shape[0])]
    if unknown := sorted(set(given) - set(slices)):
        raise StageError(
            f"{series.name}: looks of slices (block, slice) {unknown}, which the series does not "
            "have; give the looks of this series"
        )
    return [
        given.get((n, k)) if not UNRECOGNISED & set(found[n].flags[k]) else None for n, k in slices
    ]


def _is_telling(looks: SliceLooks | None) -> bool:
    """Whether a slice looks more like some level than like none."""
    return looks is not None and _other(looks) < 0.5


def _other(looks: SliceLooks) -> float:
    """Probability of the classes that have no place along the spine."""
    pairs = zip(looks.classes, looks.probability, strict=True)
    return sum(share for name, share in pairs if name not in POSITIONS)


def _shown(
    telling: NDArray[np.bool_], along: NDArray[np.float64], found: Sequence[AxialMask]
) -> NDArray[np.bool_]:
    """Slices that get a position: telling ones, and recognised ones with such on either side."""
    if not telling.any():
        return telling
    between = (along >= along[telling].min()) & (along <= along[telling].max())
    recognised = [not UNRECOGNISED & set(flags) for mask in found for flags in mask.flags]
    filled = [bool(picture.any()) for mask in found for picture in mask.labels.array]
    return telling | (between & np.array(recognised) & np.array(filled))


def _scores(
    looks: Sequence[SliceLooks | None], shares: NDArray[np.float64], along: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Tempered log-likelihood of each slice at :data:`_PLACES`, its greatest 0."""
    scores = np.zeros((len(looks), len(_PLACES)))
    telling = [(n, one) for n, one in enumerate(looks) if one is not None and _is_telling(one)]
    where = along[[n for n, _ in telling]]
    repeats = np.exp(-np.abs(where[:, None] - where) / CORRELATION_MM).sum(axis=1)
    for (n, one), repeated in zip(telling, repeats, strict=True):
        likely = _likelihood(one) * _phase(shares[n])
        scores[n] = np.log(likely / likely.max()) / repeated
    return scores


def _likelihood(looks: SliceLooks) -> NDArray[np.float64]:
    """Of one slice's picture at :data:`_PLACES`, up to a factor."""
    placed = sorted(
        (POSITIONS[name], share)
        for name, share in zip(looks.classes, looks.probability, strict=True)
        if name in POSITIONS
    )
    if not placed:
        return np.ones(len(_PLACES))
    anchors, share = np.array(placed).T
    fit = np.interp(_PLACES, anchors, share) + _other(looks) / len(looks.classes)
    return (1 - SLICE_LAPSE) * fit + SLICE_LAPSE / len(looks.classes)


def _phase(disc_share: float) -> NDArray[np.float64]:
    """How well a share of disc fits :data:`_PLACES`: discs lie at whole numbers."""
    if np.isnan(disc_share):
        return np.ones(len(_PLACES))
    off = np.abs(_PLACES - np.round(_PLACES))
    in_disc = np.clip((_BESIDE_DISC - off) / (_BESIDE_DISC - _IN_DISC), 0, 1)
    fit = disc_share * in_disc + (1 - disc_share) * (1 - in_disc)
    return _MISTAKEN + (1 - 2 * _MISTAKEN) * fit


def _posterior(scores: NDArray[np.float64], along: NDArray[np.float64]) -> _Posterior:
    """Every reading of the stack with its weight; weights sum to 1."""
    middle, length = (grid.ravel() for grid in np.meshgrid(_MIDDLES, _LENGTHS, indexing="ij"))
    centre = (along.min() + along.max()) / 2
    factor = np.exp(_LENGTH_SD * length)
    places = to_position(to_mm(middle)[:, None] + (along - centre) / factor[:, None])
    bins = np.clip(np.rint((places - _PLACES[0]) / 0.05).astype(int), 0, len(_PLACES) - 1)
    fit = scores[np.arange(len(along)), bins].sum(axis=1)
    off = np.maximum(np.maximum(_USUAL[0] - middle, middle - _USUAL[1]), 0)
    prior = _normalised(-(length**2) / 2 - (off / _BEYOND_SD) ** 2 / 2)
    looks = _normalised(np.log(prior) + fit)
    return _Posterior((1 - STACK_LAPSE) * looks + STACK_LAPSE * prior, middle, places)


def _normalised(logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
    weight = np.exp(logarithms - logarithms.max())
    return np.asarray(weight / weight.sum())


def _most_likely(posterior: _Posterior) -> float:
    """Middle of the likeliest reading: the level that holds most of the weight, its mean."""
    masses = [_mass(posterior, middle) for middle in _MIDDLES]
    near = np.abs(posterior.middle - _MIDDLES[int(np.argmax(masses))]) < 0.5
    return float(_weighted(posterior.middle[near], posterior.weight[near]))


def _placed(
    posterior: _Posterior, middle: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position of each slice in the reading of that middle, and how much weight agrees."""
    near = np.abs(posterior.middle - middle) < 0.5
    mean = _weighted(posterior.places[near], posterior.weight[near])
    return mean, _weighted(np.abs(posterior.places - mean) < 0.5, posterior.weight)


def _mass(posterior: _Posterior, middle: float) -> float:
    """Weight of the readings within half a level of one."""
    off = posterior.middle - middle
    return float(posterior.weight[(off >= -0.5) & (off < 0.5)].sum())


def _weighted(values: NDArray, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.average(values, axis=0, weights=weight), float)


def _signs(looks: Sequence[SliceLooks | None]) -> dict[str, NDArray[np.float64]]:
    names = sorted({name for one in looks if one for name in one.signs})
    return {
        name: np.array([one.signs.get(name, np.nan) if one else np.nan for one in looks])
        for name in names
    }


def _nothing(
    slices: int,
    scores: NDArray[np.float64],
    shares: NDArray[np.float64],
    signs: Mapping[str, NDArray[np.float64]],
) -> StackReading:
    return StackReading(
        positions=(None,) * slices,
        confidence=(0.0,) * slices,
        sure=0.0,
        rival=None,
        flags=("level-uncertain",),
        evidence=("No slice looks like a level of the lumbar spine to the classifier.",),
        scores=scores,
        disc_share=shares,
        signs=signs,
    )


def _evidence(
    positions: Sequence[float | None],
    along: NDArray[np.float64],
    sure: float,
    rivals: Sequence[float],
) -> tuple[str, ...]:
    known = [(mm, u) for mm, u in zip(along, positions, strict=True) if u is not None]
    (top_mm, top), (foot_mm, foot) = min(known), max(known)
    where = f"from {level_at(top)} to {level_at(foot)}" if len(known) > 1 else f"at {level_at(top)}"
    said = [
        f"By their looks {len(known)} of {len(positions)} slices, {foot_mm - top_mm:.0f} mm along "
        f"the spine, lie {where}: probability {sure:.0%}; a level higher {rivals[0]:.0%}, a level "
        f"lower {rivals[1]:.0%}."
    ]
    if len(known) < len(positions):
        said.append(f"{len(positions) - len(known)} slices look like no lumbar level.")
    return tuple(said)
