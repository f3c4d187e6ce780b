"""How true the measurements are, on phantoms and on patients.

    python benchmarks/measurements.py --data ../shared/data -o out/measurements --docs

Phantoms of unseen seeds, with true and with predicted masks, against the same rule on the
phantom's own contour, and against its generating parameters; patients of ``spider_space``
that were never trained on, predicted against annotated masks. Writes ``measurements.json``,
``measurements.md``, ``pairs.csv`` (every number beside its truth) and the Bland–Altman figure;
``--docs`` puts tables and figure into the docs. Needs ``pip install '.[train]'``.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from accuracy.figure import bland_altman
from accuracy.page import figures, write_page
from accuracy.pairs import Pair, by_level, by_metric, worst
from accuracy.patients import PatientPairs, patient_pairs
from accuracy.phantoms import SLICE_MM, PhantomPairs, phantom_pairs

import openlumbar
from openlumbar.models import load_model
from openlumbar.recipes import read_recipe

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "measurement-accuracy.md"
FIGURE = ROOT / "docs" / "images" / "measurements_bland_altman.png"

PIXEL_MM = 0.6
OTHER_PIXELS_MM = (0.4, 0.9, 1.2)
BY_LEVEL = (("disc", "height_mm"), ("disc", "bounding_height_mm"))


def one_phantom(case: tuple[int, float]) -> PhantomPairs:
    """Seed and pixel size; loads the model itself, so that it can run in a process of its own."""
    seed, pixel_mm = case
    result = phantom_pairs(seed, pixel_mm, load_model("sagittal"))
    print(f"phantom {seed}, {pixel_mm:g} mm: {len(result.true)} numbers", flush=True)
    return result


def one_patient(path: Path) -> PatientPairs:
    """One volume of ``spider_space``."""
    result = patient_pairs(path, load_model("sagittal"))
    print(f"{path.name}: {len(result.shipped)} numbers, {result.unnamed} unnamed", flush=True)
    return result


def mapped(function: Any, cases: Sequence[Any], jobs: int) -> list[Any]:
    """Results in the order of the cases."""
    if jobs == 1:
        return [function(case) for case in cases]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(function, cases))


def phantom_tables(found: Sequence[PhantomPairs]) -> dict[str, Any]:
    """Errors by metric, by what was measured on."""
    kinds = ("true", "predicted", "parameters")
    pooled = {kind: [pair for one in found for pair in getattr(one, kind)] for kind in kinds}
    return {kind: by_metric(pairs) for kind, pairs in pooled.items()}


def patient_tables(found: Sequence[PatientPairs]) -> dict[str, Any]:
    """Errors by metric and level."""
    shipped = [pair for one in found for pair in one.shipped]
    alike = [pair for one in found for pair in one.alike]
    return {
        "cases": sorted({pair.case for pair in shipped}, key=int),
        "shipped": by_metric(shipped),
        "alike": by_metric(alike),
        "levels": {f"{s} {m}": by_level(shipped, s, m) for s, m in BY_LEVEL},
        "centroids": {
            structure: distances_of(found, structure) for structure in ("vertebra", "disc")
        },
        "unnamed": sum(one.unnamed for one in found),
        "reference_withheld": sum(pair.truth is None for pair in shipped),
    }


def distances_of(found: Sequence[PatientPairs], structure: str) -> dict[str, float]:
    """Mean and largest distance between centroids."""
    values = [d for one in found for (kind, _), d in one.centroids.items() if kind == structure]
    return {
        "n": len(values),
        "mean": round(float(np.mean(values)), 4),
        "max": round(float(np.max(values)), 4),
    }


def write_pairs(groups: Mapping[str, Sequence[Pair]], path: Path) -> None:
    """Every number beside its truth."""
    fields = ("case", "structure", "level", "metric", "truth", "value", "uncertainty", "flags")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("group", *fields))
        for group, pairs in groups.items():
            for pair in pairs:
                values = [getattr(pair, name) for name in fields[:-1]]
                writer.writerow((group, *values, ";".join(pair.flags)))


def print_worst(name: str, pairs: Sequence[Pair]) -> None:
    """The largest errors, to be looked at."""
    for unit in ("mm", "deg"):
        for pair in worst(pairs, unit, 5):
            print(
                f"{name}: {pair.case} {pair.level} {pair.metric} "
                f"{pair.truth:.2f} measured {pair.value:.2f} {';'.join(pair.flags)}"
            )


def measure_all(given: argparse.Namespace) -> tuple[dict[str, Any], dict[str, list[Pair]]]:
    """Everything that the page shows, and the pairs it comes from."""
    paths = sorted((given.data / "spider_space").glob("sub-*_T2w.nii.gz"))
    patients = {str(int(path.name[4:7])): path for path in paths}
    held_out = read_recipe("sagittal").held_out
    role_of = partial(held_out.role, volumes=frozenset(patients))
    run = partial(mapped, jobs=given.jobs)
    found = {
        role: run(one_patient, [path for case, path in patients.items() if role_of(case) == role])
        for role in ("report", "tune")
    }
    phantoms = run(one_phantom, [(seed, PIXEL_MM) for seed in range(given.phantoms)])
    other = {
        f"{pixel:g}": run(one_phantom, [(seed, pixel) for seed in range(given.other)])
        for pixel in OTHER_PIXELS_MM
    }
    everyone = [one for role in found.values() for one in role]
    seconds = [one.seconds for one in everyone] + [s for one in phantoms for s in one.seconds]
    result = {
        "date": datetime.date.today().isoformat(),
        "command": "python benchmarks/measurements.py --data ../shared/data -o out/measurements",
        "version": openlumbar.__version__,
        "weights": load_model("sagittal").card.sha256,
        "machine": processor(),
        "phantoms": {
            "count": given.phantoms,
            "misnamed": sum(one.misnamed for one in phantoms),
            "other_count": given.other,
            "pixel_mm": PIXEL_MM,
            "slice_mm": SLICE_MM,
            **phantom_tables(phantoms),
            "pixels": {size: phantom_tables(cases) for size, cases in other.items()},
        },
        "patients": {role: patient_tables(cases) for role, cases in found.items()},
        "seconds": {
            "n": len(seconds),
            "median": round(float(np.median(seconds)), 3),
            "max": round(float(np.max(seconds)), 3),
        },
    }
    groups = {
        role: [pair for one in cases for pair in one.shipped] for role, cases in found.items()
    }
    for kind in ("true", "predicted", "parameters"):
        groups[f"phantoms {kind}"] = [pair for one in phantoms for pair in getattr(one, kind)]
    return result, groups


def processor() -> str:
    """What the processor calls itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--phantoms", type=int, default=16, help="of 0.6 mm pixels")
    parser.add_argument("--other", type=int, default=4, help="of each other pixel size")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--docs", action="store_true", help="write tables and figure there")
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    result, groups = measure_all(given)
    (given.out / "measurements.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    (given.out / "measurements.md").write_text(figures(result), "utf-8")
    write_pairs(groups, given.out / "pairs.csv")
    bland_altman(groups, given.out / FIGURE.name)
    for name, pairs in groups.items():
        print_worst(name, pairs)
    print(figures(result))
    if given.docs:
        bland_altman(groups, FIGURE)
        write_page(PAGE, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
