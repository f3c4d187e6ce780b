"""The facts of a run: what ran, with which weights, how long, and what failed."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds of one stage on one series (empty: the exam as a whole)."""

    stage: str
    series: str
    seconds: float


@dataclass(frozen=True)
class Failure:
    """A stage that its inputs allowed, and that failed all the same.

    Attributes
    ----------
    error
        Name of the exception's class.
    message
        One sentence; the traceback is in the log, never in an output folder, because
        a foreign exception may quote a path or a header that names the patient.
    """

    stage: str
    series: str
    error: str
    message: str


@dataclass(frozen=True)
class Weights:
    """A weights file that was used.

    Attributes
    ----------
    sha256
        Of the weights file's bytes, in hexadecimal; empty for a predictor that has no
        file.
    """

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Run:
    """What made an analysis.

    Attributes
    ----------
    version
        Of OpenLumbar.
    options
        What was asked for, by name; never an identity or a path.
    peak_memory_mb
        Largest resident memory of the process so far, in units of 10**6 bytes; 0 where
        the system does not tell.
    warnings
        Sentences for a person that concern the exam as a whole.
    """

    version: str
    options: dict[str, str | float | int | None] = field(default_factory=dict)
    weights: tuple[Weights, ...] = ()
    timings: tuple[Timing, ...] = ()
    peak_memory_mb: float = 0.0
    warnings: tuple[str, ...] = ()


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in units of 10**6 bytes.

    Linux counts it since the program was loaded (``VmHWM``); ``getrusage`` would
    there also count the parent that started it. 0 where the system does not tell.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    if sys.platform == "darwin":
        resource = importlib.import_module("resource")
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1e6
    return 0.0
