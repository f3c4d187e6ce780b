"""``exam.json``: every series found, used or left out and why (design.md, section 3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openlumbar.core.exam import Block, Exam, LeftOut, Series

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
    subject = exam.subject
    return {
        "schema_version": SCHEMA_VERSION,
        "space": "LPS, mm",
        "subject": {
            "sex": subject.sex,
            "age_years": subject.age_years,
            "height_m": subject.height_m,
            "mass_kg": subject.mass_kg,
        },
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
    return {"shape": list(grid.shape), "slice_row_column": list(grid.axes)}


def _left_out(entry: LeftOut) -> dict[str, Any]:
    return {"name": entry.name, "used": False, "reason": entry.reason, "files": entry.files}
