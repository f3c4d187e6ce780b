"""How the muscles' configuration runs from L1-L2 to L5-S1, and how well its numbers are read.

    python benchmarks/muscle_configuration.py --data ../shared/data --phantoms 24 --read 8

The first table: margins, roundness and shares of phantoms' exact masks in a slice along each
disc (mean and standard deviation of both sides), beside those of people's label maps
(``musclemap``: the template and shapes a, b and c; the annotated exam is left alone) at the
slices of ``phantom_muscles.py``, whose levels are estimated. The second: the numbers read off
the masks of the shipped network on pictures of other phantoms against those of exact masks.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from fat import true_masks
from phantom_muscles import LEVELS, SLICES, read_person

from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import AxialMask, Tissue
from openlumbar.core.measurement import Measurement
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.measure import measure_axial
from openlumbar.models import load_model
from openlumbar.phantom.acquire import sample_scanner
from openlumbar.phantom.anatomy import AnatomyRanges, sample_anatomy
from openlumbar.phantom.grids import AxialFrame, axial_blocks
from openlumbar.phantom.make import PhantomOptions, make_phantom
from openlumbar.phantom.scene import Scene
from openlumbar.segment import segment_axial

#: Metric, structure, title.
NUMBERS = (
    ("beyond_erector_spinae_mm", "quadratus lumborum", "quadratus beyond erector, mm"),
    ("roundness", "psoas", "psoas roundness"),
    ("csa_cm2", "psoas", "psoas area, cm²"),
    ("back_muscle_share_percent", "multifidus", "multifidus share, %"),
)
READ = tuple(number for number in NUMBERS if number[0] != "csa_cm2")
ANATOMY = AnatomyRanges(lumbar_count=5, transition="none")
BODIES = (Tissue.BODY, Tissue.S1, Tissue.S2)
#: Seeds of the pictures: nobody looked at one while constants were set.
FIRST_READ = 9400

Key = tuple[str, str]  # metric and level


def numbers_of(
    labels: Volume, bodies: Volume, weighting: Weighting = Weighting.UNKNOWN
) -> tuple[Measurement, ...]:
    """Measure masks that have no picture: areas and shapes alone."""
    picture = np.arange(labels.array.size, dtype=np.float32).reshape(labels.shape)
    certainty = np.full(labels.shape, 255, np.uint8)
    mask = AxialMask(labels, bodies, certainty, ((),) * len(labels.array))
    names = tuple(str(k) for k in range(len(labels.array)))
    block = Block(labels.with_array(picture), names)
    return measure_axial(Series("masks", Plane.AXIAL, weighting, (block,), "nifti"), (mask,))


def phantom_numbers(seed: int) -> Iterator[tuple[str, Measurement]]:
    """Numbers of exact masks with their level."""
    rng = np.random.default_rng(seed)
    scene = Scene(sample_anatomy(rng, ANATOMY), rng)
    frame = AxialFrame(slices=1, pixel_mm=0.8, width_mm=250.0)
    for level, grid in zip(reversed(LEVELS), axial_blocks(scene.spine, frame), strict=True):
        sample = scene.sample(grid, 1.0, planes=1)
        bodies = np.where(np.isin(sample.regions, BODIES), sample.codes, 0).astype(np.uint16)
        for m in numbers_of(grid.with_array(sample.codes), grid.with_array(bodies)):
            yield level, m


def person_numbers(path: Path, slices: Sequence[int | None]) -> Iterator[tuple[str, Measurement]]:
    """The same of a person's label map, which holds muscles alone."""
    codes, (width, height) = read_person(path)
    for level, k in zip(LEVELS, slices, strict=True):
        if k is not None:
            plane = codes[:, :, k].T[None].astype(np.uint16)
            labels = Volume(plane, np.diag([float(width), float(height), 4.0, 1.0]))
            for m in numbers_of(labels, labels.with_array(np.zeros_like(plane))):
                yield level, m


def gathered(pairs: Iterator[tuple[str, Measurement]], into: dict[Key, list[float]]) -> None:
    """Values by metric and level."""
    wanted = {(metric, structure) for metric, structure, _ in NUMBERS}
    for level, m in pairs:
        if m.value is not None and (m.metric, m.structure) in wanted:
            into[m.metric, level].append(m.value)


def trends(data: Path | None, phantoms: int) -> str:
    """The first table."""
    found: dict[str, dict[Key, list[float]]] = {"phantoms": defaultdict(list)}
    for seed in range(phantoms):
        gathered(phantom_numbers(seed), found["phantoms"])
    for name, slices in SLICES.items() if data else ():
        found[name] = defaultdict(list)
        path = data / "musclemap" / f"{name}_dseg.nii.gz"
        gathered(person_numbers(path, slices), found[name])
    lines = ["| number | of | " + " | ".join(LEVELS) + " |", "|---|---|" + "---|" * len(LEVELS)]
    for metric, _, title in NUMBERS:
        for who, values in found.items():
            cells = [_cell(values[metric, level], who == "phantoms") for level in LEVELS]
            if any(cell != "–" for cell in cells):
                lines.append(f"| {title} | {who.replace('_', ' ')} | " + " | ".join(cells) + " |")
    lines += ["", _steps(found["phantoms"])]
    return "\n".join(lines)


def _cell(values: Sequence[float], spread: bool) -> str:
    if not values:
        return "–"
    digits = 2 if max(np.abs(values)) < 1.5 else 1
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values):.{digits}f} ({len(values)})" if spread else mean


def _steps(values: dict[Key, list[float]]) -> str:
    """How far apart neighbouring levels lie, in standard deviations of one level."""
    lines = ["| number | " + " | ".join(f"{a} to {b}" for a, b in pairwise(LEVELS)) + " |"]
    lines.append("|---|" + "---|" * (len(LEVELS) - 1))
    for metric, _, title in NUMBERS:
        cells = []
        for pair in pairwise(LEVELS):
            upper, lower = (np.array(values[metric, level]) for level in pair)
            if min(len(upper), len(lower)) < 2:
                cells.append("–")
                continue
            width = np.sqrt((upper.var() + lower.var()) / 2)
            cells.append(f"{(lower.mean() - upper.mean()) / width:+.1f}")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def reading(phantoms: int) -> str:
    """The second table: what the shipped network's masks give beside exact ones."""
    errors: dict[str, list[tuple[float, float]]] = defaultdict(list)
    lost: dict[str, int] = defaultdict(int)
    predictor = load_model("axial")
    for seed in range(FIRST_READ, FIRST_READ + phantoms):
        scanner = sample_scanner(np.random.default_rng(seed), Plane.AXIAL)
        weighting = (Weighting.T1, Weighting.T2)[seed % 2]
        frame = AxialFrame(slices=1, width_mm=230.0)
        options = PhantomOptions(ANATOMY, axial=frame, contrasts=(), axial_contrasts=(weighting,),
                                 scanner=scanner)  # fmt: skip
        phantom = make_phantom(seed, options)
        (series,), (truth,) = phantom.exam.series, phantom.truth.series
        sets = true_masks(truth), segment_axial(series, predictor)
        exact, read = (_by_place(measure_axial(series, masks)) for masks in sets)
        for place, m in exact.items():
            other = read.get(place)
            if m.value is not None and (other is None or other.value is None):
                lost[m.metric] += 1
            elif m.value is not None and other is not None:
                errors[m.metric].append((other.value - m.value, other.uncertainty))
    return _errors(errors, lost)


def _by_place(measurements: Sequence[Measurement]) -> dict[tuple[int, str, str], Measurement]:
    wanted = {metric for metric, _, _ in READ}
    return {(m.block, m.metric, m.side): m for m in measurements if m.metric in wanted}


def _errors(errors: dict[str, list[tuple[float, float]]], lost: dict[str, int]) -> str:
    lines = ["| number | n | lost | bias | MAE | 95 % | ≤ 1 SD | ≤ 2 SD |", "|---|" + "---|" * 7]
    for metric, _, title in READ:
        error, sd = np.array(errors[metric]).T
        off = np.abs(error)
        digits = 3 if metric == "roundness" else 1
        figures = (error.mean(), off.mean(), np.percentile(off, 95))
        cells = [f"{figure:.{digits}f}" for figure in figures]
        cells += [f"{100 * np.mean(off <= n * sd):.0f} %" for n in (1, 2)]
        lines.append(f"| {title} | {len(error)} | {lost[metric]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder that holds musclemap/")
    parser.add_argument("--phantoms", type=int, default=24, help="of exact masks")
    parser.add_argument("--read", type=int, default=0, help="with pictures, read by the network")
    options = parser.parse_args()
    print(trends(options.data, options.phantoms))
    if options.read:
        print("\n" + reading(options.read))


if __name__ == "__main__":
    main()
