"""Tables in Markdown, and the page of the docs that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from marked_page import marked, table

__all__ = ["numbers", "ranged", "table", "write"]

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "load-accuracy.md"


def numbers(values: Iterable[float], pattern: str = ".0f") -> list[str]:
    """A cell each; a dash for what is not a number."""
    return ["–" if np.isnan(value) else f"{value:{pattern}}" for value in values]


def ranged(values: Iterable[float], pattern: str = ".0f") -> str:
    """Mean, least and largest."""
    found = np.asarray(list(values), float)
    mean, least, most = found.mean(), found.min(), found.max()
    return f"{mean:{pattern}} ({least:{pattern}} … {most:{pattern}})"


def write(name: str, text: str, page: Path = PAGE) -> None:
    """Put a text between the page's markers of that name.

    Raises
    ------
    ValueError
        The page lacks the markers.
    """
    page.write_text(marked(page.read_text("utf-8"), name, text), "utf-8")
