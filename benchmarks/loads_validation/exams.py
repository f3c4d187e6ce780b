"""Phantom exams of unseen seeds, each measured by true masks and by the shipped networks.

Segmenting takes half a minute an exam, loads take seconds: only what was measured is kept in the
output folder, and the loads are solved anew by the code that is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import openlumbar
from openlumbar import Analysis
from openlumbar.core.exam import Series, Subject, Weighting
from openlumbar.core.levels import Levels
from openlumbar.core.masks import Masks
from openlumbar.core.plane import Plane
from openlumbar.core.run import Run
from openlumbar.level import SeriesLevels, name_levels, name_slices
from openlumbar.measure import measure_axial, measure_sagittal
from openlumbar.phantom.acquire import sample_scanner
from openlumbar.phantom.anatomy import AnatomyRanges
from openlumbar.phantom.flawless import flawless_axial, flawless_tissue
from openlumbar.phantom.grids import AxialFrame
from openlumbar.phantom.make import Phantom, PhantomOptions, make_phantom
from openlumbar.phantom.truth import SeriesTruth
from openlumbar.pipeline import AnalyzeOptions
from openlumbar.pipeline.axial import masks_of
from openlumbar.pipeline.findings import Findings, together

#: Nobody looked at an exam of these seeds while constants were set, nor trained on one.
FIRST_SEED = 9700
SIDES = ("true", "networks")


@dataclass(frozen=True, eq=False)
class Pair:
    """One exam, measured twice; no loads."""

    name: str
    true: Analysis
    networks: Analysis

    @property
    def who(self) -> Subject:
        return self.true.exam.subject

    def of(self, side: str) -> Analysis:
        """The analysis of a side of :data:`SIDES`."""
        return {"true": self.true, "networks": self.networks}[side]


def pairs(out: Path, count: int) -> Iterator[Pair]:
    """So many exams; what an earlier run saved in ``out`` is not made again."""
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        folders = [out / "exams" / f"{seed}_{side}" for side in SIDES]
        if not all((folder / "analysis.json").is_file() for folder in folders):
            _make(seed, folders)
        true, networks = (Analysis.load(folder) for folder in folders)
        yield Pair(f"phantom {seed}", true, networks)


def _make(seed: int, folders: list[Path]) -> None:
    phantom = _drawn(seed)
    by_networks = openlumbar.analyze(phantom.exam, AnalyzeOptions(loads=None))
    for folder, analysis in zip(folders, (_flawless(phantom), by_networks), strict=True):
        folder.parent.mkdir(parents=True, exist_ok=True)
        analysis.save(folder)


def _drawn(seed: int) -> Phantom:
    """One sagittal T2 series, and five blocks of axial T1 or T2, by a scanner drawn by chance.

    Five lumbar vertebrae: the exams of Hess et al. 2023 are named by a fixed count too.
    """
    rng = np.random.default_rng(seed)
    contrast = Weighting.T1 if rng.random() < 0.5 else Weighting.T2
    return make_phantom(
        seed,
        PhantomOptions(
            anatomy=AnatomyRanges(lumbar_count=5, transition="none"),
            contrasts=(Weighting.T2,),
            axial_contrasts=(contrast,),
            axial=AxialFrame(pixel_mm=0.9),
            scanner=sample_scanner(rng, Plane.AXIAL),
            sacs=False,
        ),
    )


def _flawless(phantom: Phantom) -> Analysis:
    """What the pipeline would find with networks that make no mistake."""
    spine, muscles = (
        next((one, truth) for one, truth in _series(phantom) if one.plane is plane)
        for plane in (Plane.SAGITTAL, Plane.AXIAL)
    )
    sagittal = _sagittal(*spine)
    found = together([sagittal, _axial(*muscles, sagittal.spines)])
    return Analysis(
        exam=phantom.exam,
        masks=Masks(found.masks),
        levels=Levels(found.rows, found.numbering),
        measurements=found.measurements,
        run=Run(version=openlumbar.__version__, options={"masks": "true"}),
    )


def _series(phantom: Phantom) -> Iterator[tuple[Series, SeriesTruth]]:
    return zip(phantom.exam.series, phantom.truth.series, strict=True)


def _sagittal(series: Series, truth: SeriesTruth) -> Findings:
    tissue = flawless_tissue(truth)
    named = name_levels(series, tissue)
    certainty = [mask.certainty for mask in tissue]
    numbers = measure_sagittal(series, named.masks, named.rows, certainty)
    return Findings((named.masks,), named.rows, (named.numbering,), numbers, spines=(named,))


def _axial(series: Series, truth: SeriesTruth, spines: Sequence[SeriesLevels]) -> Findings:
    masks = flawless_axial(truth)
    names = name_slices(series, masks, spines)
    numbering = (names.numbering,) if names.numbering else ()
    numbers = measure_axial(series, masks, names.rows)
    return Findings((masks_of(series, masks),), names.rows, numbering, numbers)
