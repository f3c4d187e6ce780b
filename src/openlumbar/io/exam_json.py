"""``exam.json``: every series found, used or left out and why (design.md, section 3).

The same description stands in ``analysis.json``, where an exam is made of it again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.exam import Block, Exam, LeftOut, Series, SourceGrid, Subject, Weighting
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume

SCHEMA_VERSION = 1


def exam_to_dict(exam: Exam) -> dict[str, Any]:
    """Describe an exam in plain data, without pixels and without identity.

    Parameters
    ----------
    exam
        From ``read_exam``.

    Returns
    -------
    dict
        ``schema_version``, ``space`` (LPS, mm), ``subject``, ``series`` (used), ``left_out``,
        ``warnings``. A block's ``affine`` maps (i, j, k, 1) to LPS mm; its ``slices`` stand
        in order of k, with the centre of the first pixel and the SOP Instance UID
        (``UID#frame``) or file name.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "space": "LPS, mm",
        "subject": asdict(exam.subject),
        "series": [_series(entry) for entry in exam.series],
        "left_out": [_left_out(entry) for entry in exam.left_out],
        "warnings": list(exam.warnings),
    }


def write_exam_json(exam: Exam, path: Path) -> None:
    """Write :func:`exam_to_dict` as JSON (UTF-8).

    Raises
    ------
    OSError
        The file cannot be written.
    """
    text = json.dumps(exam_to_dict(exam), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _series(series: Series) -> dict[str, Any]:
    return {
        "name": series.name,
        "used": True,
        "plane": str(series.plane),
        "weighting": str(series.weighting),
        "source": series.source,
        "facts": dict(series.facts),
        "blocks": [_block(block) for block in series.blocks],
        "warnings": list(series.warnings),
        "flags": list(series.flags),
    }


def _block(block: Block) -> dict[str, Any]:
    volume = block.volume
    k_mm, j_mm, i_mm = volume.spacing_mm
    origins = volume.to_patient([(k, 0, 0) for k in range(volume.shape[0])])
    return {
        "shape": dict(zip(("slices", "rows", "columns"), volume.shape, strict=True)),
        "spacing_mm": {"slice": k_mm, "row": j_mm, "column": i_mm},
        "affine": volume.affine.tolist(),
        "file_axes": _file_axes(block),
        "slices": [
            {"slice": k, "instance": instance, "position_mm": origin.round(4).tolist()}
            for k, (instance, origin) in enumerate(zip(block.instances, origins, strict=True))
        ],
    }


def _file_axes(block: Block) -> dict[str, Any] | None:
    """How the axes of a NIfTI or MHA file became slices, rows and columns."""
    grid = block.source_grid
    if grid is None:
        return None
    return {
        "shape": list(grid.shape),
        "slice_row_column": list(grid.axes),
        "affine_to_lps": grid.affine.tolist(),
    }


def _left_out(entry: LeftOut) -> dict[str, Any]:
    return {"name": entry.name, "used": False, "reason": entry.reason, "files": entry.files}


def exam_of_dict(record: dict[str, Any]) -> Exam:
    """Make an exam of its description; every intensity is NaN, which takes no memory.

    Raises
    ------
    KeyError, TypeError, ValueError
        The description is damaged.
    """
    return Exam(
        series=tuple(_series_of(item) for item in record["series"]),
        left_out=tuple(
            LeftOut(item["name"], item["reason"], item["files"]) for item in record["left_out"]
        ),
        subject=Subject(**record["subject"]),
        warnings=tuple(record["warnings"]),
    )


def _series_of(record: dict[str, Any]) -> Series:
    return Series(
        name=record["name"],
        plane=Plane(record["plane"]),
        weighting=Weighting(record["weighting"]),
        blocks=tuple(_block_of(item) for item in record["blocks"]),
        source=record["source"],
        facts=record["facts"],
        warnings=tuple(record["warnings"]),
        flags=tuple(record.get("flags", ())),
    )


def _block_of(record: dict[str, Any]) -> Block:
    shape = tuple(record["shape"][axis] for axis in ("slices", "rows", "columns"))
    nothing: NDArray = np.broadcast_to(np.float32(np.nan), shape)
    instances = tuple(item["instance"] for item in record["slices"])
    volume = Volume(nothing, np.array(record["affine"]))
    return Block(volume, instances, _grid_of(record["file_axes"]))


def _grid_of(record: dict[str, Any] | None) -> SourceGrid | None:
    if record is None:
        return None
    k, j, i = record["slice_row_column"]
    return SourceGrid(tuple(record["shape"]), (k, j, i), np.array(record["affine_to_lps"]))
