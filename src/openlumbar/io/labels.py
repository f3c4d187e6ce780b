"""The label table beside a label map: which integer is what, and in which colour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.anatomy import BY_CODE, Structure
from openlumbar.core.palette import colour_of

SCHEMA_VERSION = 1


def label_rows(codes: list[int]) -> list[dict[str, str | int]]:
    """Rows of the table in the terms of a BIDS ``dseg.tsv``: index, name, colour.

    Raises
    ------
    KeyError
        A code is not in :mod:`openlumbar.core.anatomy`.
    """
    return [_row(BY_CODE[code]) for code in codes]


def _row(structure: Structure) -> dict[str, str | int]:
    row: dict[str, str | int] = {
        "index": structure.code,
        "name": structure.name,
        "kind": structure.kind,
        "color": colour_of(structure.code),
    }
    return row | ({"side": structure.side} if structure.side else {})


def write_label_table(labels: NDArray, path: Path, source: str) -> None:
    """Write the JSON table of the codes that occur in a label map.

    Parameters
    ----------
    labels
        Integer codes of :mod:`openlumbar.core.anatomy`, any shape; 0 is background.
    path
        The JSON file, named as its label map.
    source
        What the map was drawn on: the image's path inside the output folder, or the
        input file's name.
    """
    present = [int(code) for code in np.unique(labels) if code]
    table = {
        "schema_version": SCHEMA_VERSION,
        "Sources": [source],
        "labels": label_rows(present),
    }
    path.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
