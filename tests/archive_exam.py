"""A phantom exam in the style of an archive, and what flawless networks find in it."""

from __future__ import annotations

from dataclasses import dataclass

from openlumbar.core.exam import Series
from openlumbar.core.levels import SliceLooks
from openlumbar.core.plane import Plane
from openlumbar.level import SeriesLevels, name_levels, name_slices
from openlumbar.level.reconcile import SliceNames
from openlumbar.phantom import Archived, Phantom, archive_phantom
from openlumbar.phantom.archive import COARSE_SERIES
from openlumbar.phantom.axial_truth import PlaceTruth
from openlumbar.phantom.flawless import flawless_axial, flawless_tissue
from openlumbar.phantom.truth import SeriesTruth


def archive_exam(
    seed: int = 8001,
    moved_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    turned_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    series=COARSE_SERIES,
) -> Phantom:
    """Sagittal T2, six angled blocks of axial T2 and three of T1 in a picture of another size.

    The blocks cross behind the spine; they and their slices run from head to foot, and each
    series has a frame of reference of its own.
    """
    return archive_phantom(seed, Archived(series, moved_mm=moved_mm, turned_deg=turned_deg))


@dataclass(frozen=True, eq=False)
class Named:
    """An axial series whose slices have names, beside the truth."""

    series: Series
    truth: SeriesTruth
    names: SliceNames

    def pairs(self):
        """Each row of the series with what is true of its slice."""
        by_slice = {(place.block, place.slice): place for place in self.truth.places}
        return [(row, by_slice[row.block, row.slice]) for row in self.names.rows]


def spines_of(phantom: Phantom) -> list[SeriesLevels]:
    """Names of the sagittal series by their true tissue."""
    return [
        name_levels(series, flawless_tissue(truth))
        for series, truth in zip(phantom.exam.series, phantom.truth.series, strict=True)
        if series.plane is Plane.SAGITTAL
    ]


def named_by_geometry(phantom: Phantom, looks: tuple[SliceLooks, ...] = ()) -> list[Named]:
    """Axial series named by their true masks."""
    spines = spines_of(phantom)
    return [
        Named(series, truth, name_slices(series, flawless_axial(truth), spines, looks))
        for series, truth in zip(phantom.exam.series, phantom.truth.series, strict=True)
        if series.plane is Plane.AXIAL
    ]


def at_lumbar_disc(place: PlaceTruth) -> bool:
    """Whether a slice lies in one of the discs from L1-L2 to the one above S1."""
    return place.level == place.disc_level and place.position > 0.5 and place.level != "S1-S2"
