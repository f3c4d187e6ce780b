"""Is a picture that is stored upside down told from one that is not?

    python benchmarks/upside_down.py --data ../shared/data

Volumes and single slices of training and tune patients, and phantoms: each as it is, cut off
above the sacrum, and turned the three ways. What is turned should be called ``upside-down``,
and nothing else may be. Pictures that are known to be stored upside down are listed apart.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openlumbar import Analysis, analyze
from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.exam import Exam
from openlumbar.models import Predictor, load_model
from openlumbar.phantom.training import TrainingCaseOptions, sagittal_training_case
from openlumbar.pipeline import AnalyzeOptions
from openlumbar.recipes.schema import read_recipe
from openlumbar.segment.turned import TURNS
from openlumbar.train.spider import (
    SLICE_MM,
    read_sagittal_array,
    read_spider_midsagittal,
    sagittal_series,
)

#: Single slices that are stored upside down, against the header we give them.
STORED_WRONG = frozenset({"52_t1", "57_t1", "57_t2"})
#: What shows no sacrum, so that nobody can tell.
NO_SACRUM = frozenset({"sct_lumbar"})
_SACRUM = [code for code, part in BY_CODE.items() if part.name in ("S1", "S2", "sacrum")]

Picture = tuple[str, NDArray, tuple[float, float, float]]


def volumes(data: Path) -> Iterator[Picture]:
    """Every volume but those of report patients; and one that ends above the sacrum."""
    split = read_recipe("sagittal").held_out
    for path in sorted((data / "spider_space").glob("sub-*_T2w.nii.gz")):
        patient = str(int(path.name[4:7]))
        if split.role(patient, frozenset({patient})) != "report":
            yield (path.name[:7], *read_sagittal_array(path))
    yield ("sct_lumbar", *read_sagittal_array(data / "sct_lumbar" / "t2_lumbar.nii.gz"))


def singles(data: Path) -> Iterator[Picture]:
    """Every single slice but those of report patients."""
    split = read_recipe("sagittal").held_out
    paths = (data / "spider_space").glob("sub-*_T2w.nii.gz")
    annotated = frozenset(str(int(path.name[4:7])) for path in paths)
    for single in read_spider_midsagittal(data / "spider_midsagittal"):
        if split.role(single.patient, annotated) != "report":
            yield single.name, single.image[None], (SLICE_MM, *single.spacing_mm)


def phantoms(count: int) -> Iterator[Picture]:
    """Phantoms of seeds that no training saw, of any contrast, with the sacrum in view."""
    options = TrainingCaseOptions(p_synthetic=0.0, shift_mm=10.0, height_mm=(280.0, 340.0))
    for seed in range(count):
        case = sagittal_training_case(np.random.default_rng(50_000 + seed), options)
        yield f"phantom {seed} {case.contrast}", case.image, case.spacing_mm


def cut_above_sacrum(analysis: Analysis, array: NDArray) -> NDArray | None:
    """The rows above the sacrum; None where none was found, or little is left above it."""
    labels = analysis.masks.series[0].labels[0].array
    rows = np.flatnonzero(np.isin(labels, _SACRUM).any((0, 2)))
    if not len(rows) or rows[0] < 0.3 * labels.shape[1]:
        return None
    return np.ascontiguousarray(array[:, : rows[0]])


def ways(name: str, array: NDArray, upright: Analysis) -> Iterator[tuple[str, NDArray]]:
    """What else is shown of a picture: without its sacrum, and turned."""
    if "upside-down" in upright.levels.numbering[0].flags or name in STORED_WRONG:
        return
    above = cut_above_sacrum(upright, array)
    if above is not None:
        yield "cut above the sacrum", above
    if name not in NO_SACRUM:
        for turn, axes in TURNS.items():
            yield turn, np.flip(array, axes).copy()


def count(pictures: Iterator[Picture], predictor: Predictor) -> Iterator[str]:
    """Name every mistake as it comes, then say how many were called upside down."""
    called: Counter[str] = Counter()
    seen: Counter[str] = Counter()

    def look(name: str, way: str, array: NDArray, spacing: tuple[float, float, float]) -> Analysis:
        series = sagittal_series("case", array, spacing)
        analysis = analyze(Exam((series,)), AnalyzeOptions(predictor=predictor))
        seen[way] += 1
        if "upside-down" in analysis.levels.numbering[0].flags:
            called[way] += 1
        return analysis

    for name, array, spacing in pictures:
        stored = "stored upside down" if name in STORED_WRONG else "as it is"
        upright = look(name, stored, array, spacing)
        todo = [(stored, upright)]
        todo += [(way, look(name, way, a, spacing)) for way, a in ways(name, array, upright)]
        for way, analysis in todo:
            yield from mistake(name, way, analysis)
    for way, all_ in seen.items():
        yield f"{way}: {called[way]}/{all_} called upside down"


def mistake(name: str, way: str, analysis: Analysis) -> Iterator[str]:
    """One line where a picture was called what it is not."""
    flags = analysis.levels.numbering[0].flags
    if ("upside-down" in flags) != (way in TURNS or way == "stored upside down"):
        numbers = sum(number.value is not None for number in analysis.measurements)
        yield f"  {name}, {way}: {numbers} numbers, {';'.join(flags) or 'no flag'}"


def main() -> int:
    """Print mistakes and counts, group by group."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--phantoms", type=int, default=12)
    parser.add_argument("--every", type=int, default=1, help="only each n-th picture")
    parser.add_argument("--groups", nargs="+", default=["phantoms", "volumes", "singles"])
    given = parser.parse_args()
    groups = {
        "phantoms": phantoms(given.phantoms),
        "volumes": volumes(given.data),
        "singles": singles(given.data),
    }
    predictor = load_model("sagittal")
    for name in given.groups:
        print(name)
        for line in count(islice(groups[name], 0, None, given.every), predictor):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
