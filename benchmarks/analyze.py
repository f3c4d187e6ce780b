"""Seconds and memory of ``openlumbar analyze`` on one sagittal series, report included.

python benchmarks/analyze.py

A phantom's T2 series (20 slices of 448 × 448 pixels at 0.65 mm, the size of a common clinical
one) is written as DICOM and analysed in a process of its own, so that starting Python and
loading libraries are counted. The stages' own times are those of ``run.json``.
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
from openlumbar.phantom.grids import SagittalFrame

BUDGET_S = 10.0
OPTIONS = PhantomOptions(
    sagittal=SagittalFrame(pixel_mm=0.65, slice_mm=4.0, slices=20, height_mm=291.2, width_mm=291.2),
    contrasts=(Weighting.T2,),
    axial_contrasts=(),
)


def analysed(dicom: Path, out: Path) -> tuple[float, dict]:
    """Wall-clock seconds of the command, and what its ``run.json`` says."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "openlumbar", "analyze", str(dicom), "-o", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start, json.loads((out / "run.json").read_text())


def seconds_by_stage(run: dict) -> dict[str, float]:
    """Sum over series; the segmentation of all series is not counted twice."""
    stages: dict[str, float] = defaultdict(float)
    for timing in run["timings"]:
        if timing["series"] or timing["stage"] != "segment":
            stages[timing["stage"]] += timing["seconds"]
    return dict(stages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_phantom(make_phantom(1, OPTIONS), folder)
        runs = [analysed(folder / "dicom", folder / "out") for _ in range(repeats)]
    wall, run = statistics.median(seconds for seconds, _ in runs), runs[-1][1]
    for stage, seconds in seconds_by_stage(run).items():
        print(f"{stage:12}{seconds:8.2f} s")
    print(f"{'whole':12}{wall:8.2f} s, median of {repeats}; budget {BUDGET_S:.0f} s")
    print(f"{'peak':12}{run['peak_memory_mb']:8.0f} MB")


if __name__ == "__main__":
    main()
