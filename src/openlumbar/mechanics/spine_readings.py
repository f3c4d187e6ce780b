"""What the sagittal series of an exam say of each vertebra and disc, put together.

A series speaks of places (centres of mass, LPS), of the direction of endplates in the sagittal
plane (pitch: degrees, positive when the front is lower than the back), and of the height and
depth of vertebral bodies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from openlumbar.core.levels import LevelRow
from openlumbar.core.measurement import GUIDE, RULER, Line, Measurement
from openlumbar.mechanics.model import Array

#: Vertebrae and discs from above; the model's spine.
ELEMENTS: tuple[str, ...] = (
    *("T12", "T12-L1", "L1", "L1-L2", "L2", "L2-L3", "L3", "L3-L4", "L4", "L4-L5", "L5"),
    *("L5-S1", "S1"),
)
VERTEBRAE: tuple[str, ...] = ELEMENTS[::2]
DISCS: tuple[str, ...] = ELEMENTS[1::2]
#: A number less sure than this of its level or outline is not used. Ours.
LEAST_CONFIDENCE = 0.3
#: Series whose like-named vertebrae lie further apart than this, in the median, number them
#: differently: neighbours are about 35 mm apart. Ours.
SAME_LEVEL_MM = 12.0
#: A reading further than this from the surest one of its kind is left out. Ours.
FAR_MM, FAR_DEG = 8.0, 15.0
#: Standard deviation of a pitch that rests on one endplate, or on a disc's midline alone, added
#: to that of the reading: half of how bodies are wedged. Ours.
ONE_PLATE_DEG = 3.0
#: Of the middle of S1's upper endplate, for where its ends are taken. Ours.
SACRAL_PLACE_MM = 0.6
#: Doubts of the names that the model inherits.
NAME_FLAGS = (
    "numbering-uncertain",
    "sacrum-out-of-view",
    "possible-l6",
    "possible-sacralised-l5",
    "possible-lumbarised-s1",
    "transitional",
    "left-right-doubtful",
)
_UNKNOWN = (float("nan"), float("nan"))

Source = tuple[str, int]
#: A value with its standard deviation; both NaN where it is not known.
Number = tuple[float, float]
_Found = Mapping[tuple[str, str, str], Measurement]


@dataclass(frozen=True, eq=False)
class Seen:
    """Vertebrae and discs by :data:`ELEMENTS`, as one series or all together show them.

    Attributes
    ----------
    place_mm, place_sd_mm
        ``[13, 3]`` LPS and ``[13]``. Of S1 the middle of its upper endplate, whose x no
        sagittal line tells; nor is there an x of what the slices do not hold to both sides.
        NaN where it is not known, here and below.
    pitch_deg, pitch_sd_deg
        ``[13]``.
    height_mm, depth_mm, size_sd_mm
        ``[13]``; of vertebrae above S1 alone.
    confidence
        ``[13]``; 0 where nothing was seen.
    """

    place_mm: Array
    place_sd_mm: Array
    pitch_deg: Array
    pitch_sd_deg: Array
    height_mm: Array
    depth_mm: Array
    size_sd_mm: Array
    confidence: Array


@dataclass(frozen=True, eq=False)
class Readings:
    """What the series say together.

    Attributes
    ----------
    seen
        The combined values.
    names
        Level of the model to level of the measurements: the same where there are five
        lumbar vertebrae.
    flags, notes
        Doubts of the names, and sentences.
    """

    seen: Seen
    names: Mapping[str, str]
    flags: tuple[str, ...]
    notes: tuple[str, ...]


def read_spine(measurements: Sequence[Measurement], rows: Sequence[LevelRow]) -> Readings:
    """Put together what the sagittal series say.

    Series agree when their like-named vertebrae lie in the same places. Where some do not, those
    that agree with each other and are surest together count, and the others are left out
    (``numbering-uncertain``). Values of several series are averaged by confidence over variance;
    the deviation stays that of one series, as they share the network and the patient.

    Parameters
    ----------
    measurements
        Of all series; those of axial series and withheld values are passed over.
    rows
        Of ``levels.csv``: they tell which series are sagittal.
    """
    named = [row for row in rows if row.structure in ("vertebra", "disc")]
    series = {row.series for row in named}
    found = _by_source(measurements, series)
    names, notes = _names({row.level for row in named})
    seen = {source: _seen(numbers, names) for source, numbers in found.items()}
    agreeing, left_out = _agreeing(seen)
    # Where nothing is sure enough to be used, the doubts are those of all series.
    flags = _name_flags(named, {source[0] for source in agreeing} or series)
    if not agreeing and _doubted(measurements, series):
        notes = (*notes, f"No vertebra is named and outlined with {LEAST_CONFIDENCE:g} confidence.")
    if left_out:
        flags = tuple(dict.fromkeys((*flags, "numbering-uncertain")))
        which = ", ".join(sorted({source[0] for source in left_out}))
        notes = (*notes, f"Left out, as its vertebrae bear other names in the same places: {which}")
    return Readings(_combined([seen[source] for source in agreeing]), names, flags, notes)


def _by_source(
    measurements: Iterable[Measurement], series: set[str]
) -> dict[Source, dict[tuple[str, str, str], Measurement]]:
    found: dict[Source, dict[tuple[str, str, str], Measurement]] = defaultdict(dict)
    for one in measurements:
        usable = one.value is not None and one.confidence >= LEAST_CONFIDENCE
        if usable and one.series in series:
            found[one.series, one.block][one.structure, one.level, one.metric] = one
    return dict(found)


def _doubted(measurements: Iterable[Measurement], series: set[str]) -> bool:
    return any(one.value is not None and one.series in series for one in measurements)


def _names(levels: set[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Level of the model to level of the exam: the five lowest vertebrae above the sacrum."""
    lumbar = 6 if "L6" in levels else 4 if "L4-S1" in levels and "L5" not in levels else 5
    above = ("T11", "T12", *(f"L{n}" for n in range(1, lumbar + 1)))
    chain = (*above[-6:], "S1")
    names = dict(zip(VERTEBRAE, chain, strict=True))
    names |= {f"{a}-{b}": f"{names[a]}-{names[b]}" for a, b in pairwise(VERTEBRAE)}
    if names["L5-S1"] not in levels:
        names["L5-S1"] = "L5-S1"
    if lumbar == 5:
        return names, ()
    note = (
        f"{lumbar} lumbar vertebrae were named; the model has five: {chain[1]} to {chain[-2]} "
        "stand for them."
    )
    return names, (note,)


def _name_flags(rows: Iterable[LevelRow], series: set[str]) -> tuple[str, ...]:
    words = {word for row in rows if row.series in series for word in row.flags}
    return tuple(word for word in NAME_FLAGS if word in words)


# -- one series ------------------------------------------------------------------------


def _seen(found: _Found, names: Mapping[str, str]) -> Seen:
    shape = len(ELEMENTS)
    place, place_sd = np.full((shape, 3), np.nan), np.full(shape, np.nan)
    numbers = np.full((4, shape, 2), np.nan)
    confidence, aside = np.zeros(shape), np.zeros(shape, np.bool_)
    for n, name in enumerate(ELEMENTS):
        kind = "vertebra" if name in VERTEBRAE else "disc"
        level, below, above = names[name], _beside(names, n + 1), _beside(names, n - 1)
        if name == "S1":
            place[n], place_sd[n], confidence[n] = _sacral_place(found, above)
        else:
            place[n], place_sd[n], confidence[n] = _centre(found, kind, level)
            aside[n] = _off_midline(found, kind, level)
        if kind == "disc":
            place[n] = _disc_middle(found, level, place[n])
            numbers[0, n] = _disc_pitch(found, level)
            continue
        numbers[0, n] = _vertebra_pitch(found, level, above, below)
        numbers[1, n], numbers[2, n] = _height(found, level), _depth(found, level)
    # What the slab cuts has its centre nearer to the slab's than it is; better none than that.
    if (np.isfinite(place[:, 0]) & ~aside).any():
        place[aside, 0] = np.nan
    return Seen(
        place,
        place_sd,
        numbers[0, :, 0],
        numbers[0, :, 1],
        numbers[1, :, 0],
        numbers[2, :, 0],
        numbers[1, :, 1],
        confidence,
    )


def _beside(names: Mapping[str, str], n: int) -> str:
    return names[ELEMENTS[n]] if 0 <= n < len(ELEMENTS) else ""


def _number(found: _Found, *key: str) -> Number:
    one = found.get((key[0], key[1], key[2]))
    if one is None or one.value is None:
        return _UNKNOWN
    return one.value, one.uncertainty or 0.0


def _centre(found: _Found, kind: str, level: str) -> tuple[Array, float, float]:
    axes = [found.get((kind, level, f"centroid_{axis}_mm")) for axis in "xyz"]
    known = [one for one in axes if one is not None and one.value is not None]
    if len(known) < 3:
        return np.full(3, np.nan), np.nan, 0.0
    place = np.array([one.value for one in known], np.float64)
    spread = np.array([one.uncertainty or 0.0 for one in known])
    return place, float(np.sqrt((spread**2).mean())), min(one.confidence for one in known)


def _off_midline(found: _Found, kind: str, level: str) -> bool:
    one = found.get((kind, level, "centroid_x_mm"))
    return one is not None and "off-midline" in one.flags


def _midline(found: _Found, level: str) -> Line | None:
    """Of a disc, from its front to its back end."""
    one = found.get(("disc", level, "height_mm"))
    lines = () if one is None else one.lines
    return next((line for line in lines if line.role == GUIDE), None)


def _disc_middle(found: _Found, level: str, centre: Array) -> Array:
    """Middle of the midline, with the centre's x: wedged discs have theirs towards the front."""
    line = _midline(found, level)
    if line is None or np.isnan(centre[1]):
        return centre
    ends = np.array(line.points_mm)[[0, -1]]
    return np.array([centre[0], *ends.mean(axis=0)[1:]])


def _plate(found: _Found, level: str, metric: str, which: int) -> tuple[Line, float, float] | None:
    """One of an angle's two endplates, the standard deviation of its direction, and its trust."""
    one = found.get(("spine" if metric == "lordosis_deg" else "disc", level, metric))
    lines = [] if one is None else [line for line in one.lines if line.role == RULER]
    if one is None or len(lines) != 2 or len(lines[which].points_mm) != 2:
        return None
    return lines[which], (one.uncertainty or 0.0) / np.sqrt(2), one.confidence


def _upper_plate(found: _Found, above: str, below: str) -> tuple[Line, float, float] | None:
    """Of a vertebra between two discs, in its own middle slice where that was measured."""
    return (
        _plate(found, below, "segmental_angle_deg", 0)
        or _plate(found, above, "segmental_angle_deg", 1)
        or _plate(found, above, "disc_angle_deg", 1)
    )


def _pitch(line: Line) -> float:
    """Of a line from front to back, degrees, positive when the front is lower."""
    front, back = np.array(line.points_mm[0]), np.array(line.points_mm[-1])
    return float(np.degrees(np.arctan2(back[2] - front[2], back[1] - front[1])))


def _vertebra_pitch(found: _Found, level: str, above: str, below: str) -> Number:
    upper = _upper_plate(found, above, below)
    if upper is None and not below:
        upper = _plate(found, "L1-S1", "lordosis_deg", 1)
    if not below:
        return _UNKNOWN if upper is None else (_pitch(upper[0]), upper[1])
    lower = _plate(found, below, "disc_angle_deg", 0)
    if upper is not None and lower is not None:
        mean = (_pitch(upper[0]) + _pitch(lower[0])) / 2
        return mean, float(np.hypot(upper[1], lower[1])) / 2
    turned = _number(found, "vertebra", level, "rotation_deg")
    one = upper or lower
    if not np.isnan(turned[0]) or one is None:
        return turned
    return _pitch(one[0]), float(np.hypot(one[1], ONE_PLATE_DEG))


def _disc_pitch(found: _Found, level: str) -> Number:
    plates = [_plate(found, level, "disc_angle_deg", which) for which in (0, 1)]
    known = [plate for plate in plates if plate is not None]
    if len(known) == 2:
        return float(np.mean([_pitch(plate[0]) for plate in known])), known[0][1] / np.sqrt(2)
    midline = _midline(found, level)
    return _UNKNOWN if midline is None else (_pitch(midline), ONE_PLATE_DEG)


def _sacral_place(found: _Found, above: str) -> tuple[Array, float, float]:
    plate = (
        _plate(found, above, "segmental_angle_deg", 1)
        or _plate(found, above, "disc_angle_deg", 1)
        or _plate(found, "L1-S1", "lordosis_deg", 1)
    )
    if plate is None:
        return np.full(3, np.nan), np.nan, 0.0
    line, turn_deg, confidence = plate
    ends = np.array(line.points_mm)
    reach = float(np.radians(turn_deg) * np.linalg.norm(ends[1] - ends[0]) / 2)
    middle = np.array([np.nan, *ends.mean(axis=0)[1:]])
    return middle, float(np.hypot(reach, SACRAL_PLACE_MM)), confidence


def _height(found: _Found, level: str) -> Number:
    """Mean of front and back, so of the rims; what they share is not averaged away."""
    both = [
        _number(found, "vertebra", level, f"{where}_height_mm")
        for where in ("anterior", "posterior")
    ]
    value, spread = np.mean(both, axis=0)
    return float(value), float(spread)


def _depth(found: _Found, level: str) -> Number:
    """Mean of the parallel sides of the trapezoid around the body."""
    one = found.get(("vertebra", level, "middle_height_mm"))
    frames = [] if one is None else [line for line in one.lines if line.role == GUIDE]
    if one is None or not frames or len(frames[0].points_mm) < 4:
        return _UNKNOWN
    corners = np.array(frames[0].points_mm[:4])
    sides = np.linalg.norm(corners[[1, 2]] - corners[[0, 3]], axis=1)
    return float(sides.mean()), one.uncertainty or 0.0


# -- several series --------------------------------------------------------------------


def _apart_mm(one: Seen, other: Seen) -> float:
    """Median distance of what both name; NaN without any."""
    away = np.linalg.norm(one.place_mm - other.place_mm, axis=1)[:-1]
    return float(np.nanmedian(away)) if np.isfinite(away).any() else np.nan


def _agreeing(seen: Mapping[Source, Seen]) -> tuple[list[Source], list[Source]]:
    """The series that agree with each other and are surest together, and the others."""
    best: list[Source] = []
    for one in seen:
        # Without a level in common nothing contradicts.
        group = [other for other in seen if not _apart_mm(seen[one], seen[other]) > SAME_LEVEL_MM]
        if _trust(seen, group) > _trust(seen, best):
            best = group
    placed = [source for source in seen if seen[source].confidence.any()]
    return best, [source for source in placed if source not in best]


def _trust(seen: Mapping[Source, Seen], group: Iterable[Source]) -> float:
    return float(sum(seen[source].confidence.sum() for source in group))


def _combined(seen: Sequence[Seen]) -> Seen:
    if not seen:
        empty = np.full(len(ELEMENTS), np.nan)
        places = np.full((len(ELEMENTS), 3), np.nan)
        return Seen(places, empty, empty, empty, empty, empty, empty, np.zeros(len(ELEMENTS)))
    trust = np.stack([one.confidence for one in seen])

    def mean(name: str, spread: str, far: float) -> tuple[Array, Array]:
        values = np.stack([getattr(one, name) for one in seen])
        return _mean(values, np.stack([getattr(one, spread) for one in seen]), trust, far)

    place, place_sd = mean("place_mm", "place_sd_mm", FAR_MM)
    pitch, pitch_sd = mean("pitch_deg", "pitch_sd_deg", FAR_DEG)
    height, size_sd = mean("height_mm", "size_sd_mm", FAR_MM)
    depth, _ = mean("depth_mm", "size_sd_mm", FAR_MM)
    return Seen(
        place,
        place_sd,
        pitch[:, 0],
        pitch_sd,
        height[:, 0],
        depth[:, 0],
        size_sd,
        trust.max(axis=0),
    )


def _mean(values: Array, spread: Array, trust: Array, far: float) -> tuple[Array, Array]:
    """Mean over series ``[n, 13(, 3)]`` of what lies near the surest, and its deviation."""
    values = values.reshape(*trust.shape, -1)
    # x of S1 is never known: what is known of y and z still counts.
    known = np.isfinite(values).any(axis=2) & np.isfinite(spread)
    weight = np.where(known, np.maximum(trust, 1e-3) / np.maximum(spread, 1e-3) ** 2, 0.0)
    surest = np.argmax(np.where(known, trust, -1.0), axis=0)
    reference = values[surest, np.arange(values.shape[1])]
    away = np.sqrt(np.nansum((values - reference) ** 2, axis=2))
    weight = np.where(away <= far, weight, 0.0)
    total = weight.sum(axis=0)
    with np.errstate(invalid="ignore"):
        share = weight / total
        mean = np.where(np.isnan(reference), np.nan, np.nansum(values * share[..., None], axis=0))
        apart = np.nansum((values - mean) ** 2, axis=2)
        variance = np.nansum((np.nan_to_num(spread) ** 2 + apart) * share, axis=0)
    unknown = total == 0
    return (
        np.where(unknown[:, None], np.nan, mean),
        np.where(unknown, np.nan, np.sqrt(variance)),
    )
