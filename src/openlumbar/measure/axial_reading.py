"""A number of an axial slice, with what geometry and brightness say of its trust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openlumbar.core.measurement import Line
from openlumbar.measure.axial_slice import LEAST_PIXELS, AxialSlice, Floats, Region

#: Part of a pixel that an outline is off by, at random.
PIXEL_PART = 0.2
#: Of an edge that the network draws as sharply as it can, mm.
SHARP_MM = 0.1
#: Millimetres more for each millimetre that the network's probability takes to change.
VAGUE_PART = 0.6
#: Part of that by which a whole outline lies outward or inward in common.
COMMON_PART = 0.5
#: Part of that by which a centre moves.
CENTRE_PART = 0.4

#: Mean certainty below which a number is flagged; below the second, withheld.
LOW_CERTAINTY, NO_CERTAINTY = 0.7, 0.5
#: A structure whose largest piece holds less than this part of it lies in pieces.
LEAST_SHARE = 0.7
#: Pixels larger than this are flagged, and withheld, mm.
COARSE_MM, TOO_COARSE_MM = 1.6, 3.0
#: Angle between a slice's normal and the head-foot axis from which areas and diameters are
#: flagged, and withheld, degrees: they are larger by a fifth and by half. Slices along the
#: lowest disc lie at 30 degrees as a rule, and their tilt stands beside them.
OBLIQUE_DEG, TOO_OBLIQUE_DEG = 35.0, 48.0


@dataclass(frozen=True)
class AxialReading:
    """One number of one slice; None as value where a flag withholds it.

    Attributes
    ----------
    structure, metric
        As in :mod:`openlumbar.core.metrics`.
    side
        ``left``, ``right`` or empty.
    sd
        One standard deviation in the value's unit.
    certainty
        0 … 1, that the outline is right.
    """

    structure: str
    side: str
    metric: str
    value: float | None
    sd: float | None
    certainty: float
    flags: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Named:
    """What the readings of one structure have in common.

    Attributes
    ----------
    kept
        Flags with which its numbers stand.
    holding
        Flags that withhold them.
    """

    structure: str
    side: str
    certainty: float
    kept: tuple[str, ...] = ()
    holding: tuple[str, ...] = ()

    def number(
        self, metric: str, value: float, sd: float | None, lines: tuple[Line, ...] = ()
    ) -> AxialReading:
        """A reading that stands, unless what is common to all withholds it."""
        if self.holding:
            return self.nothing(metric)
        return AxialReading(
            self.structure, self.side, metric, float(value), sd, self.certainty, self.kept, lines
        )

    def nothing(self, metric: str, *flags: str) -> AxialReading:
        """A reading that is withheld."""
        words = tuple(dict.fromkeys((*self.holding, *flags, *self.kept)))
        return AxialReading(self.structure, self.side, metric, None, None, 0.0, words)


def together(structure: str, side: str, parts: Sequence[Named]) -> Named:
    """What is doubted of a number that rests on several structures: all of it."""
    return Named(
        structure,
        side,
        min(part.certainty for part in parts),
        tuple(dict.fromkeys(word for part in parts for word in part.kept)),
        tuple(dict.fromkeys(word for part in parts for word in part.holding)),
    )


def named(
    slice_: AxialSlice, region: Region, structure: str, side: str = "", least_mm2: float = 20.0
) -> Named:
    """What is doubted of a structure's outline.

    Parameters
    ----------
    least_mm2
        A smaller area than this is none.
    """
    oblique, pixel = obliquity_deg(slice_), max(slice_.pixel_mm)
    small = region.area_mm2 < least_mm2 or region.pixels < LEAST_PIXELS
    holding = {
        "partly-in-view": region.cut,
        "not-measurable": small,
        "irregular-outline": region.share < LEAST_SHARE,
        "low-certainty": region.mean_certainty < NO_CERTAINTY,
        "oblique-slices": oblique > TOO_OBLIQUE_DEG,
        "coarse-pixels": pixel > TOO_COARSE_MM,
    }
    kept = {
        "low-certainty": region.mean_certainty < LOW_CERTAINTY,
        "oblique-slices": oblique > OBLIQUE_DEG,
        "coarse-pixels": pixel > COARSE_MM,
    }
    held = _words(holding)
    certainty = region.mean_certainty * min(1.0, COARSE_MM / pixel)
    return Named(structure, side, certainty, _words(kept, held), held)


def _words(found: dict[str, bool], but: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(word for word, holds in found.items() if holds and word not in but)


def obliquity_deg(slice_: AxialSlice) -> float:
    """Angle between the slice's normal and the head-foot axis."""
    return float(np.degrees(np.arccos(np.clip(slice_.normal[2], -1, 1))))


def edge_sd_mm(region: Region) -> float:
    """Standard deviation of where one place of an outline lies."""
    pixel = PIXEL_PART * max(region.pixel_mm)
    return float(np.hypot(pixel, SHARP_MM + VAGUE_PART * region.edge_width_mm))


def area_sd_mm2(region: Region) -> float:
    """Standard deviation of an area: what a whole outline is shifted by in common."""
    return region.perimeter_mm * COMMON_PART * edge_sd_mm(region)


def centroids(slice_: AxialSlice, region: Region, of: Named) -> list[AxialReading]:
    """The centre of a structure in LPS."""
    place: Floats = slice_.to_patient(region.centroid_mm)
    sd = CENTRE_PART * edge_sd_mm(region)
    return [
        of.number(f"centroid_{axis}_mm", value, sd)
        for axis, value in zip("xyz", place, strict=True)
    ]
