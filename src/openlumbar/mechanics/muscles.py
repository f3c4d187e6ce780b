"""Sizes and places of the trunk muscles at the discs, from axial slices.

Of each muscle, side and disc stands one equivalent slice: the plane and the centre that the
slices near the disc have together, in the disc's own axes, and the muscle's area in that plane.
The model is cut by the same plane (:mod:`openlumbar.mechanics.fit_muscles`), so that an
oblique slice is compared with an oblique section.

Arrays run over muscles (:data:`openlumbar.mechanics.model.MEASURED_GROUPS`), sides (left, right)
and discs (:data:`openlumbar.mechanics.sections.LEVELS`); not a number where nothing was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.levels import LevelRow
from openlumbar.core.measurement import Measurement
from openlumbar.mechanics.model import MEASURED_GROUPS, Array
from openlumbar.mechanics.muscle_slices import Part, Slice, read_slices
from openlumbar.mechanics.sections import GROUPS, LEVELS, SIDES
from openlumbar.mechanics.spine import Frame, MeasuredSpine

#: A slice's weight falls with its distance from the middle of the disc as a normal curve of this
#: width, and is none beyond the limit: slices of a block lie within 8 mm, those of a
#: stack are 4 to 5 mm apart. Ours.
NEAR_MM, FAR_MM = 6.0, 15.0
#: Part of its area that a muscle may change by for each millimetre along the spine, where slices
#: lie to one side of the disc alone: psoas doubles over the 37 mm from L2-L3 to L3-L4. Ours.
CHANGE_PER_MM = 0.015
#: Where a muscle's force acts against where the centre of its section lies, one standard
#: deviation on each axis, mm: parts of a muscle are not equally active nor equally lean, fibres
#: run obliquely, and muscles change shape from lying to standing. Nothing of it is measured;
#: two deviations are the 5 mm that are usually taken as the error of a path. Ours.
LINE_SD_MM = 2.5
#: A disc's middle as the dural sac tells it: behind it by so much, with one standard deviation,
#: mm (the base model's canal). Ours.
SAC_BEHIND_MM, SAC_SD_MM = 26.0, 3.0
#: Of muscles that no slice shows, one standard deviation among people of one sex and size: part
#: of the area, and place on each axis, mm. Ours.
GENERIC_AREA_SD, GENERIC_PLACE_SD_MM = 0.25, 5.0
#: Part of the variance of :func:`perturbed` that both sides of a muscle share: of areas, how its
#: outlines are drawn; of places, where in it the force acts. Ours.
SHARED = 0.5
#: No perturbed area is smaller than this part of what was measured.
_LEAST_AREA = 0.2
#: A shift of the patient between the series is told from this length on, mm; a longer one than the
#: second is a disagreement of names and corrects nothing.
_TOLD_MM, _MOVED_MM = 5.0, 25.0
#: What no number of slices averages out of a shift, one standard deviation, mm. Ours.
_SHIFT_SD_MM = 1.5
#: With fewer slices that show the middle of the column the series are taken to lie alike.
_LEAST_COLUMNS = 3
#: A slice that agrees less well with the others than so many robust deviations is left out.
_OUTLYING = 3.5

_SHAPE = (len(MEASURED_GROUPS), len(SIDES), len(LEVELS))


def _nothing(*more: int) -> Array:
    return np.full((*_SHAPE, *more), np.nan)


@dataclass(frozen=True, eq=False)
class MeasuredMuscles:
    """Muscles at the discs.

    Attributes
    ----------
    csa_cm2, csa_sd_cm2
        ``[4, 2, 6]``: area in the plane of the slice, and one standard deviation.
    lean_cm2, lean_sd_cm2
        Likewise without fat.
    place_mm
        ``[4, 2, 6, 3]``: centre of the muscle from the middle of the disc, along the disc's axes:
        anterior, up, right.
    place_sd_mm
        ``[4, 2, 6, 2]``: one standard deviation, anterior and right; that of the line of action
        (:data:`LINE_SD_MM`) is part of it.
    normal
        ``[4, 2, 6, 3]``: of the slices, in the disc's axes, unit length, upward.
    slices
        ``[4, 2, 6]``: how many there were.
    generic_area, generic_place_mm
        ``[7]`` and ``[7, 2]`` (:data:`openlumbar.mechanics.sections.GROUPS`; anterior and outward):
        factor of the area, and shift, of muscles that were not measured; 1 and 0 but in a
        perturbed one.
    notes
        Sentences for a person.
    """

    csa_cm2: Array = field(default_factory=_nothing)
    csa_sd_cm2: Array = field(default_factory=_nothing)
    lean_cm2: Array = field(default_factory=_nothing)
    lean_sd_cm2: Array = field(default_factory=_nothing)
    place_mm: Array = field(default_factory=lambda: _nothing(3))
    place_sd_mm: Array = field(default_factory=lambda: _nothing(2))
    normal: Array = field(default_factory=lambda: _nothing(3))
    slices: NDArray[np.intp] = field(default_factory=lambda: np.zeros(_SHAPE, np.intp))
    generic_area: Array = field(default_factory=lambda: np.ones(len(GROUPS)))
    generic_place_mm: Array = field(default_factory=lambda: np.zeros((len(GROUPS), 2)))
    notes: tuple[str, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether anything of any muscle was."""
        return bool(np.isfinite(self.csa_cm2).any() or np.isfinite(self.place_mm).any())


def measured_muscles(
    measurements: Sequence[Measurement], rows: Sequence[LevelRow], spine: MeasuredSpine
) -> MeasuredMuscles:
    """Put muscles at the discs together from all axial slices of an exam.

    A slice counts at the disc whose middle its plane passes nearest to, up to
    :data:`FAR_MM`. Slices on both sides of the middle are interpolated, those on one side
    averaged; one that disagrees with the others is left out. Numbers with a flag that makes them
    doubtful (:data:`openlumbar.mechanics.muscle_slices.DOUBTS`) have no part in it.

    Parameters
    ----------
    measurements
        Of the exam; those of sagittal series are passed over.
    rows
        Of its ``levels.csv``.
    spine
        Of the same exam: places are counted from its discs. Where the columns in the
        axial slices show that the patient moved between the series, the shift is taken off.
        Where no sagittal series was measured, places are counted from body, disc or dural sac
        of the slices themselves.

    Returns
    -------
    MeasuredMuscles
        Empty where no axial series was measured.
    """
    slices = read_slices(measurements, rows)
    if not slices:
        return MeasuredMuscles(notes=("No muscle was measured: there are no axial slices.",))
    if not spine.measured:
        seen = list(_by_themselves(slices, spine))
        note = "No sagittal series: places of muscles are counted from what the slices show."
        return _assembled(seen, (note,))
    still, notes = _put_right(slices, spine)
    return _assembled(list(_by_spine(still, spine)), notes)


# -- where a slice lies ----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Seen:
    """A slice near a disc: in the disc's axes, from its middle.

    Attributes
    ----------
    height_mm
        Of the plane above the middle of the disc, along the disc's axis.
    middle_mm
        ``[3]`` LPS, NaN where places are not known.
    sd_mm
        Of that middle.
    """

    slice: Slice
    level: int
    height_mm: float
    middle_mm: Array
    axes: Array
    sd_mm: float


def _by_spine(slices: Sequence[Slice], spine: MeasuredSpine) -> Iterator[_Seen]:
    """Slices near discs of a sagittal series in the same space."""
    discs = [spine.discs[level] for level in LEVELS]
    for one in slices:
        heights = [_height(one, disc) for disc in discs]
        level = int(np.argmin(np.abs(heights)))
        if abs(heights[level]) <= FAR_MM:
            disc = discs[level]
            yield _Seen(
                one, level, heights[level], disc.middle_mm, disc.axes, float(disc.place_sd_mm)
            )


def _height(one: Slice, disc: Frame) -> float:
    away = float((one.origin_mm - disc.middle_mm) @ one.normal)
    slope = float(one.normal @ disc.axes[:, 1])
    return away / slope if slope > 0.5 else np.inf


def _by_themselves(slices: Sequence[Slice], spine: MeasuredSpine) -> Iterator[_Seen]:
    """Slices that are named, without a spine to lie in: discs are leant as the base model's."""
    for one in slices:
        if one.disc_level in LEVELS and one.level == one.disc_level:
            level = LEVELS.index(one.disc_level)
            axes = spine.discs[one.disc_level].axes
            middle, sd = one.column_mm, 1.0
            if not np.isfinite(middle).all():
                middle, sd = one.sac_mm + SAC_BEHIND_MM * axes[:, 0], SAC_SD_MM
            yield _Seen(one, level, 0.0, middle, axes, sd)


def _put_right(
    slices: Sequence[Slice], spine: MeasuredSpine
) -> tuple[list[Slice], tuple[str, ...]]:
    """Slices of each series moved to where the sagittal series shows the patient."""
    moved: list[Slice] = []
    notes = []
    for series in dict.fromkeys(one.series for one in slices):
        of = [one for one in slices if one.series == series]
        shift = _shift(of, spine)
        moved += [one.moved(-shift) for one in of]
        if np.abs(shift).max() > _TOLD_MM:
            x, y, z = shift
            notes.append(
                f"{series}: the column lies {x:+.0f} mm leftward, {y:+.0f} backward, {z:+.0f} "
                "upward, of where the sagittal series shows it; muscles were moved back by that."
            )
    return moved, tuple(notes)


def _shift(slices: Sequence[Slice], spine: MeasuredSpine) -> Array:
    """``[3]`` LPS: of the column in the slices against the spine; 0 where it cannot be told.

    Drawn toward none by its variance, as in :mod:`openlumbar.level.motion`.
    """
    apart = np.array([one.column_mm - _expected(one, spine) for one in slices])
    apart = apart[np.isfinite(apart).all(1)]
    if len(apart) < _LEAST_COLUMNS:
        return np.zeros(3)
    shift = np.median(apart, axis=0)
    scatter = 1.4826 * np.median(np.abs(apart - shift), axis=0)
    variance = _SHIFT_SD_MM**2 + scatter**2 / len(apart)
    if np.abs(shift).max() > _MOVED_MM:
        return np.zeros(3)
    square = shift**2
    return np.where(square > variance, shift * square / (square + variance), 0.0)


def _expected(one: Slice, spine: MeasuredSpine) -> Array:
    """Where the sagittal series has the place along the spine that the slice is said to cut."""
    names = list(spine.frames)
    if one.within is None or one.level not in names[1:-1]:
        return np.full(3, np.nan)
    at = names.index(one.level)
    disc = one.level in LEVELS
    # From the end of one to that of the other: half way between the middle and the neighbours',
    # as far as the lengths of both go.
    step = 0.5 - one.within
    here, above, below = (spine.middles_mm[n] for n in (at, at - 1, at + 1))
    toward = above if step > 0 else below
    neighbour = spine.frames[names[at + (-1 if step > 0 else 1)]]
    length = float(np.linalg.norm(toward - here))
    half = length - neighbour.height_mm / 2 if disc else spine.frames[one.level].height_mm / 2
    return np.asarray(here + (toward - here) * abs(step) * 2 * half / max(length, 1e-9))


# -- one equivalent slice ----------------------------------------------------------------


def _assembled(seen: Sequence[_Seen], notes: tuple[str, ...]) -> MeasuredMuscles:
    muscles = MeasuredMuscles(notes=notes)
    for g, group in enumerate(MEASURED_GROUPS):
        for s, side in enumerate(SIDES):
            for k in range(len(LEVELS)):
                parts = [
                    (one, one.slice.muscles[group, side])
                    for one in seen
                    if one.level == k and (group, side) in one.slice.muscles
                ]
                if parts:
                    _fill(muscles, (g, s, k), parts)
    return muscles


def _fill(
    into: MeasuredMuscles, at: tuple[int, int, int], parts: Sequence[tuple[_Seen, Part]]
) -> None:
    """Set one muscle at one disc from its slices there."""
    height = np.array([one.height_mm for one, _ in parts])
    axes = np.array([one.axes for one, _ in parts])
    normals = np.einsum("nij,ni->nj", axes, [one.slice.normal for one, _ in parts])
    weight = np.exp(-0.5 * (height / NEAR_MM) ** 2)
    normal = weight @ normals
    into.normal[at] = normal / np.linalg.norm(normal)
    into.slices[at] = len(parts)
    away = np.array([part.centre_mm - one.middle_mm for one, part in parts])
    local = np.einsum("nij,ni->nj", axes, away)
    if np.isfinite(local).any():
        into.place_mm[at], into.place_sd_mm[at] = _place(height, local, parts)
    # What all slices would show, were they inclined as the mean one is, to the head-foot axis:
    # about that, too, the muscles run.
    head = np.array([abs(one.slice.normal[2]) for one, _ in parts])
    mean_head = float(abs((axes[0] @ into.normal[at])[2]))
    for name in ("csa", "lean"):
        numbers = np.array([getattr(part, f"{name}_cm2") for _, part in parts])
        value, sd = _area(height, numbers * (head / max(mean_head, 0.1))[:, None])
        getattr(into, f"{name}_cm2")[at] = value
        getattr(into, f"{name}_sd_cm2")[at] = sd


def _area(height: Array, numbers: Array) -> tuple[float, float]:
    """At the disc's middle, of ``[n, 2]`` areas and their deviations."""
    known = np.isfinite(numbers[:, 0])
    if not known.any():
        return np.nan, np.nan
    height, value, sd = height[known], numbers[known, 0], numbers[known, 1]
    at, scatter, beside = _at_middle(height, value, 0.05 * float(np.median(value)))
    parts = (float(sd.mean()), scatter, CHANGE_PER_MM * beside * at)
    return at, float(np.linalg.norm(parts))


def _place(height: Array, local: Array, parts: Sequence[tuple[_Seen, Part]]) -> tuple[Array, Array]:
    """Centre at the disc's middle, and deviations of anterior and right."""
    known = np.flatnonzero(np.isfinite(local).all(1)).tolist()
    found = [_at_middle(height[known], local[known, axis], 2.0) for axis in range(3)]
    own = float(np.mean([parts[n][1].centre_sd_mm for n in known]))
    middle = float(np.mean([parts[n][0].sd_mm for n in known]))
    common = np.linalg.norm([own, middle, LINE_SD_MM])
    sd = [float(np.hypot(common, found[axis][1])) for axis in (0, 2)]
    return np.array([value for value, _, _ in found]), np.array(sd)


def _at_middle(height: Array, value: Array, floor: float) -> tuple[float, float, float]:
    """Value at height 0, standard error of its scatter, distance that it was carried over, mm.

    Parameters
    ----------
    floor
        Deviations below this never make an outlier.
    """
    if len(value) > 3:  # of three no one is outvoted
        off = np.abs(value - _middling(height, value))
        kept = off <= _OUTLYING * max(1.4826 * float(np.median(off)), floor)
        height, value = height[kept], value[kept]
    weight = np.exp(-0.5 * (height / NEAR_MM) ** 2)
    at, slope = _fitted(height, value, weight)
    off = value - at - slope * height
    freedom = max(len(value) - (2 if slope else 1), 1)
    scatter = float(np.sqrt(np.sum(off**2) / freedom / len(value)))
    beside = 0.0 if slope else abs(float(np.average(height, weights=weight)))
    return at, scatter, beside


def _middling(height: Array, value: Array) -> Array:
    """Values that a line through the median would have (Theil and Sen's)."""
    one, other = np.triu_indices(len(value), 1)
    run = height[other] - height[one]
    apart = np.abs(run) > 1e-6  # series may lie in the same planes
    rise = (value[other] - value[one])[apart] / run[apart]
    slope = float(np.median(rise)) if len(rise) else 0.0
    return float(np.median(value - slope * height)) + slope * height


def _fitted(height: Array, value: Array, weight: Array) -> tuple[float, float]:
    """Value at height 0 and slope; a slope only between slices on both sides."""
    mean = float(np.average(value, weights=weight))
    if len(value) < 2 or height.min() >= 0 or height.max() <= 0:
        return mean, 0.0
    centre = float(np.average(height, weights=weight))
    away = height - centre
    slope = float((weight * away) @ value / ((weight * away) @ away))
    return mean - slope * centre, slope


# -- uncertainty -----------------------------------------------------------------------


def perturbed(muscles: MeasuredMuscles, rng: np.random.Generator) -> MeasuredMuscles:
    """Muscles that the measurements' uncertainty allows as well.

    All parts are normal deviates of their own standard deviations.

    * Areas: half of the variance (:data:`SHARED`) is one draw for all discs and both sides of a
      muscle, the rest is drawn for each side and disc.
    * Places, forward and outward: the line of action (:data:`LINE_SD_MM`) lies off by the same at
      all discs, half of it alike on both sides; what was measured is off by a draw for each
      side and disc. Were the line drawn disc by disc, paths would zigzag, which adds load.
    * Muscles that were not measured vary as among people, a draw for each.
    """
    areas = _draws(rng, 1)[..., 0]
    # Total and lean area come from one outline: they change together.
    csa, lean = (
        np.maximum(value + sd * areas, _LEAST_AREA * value)
        for value, sd in (
            (muscles.csa_cm2, muscles.csa_sd_cm2),
            (muscles.lean_cm2, muscles.lean_sd_cm2),
        )
    )
    generic = rng.standard_normal((len(GROUPS), 3))
    return replace(
        muscles,
        csa_cm2=csa,
        lean_cm2=lean,
        place_mm=muscles.place_mm + _away(muscles, rng),
        generic_area=np.exp(GENERIC_AREA_SD * generic[:, 0] - GENERIC_AREA_SD**2 / 2),
        generic_place_mm=GENERIC_PLACE_SD_MM * generic[:, 1:],
    )


def _away(muscles: MeasuredMuscles, rng: np.random.Generator) -> Array:
    """``[4, 2, 6, 3]``, mm: draws of how far places are off."""
    measured = np.sqrt(np.maximum(muscles.place_sd_mm**2 - LINE_SD_MM**2, 0.0))
    line = LINE_SD_MM * _draws(rng, 2)[:, :, :1]
    off = line + measured * rng.standard_normal((*_SHAPE, 2))
    outward = np.array([-1.0, 1.0])[:, None]  # left, right
    return np.stack([off[..., 0], np.zeros(_SHAPE), off[..., 1] * outward], axis=-1)


def _draws(rng: np.random.Generator, count: int) -> Array:
    """``[4, 2, 6, count]`` of unit variance, in part the same all over a muscle."""
    shared = rng.standard_normal((len(MEASURED_GROUPS), 1, 1, count))
    own = rng.standard_normal((*_SHAPE, count))
    return np.asarray(np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own)
