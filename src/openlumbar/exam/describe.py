"""An exam as rows of a table, for ``openlumbar inspect``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openlumbar.core.exam import Block, Exam, LeftOut, Series


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    name
        Series or file.
    used
        Whether it can be analysed.
    plane, weighting
        Empty when left out.
    grid
        ``15 slices of 512 x 512, 4.40 x 0.55 x 0.55 mm``; several blocks are named so.
    note
        Why it is left out, or its warnings; empty when there is nothing to say.
    """

    name: str
    used: bool
    plane: str = ""
    weighting: str = ""
    grid: str = ""
    note: str = ""


def describe(exam: Exam) -> list[Row]:
    """Say what is in an exam, what would be used, and why the rest would not.

    Parameters
    ----------
    exam
        From :func:`read_exam`.

    Returns
    -------
    list of Row
        Usable series first, then what is left out; plain text without markup.
    """
    return [*map(_used, exam.series), *map(_left_out, exam.left_out)]


def _used(series: Series) -> Row:
    return Row(
        name=series.name,
        used=True,
        plane=str(series.plane),
        weighting=str(series.weighting),
        grid=grid_text(series.blocks),
        note="; ".join(series.warnings),
    )


def _left_out(entry: LeftOut) -> Row:
    files = f"{entry.files} files" if entry.files != 1 else ""
    return Row(name=entry.name, used=False, grid=files, note=entry.reason)


def grid_text(blocks: Sequence[Block]) -> str:
    """Describe the grids of a series: slices, matrix, spacing (slice × row × column)."""
    counts = [block.volume.shape[0] for block in blocks]
    _, rows, columns = blocks[0].volume.shape
    spacings = {tuple(round(value, 2) for value in block.volume.spacing_mm) for block in blocks}
    spacing = " x ".join(f"{value:.2f}" for value in min(spacings))
    slices = f"{sum(counts)} slice{'s' if sum(counts) != 1 else ''}"
    parts = f" in {len(counts)} blocks ({'+'.join(map(str, counts))})" if len(counts) > 1 else ""
    varies = " (step varies)" if len(spacings) > 1 else ""
    return f"{slices}{parts} of {rows} x {columns}, {spacing} mm{varies}"
