"""OpenLumbar: a lumbar-spine MRI exam goes in; named anatomy, measurements and a report come out.

The public interface is three names::

    from openlumbar import read_exam, analyze, Analysis

They are looked up when first used, so that ``import openlumbar`` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openlumbar.exam import read_exam
    from openlumbar.io.analysis import Analysis
    from openlumbar.pipeline import analyze

__all__ = ["Analysis", "analyze", "read_exam"]
__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "Analysis": "openlumbar.io.analysis",
    "analyze": "openlumbar.pipeline",
    "read_exam": "openlumbar.exam",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'openlumbar' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
