"""Small hand-made analyses: chosen numbers on a sagittal and an axial series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from openlumbar.core.exam import Block, Exam, Series, Weighting
from openlumbar.core.levels import Levels
from openlumbar.core.loads import Load, Loads, TaskLoads
from openlumbar.core.masks import Masks
from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import MUSCLES
from openlumbar.core.plane import Plane
from openlumbar.core.run import Run
from openlumbar.core.volume import Volume
from openlumbar.io.analysis import Analysis

SAGITTAL, AXIAL = "sag_T1w", "ax_T2w"
DISCS = ("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")
VERTEBRAE = ("L1", "L2", "L3", "L4", "L5")


def series(name=SAGITTAL, plane=Plane.SAGITTAL, shift_mm=0.0):
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[0, 3] = shift_mm
    volume = Volume(np.zeros((3, 4, 5), np.float32), affine)
    instances = tuple(f"{name}-{k}" for k in range(3))
    return Series(name, plane, Weighting.T1, (Block(volume, instances),), "nifti")


def number(structure, metric, value, level="", where=SAGITTAL, **more):
    flags = ("not-measurable",) if value is None else ()
    facts = {"block": 0, "uncertainty": None, "confidence": 1.0, "flags": flags, **more}
    return Measurement(where, structure=structure, level=level, metric=metric, value=value, **facts)


def disc_heights(values: Sequence[float | None], metric="bounding_height_mm", **more):
    """From L1-L2 downward."""
    return [
        number("disc", metric, value, level, slice=1, **more)
        for level, value in zip(DISCS, values, strict=False)
    ]


def areas(values: Sequence[float | None], muscle="psoas", level="L3-L4", side="left"):
    """Of the slices from 0, and the mean that stands for the level."""
    slices = [
        number(muscle, "csa_cm2", value, level, AXIAL, slice=place, side=side)
        for place, value in enumerate(values)
    ]
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known else None
    return [*slices, number(muscle, "csa_cm2", mean, level, AXIAL, side=side)]


def centroid(structure, place_mm: Sequence[float | None], level="L4", **more):
    where = AXIAL if structure in MUSCLES else SAGITTAL
    return [
        number(structure, f"centroid_{axis}_mm", value, level, where, **more)
        for axis, value in zip("xyz", place_mm, strict=True)
    ]


def loads(by_task: Mapping[str, Sequence[float]], missing=""):
    """Compression of L1 to L5; a joint's stands beside them and is not theirs."""
    tasks = tuple(
        TaskLoads(
            task,
            task,
            (),
            "",
            (
                Load("L4-L5", "joint", 9999.0, 0.0, 0.0),
                *(
                    Load(level, "vertebra", value, 0.0, 0.0)
                    for level, value in zip(VERTEBRAE, values, strict=True)
                ),
            ),
        )
        for task, values in by_task.items()
    )
    return Loads(missing=missing, tasks=tasks)


def analysis(measurements=(), found_loads=None, series_=None):
    both = (series(), series(AXIAL, Plane.AXIAL)) if series_ is None else tuple(series_)
    return Analysis(
        Exam(both),
        Masks(()),
        Levels(),
        Run("1.2.3"),
        measurements=tuple(measurements),
        loads=found_loads,
    )
