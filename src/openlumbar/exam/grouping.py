"""DICOM objects → groups of frames that can be one series of one contrast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from openlumbar.core.plane import plane_of
from openlumbar.exam.blocks import family_count
from openlumbar.io.dicom_header import DicomObject, Frame, Refusal

#: Echo and inversion times nearer than this are one: vendors let them drift a little
#: from slice to slice.
SAME_TIME_RATIO = 1.1
SAME_TIME_MS = 1.0
#: Pixel spacings nearer than this (relative) are one.
SAME_SPACING_RATIO = 1e-3
#: Fewer slices than this in one of several directions make a series a localizer;
#: more in each make it several series under one UID.
MIN_DIRECTION_SLICES = 8


@dataclass(frozen=True)
class RawSeries:
    """The objects of one Series Instance UID (and Series Number).

    ``number``: Series Number, or a running number that no other series has.
    """

    number: int
    objects: tuple[DicomObject, ...]

    @property
    def name(self) -> str:
        """``series-3``."""
        return f"series-{self.number}"

    @property
    def frames(self) -> tuple[Frame, ...]:
        """All pictures."""
        return tuple(frame for entry in self.objects for frame in entry.frames)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Why some objects have none."""
        return tuple(refusal for entry in self.objects for refusal in entry.refusals)


@dataclass(frozen=True)
class Part:
    """Frames of one matrix, spacing, echo, component … of a series.

    ``split_by``: what tells it from the other parts; empty when it is the only one.
    ``repetition``: counts from 1 where the same slices were acquired several times.
    """

    frames: tuple[Frame, ...]
    split_by: tuple[str, ...] = ()
    repetition: int = 1


def by_series(objects: Sequence[DicomObject]) -> list[RawSeries]:
    """Group objects by Series Instance UID and Series Number, in order of the number.

    Without a UID the number and the description stand in for it.
    """
    groups: dict[Hashable, list[DicomObject]] = {}
    for entry in objects:
        key = (entry.series_uid or entry.description, entry.series_number)
        groups.setdefault(key, []).append(entry)
    ordered = sorted(groups.values(), key=_number_and_path)
    taken = {group[0].series_number for group in ordered}
    free = (number for number in range(1, len(taken) + len(ordered) + 2) if number not in taken)
    return [
        RawSeries(
            number
            if (number := group[0].series_number) is not None and number >= 0
            else next(free),
            tuple(group),
        )
        for group in ordered
    ]


def _number_and_path(group: Sequence[DicomObject]) -> tuple[bool, int, str]:
    number = group[0].series_number
    return number is None, number or 0, min(str(entry.path) for entry in group)


def split(frames: Sequence[Frame]) -> list[Part]:
    """Split the frames of a series into parts that can be one stack each.

    Parameters
    ----------
    frames
        Of one series; at least one.

    Returns
    -------
    list of Part
        By matrix size, pixel spacing, echo, inversion time, image component, time
        point, and direction when there are whole stacks in several. The largest first.
    """
    keys = {name: _known(rule(frames)) for name, rule in _RULES.items()}
    differing = tuple(name for name, values in keys.items() if len(set(values)) > 1)
    groups: dict[Hashable, list[Frame]] = {}
    for index, frame in enumerate(frames):
        groups.setdefault(tuple(keys[name][index] for name in differing), []).append(frame)
    parts = [Part(tuple(group), differing) for group in groups.values()]
    return sorted(
        (whole for part in parts for whole in _by_direction(part)),
        key=lambda part: -len(part.frames),
    )


def _by_direction(part: Part) -> list[Part]:
    """Part frames of whole stacks in several planes; a localizer stays as it is."""
    count, smallest = family_count([frame.placement for frame in part.frames])
    if count == 1 or smallest < MIN_DIRECTION_SLICES:
        return [part]
    groups: dict[Hashable, list[Frame]] = {}
    for frame in part.frames:
        groups.setdefault(plane_of(frame.placement.normal), []).append(frame)
    if min(len(group) for group in groups.values()) < MIN_DIRECTION_SLICES:
        return [part]
    return [Part(tuple(group), (*part.split_by, "direction")) for group in groups.values()]


def _known(values: list[Hashable]) -> list[Hashable]:
    """Let a missing value stand for the others' when they all agree."""
    known = set(values) - {None}
    return [next(iter(known))] * len(values) if len(known) == 1 else values


def _clustered(values: Iterable[float | None], same: Callable[[float, float], bool]) -> list:
    """Replace each number by the smallest of its cluster."""
    given = list(values)
    name: dict[float, float] = {}
    for value in sorted({value for value in given if value is not None}):
        previous = max(name, default=None)
        together = previous is not None and same(previous, value)
        name[value] = name[previous] if together and previous is not None else value
    return [None if value is None else name[value] for value in given]


def _same_time(one: float, other: float) -> bool:
    return other - one <= SAME_TIME_MS or other <= one * SAME_TIME_RATIO


def _same_spacing(one: float, other: float) -> bool:
    return other <= one * (1 + SAME_SPACING_RATIO)


#: Words of Image Type that name a component of a complex, phase-contrast or water-fat
#: acquisition (PS3.3 C.8.3.1.1.1, C.8.13.3.1.1) rather than how it was filtered.
_COMPONENTS = {
    "M": "magnitude",
    "MAGNITUDE": "magnitude",
    "P": "phase",
    "PHASE": "phase",
    "PHASE MAP": "phase",
    "R": "real",
    "REAL": "real",
    "I": "imaginary",
    "IMAGINARY": "imaginary",
    "W": "water",
    "WATER": "water",
    "F": "fat",
    "FAT": "fat",
    "IP": "in phase",
    "IN_PHASE": "in phase",
    "OP": "opposed phase",
    "OUT_PHASE": "opposed phase",
    "OPP_PHASE": "opposed phase",
}


def component(frame: Frame) -> str:
    """Name the component that a frame shows; ``magnitude`` when nothing says otherwise."""
    named = [_COMPONENTS[word] for word in frame.acquisition.image_type[2:] if word in _COMPONENTS]
    return next((name for name in named if name != "magnitude"), "magnitude")


_RULES: dict[str, Callable[[Sequence[Frame]], list]] = {
    "matrix size": lambda frames: [frame.placement.shape for frame in frames],
    "row spacing": lambda frames: _clustered(
        (frame.placement.spacing_mm[0] for frame in frames), _same_spacing
    ),
    "column spacing": lambda frames: _clustered(
        (frame.placement.spacing_mm[1] for frame in frames), _same_spacing
    ),
    "echo number": lambda frames: [frame.order.echo for frame in frames],
    "echo time": lambda frames: _clustered(
        (frame.acquisition.te_ms for frame in frames), _same_time
    ),
    "inversion time": lambda frames: _clustered(
        (frame.acquisition.ti_ms for frame in frames), _same_time
    ),
    "image component": lambda frames: [component(frame) for frame in frames],
    "diffusion weighting": lambda frames: [frame.order.b_value or 0.0 for frame in frames],
    "time point": lambda frames: [frame.order.temporal for frame in frames],
}

_LOCALIZER_TYPES = {"LOCALIZER", "SCOUT", "SURVEY"}
_REFORMAT_TYPES = {
    "MPR", "REFORMATTED", "PROJECTION IMAGE", "MIP", "MINIP", "MNIP", "MAX_IP", "MIN_IP",
    "AVERAGE", "SUBTRACTION", "SUBTRACT", "MEAN", "CPR", "VOLREN", "VR", "SSD", "RESAMPLED",
    "COMPOSED", "ADC", "FA", "T1 MAP", "T2 MAP", "T2_STAR MAP", "SCREEN SAVE",
}  # fmt: skip
_LOCALIZER_WORDS = ("localizer", "localiser", "scout", "survey", "3-plane", "3 plane", "3plane")
_UNUSED_COMPONENTS = {"phase", "real", "imaginary", "fat"}


def reason_to_leave_out(part: Part) -> str:
    """Say why a part is no series to work on; empty when it is one.

    Localizers, reformats and other derived pictures, diffusion, components other than
    magnitude, water or in phase, time points after the first.
    """
    rules = (_type_reason, _component_reason, _time_reason, _direction_reason)
    return next((reason for rule in rules if (reason := rule(part))), "")


def _type_reason(part: Part) -> str:
    types = {word for entry in part.frames for word in entry.acquisition.image_type}
    description = part.frames[0].acquisition.description.lower()
    if types & _LOCALIZER_TYPES or any(word in description for word in _LOCALIZER_WORDS):
        return "a localizer"
    reformat = ", ".join(sorted(types & _REFORMAT_TYPES))
    return f"derived from another series ({reformat})" if reformat else ""


def _component_reason(part: Part) -> str:
    if (part.frames[0].order.b_value or 0) > 0:
        return "diffusion-weighted"
    name = component(part.frames[0])
    return f"a {name} image" if name in _UNUSED_COMPONENTS else ""


def _time_reason(part: Part) -> str:
    time = part.frames[0].order.temporal or 1
    if "time point" in part.split_by and time > 1:
        return f"time point {time} of the same slices"
    return f"repetition {part.repetition} of the same slices" if part.repetition > 1 else ""


def _direction_reason(part: Part) -> str:
    count, _ = family_count([frame.placement for frame in part.frames])
    if count > 1:
        return (
            f"its slices point in {count} directions: a localizer, a radial series, or "
            "headers that contradict each other"
        )
    return ""


def is_secondary(part: Part) -> bool:
    """Tell whether the pictures call themselves derived (PS3.3 C.7.6.1.1.2)."""
    types = Counter(frame.acquisition.image_type[:2] for frame in part.frames)
    return types.most_common(1)[0][0] == ("DERIVED", "SECONDARY")


def repeats(frames: Sequence[Frame]) -> list[tuple[Frame, ...]]:
    """Part frames by Acquisition Number when that makes equal, complete repetitions.

    Returns
    -------
    list of tuple of Frame
        One entry when the number does not explain why places occur several times.
    """
    groups: dict[int | None, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(frame.order.acquisition, []).append(frame)
    places = [_places(group) for group in groups.values()]
    complete = all(
        len(place) == len(group) for place, group in zip(places, groups.values(), strict=True)
    )
    same = all(len(place) > 1 and place == places[0] for place in places)
    if not (complete and same and len(groups) > 1):
        return [tuple(frames)]
    return [tuple(groups[number]) for number in sorted(groups, key=lambda key: key or 0)]


def _places(frames: Sequence[Frame]) -> set[tuple[float, ...]]:
    return {tuple(np.round(frame.placement.position, 1)) for frame in frames}
