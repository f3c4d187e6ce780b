"""Fat of each muscle of a slice: four ways to find it, and when it is withheld."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from openlumbar.core.exam import Weighting
from openlumbar.measure.axial_reading import AxialReading, Named, area_sd_mm2
from openlumbar.measure.axial_slice import AxialSlice, Floats, Region
from openlumbar.measure.brightness import LEAST_VOXELS, Scale
from openlumbar.measure.fat import Clusters, k_means, mixture, otsu, partial_volume

#: Contrasts in which fat is bright beside muscle.
FAT_IS_BRIGHT = frozenset((Weighting.T1, Weighting.T2, Weighting.PD))
#: Fat must be this much brighter than clean muscle.
LEAST_RATIO = 1.3
#: The way from muscle to fat must be so many standard deviations of the noise.
LEAST_CONTRAST = 3.0

#: Standard deviation of the brightness of clean muscle and of pure fat at a place, relative.
MUSCLE_SD, FAT_SD = 0.04, 0.06
#: What an outline drawn too wide takes in holds more fat than the muscle by about this part
#: of what is missing to pure fat.
BEYOND_PART = 0.6

PREFIX = "fat_fraction_"
#: Estimates of clusters by name.
CLUSTERS: dict[str, Callable[[Floats], Clusters]] = {
    "kmeans": k_means,
    "otsu": otsu,
    "mixture": mixture,
}
METRICS = (*(f"{PREFIX}{name}_percent" for name in CLUSTERS), f"{PREFIX}partial_volume_percent")
LEAN = "lean_csa_cm2"


def fat_readings(
    slice_: AxialSlice, region: Region, scale: Scale | None, of: Named, doubts: tuple[str, ...]
) -> Iterator[AxialReading]:
    """Fat area fractions and lean area of one muscle.

    Parameters
    ----------
    scale
        None where fat cannot be told from muscle: then every number is withheld.
    of
        Of the muscle's outline.
    doubts
        Words that withhold every number of fat.
    """
    if scale is None or not separable(scale):
        doubts = (*doubts, "fat-not-separated")
    voxels = _voxels(slice_, region, scale) if scale is not None and not doubts else np.empty(0)
    if not doubts and len(voxels) < LEAST_VOXELS:
        doubts = ("not-measurable",)
    if doubts or scale is None:
        yield from (of.nothing(metric, *doubts) for metric in (*METRICS, LEAN))
        return
    spread = scale.spread * scale.muscle / scale.contrast
    fraction = partial_volume(voxels, spread)
    for name, method in CLUSTERS.items():
        found = method(voxels)
        metric = f"{PREFIX}{name}_percent"
        if name != "kmeans" and not found.separated:
            yield of.nothing(metric, "fat-not-separated")
            continue
        yield of.number(metric, 100 * found.fraction, 100 * _sd(scale, region, found.fraction))
    sd = _sd(scale, region, fraction)
    yield of.number(METRICS[-1], 100 * fraction, 100 * sd)
    area = region.area_mm2 / 100
    lean_sd = float(np.hypot(area * sd, (1 - fraction) * area_sd_mm2(region) / 100))
    yield of.number(LEAN, area * (1 - fraction), lean_sd)


def separable(scale: Scale) -> bool:
    """Whether brightness tells fat from muscle in this slice."""
    return (
        scale.fat >= LEAST_RATIO * scale.muscle and scale.contrast >= LEAST_CONTRAST * scale.noise
    )


def _voxels(slice_: AxialSlice, region: Region, scale: Scale) -> Floats:
    """The muscle's voxels on the fat scale."""
    box = region.box
    inside = region.mask & slice_.seen[box]
    even = slice_.picture[box][inside] / scale.gain[box][inside]
    return np.asarray((even - scale.muscle) / scale.contrast, float)


def _sd(scale: Scale, region: Region, fraction: float) -> float:
    """One standard deviation of a fraction: both anchors, and where the outline lies."""
    muscle = (1 - fraction) * MUSCLE_SD * scale.muscle / scale.contrast
    fat = fraction * FAT_SD * scale.fat / scale.contrast
    rim = BEYOND_PART * (1 - fraction) * area_sd_mm2(region) / region.area_mm2
    return float(np.sqrt(muscle**2 + fat**2 + rim**2))
