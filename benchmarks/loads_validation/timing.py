"""Seconds that loads add to an analysis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from loads_validation.page import numbers, table

RUNS = 3
#: In a process of its own: what is imported and built once counts.
_SCRIPT = """
import json, sys, time
from openlumbar import Analysis
analysis = Analysis.load(sys.argv[1])
who, numbers, rows = analysis.exam.subject, analysis.measurements, analysis.levels.rows
def now():
    return time.perf_counter(), time.process_time()
found, begin = {}, now()
def lap(name):
    global begin
    found[name] = [after - before for after, before in zip(now(), begin)]
    begin = now()
from openlumbar.mechanics import LoadsOptions, osim, solve_loads
from openlumbar.mechanics.osim_api import opensim
opensim()
lap("import of opensim and of the solver")
solve_loads(who, numbers, rows, LoadsOptions(samples=0))
lap("first solution of both tasks, tables and base model read")
solve_loads(who, numbers, rows, LoadsOptions(samples=0))
lap("another solution of both tasks (model, OpenSim's lines of action, file's text)")
solve_loads(who, numbers, rows, LoadsOptions(samples=60))
lap("the same with an interval of 60 samples")
print(json.dumps(found))
"""
_TOTAL = (
    "import of opensim and of the solver",
    "first solution of both tasks, tables and base model read",
)


def timing(folder: Path) -> str:
    """The least of some runs, each in a new process."""
    runs = [_run(folder) for _ in range(RUNS)]
    least = {name: np.min([run[name] for run in runs], axis=0) for name in runs[0]}
    again, whole = list(least)[2:]
    total = sum(least[name] for name in _TOTAL) + least[whole] - least[again]
    rows = [(name, *(f"{seconds:.2f}" for seconds in both)) for name, both in least.items()]
    rows.append(("**an analysis gets: import, solution and interval**", *numbers(total, ".2f")))
    told = (
        f"Least of {RUNS} runs on {os.cpu_count()} processors. Where other work shares them, the "
        "time of the clock is longer than that of the processor:"
    )
    return told + "\n\n" + table(("what", "s by the clock", "s of the processor"), rows)


def _run(folder: Path) -> dict[str, list[float]]:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(folder)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])
