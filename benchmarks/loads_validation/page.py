"""Tables in Markdown, and the page of the docs that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "load-accuracy.md"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar within a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(c.replace('|', '/') for c in line)} |" for line in lines)


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
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = page.read_text("utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} lacks the lines {begin} and {end}")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")
