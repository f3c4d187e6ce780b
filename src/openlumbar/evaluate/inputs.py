"""Output folders, one or many, as pairs of analyses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from openlumbar.core.errors import OptionError
from openlumbar.evaluate.comparison import ExamPair
from openlumbar.io.analysis import Analysis
from openlumbar.io.outfolder import ANALYSIS_FOLDER


def read_pairs(reference: Path, other: Path) -> tuple[Iterator[ExamPair], tuple[str, ...]]:
    """Pair two output folders, or those of one name in two folders of them.

    Parameters
    ----------
    reference, other
        Both an output folder of ``openlumbar analyze`` or ``measure``, or both a folder that
        holds such folders.

    Returns
    -------
    tuple
        Pairs, each read when it is asked for, in the order of their names; and a sentence for
        each exam that only one of the two has.

    Raises
    ------
    OptionError
        A folder is not there, the two are not of one kind, or no name is in both.
    """
    for path in (reference, other):
        if not path.is_dir():
            raise OptionError(f"{path} is not a folder; give an output folder of openlumbar")
    if _is_output(reference) != _is_output(other):
        one, many = (reference, other) if _is_output(reference) else (other, reference)
        raise OptionError(
            f"{one} is an output folder and {many} is not; give two output folders, or two "
            "folders that hold some of the same names"
        )
    if _is_output(reference):
        return iter([_pair(reference.resolve().name, reference, other)]), ()
    return _many(reference, other)


def _is_output(folder: Path) -> bool:
    return (folder / ANALYSIS_FOLDER.marker).is_file()


def _pair(name: str, reference: Path, other: Path) -> ExamPair:
    return ExamPair(name, Analysis.load(reference), Analysis.load(other))


def _many(reference: Path, other: Path) -> tuple[Iterator[ExamPair], tuple[str, ...]]:
    ours, theirs = (
        {path.name for path in folder.iterdir() if path.is_dir() and _is_output(path)}
        for folder in (reference, other)
    )
    both = sorted(ours & theirs)
    if not both:
        raise OptionError(
            f"no output folder is in both {reference} ({_listed(ours)}) and {other} "
            f"({_listed(theirs)}); give the outputs of one exam one name"
        )
    alone = tuple(
        f"{name}: only in {reference if name in ours else other}; left out."
        for name in sorted(ours ^ theirs)
    )
    return (_pair(name, reference / name, other / name) for name in both), alone


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)[:5]) + (" …" if len(names) > 5 else "") if names else "none"
