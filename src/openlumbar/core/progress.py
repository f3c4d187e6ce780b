"""How a long job tells whoever waits for it where it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as the work goes on; must return quickly and must not raise."""

    def __call__(self, stage: str, series: str, fraction: float) -> None:
        """Report that ``fraction`` (0 … 1) of ``stage`` on ``series`` is done."""


def silent(stage: str, series: str, fraction: float) -> None:
    """Tell nobody."""
