"""Which number of one analysis belongs to which of another analysis of the same exam.

The reference says what is asked: of each plane the first series that it measured and the other
analysis has too, so that a disc seen in two series does not count twice. What the other analysis
has beside each number is compared, or withheld by one of the two, or not there at all; nothing is
dropped without being counted.

A number of a disc, a vertebra or a load belongs to its level, wherever in it the slice lies that
was measured. One of a muscle belongs to its slice and side, whatever level the slice was given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from openlumbar.core.errors import InputError
from openlumbar.core.exam import Series
from openlumbar.core.loads import VERTEBRA_LEVELS
from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import METRICS, MUSCLES
from openlumbar.core.plane import Plane
from openlumbar.io.analysis import Analysis

#: Series (empty: of the whole exam), block, slice (None: of the level), level or, of a muscle,
#: empty, side.
Key = tuple[str, int, int | None, str, str]

_AXES = "xyz"
#: Corners of two grids that lie closer are the same: what rounding in files does to them.
_SAME_MM = 0.01


class State(StrEnum):
    """What became of a number of the reference, or of the other analysis."""

    COMPARED = "compared"
    WITHHELD = "withheld"
    ONLY_REFERENCE = "only in the reference"
    ONLY_OTHER = "only in the other"


@dataclass(frozen=True)
class Quantity:
    """One kind of number that is compared.

    Attributes
    ----------
    name
        As in ``comparison.csv``.
    structure
        As in :mod:`openlumbar.core.metrics`; ``load`` for a load.
    metric
        Its name there; ``centroid`` stands for three; ``compression_n`` for a load.
    title, unit
        What a table calls it.
    """

    name: str
    structure: str
    metric: str
    title: str
    unit: str

    @property
    def plane(self) -> Plane:
        """Of the series that it is measured on."""
        return Plane.AXIAL if self.structure in MUSCLES else Plane.SAGITTAL

    @property
    def is_distance(self) -> bool:
        """Whether only the difference has a meaning: how far two centroids lie apart."""
        return self.metric == "centroid"


def _measured(structure: str, metric: str, title: str) -> Quantity:
    unit = {"cm2": "cm²"}.get(METRICS[structure, metric].unit, METRICS[structure, metric].unit)
    return Quantity(f"{structure} {metric}", structure, metric, title, unit)


BOUNDING_HEIGHT = _measured("disc", "bounding_height_mm", "Disc height, bounding (Hess)")
DISC_HEIGHT = _measured("disc", "height_mm", "Disc height, endplates")
LOAD = Quantity("vertebra compression_n", "load", "compression_n", "Lumbar loading", "N")
AREAS = tuple(_measured(muscle, "csa_cm2", f"CSA, {muscle}") for muscle in MUSCLES)
CENTROIDS = tuple(
    Quantity(f"{structure} centroid_mm", structure, "centroid", f"Centroid, {structure}", "mm")
    for structure in ("vertebra", "disc", *MUSCLES)
)
BODY_CENTROID = CENTROIDS[0]
QUANTITIES = (BOUNDING_HEIGHT, DISC_HEIGHT, *AREAS, LOAD, *CENTROIDS)


@dataclass(frozen=True)
class Found:
    """A number of one analysis.

    Attributes
    ----------
    values
        One, or the three coordinates of a centroid (LPS mm); empty where it is withheld.
    level
        By the name that this analysis gave.
    """

    values: tuple[float, ...]
    level: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Compared:
    """One number of the reference beside that of the other analysis: a row of the table.

    Attributes
    ----------
    exam
        Name of the pair of analyses.
    series, block, slice
        Where; ``series`` is empty for a load, ``slice`` None for a number of a level.
    level
        By the reference's name, where it has the number.
    reference, other
        None where there is none, and of centroids.
    difference
        Other less reference; of centroids the distance; None where they were not compared.
    """

    exam: str
    quantity: Quantity
    series: str
    block: int
    slice: int | None
    level: str
    side: str
    state: State
    reference: float | None = None
    other: float | None = None
    difference: float | None = None
    reference_flags: tuple[str, ...] = ()
    other_flags: tuple[str, ...] = ()


def match(exam: str, reference: Analysis, other: Analysis, task: str) -> tuple[Compared, ...]:
    """All numbers that the reference has, beside those of the other analysis.

    Parameters
    ----------
    exam
        What the pair is called.
    reference, other
        Of the same exam: a series of one name is the same picture in both.
    task
        Whose loads are compared.

    Raises
    ------
    InputError
        As of :func:`compared_series`.
    """
    series = compared_series(exam, reference, other)
    rows: list[Compared] = []
    for quantity in QUANTITIES:
        one, two = (_numbers(side, quantity, series, task) for side in (reference, other))
        rows += (_beside(exam, quantity, key, found, two.get(key)) for key, found in one.items())
        if one:  # a kind that the reference has none of was not asked for
            extra = (key for key in two if key not in one)
            rows += (_beside(exam, quantity, key, None, two[key]) for key in extra)
    return tuple(rows)


def compared_series(exam: str, reference: Analysis, other: Analysis) -> tuple[str, ...]:
    """Of each plane the first series that the reference measured and both analyses have.

    Raises
    ------
    InputError
        There is none, or one is not the same picture in both.
    """
    theirs = {series.name: series for series in other.exam.series}
    measured = _measured_series(reference)
    chosen: dict[Plane, Series] = {}
    for series in reference.exam.series:
        if series.name in measured and series.name in theirs:
            chosen.setdefault(series.plane, series)
    if not chosen:
        raise InputError(
            f"{exam}: no series that the reference measured ({', '.join(measured) or 'none'}) is "
            f"in the other analysis ({', '.join(theirs) or 'none'}); compare analyses of the same "
            "files"
        )
    for series in chosen.values():
        if not _same_picture(series, theirs[series.name]):
            raise InputError(
                f"{exam}: series {series.name} has another grid in the other analysis; compare "
                "analyses of the same files"
            )
    return tuple(series.name for series in chosen.values())


def left_out(exam: str, reference: Analysis, other: Analysis) -> tuple[str, ...]:
    """Series that the reference measured and that are not compared."""
    compared = compared_series(exam, reference, other)
    return tuple(name for name in _measured_series(reference) if name not in compared)


def _measured_series(analysis: Analysis) -> tuple[str, ...]:
    return tuple(dict.fromkeys(m.series for m in analysis.measurements))


def doubled(analysis: Analysis, quantity: Quantity) -> int:
    """Numbers that cannot be told apart: their level is named twice in one series."""
    counts = _counted(analysis, quantity)
    return sum(counts[place] for place in counts if counts[place] > 1)


def _same_picture(one: Series, other: Series) -> bool:
    if len(one.blocks) != len(other.blocks):
        return False
    pairs = ((a.volume, b.volume) for a, b in zip(one.blocks, other.blocks, strict=True))
    return all(
        a.shape == b.shape and np.allclose(a.affine, b.affine, atol=_SAME_MM) for a, b in pairs
    )


def _numbers(
    analysis: Analysis, quantity: Quantity, series: Container[str], task: str
) -> dict[Key, Found]:
    """By key; what cannot be told apart is left out (:func:`doubled` counts it)."""
    if quantity is LOAD:
        return dict(_loads(analysis, task))
    counts = _counted(analysis, quantity)
    parts: dict[Key, list[Found]] = {}
    for m in _of_quantity(analysis, quantity):
        key = _key(quantity, m)
        if m.series in series and counts[key, m.metric] == 1:
            values = () if m.value is None else (m.value,)
            parts.setdefault(key, []).append(Found(values, m.level, m.flags))
    return {key: _joined(found, len(_metrics(quantity))) for key, found in parts.items()}


def _joined(parts: list[Found], expected: int) -> Found:
    """One number of its coordinates; withheld where one of them is."""
    values = tuple(value for part in parts for value in part.values)
    flags = tuple(dict.fromkeys(flag for part in parts for flag in part.flags))
    return Found(values if len(values) == expected else (), parts[0].level, flags)


def _metrics(quantity: Quantity) -> tuple[str, ...]:
    if quantity.is_distance:
        return tuple(f"centroid_{axis}_mm" for axis in _AXES)
    return (quantity.metric,)


def _of_quantity(analysis: Analysis, quantity: Quantity) -> Iterator[Measurement]:
    """Its numbers, in the order of its metrics; not the means of an axial level's slices."""
    planes = {series.name: series.plane for series in analysis.exam.series}
    for metric in _metrics(quantity):
        for m in analysis.measurements:
            is_mean = quantity.plane is Plane.AXIAL and m.slice is None
            is_asked = (m.structure, m.metric) == (quantity.structure, metric)
            if is_asked and not is_mean and planes.get(m.series) is quantity.plane:
                yield m


def _counted(analysis: Analysis, quantity: Quantity) -> Counter[tuple[Key, str]]:
    """How often each key occurs with each metric."""
    return Counter((_key(quantity, m), m.metric) for m in _of_quantity(analysis, quantity))


def _key(quantity: Quantity, measurement: Measurement) -> Key:
    m = measurement
    if quantity.plane is Plane.AXIAL:
        return m.series, m.block, m.slice, "", m.side
    return m.series, m.block, None, m.level, m.side


def _loads(analysis: Analysis, task: str) -> Iterator[tuple[Key, Found]]:
    for solved in analysis.loads.tasks if analysis.loads else ():
        for load in solved.loads:
            is_asked = load.place == "vertebra" and load.level in VERTEBRA_LEVELS
            if solved.task == task and is_asked:
                flags = tuple(dict.fromkeys((*load.flags, *solved.flags)))
                yield ("", 0, None, load.level, ""), Found((load.compression_n,), load.level, flags)


def _beside(
    exam: str, quantity: Quantity, key: Key, reference: Found | None, other: Found | None
) -> Compared:
    series, block, slice_, _, side = key
    named = reference or other
    one, two = (_single(quantity, found) for found in (reference, other))
    return Compared(
        exam=exam,
        quantity=quantity,
        series=series,
        block=block,
        slice=slice_,
        level=named.level if named else "",
        side=side,
        state=_state(reference, other),
        reference=one,
        other=two,
        difference=_difference(quantity, reference, other),
        reference_flags=reference.flags if reference else (),
        other_flags=other.flags if other else (),
    )


def _single(quantity: Quantity, found: Found | None) -> float | None:
    if found is None or quantity.is_distance or not found.values:
        return None
    return found.values[0]


def _state(reference: Found | None, other: Found | None) -> State:
    if reference is None:
        return State.ONLY_OTHER
    if other is None:
        return State.ONLY_REFERENCE
    return State.COMPARED if reference.values and other.values else State.WITHHELD


def _difference(quantity: Quantity, reference: Found | None, other: Found | None) -> float | None:
    if _state(reference, other) is not State.COMPARED or reference is None or other is None:
        return None
    apart = np.subtract(other.values, reference.values)
    return float(np.linalg.norm(apart)) if quantity.is_distance else float(apart[0])
