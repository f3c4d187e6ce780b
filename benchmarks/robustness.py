"""Does the main job hold at other spacings and contrasts?

    python benchmarks/robustness.py --data ../shared/data

Held-out real volumes are resampled in the plane and averaged across slices; discs must keep
their names and places (within 9 mm, a quarter of their distance). Phantoms of seeds that no
training saw are imaged as T1, T2 and STIR; every vertebra wholly in view must be named as
the phantom is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openlumbar import Analysis, analyze
from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.exam import Exam
from openlumbar.imaging.resample import resample_planes, resampled_shape
from openlumbar.phantom.training import TrainingCaseOptions, sagittal_training_case
from openlumbar.train.spider import read_sagittal_array, sagittal_series

PATIENTS = ("078", "162")
#: In-plane spacing and slices averaged to one.
SPACINGS = ((0.625, 1), (0.4, 1), (1.0, 3), (1.5, 3), (0.625, 6), (1.5, 6))
RIGHT_MM = 9.0


def coarser(array: NDArray, in_plane_mm: float, slices: int) -> NDArray[np.float32]:
    """Average slices, then resample each in its plane, from 1 × 0.625 × 0.625 mm."""
    count = len(array) // slices
    thick = array[: count * slices].reshape(count, slices, *array.shape[1:]).mean(1)
    old, new = (0.625, 0.625), (in_plane_mm, in_plane_mm)
    return resample_planes(thick, old, resampled_shape(thick.shape[1:], old, new), new)


def discs(analysis: Analysis) -> dict[str, NDArray[np.float64]]:
    """Centroids of the named discs, (y, z) in the series' own frame."""
    rows = [row for row in analysis.levels.rows if row.structure == "disc"]
    return {row.level: np.array([row.y_mm, row.z_mm]) for row in rows}


def real_cases(data: Path) -> Iterator[str]:
    """One line for each patient and spacing."""
    for patient in PATIENTS:
        path = data / "spider_space" / f"sub-{patient}_T2w.nii.gz"
        image, _ = read_sagittal_array(path)
        reference: dict[str, NDArray[np.float64]] = {}
        for in_plane, slices in SPACINGS:
            picture = coarser(image, in_plane, slices)
            series = sagittal_series("case", picture, (float(slices), in_plane, in_plane))
            found = discs(analyze(Exam((series,))))
            # The grids share their upper left corner, not their first pixel's centre.
            shift = (in_plane - 0.625) / 2 * np.array([1.0, -1.0])
            found = {name: place + shift for name, place in found.items()}
            reference = reference or found
            right = sum(
                name in found and float(np.linalg.norm(found[name] - place)) < RIGHT_MM
                for name, place in reference.items()
            )
            yield f"{patient}  {in_plane:5.3f} mm  {slices} mm slices: {right}/{len(reference)}"


def phantom_cases(count: int) -> Iterator[str]:
    """One line for each contrast: vertebrae in view that got their own name."""
    totals: dict[str, list[int]] = {}
    options = TrainingCaseOptions(p_synthetic=0.0, shift_mm=10.0, height_mm=(280.0, 340.0))
    for seed in range(count):
        case = sagittal_training_case(np.random.default_rng(50_000 + seed), options)
        analysis = analyze(Exam((sagittal_series("case", case.image, case.spacing_mm),)))
        tally = totals.setdefault(case.contrast, [0, 0])
        labels = analysis.masks.series[0].labels[0].array
        for code in np.unique(case.codes):
            structure = BY_CODE.get(int(code))
            if structure is None or structure.name not in ("L1", "L2", "L3", "L4", "L5"):
                continue
            own = labels[(case.codes == code) & (labels > 0)]
            kinds = own[np.isin(own, [c for c, s in BY_CODE.items() if s.kind == "vertebra"])]
            tally[0] += bool(kinds.size) and int(np.bincount(kinds).argmax()) == int(code)
            tally[1] += 1
    for contrast, (right, all_) in sorted(totals.items()):
        yield f"phantoms  {contrast}: {right}/{all_} lumbar vertebrae named right"


def main() -> int:
    """Print every case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--phantoms", type=int, default=24)
    given = parser.parse_args()
    for line in real_cases(given.data):
        print(line, flush=True)
    for line in phantom_cases(given.phantoms):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
