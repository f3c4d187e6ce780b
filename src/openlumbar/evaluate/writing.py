"""A comparison as files: ``comparison.csv``, ``.md``, ``.html`` and the Bland–Altman plots."""

from __future__ import annotations

import base64
import csv
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from openlumbar.core import flags
from openlumbar.evaluate.comparison import Comparison
from openlumbar.evaluate.matching import Compared
from openlumbar.evaluate.plots import draw_bland_altman
from openlumbar.evaluate.tables import TextTable, tables_of
from openlumbar.io.outfolder import FolderKind, replacing

NOTICE = "Research use only – not for diagnosis."
_CSV, _MD, _HTML, _PNG = "comparison.csv", "comparison.md", "comparison.html", "bland_altman.png"

#: What may be replaced by a comparison: an earlier one.
COMPARISON_FOLDER = FolderKind(marker=_CSV, names=frozenset({_CSV, _MD, _HTML, _PNG}))

#: Header of ``comparison.csv``.
HEADER: tuple[str, ...] = (
    "exam",
    "quantity",
    "series",
    "block",
    "slice",
    "level",
    "side",
    "unit",
    "reference",
    "other",
    "difference",
    "state",
    "reference_flag",
    "other_flag",
)


@dataclass(frozen=True)
class Page:
    """What the page in Markdown and that in HTML both say."""

    title: str
    lead: str
    tables: tuple[TextTable, ...]
    notes: tuple[str, ...]


def write_comparison(comparison: Comparison, folder: Path | str) -> Path:
    """Write a comparison into a folder of its own.

    Parameters
    ----------
    folder
        New, empty, or that of an earlier comparison, which is replaced once the new one is
        whole.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OptionError
        It holds something else, or cannot be written.
    """
    out = Path(folder)
    page = page_of(comparison)
    with replacing(out, COMPARISON_FOLDER) as new:
        _write_csv(comparison.numbers, new / _CSV)
        picture = draw_bland_altman(comparison, new / _PNG)
        (new / _MD).write_text(_markdown(page, picture), encoding="utf-8")
        (new / _HTML).write_text(_html(page, picture), encoding="utf-8")
    return out


def page_of(comparison: Comparison) -> Page:
    """The tables and what to know of them."""
    count = len(comparison.exams)
    shown = comparison.exams[0] if count == 1 else f"{count} exams"
    return Page(
        title=f"{comparison.other} against {comparison.reference}: {shown}",
        lead=(
            f"Differences are {comparison.other} less {comparison.reference}. A number is of its "
            "level in its series, of a muscle of its slice and side. Mean absolute errors come "
            "with the half width of their 95 % interval (Student), as in Hess et al. 2023; limits "
            "of agreement with exact intervals. What could not be compared is counted."
        ),
        tables=tables_of(comparison),
        notes=comparison.notes,
    )


def _write_csv(numbers: tuple[Compared, ...], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(_csv_row(number) for number in numbers)


def _csv_row(number: Compared) -> tuple[str, ...]:
    """Blocks count from 1 and slices from 0, as in ``measurements.csv``."""
    values = (number.reference, number.other, number.difference)
    return (
        number.exam,
        number.quantity.name,
        number.series,
        str(number.block + 1) if number.series else "",
        "" if number.slice is None else str(number.slice),
        number.level,
        number.side,
        {"cm²": "cm2"}.get(number.quantity.unit, number.quantity.unit),
        *("" if value is None else f"{value:.3f}" for value in values),
        number.state.value,
        flags.join(number.reference_flags),
        flags.join(number.other_flags),
    )


def _markdown(page: Page, picture: Path | None) -> str:
    parts = [f"# {page.title}", page.lead, NOTICE]
    for table in page.tables:
        parts += [f"## {table.title}", _markdown_table(table), table.note]
    if picture is not None:
        parts.append(f"![Bland–Altman plots]({picture.name})")
    if page.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in page.notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(table: TextTable) -> str:
    lines = (table.header, ["---"] * len(table.header), *table.rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _html(page: Page, picture: Path | None) -> str:
    environment = Environment(
        loader=PackageLoader("openlumbar.evaluate"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    encoded = base64.b64encode(picture.read_bytes()).decode() if picture else ""
    template = environment.get_template("comparison.html.j2")
    return template.render(page=page, picture=encoded, notice=NOTICE)
