"""A user's own axial slices with their levels, as training pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from openlumbar.core.errors import InputError
from openlumbar.core.exam import Series
from openlumbar.core.levels import POSITIONS
from openlumbar.core.plane import Plane
from openlumbar.exam import read_exam
from openlumbar.imaging.frame import axial_frame_of
from openlumbar.level.looks import whole_picture

#: The discs, from L1-L2 to L5-S1, that Cho et al. 2022 tell apart.
DISC_LEVELS: tuple[str, ...] = tuple(
    name for name, position in POSITIONS.items() if position in (1, 2, 3, 4, 5)
)
#: What may stand for a slice that shows none of them.
OTHER = "other"
LEVELS_FILE = "levels.csv"

_REQUIRED = ("patient", "file", "slice", "level")
_OPTIONAL = ("series", "block")
_PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class LevelPicture:
    """One axial slice whose level is known.

    Attributes
    ----------
    patient
        Whose it is; slices are parted by it.
    picture
        ``uint8[512, 512]``: a channel of :func:`openlumbar.level.looks.whole_picture`
        times 255.
    level
        A disc of :data:`DISC_LEVELS`, or :data:`OTHER`.
    """

    patient: str
    picture: NDArray[np.uint8]
    level: str


@dataclass(frozen=True, eq=False)
class OwnSlice:
    """One axial slice that the table names, as it is stored.

    Attributes
    ----------
    patient, level
        As in the table.
    name
        File and slice.
    picture
        ``[row, column]``, rows from front to back, columns toward the patient's left.
    spacing_mm
        Between rows and between columns; None of an image, whose pixels have no size.
    """

    patient: str
    level: str
    name: str
    picture: NDArray
    spacing_mm: tuple[float, float] | None


def level_picture(
    patient: str, level: str, slice_: NDArray, spacing_mm: tuple[float, float]
) -> LevelPicture:
    """Make the training picture of a slice, as its classifier will see such slices.

    Parameters
    ----------
    slice_
        ``[row, column]``, any intensity unit, rows from front to back, columns toward the
        patient's left.
    spacing_mm
        Between rows and between columns.
    """
    picture = np.rint(255 * whole_picture(slice_, spacing_mm)[0]).astype(np.uint8)
    return LevelPicture(patient, picture, level)


def read_own_levels(folder: Path) -> list[LevelPicture]:
    """Read the slices that ``levels.csv`` of a folder names.

    The table has a row for each slice, and these columns (docs/how-to/train-levels.md):
    ``patient``; ``file``, in the folder: an image (PNG or JPEG), a NIfTI or MetaImage file, or
    a folder or zip of DICOM; ``slice``, from 0 (empty for an image); ``level``; and where a
    file holds several, ``series`` (its name in ``openlumbar inspect``) and ``block`` (from 0).

    Parameters
    ----------
    folder
        Of the data.

    Returns
    -------
    list of LevelPicture
        In the order of the table.

    Raises
    ------
    InputError
        The table is absent or wrong, or a slice cannot be read; the message says in which line.
    """
    return [
        level_picture(one.patient, one.level, one.picture, one.spacing_mm or (1.0, 1.0))
        for one in read_own_slices(folder)
    ]


def read_own_slices(
    folder: Path, levels: Sequence[str] = (*DISC_LEVELS, OTHER)
) -> Iterator[OwnSlice]:
    """Read the slices of :func:`read_own_levels` without making pictures of them.

    Parameters
    ----------
    folder
        Of the data.
    levels
        Names that the table may hold.

    Raises
    ------
    InputError
        As :func:`read_own_levels`.
    """
    rows = _read_table(folder / LEVELS_FILE, levels)
    reader = _Reader(folder)
    for row in rows:
        yield reader.read(row)


# -- the table -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Row:
    """A line of the table, every cell checked by itself."""

    line: int
    patient: str
    file: str
    slice: int | None
    level: str
    series: str
    block: int

    @property
    def slice_key(self) -> tuple[str, str, int, int]:
        """What two rows about one slice have in common."""
        return self.file, self.series, self.block, self.slice or 0


def _wrong(line: int, what: str) -> InputError:
    return InputError(f"{LEVELS_FILE}, line {line}: {what}")


def _read_table(path: Path, levels: Sequence[str]) -> list[_Row]:
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"{path.parent}: there is no {LEVELS_FILE}, the table of slices and their levels "
            "(docs/how-to/train-levels.md)"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    rows = list(_rows(csv.DictReader(text.splitlines(), strict=True), levels))
    if not rows:
        raise InputError(f"{path}: it names no slice; a line for each slice is expected")
    _check_unique(rows)
    return rows


def _rows(table: csv.DictReader[str], levels: Sequence[str]) -> Iterator[_Row]:
    try:
        _check_columns(table.fieldnames or ())
        for cells in table:
            if None in cells or None in cells.values():
                raise _wrong(table.line_num, "it has more or fewer cells than the first line")
            stripped = {key: value.strip() for key, value in cells.items()}
            yield _row(table.line_num, stripped, levels)
    except csv.Error as error:
        raise _wrong(table.line_num, f"not valid CSV ({error})") from None


def _check_columns(found: object) -> None:
    columns = list(found) if isinstance(found, list | tuple) else []
    missing = [name for name in _REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in (*_REQUIRED, *_OPTIONAL)]
    if missing or unknown or len(set(columns)) < len(columns):
        raise _wrong(
            1,
            f"the columns are {', '.join(columns) or 'absent'}; expected {', '.join(_REQUIRED)}, "
            f"and if need be {' and '.join(_OPTIONAL)}",
        )


def _row(line: int, cells: dict[str, str], levels: Sequence[str]) -> _Row:
    for name in ("patient", "file"):
        if not cells[name]:
            raise _wrong(line, f"{name} is empty")
    if cells["level"] not in levels:
        raise _wrong(line, f"level is {cells['level']!r}; it must be one of {', '.join(levels)}")
    return _Row(
        line=line,
        patient=cells["patient"],
        file=cells["file"],
        slice=_whole_number(line, "slice", cells["slice"]),
        level=cells["level"],
        series=cells.get("series", ""),
        block=_whole_number(line, "block", cells.get("block", "")) or 0,
    )


def _whole_number(line: int, name: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise _wrong(line, f"{name} is {text!r}; a whole number from 0 is expected")
    return int(text)


def _check_unique(rows: list[_Row]) -> None:
    seen: dict[tuple[str, str, int, int], int] = {}
    owners: dict[str, str] = {}
    for row in rows:
        if row.slice_key in seen:
            raise _wrong(row.line, f"the same slice stands in line {seen[row.slice_key]}")
        seen[row.slice_key] = row.line
        if owners.setdefault(row.file, row.patient) != row.patient:
            raise _wrong(
                row.line,
                f"{row.file} is of patient {row.patient!r} here and of {owners[row.file]!r} before",
            )


# -- the pictures --------------------------------------------------------------------------


class _Reader:
    """Reads slices; the exam of the last file is kept, for the rows that follow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: tuple[str, tuple[Series, ...]] = ("", ())

    def read(self, row: _Row) -> OwnSlice:
        path = self._folder / row.file
        if not path.exists():
            raise _wrong(row.line, f"{row.file} is not in {self._folder}")
        if path.suffix.lower() in _PICTURES:
            return OwnSlice(row.patient, row.level, row.file, _read_image(path, row), None)
        slice_, spacing = _slice_of(self._series(path, row), row)
        return OwnSlice(row.patient, row.level, f"{row.file}-{row.slice}", slice_, spacing)

    def _series(self, path: Path, row: _Row) -> Series:
        """The series that a row means: the one it names, or the only axial one."""
        if self._last[0] != row.file:
            self._last = (row.file, _axial_series(path, row))
        series = self._last[1]
        chosen = [one for one in series if row.series in ("", one.name)]
        if len(chosen) != 1:
            found = ", ".join(one.name for one in series) or "none"
            asked = f"no axial series {row.series!r}" if row.series else "not one axial series"
            raise _wrong(
                row.line, f"{row.file} has {asked} but: {found}; name one in the column series"
            )
        return chosen[0]


def _axial_series(path: Path, row: _Row) -> tuple[Series, ...]:
    try:
        return read_exam([path]).of_plane(Plane.AXIAL)
    except InputError as error:
        raise _wrong(row.line, str(error)) from None


def _slice_of(series: Series, row: _Row) -> tuple[NDArray, tuple[float, float]]:
    """The slice a row means, rows from front to back, and its spacing."""
    if row.block >= len(series.blocks):
        raise _wrong(
            row.line, f"block is {row.block}, but {series.name} has {len(series.blocks)} (from 0)"
        )
    volume = series.blocks[row.block].volume
    count = len(volume.array)
    if row.slice is None or row.slice >= count:
        given = "empty" if row.slice is None else row.slice
        raise _wrong(row.line, f"slice is {given}, but {row.file} has slices 0 to {count - 1}")
    frame = axial_frame_of(volume)
    if frame.order[0] != 0:
        raise _wrong(row.line, f"the slices of {row.file} are not axial")
    slices = frame.canonical(volume.array)
    at = count - 1 - row.slice if frame.flip[0] else row.slice
    return slices[at], frame.spacing_mm[1:]


def _read_image(path: Path, row: _Row) -> NDArray[np.float32]:
    if row.slice not in (None, 0):
        raise _wrong(row.line, f"slice is {row.slice}, but {row.file} is a single picture")
    try:
        with Image.open(path) as image:
            # "F" keeps the sixteen bits of a grey PNG; colours become their brightness.
            return np.asarray(image.convert("F"), np.float32)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise _wrong(row.line, f"{row.file} cannot be read ({error})") from None
