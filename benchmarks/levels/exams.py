"""Phantom exams of unseen seeds, and how right the levels of their axial slices are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from openlumbar.core.exam import Series, Weighting
from openlumbar.core.levels import LEVEL_CLASSES, POSITIONS, LevelRow, Numbering, SliceLooks
from openlumbar.core.masks import AxialMask
from openlumbar.core.plane import Plane
from openlumbar.level import SeriesLevels, SliceNames, name_levels, name_slices
from openlumbar.phantom.acquire import sample_scanner
from openlumbar.phantom.anatomy import AnatomyRanges
from openlumbar.phantom.archive import COARSE_SERIES, Archived, archive_phantom
from openlumbar.phantom.axial_truth import PlaceTruth
from openlumbar.phantom.flawless import flawless_axial, flawless_tissue
from openlumbar.phantom.grids import AxialFrame
from openlumbar.phantom.make import Phantom, PhantomOptions
from openlumbar.phantom.truth import SeriesTruth

#: Seeds from here on: nobody looked at one while constants were set, nor trained on one.
FIRST_SEED = 8000
#: What says, of a slice or of its series, that the level may be another.
DOUBTS = frozenset(
    {
        "level-conflict",
        "level-uncertain",
        "outside-the-spine",
        "patient-moved",
        "transitional",
        "numbering-uncertain",
        "sacrum-out-of-view",
        "possible-l6",
        "possible-sacralised-l5",
        "possible-lumbarised-s1",
    }
)
USUAL = AnatomyRanges(lumbar_count=5, transition="none", p_scoliosis=0.0)


@dataclass(frozen=True)
class Case:
    """One axial slice beside its truth."""

    kind: str
    seed: int
    series: str
    truth: PlaceTruth
    level: str
    disc_level: str
    confidence: float
    flags: tuple[str, ...]
    series_flags: tuple[str, ...]
    looks: SliceLooks | None = None

    @property
    def at_disc(self) -> bool:
        """In a disc from L1-L2 to the one above S1: what is asked for (issue 5)."""
        within = self.truth.position > 0.5 and self.truth.level != "S1-S2"
        return within and self.truth.level == self.truth.disc_level

    @property
    def right(self) -> bool:
        return self.disc_level == self.truth.disc_level

    @property
    def doubted(self) -> bool:
        """The slice itself carries a doubt."""
        return bool(DOUBTS & set(self.flags))

    @property
    def doubted_anywhere(self) -> bool:
        """The slice or its series carries a doubt."""
        return self.doubted or bool(DOUBTS & set(self.series_flags))


def _moved(rng: np.random.Generator) -> dict[str, tuple[float, float, float]]:
    x, y, z = rng.uniform(-12, 12, 3)
    a, b, c = rng.uniform(-3, 3, 3)
    return {"moved_mm": (x, y, z), "turned_deg": (a, b, c)}


def _stack(rng: np.random.Generator, anatomy: AnatomyRanges) -> PhantomOptions:
    """One contiguous stack, whatever its tilt."""
    tilt, step = float(rng.uniform(-12, 12)), float(rng.uniform(4, 6))
    axial = AxialFrame(pixel_mm=1.6, slice_mm=step, stack=True, tilt_deg=tilt)
    return replace(COARSE_SERIES, anatomy=anatomy, axial=axial, more_axial=())


def _usual(rng: np.random.Generator) -> Archived:
    return Archived(replace(COARSE_SERIES, anatomy=USUAL), backward=bool(rng.random() < 0.5))


def _stacked(rng: np.random.Generator) -> Archived:
    return Archived(_stack(rng, USUAL), backward=bool(rng.random() < 0.5))


def _curved(rng: np.random.Generator) -> Archived:
    anatomy = replace(USUAL, p_scoliosis=1.0)
    series = replace(COARSE_SERIES, anatomy=anatomy)
    return Archived(series if rng.random() < 0.5 else _stack(rng, anatomy))


def _restless(rng: np.random.Generator) -> Archived:
    series = replace(COARSE_SERIES, anatomy=USUAL)
    return Archived(series if rng.random() < 0.5 else _stack(rng, USUAL), **_moved(rng))


def _transitional(rng: np.random.Generator) -> Archived:
    transition = str(rng.choice(["sacralised", "lumbarised"]))
    anatomy = AnatomyRanges(lumbar_count=5, transition=transition)
    return Archived(replace(COARSE_SERIES, anatomy=anatomy))


def _miscounted(rng: np.random.Generator) -> Archived:
    anatomy = AnatomyRanges(lumbar_count=int(rng.choice([4, 6])))
    return Archived(replace(COARSE_SERIES, anatomy=anatomy))


#: How the exams of each kind are drawn.
KINDS: dict[str, Callable[[np.random.Generator], Archived]] = {
    "angled blocks": _usual,
    "one stack, tilted": _stacked,
    "scoliosis": _curved,
    "the patient moved": _restless,
    "transitional vertebra": _transitional,
    "four or six lumbar vertebrae": _miscounted,
}


def drawn(kind: str, seed: int) -> Phantom:
    """The exam of a seed as one of :data:`KINDS`."""
    return archive_phantom(seed, KINDS[kind](np.random.default_rng(seed)))


def spines_of(phantom: Phantom) -> list[SeriesLevels]:
    """Names of the sagittal series by its true tissue."""
    return [
        name_levels(series, flawless_tissue(truth))
        for series, truth in zip(phantom.exam.series, phantom.truth.series, strict=True)
        if series.plane is Plane.SAGITTAL
    ]


def axial_of(phantom: Phantom) -> list[tuple[Series, SeriesTruth]]:
    """Axial series with their truth."""
    pairs = zip(phantom.exam.series, phantom.truth.series, strict=True)
    return [(series, truth) for series, truth in pairs if series.plane is Plane.AXIAL]


def by_geometry(kind: str, seed: int) -> list[Case]:
    """Every axial slice of an exam, named by true masks."""
    phantom = drawn(kind, seed)
    spines = spines_of(phantom)
    cases: list[Case] = []
    for series, truth in axial_of(phantom):
        names = name_slices(series, flawless_axial(truth), spines)
        cases += cases_of(kind, seed, truth, names)
    return cases


def cases_of(
    kind: str,
    seed: int,
    truth: SeriesTruth,
    names: SliceNames,
    looks: Sequence[SliceLooks] = (),
) -> list[Case]:
    """Rows of one series beside its truth."""
    flags = names.numbering.flags if names.numbering else ()
    seen = {(one.block, one.slice): one for one in looks}
    places = {(place.block, place.slice): place for place in truth.places}
    return [
        Case(
            kind=kind,
            seed=seed,
            series=truth.series,
            truth=places[row.block, row.slice],
            level=row.level,
            disc_level=row.disc_level,
            confidence=row.level_confidence,
            flags=row.flags,
            series_flags=flags,
            looks=seen.get((row.block, row.slice)),
        )
        for row in names.rows
    ]


# -- with networks -------------------------------------------------------------------------


def pictured(seed: int, *, sagittal: bool, counts: Sequence[int] = (5,)) -> Phantom:
    """An exam to be segmented by the networks, by a scanner drawn by chance.

    Five blocks of four slices, or a stack, T1w or T2w; anatomy by its usual chances but
    without transitional vertebrae, which Cho et al. 2022 left out.
    """
    rng = np.random.default_rng(seed)
    contrast = Weighting.T1 if rng.random() < 0.4 else Weighting.T2
    stack = bool(rng.random() < 0.3)
    frame = AxialFrame(pixel_mm=0.9, stack=stack, slice_mm=5.0 if stack else 4.4)
    series = PhantomOptions(
        anatomy=AnatomyRanges(lumbar_count=counts[seed % len(counts)], transition="none"),
        contrasts=(Weighting.T2,) if sagittal else (),
        axial_contrasts=(contrast,),
        axial=frame,
        scanner=sample_scanner(rng, Plane.AXIAL),
        sacs=False,
    )
    moved = _moved(rng) if sagittal and rng.random() < 0.5 else {}
    return archive_phantom(seed, Archived(series, backward=bool(rng.random() < 0.5), **moved))


def by_looks(
    seed: int,
    segment: Callable[[Series], tuple[AxialMask, ...]],
    look: Callable[[Series, Sequence[AxialMask]], tuple[SliceLooks, ...]],
) -> list[Case]:
    """Every slice of an axial exam without a sagittal series."""
    ((series, truth),) = axial_of(pictured(seed, sagittal=False))
    found = segment(series)
    looks = look(series, found)
    return cases_of("axial alone", seed, truth, name_slices(series, found, (), looks), looks)


def by_everything(seed: int, analyze: Callable, counts: Sequence[int]) -> list[Case]:
    """Every axial slice of an exam that went through the whole pipeline."""
    phantom = pictured(seed, sagittal=True, counts=counts)
    levels = analyze(phantom.exam).levels
    ((series, truth),) = axial_of(phantom)
    rows = tuple(row for row in levels.rows if row.series == series.name)
    numbering = next((one for one in levels.numbering if one.series == series.name), None)
    kind = "whole pipeline"
    return cases_of(kind, seed, truth, _names(rows, numbering), levels.looks)


def _names(rows: tuple[LevelRow, ...], numbering: Numbering | None) -> SliceNames:
    return SliceNames(rows, numbering)


# -- figures -------------------------------------------------------------------------------


def share(values: Iterable[bool]) -> float | None:
    """Part that is true; None of nothing."""
    values = list(values)
    return sum(values) / len(values) if values else None


def figures(cases: Sequence[Case]) -> dict[str, float | int | None]:
    """How right slices within lumbar discs are; and, of all slices, the exact name."""
    at_disc = [case for case in cases if case.at_disc]
    right = [case for case in at_disc if case.right]
    return {
        "exams": len({case.seed for case in cases}),
        "slices": len(cases),
        "at_disc": len(at_disc),
        "right": share(case.right for case in at_disc),
        "right_or_flagged": share(case.right or case.doubted for case in at_disc),
        "right_or_series_flagged": share(case.right or case.doubted_anywhere for case in at_disc),
        "right_flagged": share(case.doubted for case in right),
        "right_series_flagged": share(case.doubted_anywhere for case in right),
        "exact_level": share(case.level == case.truth.level for case in cases),
        "no_name": share(not case.disc_level for case in at_disc),
    }


def class_of(place: PlaceTruth) -> str:
    """The class of the level classifier that a slice's true level belongs to."""
    if place.level in LEVEL_CLASSES:
        return place.level
    return "above L1" if place.position < 1 else "S1 and below"


def slice_figures(cases: Sequence[Case]) -> dict[str, float | int | None]:
    """How right the classifier is by the slice alone."""
    seen = [case for case in cases if case.looks is not None and case.looks.probability]
    at_disc = [case for case in seen if case.at_disc]
    return {
        "slices": len(seen),
        "at_disc": len(at_disc),
        "exact_class": share(_best(case) == class_of(case.truth) for case in seen),
        "exact_class_at_disc": share(_best(case) == case.truth.level for case in at_disc),
        "best_disc": share(_best(case, discs=True) == case.truth.level for case in at_disc),
        "within_half": share(_off(case) <= 0.5 for case in at_disc),
        "a_level_off": share(_off(case) >= 1 for case in at_disc),
    }


def _best(case: Case, *, discs: bool = False) -> str:
    """The most probable class, or the most probable of the discs, as Cho et al. ask."""
    assert case.looks is not None
    pairs = zip(case.looks.probability, case.looks.classes, strict=True)
    return max((p, name) for p, name in pairs if not discs or ("-" in name))[1]


def _off(case: Case) -> float:
    best = _best(case)
    return abs(POSITIONS[best] - case.truth.position) if best in POSITIONS else float("inf")
