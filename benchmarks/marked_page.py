"""Tables in Markdown, and pages of the docs that hold them between marks."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

Sections = Mapping[str, Callable[[], str]]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar within a cell would end it."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(c.replace('|', '/') for c in line)} |" for line in lines)


def marked(page: str, name: str, text: str) -> str:
    """A page with a text between its marks of that name.

    Raises
    ------
    ValueError
        The page lacks the marks.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the page lacks the lines {begin} and {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def filled(page: str, sections: Sections) -> str:
    """A page with every section made anew."""
    for name, made in sections.items():
        page = marked(page, name, made())
    return page


def print_or_fill(about: str, path: Path, sections: Sections) -> None:
    """Print the sections, or with ``--docs`` put them into the page."""
    parser = argparse.ArgumentParser(description=about.split("\n", maxsplit=1)[0])
    parser.add_argument("--docs", action="store_true", help="put the tables into the docs")
    if parser.parse_args().docs:
        path.write_text(filled(path.read_text("utf-8"), sections), "utf-8")
        return
    for name, made in sections.items():
        print(f"{name}\n\n{made()}\n")
