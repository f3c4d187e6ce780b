"""Measurements beside what radiologists graded on the same discs.

    python benchmarks/gradings.py --data ../shared/data

Single slices of ``spider_midsagittal``, segmented, named and measured as a user's; grades
of ``gradings.csv`` (van der Graaf et al. 2024). Listhesis against graded spondylolisthesis, disc
height and its index against graded narrowing. The grades are no measurements: they say whether
our numbers follow what readers see. Some slices' pixel spacing is wrong in ``series.csv``, so
millimetres are off by up to a third there. A slice is measured under the names that it was
given; a wrong name compares two discs.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu, spearmanr
from validate_sagittal import name_slice

from openlumbar.models import load_model
from openlumbar.train.spider import read_spider_midsagittal

#: Discs as ``gradings.csv`` counts them, from the sacrum upward.
DISCS = {"1": "L5-S1", "2": "L4-L5", "3": "L3-L4", "4": "L2-L3", "5": "L1-L2"}
#: What a number is set beside.
GRADES = {
    "listhesis_mm": "Spondylolisthesis",
    "height_mm": "Disc narrowing",
    "disc_height_index": "Disc narrowing",
}
#: Metrics of which a smaller value speaks for the grade.
FALLING = ("height_mm", "disc_height_index")

Pairs = dict[str, list[tuple[str, float, bool]]]


def read_grades(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    """By patient and level."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["IVD label"] in DISCS]
    return {(row["Patient"], DISCS[row["IVD label"]]): row for row in rows}


def pairs_of(data: Path, weighting: str) -> Pairs:
    """By metric: level, number and whether its grade is above 0."""
    grades = read_grades(data / "gradings.csv")
    predictor = load_model("sagittal")
    found: Pairs = defaultdict(list)
    for single in read_spider_midsagittal(data):
        if not single.name.endswith(weighting):
            continue
        for m in name_slice(single, predictor).measurements:
            row = grades.get((single.patient, m.level))
            if m.metric in GRADES and m.value is not None and row and m.structure == "disc":
                graded = float(row[GRADES[m.metric]]) > 0
                found[m.metric].append((m.level, m.value, graded))
    return found


def print_metric(metric: str, pairs: list[tuple[str, float, bool]]) -> None:
    """Rank correlation, and the chance that a graded disc has the more telling number."""
    values = np.array([value for _, value, _ in pairs])
    graded = np.array([grade for *_, grade in pairs])
    telling = -values if metric in FALLING else np.abs(values)
    area = mannwhitneyu(telling[graded], telling[~graded]).statistic / graded.sum()
    print(
        f"{metric} and {GRADES[metric]}: {graded.sum()} of {len(graded)} graded, "
        f"Spearman {spearmanr(telling, graded).statistic:.2f}, AUC {area / (~graded).sum():.2f}"
    )


def print_slips(pairs: list[tuple[str, float, bool]]) -> None:
    """What is measured where nobody saw a slip."""
    rest = [(level, value) for level, value, graded in pairs if not graded]
    for disc in reversed(DISCS.values()):
        print(f"  {disc}: median {np.median([v for level, v in rest if level == disc]):+.1f} mm")
    values = np.array([value for _, value in rest])
    print(
        f"  3 mm forward or more: {(values >= 3).mean():.0%}; backward: {(values <= -3).mean():.0%}"
    )


def main() -> int:
    """Print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weighting", choices=("t1", "t2"), default="t2")
    given = parser.parse_args()
    pairs = pairs_of(given.data / "spider_midsagittal", given.weighting)
    for metric in GRADES:
        print_metric(metric, pairs[metric])
    print("listhesis of discs that were not graded as slipped:")
    print_slips(pairs["listhesis_mm"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
