"""Typst at its one boundary: a template, a record and pictures in; PDF or PNG out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from openlumbar.core.errors import StageError
from openlumbar.report.fonts import font_folders

#: Of PNG, to the inch.
_PPI = 200.0
#: What archives take (ISO 19005-2): fonts inside, nothing to run, nothing to load.
_STANDARD: Literal["a-2b"] = "a-2b"
_TEMPLATES = resources.files("openlumbar.report") / "templates"
#: Imported by every template.
_SHARED = "shared.typ"


def typeset(
    template: str,
    record: Mapping[str, Any],
    files: Mapping[str, bytes],
    format_: Literal["pdf", "png"] = "pdf",
    made: datetime | None = None,
) -> bytes:
    """Fill a template of ``report/templates``.

    Parameters
    ----------
    template
        File name. The template reads the record from ``record.json``: text never becomes
        markup.
    record
        What JSON can hold.
    files
        Pictures by the name that the record gives them.
    made
        Date within the PDF, which PDF/A asks for; now when None. The same input and date
        give the same bytes.

    Returns
    -------
    bytes
        PDF/A-2b, or the first page as PNG.

    Raises
    ------
    StageError
        The template cannot be set with this record.
    """
    # typst is a binary of 40 MB: loaded where something is printed.
    import typst

    inputs = {name: (_TEMPLATES / name).read_bytes() for name in (template, _SHARED)}
    inputs["record.json"] = json.dumps(record, ensure_ascii=False).encode()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in (inputs | dict(files)).items():
                (Path(folder) / name).write_bytes(content)
            pages = typst.compile(
                Path(folder) / template,
                format=format_,
                font_paths=list(font_folders()),
                ignore_system_fonts=True,
                timestamp=made or datetime.now(UTC).replace(microsecond=0),
                ppi=_PPI,
                pdf_standards=_STANDARD if format_ == "pdf" else None,
            )
    except typst.TypstError as error:
        raise StageError(f"the template {template} could not be set: {error.message}") from error
    return pages[0] if isinstance(pages, list) else pages
