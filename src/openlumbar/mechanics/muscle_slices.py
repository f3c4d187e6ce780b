"""Axial slices as their measurements tell them: planes, centres and areas, LPS millimetres."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from openlumbar.core.levels import LevelRow
from openlumbar.core.measurement import Measurement
from openlumbar.mechanics.model import MEASURED_GROUPS, Array

#: Flags with which an area or a centre stands in the table, but is not good enough to scale a
#: force or to move a path. Slices that lie oblique are not among them: their planes are known.
DOUBTS = frozenset(
    (
        "low-certainty",
        "irregular-outline",
        "partly-in-view",
        "not-measurable",
        "dark-band",
        "motion",
        "left-right-doubtful",
        "upside-down",
    )
)
#: Centres spread less than this to their second direction lie on a line: they tell no plane.
_LEAST_SPREAD_MM = 10.0

_Key = tuple[str, int, int]
_Number = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Part:
    """A muscle in one slice.

    Attributes
    ----------
    centre_mm
        ``[3]`` LPS.
    centre_sd_mm
        One standard deviation of each coordinate.
    csa_cm2, lean_cm2
        In the slice's plane, each with its standard deviation; NaN where it was withheld.
    """

    centre_mm: Array
    centre_sd_mm: float
    csa_cm2: _Number
    lean_cm2: _Number


@dataclass(frozen=True, eq=False)
class Slice:
    """One axial slice.

    Attributes
    ----------
    origin_mm, normal
        Of its plane, LPS; the normal has unit length and points to the head.
    muscles
        By group and side.
    column_mm, sac_mm
        ``[3]``: middle of the vertebral body or of the disc, and of the dural sac; NaN where
        there is none. A slice that shows parts of both body and disc tells no middle.
    level, disc_level, within
        As of its row in ``levels.csv``; empty and None without one.
    """

    series: str
    origin_mm: Array
    normal: Array
    muscles: Mapping[tuple[str, str], Part]
    column_mm: Array
    sac_mm: Array
    level: str = ""
    disc_level: str = ""
    within: float | None = None

    def moved(self, by_mm: Array) -> Slice:
        """The slice with all that it shows, elsewhere."""
        muscles = {
            name: replace(part, centre_mm=part.centre_mm + by_mm)
            for name, part in self.muscles.items()
        }
        return replace(
            self,
            origin_mm=self.origin_mm + by_mm,
            muscles=muscles,
            column_mm=self.column_mm + by_mm,
            sac_mm=self.sac_mm + by_mm,
        )


def read_slices(measurements: Sequence[Measurement], rows: Sequence[LevelRow]) -> list[Slice]:
    """Put the slices that show muscles together from their measurements.

    Parameters
    ----------
    measurements
        Of the exam; those without a slice and those of sagittal series are passed over.
    rows
        Of ``levels.csv``.
    """
    axial = {m.series for m in measurements if m.structure in MEASURED_GROUPS}
    found: dict[_Key, dict[tuple[str, str, str], Measurement]] = defaultdict(dict)
    for m in measurements:
        if m.series in axial and m.slice is not None:
            found[m.series, m.block, m.slice][m.structure, m.side, m.metric] = m
    named = {(r.series, r.block, r.slice): r for r in rows if r.structure == "slice"}
    slices = (_slice(key, of, named.get(key)) for key, of in found.items())
    return [one for one in slices if one is not None]


def _slice(
    key: _Key, of: Mapping[tuple[str, str, str], Measurement], row: LevelRow | None
) -> Slice | None:
    centres = {(structure, side): _centre(of, structure, side) for structure, side, _ in of}
    seen = {name: centre for name, centre in centres.items() if np.isfinite(centre[0]).all()}
    normal = _normal([centre for centre, _ in seen.values()], of.get(("slice", "", "tilt_deg")))
    if normal is None or not seen:
        return None
    muscles = {
        (group, side): Part(
            *seen[group, side],
            _number(of, group, side, "csa_cm2"),
            _number(of, group, side, "lean_csa_cm2"),
        )
        for group, side in seen
        if group in MEASURED_GROUPS and not _doubted(of[group, side, "centroid_x_mm"])
    }
    nowhere = (np.full(3, np.nan), np.nan)
    column = [seen[name] for name in (("vertebra", ""), ("disc", "")) if name in seen]
    place = ("", "", None) if row is None else (row.level, row.disc_level, row.within)
    return Slice(
        key[0],
        np.mean([centre for centre, _ in seen.values()], axis=0),
        normal,
        muscles,
        column[0][0] if len(column) == 1 else nowhere[0],
        seen.get(("dural sac", ""), nowhere)[0],
        *place,
    )


def _centre(
    of: Mapping[tuple[str, str, str], Measurement], structure: str, side: str
) -> tuple[Array, float]:
    numbers = [_raw(of.get((structure, side, f"centroid_{axis}_mm"))) for axis in "xyz"]
    return np.array([value for value, _ in numbers]), float(np.mean([sd for _, sd in numbers]))


def _raw(measurement: Measurement | None) -> _Number:
    if measurement is None or measurement.value is None:
        return np.nan, np.nan
    return measurement.value, measurement.uncertainty or 0.0


def _number(
    of: Mapping[tuple[str, str, str], Measurement], structure: str, side: str, metric: str
) -> _Number:
    measurement = of.get((structure, side, metric))
    if measurement is None or _doubted(measurement):
        return np.nan, np.nan
    return _raw(measurement)


def _doubted(measurement: Measurement) -> bool:
    return bool(DOUBTS.intersection(measurement.flags))


def _normal(centres: Iterable[Array], tilt: Measurement | None) -> Array | None:
    """Of the plane in which all centres lie; else from the tilt, which knows no lateral one."""
    points = np.array(list(centres))
    if len(points) >= 3:
        _, spread, axes = np.linalg.svd(points - points.mean(0))
        if spread[1] >= _LEAST_SPREAD_MM:
            return np.asarray(axes[2] * (1.0 if axes[2, 2] >= 0 else -1.0))
    if tilt is None or tilt.value is None:
        return None
    angle = np.radians(tilt.value)
    return np.array([0.0, -np.sin(angle), np.cos(angle)])
