"""How near the phantom's muscles come to those of people: areas, places and shapes by level.

    python benchmarks/phantom_muscles.py --data ../shared/data --seeds 40

Four people's label maps (``musclemap``: the template and shapes a, b and c; the annotated
exam is left alone) are read at one horizontal slice a disc level. They have no discs, so
their levels are estimated: L4-L5 lies about 11 mm above the lower end of the quadratus
lumborum, L1-L2 about 25 mm below the upper end of the psoas, and the levels between are
spread evenly. Phantoms are cut horizontally through the middle of each disc.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np

from openlumbar.core.volume import Volume
from openlumbar.phantom.anatomy import AnatomyRanges, sample_anatomy
from openlumbar.phantom.scene import Scene

MUSCLES = {"multifidus": 5101, "erector": 5111, "psoas": 5121, "quadratus": 5131}
LEVELS = ("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")
# Slice of each level, from L1-L2 downward; None where the map does not reach.
SLICES: dict[str, tuple[int | None, ...]] = {
    "template": (102, 80, 59, 38, 16),
    "shape_a": (9, 0, None, None, None),
    "shape_b": (None, None, None, 16, 5),
    "shape_c": (34, 27, 20, 13, 6),
}
STEP_MM = 0.8


class Section(NamedTuple):
    """One muscle's mean of left and right in one slice."""

    area_cm2: float
    outward_mm: float
    medial_mm: float
    lateral_mm: float
    behind_psoas_mm: float
    roundness: float


def measure(codes: np.ndarray, step_mm: tuple[float, float]) -> dict[str, Section]:
    """All muscles of a slice of codes ``[column, row]``; rows run backward."""
    both = {name: np.isin(codes, (code, code + 1)) for name, code in MUSCLES.items()}
    middle = _midline(codes) * step_mm[0]
    front = _centre(both["psoas"], step_mm)[1] if both["psoas"].any() else np.nan
    sections = {}
    for name, mask in both.items():
        if mask.sum() * step_mm[0] * step_mm[1] < 40:
            continue
        points = np.argwhere(mask) * step_mm
        away = np.abs(points[:, 0] - middle)
        sections[name] = Section(
            len(points) * step_mm[0] * step_mm[1] / 200,
            away.mean(),
            *np.percentile(away, (1, 99)),
            points[:, 1].mean() - front,
            _roundness(codes == MUSCLES[name], step_mm),
        )
    return sections


def _midline(codes: np.ndarray) -> float:
    """Column midway between left and right multifidus."""
    return float(np.mean([np.argwhere(codes == code)[:, 0].mean() for code in (5101, 5102)]))


def _centre(mask: np.ndarray, step_mm: tuple[float, float]) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0) * step_mm


def _roundness(mask: np.ndarray, step_mm: tuple[float, float]) -> float:
    """Short over long axis of the left muscle: 1 for a circle."""
    if mask.sum() < 9:
        return np.nan
    short, long = np.linalg.eigvalsh(np.cov((np.argwhere(mask) * step_mm).T))
    return float(np.sqrt(short / long))


def read_person(path: Path) -> tuple[np.ndarray, tuple[float, float]]:
    """Codes ``[column, row, slice]``: columns to the left, rows backward, slices upward."""
    image = nib.as_closest_canonical(nib.load(path))
    codes = np.asarray(image.dataobj).astype(int)[::-1, ::-1]
    if codes.max() < 10:
        # Odd labels lie on the patient's right.
        codes = np.where(codes > 0, 5101 + (codes - 1) // 2 * 10 + codes % 2, 0)
    return codes, image.header.get_zooms()[:2]


def people(data: Path) -> dict[str, dict[str, dict[str, Section]]]:
    """By person and level."""
    found = {}
    for name, slices in SLICES.items():
        codes, step = read_person(data / "musclemap" / f"{name}_dseg.nii.gz")
        found[name] = {
            level: measure(codes[:, :, k], step)
            for level, k in zip(LEVELS, slices, strict=True)
            if k is not None
        }
    return found


def phantom(seed: int) -> dict[str, dict[str, Section]]:
    """By level; five lumbar vertebrae."""
    rng = np.random.default_rng(seed)
    scene = Scene(sample_anatomy(rng, AnatomyRanges(lumbar_count=5, transition="none")), rng)
    sections = {}
    for disc in scene.spine.discs:
        if disc.spec.name in LEVELS:
            centre = (disc.upper.centre + disc.lower.centre) / 2
            affine = np.diag([STEP_MM, STEP_MM, 1.0, 1.0])
            affine[:3, 3] = centre - (110.0, 90.0, 0.0)
            grid = Volume(np.broadcast_to(np.uint8(0), (1, 225, 275)), affine)
            codes = scene.sample(grid, 1.0, planes=1).codes[0].T
            sections[disc.spec.name] = measure(codes, (STEP_MM, STEP_MM))
    return sections


def show(level: str, name: str, rows: dict[str, list[Section]]) -> None:
    """One line for each person, and one for the phantoms together."""
    for who, sections in rows.items():
        values = np.array(sections)
        if len(values) == 0:
            continue
        mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        cells = [f"{m:7.2f}" for m in mean]
        if len(values) > 1:
            cells = [f"{m:7.2f} ±{s:5.2f}" for m, s in zip(mean, spread, strict=True)]
        else:
            cells = [f"{cell:14s}" for cell in cells]
        print(f"{level:6s} {name:11s} {who:10s}", *cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder that holds musclemap/")
    parser.add_argument("--seeds", type=int, default=40)
    options = parser.parse_args()
    real = people(options.data) if options.data else {}
    made = [phantom(seed) for seed in range(options.seeds)]
    print(
        " " * 30 + "area cm2, from the midline: mean, medial, lateral edge; behind psoas mm; round"
    )
    for level in LEVELS:
        for name in MUSCLES:
            rows = {who: [found[level][name]] for who, found in real.items()
                    if name in found.get(level, {})}  # fmt: skip
            rows["phantoms"] = [each[level][name] for each in made if name in each[level]]
            show(level, name, rows)


if __name__ == "__main__":
    main()
