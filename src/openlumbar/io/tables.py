"""The CSV tables of an output folder."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from openlumbar.core import flags
from openlumbar.core.levels import LevelRow
from openlumbar.core.loads import Loads
from openlumbar.core.measurement import Measurement


@dataclass(frozen=True)
class _Column:
    """One column: the name in the file, the attribute, and digits after the point."""

    name: str
    attribute: str
    digits: int | None = None


_LEVEL_COLUMNS: tuple[_Column, ...] = (
    _Column("series", "series"),
    _Column("block", "block"),
    _Column("slice", "slice"),
    _Column("instance", "instance"),
    _Column("structure", "structure"),
    _Column("label", "label"),
    _Column("level", "level"),
    _Column("disc_level", "disc_level"),
    _Column("level_confidence", "level_confidence", 3),
    _Column("x_mm", "x_mm", 2),
    _Column("y_mm", "y_mm", 2),
    _Column("z_mm", "z_mm", 2),
    _Column("source", "source"),
    _Column("flag", "flags"),
)

_MEASUREMENT_COLUMNS: tuple[_Column, ...] = (
    _Column("series", "series"),
    _Column("structure", "structure"),
    _Column("level", "level"),
    _Column("side", "side"),
    _Column("slice", "slice"),
    _Column("metric", "metric"),
    _Column("value", "value", 3),
    _Column("unit", "unit"),
    _Column("uncertainty", "uncertainty", 3),
    _Column("confidence", "confidence", 3),
    _Column("flag", "flags"),
)

_LOAD_COLUMNS: tuple[_Column, ...] = (
    _Column("level", "level"),
    _Column("joint_or_vertebra", "place"),
    _Column("task", "task"),
    _Column("compression_n", "compression_n", 1),
    _Column("shear_n", "shear_n", 1),
    _Column("low_n", "low_n", 1),
    _Column("high_n", "high_n", 1),
    _Column("flag", "flags"),
    _Column("lateral_shear_n", "lateral_shear_n", 1),
    _Column("shear_low_n", "shear_low_n", 1),
    _Column("shear_high_n", "shear_high_n", 1),
)

#: Header of ``loads.csv`` (design.md, section 3), and three columns more.
LOAD_HEADER: tuple[str, ...] = tuple(column.name for column in _LOAD_COLUMNS)
#: Header of ``levels.csv`` (design.md, section 3).
LEVEL_HEADER: tuple[str, ...] = tuple(column.name for column in _LEVEL_COLUMNS)
#: Header of ``measurements.csv`` (design.md, section 3).
MEASUREMENT_HEADER: tuple[str, ...] = tuple(column.name for column in _MEASUREMENT_COLUMNS)


_Row = LevelRow | Measurement | SimpleNamespace


def _cell(row: _Row, column: _Column) -> str:
    value = getattr(row, column.attribute)
    if value is None:  # a number that is withheld, or has no slice of its own
        return ""
    if column.attribute == "flags":
        return flags.join(value)
    if column.attribute == "block":  # from 1, as in the names of the blocks' files
        return str(value + 1)
    return str(value) if column.digits is None else f"{value:.{column.digits}f}"


def _write(rows: Iterable[_Row], columns: tuple[_Column, ...], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        writer.writerows([_cell(row, column) for column in columns] for row in rows)


def write_levels_csv(rows: Iterable[LevelRow], path: Path) -> None:
    """Write ``levels.csv``: UTF-8, comma, a header, a row for each vertebra and disc.

    Blocks count from 1, as in the names of their files; slices count from 0.
    Coordinates are LPS millimetres with two digits; confidences have three.

    Raises
    ------
    KeyError
        A flag is not in the vocabulary of :mod:`openlumbar.core.flags`.
    """
    _write(rows, _LEVEL_COLUMNS, path)


def write_measurements_csv(rows: Iterable[Measurement], path: Path) -> None:
    """Write ``measurements.csv``: UTF-8, comma, a header, a row for each number.

    A number that is withheld has an empty ``value`` and ``uncertainty`` and says why in
    ``flag``; ``slice`` is empty where a number is of all slices.

    Raises
    ------
    KeyError
        A flag is not in the vocabulary of :mod:`openlumbar.core.flags`.
    """
    _write(rows, _MEASUREMENT_COLUMNS, path)


def write_loads_csv(loads: Loads, path: Path) -> None:
    """Write ``loads.csv``: UTF-8, comma, a header, a row for each joint and vertebra of a task.

    Newtons with one digit; ``low_n`` and the like are empty where no interval was asked for.

    Raises
    ------
    KeyError
        A flag is not in the vocabulary of :mod:`openlumbar.core.flags`.
    """
    rows = (
        SimpleNamespace(task=task.task, **vars(load)) for task in loads.tasks for load in task.loads
    )
    _write(rows, _LOAD_COLUMNS, path)
