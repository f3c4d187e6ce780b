"""An exam as a record of plain values, from which it is made again with its images."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from openlumbar.core.exam import Block, Exam, LeftOut, Series, SourceGrid, Subject, Weighting
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume

_SUBJECT = TypeAdapter(Subject)
_LEFT_OUT = TypeAdapter(tuple[LeftOut, ...])


def exam_record(exam: Exam) -> dict[str, Any]:
    """Everything of an exam but its voxels, as values that JSON has."""
    return {
        "subject": asdict(exam.subject),
        "series": [_series_record(series) for series in exam.series],
        "left_out": [asdict(left_out) for left_out in exam.left_out],
        "warnings": exam.warnings,
    }


def _series_record(series: Series) -> dict[str, Any]:
    return {
        "name": series.name,
        "plane": series.plane.value,
        "weighting": series.weighting.value,
        "source": series.source,
        "facts": series.facts,
        "warnings": series.warnings,
        "blocks": [_block_record(block) for block in series.blocks],
    }


def _block_record(block: Block) -> dict[str, Any]:
    grid = block.source_grid
    return {
        "shape_kji": block.volume.shape,
        "affine_ijk_to_lps": block.volume.affine.tolist(),
        "instances": block.instances,
        "file_grid": None
        if grid is None
        else {"shape": grid.shape, "axes_kji": grid.axes, "affine_to_lps": grid.affine.tolist()},
    }


def exam_of(record: dict[str, Any]) -> Exam:
    """Make an exam of a record; every intensity is NaN, which takes no memory.

    Raises
    ------
    KeyError, ValueError
        The record is damaged.
    """
    return Exam(
        series=tuple(_series(item) for item in record["series"]),
        left_out=_LEFT_OUT.validate_python(record["left_out"]),
        subject=_SUBJECT.validate_python(record["subject"]),
        warnings=tuple(record["warnings"]),
    )


def _series(record: dict[str, Any]) -> Series:
    return Series(
        name=record["name"],
        plane=Plane(record["plane"]),
        weighting=Weighting(record["weighting"]),
        blocks=tuple(_block(item) for item in record["blocks"]),
        source=record["source"],
        facts=record["facts"],
        warnings=tuple(record["warnings"]),
    )


def _block(record: dict[str, Any]) -> Block:
    shape = tuple(record["shape_kji"])
    nothing: NDArray = np.broadcast_to(np.float32(np.nan), shape)
    volume = Volume(nothing, np.array(record["affine_ijk_to_lps"]))
    grid = record["file_grid"]
    return Block(volume, tuple(record["instances"]), None if grid is None else _grid(grid))


def _grid(record: dict[str, Any]) -> SourceGrid:
    k, j, i = record["axes_kji"]
    return SourceGrid(tuple(record["shape"]), (k, j, i), np.array(record["affine_to_lps"]))
