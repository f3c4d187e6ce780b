"""Areas of muscles and of the disc in an axial slice (Hess et al. 2023; design.md, section 4)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from openlumbar.core import anatomy
from openlumbar.core.metrics import MUSCLES
from openlumbar.measure.axial_reading import (
    AxialReading,
    Named,
    area_sd_mm2,
    centroids,
    named,
    together,
)
from openlumbar.measure.axial_slice import AxialSlice, Region

SIDES = ("left", "right")
#: A muscle of more than this on one side has one on the other, cm². Generic, ours.
PAIRED_CM2 = 2.5
#: Largest area that is believed, cm², far outside of anything living. Generic, ours.
LARGEST_CM2 = {
    "multifidus": 30.0,
    "erector spinae": 60.0,
    "psoas": 50.0,
    "quadratus lumborum": 30.0,
}

CODES: dict[tuple[str, str], int] = {
    (part.name, part.side or ""): code
    for code, part in anatomy.BY_CODE.items()
    if part.kind == "muscle"
}


def named_muscle(slice_: AxialSlice, muscle: str, side: str, flags: tuple[str, ...]) -> Named:
    """What is doubted of a muscle that the slice holds.

    Parameters
    ----------
    flags
        More words with which its numbers stand.
    """
    region = slice_.regions[CODES[muscle, side]]
    of = named(slice_, region, muscle, side)
    kept = tuple(dict.fromkeys((*of.kept, *flags)))
    holding = of.holding
    if region.area_mm2 / 100 > LARGEST_CM2[muscle]:
        holding = (*holding, "irregular-outline")
    return Named(muscle, side, of.certainty, kept, holding)


def muscle_readings(
    slice_: AxialSlice, muscle: str, side: str, of: Named
) -> Iterator[AxialReading]:
    """Area, area over the disc's, and centre of one muscle."""
    region = slice_.regions[CODES[muscle, side]]
    area, sd = region.area_mm2 / 100, area_sd_mm2(region) / 100
    yield of.number("csa_cm2", area, sd)
    disc = disc_of(slice_)
    if disc is not None:
        flags = named_disc(slice_, disc).holding
        ratio = area / (disc.area_mm2 / 100)
        parts = sd / area, area_sd_mm2(disc) / disc.area_mm2
        metric = "muscle_to_disc_ratio"
        yield (
            of.nothing(metric, "neighbour-missing")
            if flags
            else of.number(metric, ratio, ratio * float(np.hypot(*parts)))
        )
    yield from centroids(slice_, region, of)


def asymmetry(slice_: AxialSlice, muscle: str, sides: dict[str, Named]) -> Iterator[AxialReading]:
    """Of one muscle that shows on at least one side."""
    if len(sides) < 2:
        yield from _alone(slice_, muscle, sides)
        return
    left, right = (slice_.regions[CODES[muscle, side]] for side in SIDES)
    both = together(muscle, "", list(sides.values()))
    yield both.number("asymmetry_percent", *_asymmetry(left, right))


def _asymmetry(one: Region, other: Region) -> tuple[float, float]:
    """Percent, and its standard deviation."""
    small, large = sorted((one, other), key=lambda region: region.area_mm2)
    ratio = small.area_mm2 / large.area_mm2
    parts = [area_sd_mm2(region) / region.area_mm2 for region in (small, large)]
    return 100 * (1 - ratio), 100 * ratio * float(np.hypot(parts[0], parts[1]))


def _alone(slice_: AxialSlice, muscle: str, sides: dict[str, Named]) -> Iterator[AxialReading]:
    """What is said where the other side is missing: nothing of a sliver."""
    (side,) = sides
    if slice_.regions[CODES[muscle, side]].area_mm2 / 100 < PAIRED_CM2:
        return
    other = SIDES[1 - SIDES.index(side)]
    yield Named(muscle, other, 0.0).nothing("csa_cm2", "muscle-missing")
    yield Named(muscle, "", 0.0).nothing("asymmetry_percent", "muscle-missing")


def present(slice_: AxialSlice) -> dict[str, list[str]]:
    """Sides that each muscle of the slice shows on; muscles that it does not show are left out."""
    found = {
        muscle: [side for side in SIDES if CODES[muscle, side] in slice_.regions]
        for muscle in MUSCLES
    }
    return {muscle: sides for muscle, sides in found.items() if sides}


# -- the disc ------------------------------------------------------------------------------


def disc_of(slice_: AxialSlice) -> Region | None:
    """The disc that the slice cuts; of several the larger."""
    return next(iter(slice_.of_kind("disc")), None)


def named_disc(slice_: AxialSlice, disc: Region) -> Named:
    """What is doubted of it."""
    return named(slice_, disc, "disc", least_mm2=100.0)


def disc_readings(slice_: AxialSlice) -> Iterator[AxialReading]:
    """Area and centre of the disc."""
    disc = disc_of(slice_)
    if disc is not None:
        of = named_disc(slice_, disc)
        yield of.number("area_mm2", disc.area_mm2, area_sd_mm2(disc))
        yield from centroids(slice_, disc, of)


def vertebra_readings(slice_: AxialSlice) -> Iterator[AxialReading]:
    """Centre of the vertebral body that the slice cuts; of several that of the larger."""
    body = next(iter(slice_.of_kind("vertebra")), None)
    if body is not None:
        yield from centroids(slice_, body, named(slice_, body, "vertebra", least_mm2=100.0))
