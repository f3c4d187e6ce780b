"""Seconds and memory of ``openlumbar analyze`` on one series, report included.

    python benchmarks/analyze.py
    python benchmarks/analyze.py --plane axial

A phantom's T2 series is written as DICOM and analysed in a process of its own, so that starting
Python and loading libraries are counted: 20 sagittal slices of 448 × 448 pixels at 0.65 mm, the
size of a common clinical series, or five blocks of four axial slices of 320 × 320 pixels at
0.625 mm. The stages' own times are those of ``run.json``; "a slice" divides segmentation, and
then segmentation and measuring, by the number of slices.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from openlumbar.core.exam import Weighting
from openlumbar.phantom import PhantomOptions, make_phantom, write_phantom
from openlumbar.phantom.grids import AxialFrame, SagittalFrame

SLICES = 20
OPTIONS = {
    "sagittal": PhantomOptions(
        sagittal=SagittalFrame(
            pixel_mm=0.65, slice_mm=4.0, slices=SLICES, height_mm=291.2, width_mm=291.2
        ),
        contrasts=(Weighting.T2,),
        axial_contrasts=(),
    ),
    "axial": PhantomOptions(
        axial=AxialFrame(pixel_mm=0.625, slices=SLICES // 5, width_mm=200.0, blocks=5),
        contrasts=(),
        axial_contrasts=(Weighting.T2,),
    ),
}
#: Seconds: whole command without loads, a slice segmented, a slice segmented and measured.
BUDGETS = {"sagittal": (10.0, None, None), "axial": (None, 0.1, 0.2)}


def analysed(dicom: Path, out: Path, *more: str) -> tuple[float, dict]:
    """Wall-clock seconds of the command, and what its ``run.json`` says."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "openlumbar", "analyze", str(dicom), "-o", str(out), *more]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start, json.loads((out / "run.json").read_text())


def seconds_by_stage(run: dict) -> dict[str, float]:
    """Sum over series; the segmentation of all series is not counted twice."""
    stages: dict[str, float] = defaultdict(float)
    for timing in run["timings"]:
        if timing["series"] or timing["stage"] != "segment":
            stages[timing["stage"]] += timing["seconds"]
    return dict(stages)


def beside(budget: float | None) -> str:
    """What a figure is held against."""
    return "" if budget is None else f"; budget {budget:g} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plane", choices=tuple(OPTIONS), default="sagittal")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-loads", action="store_true", help="What the budget was set for.")
    options = parser.parse_args()
    more = ("--no-loads",) if options.no_loads else ()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_phantom(make_phantom(1, OPTIONS[options.plane]), folder)
        runs = [analysed(folder / "dicom", folder / "out", *more) for _ in range(options.repeats)]
    wall, run = statistics.median(seconds for seconds, _ in runs), runs[-1][1]
    whole, segmented, measured = BUDGETS[options.plane]
    whole = whole if options.no_loads else None
    stages = seconds_by_stage(run)
    for stage, seconds in stages.items():
        print(f"{stage:12}{seconds:8.2f} s")
    print(f"{'whole':12}{wall:8.2f} s, median of {options.repeats}{beside(whole)}")
    a_slice = stages["segment"] / SLICES
    both = a_slice + stages["measure"] / SLICES
    print(f"{'a slice':12}{a_slice:8.3f} s segmented{beside(segmented)}")
    print(f"{'':12}{both:8.3f} s segmented and measured{beside(measured)}")
    print(f"{'peak':12}{run['peak_memory_mb']:8.0f} MB")


if __name__ == "__main__":
    main()
