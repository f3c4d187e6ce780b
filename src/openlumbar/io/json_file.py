"""JSON files of an output folder, each with its ``schema_version``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from openlumbar.core.errors import UnreadableError


def write_json(record: dict[str, Any], path: Path, schema_version: int) -> None:
    """Write a record with its ``schema_version`` first; NaN and infinity become null."""
    whole = {"schema_version": schema_version} | _finite(record)
    text = json.dumps(whole, indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path, schema_version: int) -> dict[str, Any]:
    """Read what :func:`write_json` wrote.

    Raises
    ------
    UnreadableError
        The file is absent, is no JSON, or has another ``schema_version``.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableError(
            f"{path} cannot be read ({type(error).__name__}); expected a file of an output folder "
            "of 'openlumbar analyze'"
        ) from error
    found = record.get("schema_version") if isinstance(record, dict) else None
    if found != schema_version:
        raise UnreadableError(
            f"{path} has schema_version {found}, but this OpenLumbar reads {schema_version}; "
            "run the analysis again"
        )
    return dict(record)
