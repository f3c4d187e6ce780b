"""Writes an output folder beside its place and renames it there when it is whole."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from openlumbar.core.errors import OptionError

#: Left by file browsers; not worth refusing a folder for.
_CLUTTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class FolderKind:
    """How a folder that we wrote earlier, and may replace, is told from any other.

    Attributes
    ----------
    marker
        A file or folder that is always there.
    names
        Every name that we may write at the top of the folder.
    """

    marker: str
    names: frozenset[str]


#: The output folder of an analysis (design.md, section 3).
ANALYSIS_FOLDER = FolderKind(
    marker="run.json",
    names=frozenset(
        {
            "analysis.json",
            "dicom",
            "exam.json",
            "images",
            "levels.csv",
            "loads.csv",
            "measurements.csv",
            "model.osim",
            "phantom",
            "pictures",
            "report.html",
            "report.pdf",
            "run.json",
            "segmentations",
        }
    ),
)


#: A folder that is never replaced: it must be new or empty.
NEW_FOLDER = FolderKind(marker="", names=frozenset())


def check_apart(inputs: Iterable[Path], out: Path) -> None:
    """Make sure that no input lies in ``out``: replacing it would lose that.

    Raises
    ------
    OptionError
        One does.
    """
    place = out.resolve()
    for path in inputs:
        if Path(path).resolve().is_relative_to(place):
            raise OptionError(
                f"the input {path} lies inside the output folder {out}; choose another"
            )


def check_replaceable(out: Path, kind: FolderKind, own: str = "") -> None:
    """Make sure that ``out`` is absent, empty, or a folder of this kind and no more.

    ``own`` is the name of an entry that does not count: the one that we work in.

    Raises
    ------
    OptionError
        It is a file, or holds something that we did not write.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise OptionError(f"{out} is a file; give a folder that is new, empty or a previous output")
    present = {path.name for path in out.iterdir()} - _CLUTTER - {own}
    strange = sorted(present - kind.names)
    if present and (strange or kind.marker not in present):
        found = strange[0] if strange else sorted(present)[0]
        raise OptionError(
            f"{out} is not empty and holds '{found}', which would be lost; give a folder that is "
            + ("new, empty or a previous output" if kind.marker else "new or empty")
        )


@contextmanager
def replacing(out: Path, kind: FolderKind = ANALYSIS_FOLDER) -> Iterator[Path]:
    """Give a new folder to fill; it takes the place of ``out`` when the block ends well.

    When the block raises, or is interrupted, what it wrote is removed and ``out`` stays
    as it was.

    Raises
    ------
    OptionError
        ``out`` is neither absent, nor empty, nor a previous folder of this kind, or
        cannot be written.
    """
    out = Path(os.path.abspath(out))
    check_replaceable(out, kind)
    # A mounted folder (a container's volume) cannot be renamed: its entries are.
    inside = out.is_mount()
    beside = (out if inside else out.parent) / f".{out.name}.{uuid.uuid4().hex[:8]}"
    made = [parent for parent in out.parents if not parent.exists()]
    new = beside / "new"
    try:
        new.mkdir(parents=True)
    except OSError as error:
        raise OptionError(
            f"the output folder {out} cannot be written ({error.strerror}); choose another with -o"
        ) from error
    try:
        yield new
        # A long job: somebody may have put something there meanwhile.
        check_replaceable(out, kind, beside.name)
        move = _swap_entries if inside else _swap
        move(new, out, beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        for parent in made:
            with suppress(OSError):  # not empty: the output stands in it
                parent.rmdir()


def _swap(new: Path, out: Path, beside: Path) -> None:
    """Put ``new`` where ``out`` is; what was there moves into ``beside``."""
    old = beside / "old"
    if out.exists():
        out.rename(old)
    try:
        new.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise


def _swap_entries(new: Path, out: Path, beside: Path) -> None:
    """Do as :func:`_swap` does, entry by entry."""
    old = beside / "old"
    old.mkdir()
    for path in out.iterdir():
        if path != beside:
            path.rename(old / path.name)
    for path in new.iterdir():
        path.rename(out / path.name)
