"""What clean muscle and pure fat look like in a slice, and how bright the coil makes each place.

A voxel's fat can be read from its brightness once three things are known: the brightness of
clean muscle, that of pure fat, and the coil's sensitivity at that place. All three are found
together. The field of :func:`openlumbar.imaging.bias.bias_field`, fitted outside the muscles,
comes first; N4 inside them would take a true change of fat for sensitivity. What it leaves is
a smooth surface, fitted by expectation-maximisation together with both brightnesses to voxels
of the muscles, each clean, fat or a mixture of both, and to the fat around them: only what is
clean or pure tells of sensitivity, so that a change of fat is not evened out.

Fat is looked for under the skin of the back and around the muscles, within reach of them:
sensitivity falls off quickly with the distance from the coil. The ratio of fat to muscle is
a matter of the sequence, so that all slices of a series share it: it decides where a slice
shows no clean muscle or no pure fat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import erfcx, ndtr

from openlumbar.core import anatomy
from openlumbar.measure.axial_slice import AxialSlice, Floats, Mask, grown

#: What is brighter than this part of the 99th percentile is body, not air.
FOREGROUND = 0.08
#: Skin and what lies just under it is left aside, mm.
SKIN_MM = 4.0
#: Fat is looked for so near to a muscle, in the back and in front of it, mm.
NEAR_MM, BESIDE_MM = 40.0, 12.0
#: Of the back's muscles' depth, from the front: fat is looked for behind this part.
FRONT_PERCENT = 10
#: Voxels of the fit, of muscle and of fat: every n-th of more.
MOST_VOXELS = 1500
#: Fewer voxels than these are no sample of a tissue.
LEAST_VOXELS = 60
#: Rounds of expectation-maximisation, of each slice alone and with the series' ratio.
ROUNDS, ROUNDS_MORE = 12, 5
#: Voxels are alike within so many of them: what a single one counts for is divided by it.
ALIKE = 15.0
#: Largest degree of the surface that the field leaves.
DEGREE = 6
#: The surface is level further from the muscles' middle than this part of their reach.
LEVEL_BEYOND = 1.2
#: Standard deviation of the surface's terms of first degree, as logarithm, and by how much
#: that of each further degree is less.
LEFT_OVER, SMOOTHER = 0.25, 0.9
#: Standard deviation of the ratio of fat to muscle between slices of a series, as logarithm.
RATIO_SD = 0.03
#: Kinds of voxels: also muscle streaked with a little fat, any mixture, and neither.
KINDS = ("clean", "pure", "streaked", "mixed", "other")
#: Mean part of fat in muscle that is streaked with it. Generic, ours.
STREAKED = 0.15
#: Spread of clean muscle and of pure fat, relative: beside the noise, and at most.
LEAST_SPREAD, MOST_SPREAD = 0.03, 0.3
#: To begin with, the darker part of each muscle's voxels, %, and what differs from most of
#: them by less than this, as logarithm, counts as clean.
DARKER_PERCENT, ALIKE_LEVEL = 60, 0.15
#: Fat that is not this much brighter than muscle is none to start from.
LEAST_RATIO = 1.25


@dataclass(frozen=True, eq=False)
class Scale:
    """How brightness tells fat in one slice.

    Attributes
    ----------
    gain
        ``float64[row, column]``: sensitivity; ``picture / gain`` is even.
    muscle, fat
        Brightness of clean muscle and of pure fat, after the gain.
    spread
        Standard deviation of clean muscle over its brightness.
    noise
        Standard deviation of the noise, after the gain.
    muscle_voxels, fat_voxels
        How many voxels, in the end, told either.
    """

    gain: Floats
    muscle: float
    fat: float
    spread: float
    noise: float
    muscle_voxels: float
    fat_voxels: float

    @property
    def contrast(self) -> float:
        """Fat less muscle."""
        return self.fat - self.muscle

    def fat_scale(self, picture: NDArray[np.floating]) -> Floats:
        """Each pixel's place between clean muscle (0) and pure fat (1), beyond them too."""
        return np.asarray((picture / self.gain - self.muscle) / self.contrast, float)


def body_of(picture: NDArray[np.floating], seen: Mask) -> Mask:
    """The person in the picture: the largest bright component, holes filled.

    Parameters
    ----------
    picture, seen
        ``[row, column]``.
    """
    smooth = ndimage.uniform_filter(np.asarray(picture, np.float32), 3)
    bright = seen & (smooth > FOREGROUND * np.percentile(smooth, 99))
    labels, count = ndimage.label(bright)
    if not count:
        return bright
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(ndimage.binary_fill_holes(labels == sizes.argmax()), bool)


def muscles_of(labels: NDArray[np.uint16]) -> Mask:
    """Pixels of any muscle."""
    codes = [code for code, part in anatomy.BY_CODE.items() if part.kind == "muscle"]
    return np.asarray((labels >= min(codes)) & (labels <= max(codes)), bool)


def noise_of(picture: NDArray[np.floating], body: Mask) -> float:
    """Standard deviation of the noise, from the differences across pixels' corners."""
    p = np.asarray(picture, float)
    diagonal = (p[1:, 1:] - p[1:, :-1] - p[:-1, 1:] + p[:-1, :-1]) / 2
    inside = body[1:, 1:] & body[:-1, :-1]
    if not inside.any():
        return 0.0
    return float(np.median(np.abs(diagonal[inside])) / 0.6745)


def scales_of(
    slices: Sequence[AxialSlice], bodies: Sequence[Mask], fields: Sequence[NDArray[np.floating]]
) -> list[Scale | None]:
    """The scale of each slice of a series.

    Parameters
    ----------
    slices
        Of one series, of one or several blocks.
    bodies
        Of each, ``bool[row, column]``: see :func:`body_of`; less what a dark band covers.
    fields
        Of each, ``[row, column]``: sensitivity as known so far.

    Returns
    -------
    list of Scale or None
        None where neither the slice nor the series shows both tissues.
    """
    fits = [_fit_of(*of) for of in zip(slices, bodies, fields, strict=True)]
    alone = [None if fit is None else fit.solved(fit.begun(), None, ROUNDS) for fit in fits]
    ratio = _common_ratio([state for state in alone if state is not None])
    if ratio is None:
        return [None] * len(alone)
    scales: list[Scale | None] = []
    for fit, state in zip(fits, alone, strict=True):
        if fit is None or state is None:
            scales.append(None)
            continue
        start = replace(state, fat=state.muscle + ratio)
        scales.append(fit.scale(fit.solved(start, ratio, ROUNDS_MORE)))
    return scales


def _common_ratio(states: Sequence[_State]) -> float | None:
    """Logarithm of fat over muscle: the median of the slices that show enough of both."""
    sure = [state for state in states if min(state.counts) >= LEAST_VOXELS]
    return float(np.median([state.fat - state.muscle for state in sure])) if sure else None


@dataclass(frozen=True, eq=False)
class _State:
    """Of the fit.

    Attributes
    ----------
    muscle, fat
        Logarithms of both brightnesses.
    surface
        ``[t]``: factors of the surface's terms.
    shares
        ``[group, kind]``: part of each kind of voxel in each muscle, and around them.
    counts
        How many voxels were clean muscle, and pure fat.
    """

    muscle: float
    fat: float
    surface: Floats
    shares: Floats
    counts: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class _Basis:
    """Products of Legendre polynomials over the muscles' reach, without the constant.

    Attributes
    ----------
    rows, columns
        ``[row, degree]`` and ``[column, degree]``.
    degrees
        ``[t, 2]`` of each product.
    """

    rows: Floats
    columns: Floats
    degrees: NDArray[np.intp]

    @property
    def sd(self) -> Floats:
        """What each term's factor is likely to be: less for what bends more often."""
        return np.asarray(LEFT_OVER * SMOOTHER ** (self.degrees.sum(1) - 1.0), float)

    @property
    def stiff(self) -> Floats:
        """The same for a surface of second degree, and hardly more."""
        return np.asarray(np.where(self.degrees.sum(1) <= 2, 2 * LEFT_OVER, 1e-3), float)

    def at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
        """``[n, t]`` of pixels."""
        a, b = self.degrees.T
        return np.asarray(self.rows[rows][:, a] * self.columns[columns][:, b], float)

    def surface(self, factors: Floats) -> Floats:
        """``[row, column]``: sum of all terms."""
        table = np.zeros((DEGREE + 1, DEGREE + 1))
        table[tuple(self.degrees.T)] = factors
        return np.asarray(self.rows @ table @ self.columns.T, float)


@dataclass(frozen=True, eq=False)
class _Fit:
    """One slice's voxels, and where to start from.

    Attributes
    ----------
    value
        ``[n]``: logarithm of brightness, after the field.
    terms
        ``[n, t]``: the surface's terms at each.
    group
        ``[n]``: number of the muscle, 0 around the muscles.
    basis
        Of the surface.
    field
        ``[row, column]``: sensitivity as known before.
    start
        Logarithm of clean muscle, to begin with.
    noise
        Standard deviation, after the field.
    """

    value: Floats
    terms: Floats
    group: NDArray[np.intp]
    basis: _Basis
    field: Floats
    start: float
    noise: float

    def solved(self, state: _State, ratio: float | None, rounds: int) -> _State:
        """Expectation-maximisation; with the series' own ratio of fat to muscle if known."""
        for _ in range(rounds):
            members = self._members(state)
            state = self._fitted(state, members, ratio, self.basis.sd)
        return state

    def scale(self, state: _State) -> Scale:
        """What was found, as brightness."""
        gain = self.field * np.exp(self.basis.surface(state.surface))
        levels = float(np.exp(state.muscle)), float(np.exp(state.fat))
        return Scale(gain, *levels, self._spreads(state)[0], self.noise, *state.counts)

    def begun(self) -> _State:
        """A first guess: what most of each muscle's darker part is like is clean.

        A coil that falls off quickly makes lean muscle in the back as bright as fat in
        front. So the surface is first bent to what the muscles themselves say.
        """
        clean = np.zeros(len(self.value))
        groups = np.arange(1, int(self.group.max()) + 1)
        for number in groups:
            inside = self.group == number
            ordered = np.sort(self.value[inside])
            level = _densest(ordered[: max(len(ordered) * DARKER_PERCENT // 100, 1)])
            clean[inside] = np.abs(self.value[inside] - level) < ALIKE_LEVEL
        shares = np.full((len(groups) + 1, len(KINDS)), 1 / len(KINDS))
        blank = _State(self.start, self.start, np.zeros(self.terms.shape[1]), shares)
        members = np.stack([clean, *[np.zeros(len(clean))] * (len(KINDS) - 1)], -1)
        state = self._fitted(blank, members, None, self.basis.stiff)
        even = self.value - self.terms @ state.surface
        fat = _fat_start(even[self.group == 0], state.muscle)
        return _State(state.muscle, fat, state.surface, shares)

    def _spreads(self, state: _State) -> tuple[float, float]:
        """Standard deviations of clean muscle and of pure fat, relative."""
        found = [
            float(np.clip(np.hypot(self.noise / np.exp(level), LEAST_SPREAD), 0, MOST_SPREAD))
            for level in (state.muscle, state.fat)
        ]
        return found[0], found[1]

    def _members(self, state: _State) -> Floats:
        """``[n, kind]``: probability that a voxel is of each of :data:`KINDS`."""
        muscle, fat = np.exp(state.muscle), np.exp(state.fat)
        contrast = max(fat - muscle, 0.05 * muscle)
        even = np.exp(self.value - self.terms @ state.surface)
        part = (even - muscle) / contrast
        clean_sd, pure_sd = (
            sd * level / contrast
            for sd, level in zip(self._spreads(state), (muscle, fat), strict=True)
        )
        density = np.stack(
            [
                _normal(part, clean_sd),
                _normal(part - 1, pure_sd),
                _streaked(part, clean_sd),
                (ndtr(part / clean_sd) - ndtr((part - 1) / pure_sd)).clip(0),
                np.full(len(part), 0.1),
            ],
            -1,
        )
        around = self.group == 0
        density[around, 0] = density[around, 2] = 0
        density *= state.shares[self.group]
        return np.asarray(density / density.sum(1, keepdims=True), float)

    def _fitted(self, state: _State, members: Floats, ratio: float | None, sd: Floats) -> _State:
        """Least squares of both levels and the surface; then the shares.

        ``sd``: ``[t]``, how large the surface's factors are likely to be.
        """
        count = self.terms.shape[1]
        normal, right = np.zeros((2 + count, 2 + count)), np.zeros(2 + count)
        for place, spread in enumerate(self._spreads(state)):
            weight = members[:, place] / (spread**2 * ALIKE)
            weighted = weight[:, None] * self.terms
            # The mean of a logarithm lies below the logarithm of the mean.
            value = self.value + spread**2 / 2
            normal[place, place] = weight.sum()
            normal[place, 2:] = normal[2:, place] = weighted.sum(0)
            normal[2:, 2:] += self.terms.T @ weighted
            right[place] = weight @ value
            right[2:] += weighted.T @ value
        normal[2:, 2:] += np.diag(1 / sd**2)
        # With few voxels of a kind, its level stays where it was.
        normal[[0, 1], [0, 1]] += 1e-3
        right[:2] += 1e-3 * np.array([state.muscle, state.fat])
        if ratio is not None:
            normal[:2, :2] += np.array([[1, -1], [-1, 1]]) / RATIO_SD**2
            right[:2] += np.array([-ratio, ratio]) / RATIO_SD**2
        muscle, fat, *surface = np.linalg.solve(normal, right)
        shares = np.stack([np.bincount(self.group, of, len(state.shares)) for of in members.T], -1)
        counts = float(shares[:, 0].sum()), float(shares[:, 1].sum())
        shares = (shares + 1) / (shares + 1).sum(1, keepdims=True)
        return _State(float(muscle), float(fat), np.array(surface), shares, counts)


def _normal(away: Floats, sd: float) -> Floats:
    return np.asarray(np.exp(-0.5 * (away / sd) ** 2) / (sd * np.sqrt(2 * np.pi)), float)


def _streaked(part: Floats, sd: float) -> Floats:
    """Density of muscle with a little fat: exponential in the fat, with noise."""
    rate = 1 / STREAKED
    bend = (rate * sd**2 - part) / (np.sqrt(2) * sd)
    # rate/2 · exp(…) · erfc(bend), written so that neither factor overflows.
    scaled = np.where(bend > -20, erfcx(np.maximum(bend, -20)), 0.0)
    return np.asarray(rate / 2 * np.exp(-0.5 * (part / sd) ** 2) * scaled, float)


def _fit_of(slice_: AxialSlice, body: Mask, field: NDArray[np.floating]) -> _Fit | None:
    muscle = muscles_of(slice_.labels) & slice_.seen & body
    core = ~grown(~muscle, slice_.pixel_mm, 0.0)
    core = core if core.sum() >= LEAST_VOXELS else muscle
    if core.sum() < LEAST_VOXELS:
        return None
    even = np.maximum(slice_.picture / field, 1e-6)
    around = fat_region(slice_, body)
    basis = _basis(muscle, slice_.pixel_mm)
    chosen = [_every_nth(core), _every_nth(around)]
    values = [np.log(even[of]) for of in chosen]
    return _Fit(
        value=np.concatenate(values),
        terms=np.concatenate([basis.at(*of) for of in chosen]),
        group=np.concatenate([_numbers(slice_.labels[chosen[0]]), np.zeros(len(values[1]), int)]),
        basis=basis,
        field=np.asarray(field, float),
        start=float(np.median(values[0])),
        noise=noise_of(even, body),
    )


def _numbers(codes: NDArray[np.uint16]) -> NDArray[np.intp]:
    """Muscles numbered from 1."""
    return np.asarray(np.unique(codes, return_inverse=True)[1] + 1, np.intp)


def _every_nth(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rows, columns = np.nonzero(mask)
    step = max(len(rows) // MOST_VOXELS, 1)
    return rows[::step], columns[::step]


def _basis(muscle: Mask, pixel_mm: tuple[float, float]) -> _Basis:
    places = np.argwhere(muscle) * pixel_mm
    middle = places.mean(0)
    reach = LEVEL_BEYOND * max(float(np.abs(places - middle).max()), 1.0)
    rows, columns = (
        legvander(np.clip((np.arange(size) * step - centre) / reach, -1, 1), DEGREE)
        for size, step, centre in zip(muscle.shape, pixel_mm, middle, strict=True)
    )
    degrees = np.array(
        [(a, b) for a in range(DEGREE + 1) for b in range(DEGREE + 1) if 0 < a + b <= DEGREE]
    )
    return _Basis(rows, columns, degrees)


def _fat_start(values: Floats, muscle: float) -> float:
    """Logarithm of pure fat; three times as bright as muscle where there is none."""
    bright = np.sort(values[values > muscle + np.log(LEAST_RATIO)])
    return _densest(bright) if len(bright) >= LEAST_VOXELS else muscle + np.log(3.0)


def _densest(ordered: Floats) -> float:
    """Middle of the shortest stretch that holds half of the values."""
    half = max(len(ordered) // 2, 1)
    widths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
    first = int(widths.argmin())
    return float((ordered[first] + ordered[first + half - 1]) / 2)


def fat_region(slice_: AxialSlice, body: Mask) -> Mask:
    """Where pure fat may lie: under the skin of the back, behind and between the muscles.

    Parameters
    ----------
    body
        ``bool[row, column]``: see :func:`body_of`.
    """
    muscle, pixel_mm = muscles_of(slice_.labels), slice_.pixel_mm
    inner = ~grown(~body, pixel_mm, SKIN_MM)
    free = ~grown(slice_.labels > 0, pixel_mm, 1.0)
    near = grown(muscle, pixel_mm, NEAR_MM) & _behind(slice_, muscle)
    near |= grown(muscle, pixel_mm, BESIDE_MM)
    return np.asarray(inner & free & near & slice_.seen, bool)


def _behind(slice_: AxialSlice, muscle: Mask) -> Mask:
    """Pixels that lie further back than the front of the muscles of the back."""
    depth = slice_.depth_mm
    psoas = [code for code, part in anatomy.BY_CODE.items() if part.name == "psoas"]
    of_back = muscle & ~np.isin(slice_.labels, psoas)
    chosen = depth[of_back if of_back.any() else muscle]
    return np.asarray(depth > np.percentile(chosen, FRONT_PERCENT), bool)
