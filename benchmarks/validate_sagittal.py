"""The figures of the sagittal model's card, on patients that it was never trained on.

    python benchmarks/validate_sagittal.py --data ../shared/data --role report -o out/validation

Volumes (``spider_space``): Dice of vertebra, disc and canal on all slices, per patient, on
the annotated grid of 0.625 mm. Everything counts, also what SPIDER left out at the upper
border and below the canal's end; "where annotated" leaves out the rows above the uppermost
annotated bone, and for the canal those beyond its annotated ends. Single slices
(``spider_midsagittal``): the number of vertebrae named above the sacrum against
``series.csv``, and how many slices carry a flag on their numbering. With ``--sheets`` every
picture is drawn with its names, to be looked at; ``--role all --sheets`` runs the main job
on every real sagittal image there is. ``--card`` writes the figures into the model's card.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openlumbar import Analysis, analyze
from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.exam import Exam
from openlumbar.models import Predictor, load_model
from openlumbar.pipeline import AnalyzeOptions
from openlumbar.recipes import read_recipe
from openlumbar.report.pictures import draw_series
from openlumbar.train.spider import (
    SLICE_MM,
    SingleSlice,
    read_sagittal_array,
    read_spider_midsagittal,
    sagittal_series,
)

#: SPIDER's code of each structure, as the volumes here are coded.
SPIDER_CODES = {"vertebra": 1, "disc": 2, "canal": 3}
#: What the shipped card says of weights that these figures were measured on.
LIMITS = [
    "research use only; not for diagnosis",
    "masks to learn from came from T2 SPACE volumes of 19 patients of one data set; T1 and "
    "T2 TSE were learnt from labels that the network made itself and that were looked at",
    "the sacrum was outlined by a non-radiologist, on one slice of each of 26 patients",
    "the canal ends where SPIDER's label ends, somewhere near S1-S2",
    "no annotated patient with metal, tumour or in childhood was tested; fractured and "
    "strongly scoliotic spines are few",
]
NUMBERING_FLAGS = {"numbering-uncertain", "sacrum-out-of-view", "not-a-lumbar-spine"}


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Overlap of two masks, 1 for the same and 0 for disjoint ones."""
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))


def kind_mask(labels: NDArray, kind: str) -> NDArray[np.bool_]:
    """Where a label map of anatomy codes shows a kind of structure, the sacrum apart."""
    codes = [c for c, s in BY_CODE.items() if s.kind == kind and s.name not in ("S1", "S2")]
    return np.isin(labels, codes)


def analyse_volume(path: Path, predictor: Predictor) -> Analysis:
    """Run the main job on one volume."""
    image, spacing = read_sagittal_array(path)
    series = sagittal_series(path.name.removesuffix(".nii.gz"), image, spacing)
    return analyze(Exam((series,)), AnalyzeOptions(predictor=predictor))


def volume_dice(path: Path, analysis: Analysis) -> dict[str, float]:
    """Dice of the label map that a user gets for one annotated volume, by structure."""
    truth, _ = read_sagittal_array(path.with_name(path.name.replace(".nii.gz", "_dseg.nii.gz")))
    labels = analysis.masks.series[0].labels[0].array
    bone = np.flatnonzero(np.isin(truth, (1, 2)).any((0, 2)))
    canal = np.flatnonzero((truth == 3).any((0, 2)))
    # Above the uppermost annotated bone, and beyond the canal's ends, nobody annotated.
    rows = {"vertebra": bone[0], "disc": bone[0], "canal": canal[0]}
    last = {"vertebra": None, "disc": None, "canal": canal[-1] + 1}
    scores = {}
    for kind, code in SPIDER_CODES.items():
        found, annotated = kind_mask(labels, kind), truth == code
        extent = np.s_[:, rows[kind] : last[kind]]
        scores[kind] = dice(found, annotated)
        scores[f"{kind} where annotated"] = dice(found[extent], annotated[extent])
    return scores


def name_slice(single: SingleSlice, predictor: Predictor) -> Analysis:
    """Run the main job on one picture."""
    series = sagittal_series(single.name, single.image[None], (SLICE_MM, *single.spacing_mm))
    return analyze(Exam((series,)), AnalyzeOptions(predictor=predictor))


def count_above_sacrum(analysis: Analysis) -> int:
    """Vertebrae named in a picture, without S1 and S2."""
    rows = [row for row in analysis.levels.rows if row.structure == "vertebra"]
    return sum(row.level not in ("S1", "S2") for row in rows)


def summary_of_counts(found: list[dict[str, object]]) -> dict[str, float]:
    """Shares of slices with the annotated count, within one of it, and flagged."""
    difference = np.array([abs(row["found"] - row["annotated"]) for row in found])
    flagged = np.array([bool(row["flags"]) for row in found])
    return {
        "slices": len(found),
        "equal": float((difference == 0).mean().round(4)),
        "within_one": float((difference <= 1).mean().round(4)),
        "numbering_flagged": float(flagged.mean().round(4)),
    }


def contact_sheet(pictures: Iterable[Path], path: Path, columns: int = 8) -> None:
    """Put pictures side by side on one page."""
    tiles = [Image.open(picture).convert("RGB").resize((380, 460)) for picture in pictures]
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (380 * columns, 460 * rows))
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (380 * (index % columns), 460 * (index // columns)))
    sheet.save(path)


def draw(analysis: Analysis, out: Path) -> None:
    """Draw every series that has names."""
    for masks in analysis.masks.series:
        if any(row.series == masks.series for row in analysis.levels.rows):
            draw_series(analysis, masks.series, out / "pictures")


def validate_volumes(
    paths: dict[str, Path], predictor: Predictor, out: Path, sheets: bool
) -> dict[str, object]:
    """Dice by structure and patient, with mean and worst."""
    by_patient = {}
    for patient, path in paths.items():
        analysis = analyse_volume(path, predictor)
        by_patient[patient] = volume_dice(path, analysis)
        if sheets:
            draw(analysis, out)
        print(patient, {k: round(v, 4) for k, v in by_patient[patient].items()}, flush=True)
    kinds = next(iter(by_patient.values()))
    table = {name: [scores[name] for scores in by_patient.values()] for name in kinds}
    return {
        "mean": {name: round(float(np.mean(v)), 4) for name, v in table.items()},
        "worst": {name: round(float(np.min(v)), 4) for name, v in table.items()},
        "by_patient": {
            patient: {name: round(value, 4) for name, value in scores.items()}
            for patient, scores in by_patient.items()
        },
    }


def validate_slices(
    slices: list[SingleSlice], predictor: Predictor, out: Path, sheets: bool
) -> dict[str, object]:
    """Counts of vertebrae, T1 and T2 apart; every miss is named."""
    found = []
    for single in slices:
        analysis = name_slice(single, predictor)
        numbering = analysis.levels.numbering
        flags = sorted(NUMBERING_FLAGS & {f for n in numbering for f in n.flags})
        found.append(
            {
                "name": single.name,
                "annotated": single.vertebrae,
                "found": count_above_sacrum(analysis),
                "confidence": round(numbering[0].confidence, 3) if numbering else 0.0,
                "flags": flags,
            }
        )
        if sheets:
            draw(analysis, out)
    misses = [row for row in found if row["found"] != row["annotated"] or row["flags"]]
    for row in misses:
        print(row)
    return {
        weighting: summary_of_counts([r for r in found if r["name"].endswith(weighting)])
        for weighting in ("t1", "t2")
    } | {"misses": misses}


def main() -> int:
    """Measure, print, and write ``validation.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--role", choices=("train", "tune", "report", "all"), default="report")
    parser.add_argument("--model", default="sagittal")
    parser.add_argument("--sheets", action="store_true")
    parser.add_argument("--card", type=Path, help="card to write the figures into")
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    predictor = load_model(given.model)
    held_out = read_recipe("sagittal").held_out
    found = sorted((given.data / "spider_space").glob("sub-*_T2w.nii.gz"))
    volumes = {str(int(path.name[4:7])): path for path in found}

    def wanted(patient: str) -> bool:
        return given.role in ("all", held_out.role(patient, frozenset(volumes)))

    slices = read_spider_midsagittal(given.data / "spider_midsagittal")
    singles = [single for single in slices if wanted(single.patient)]
    chosen = {patient: path for patient, path in volumes.items() if wanted(patient)}
    if given.role == "all" and given.sheets:
        draw(analyse_volume(given.data / "sct_lumbar" / "t2_lumbar.nii.gz", predictor), given.out)
    result = {
        "role": given.role,
        "command": "python benchmarks/validate_sagittal.py --data ../shared/data "
        f"--role {given.role} -o out/validation",
        "dice": validate_volumes(chosen, predictor, given.out, given.sheets),
        "counts": validate_slices(singles, predictor, given.out, given.sheets),
        "patients_with_slices": len({single.patient for single in singles}),
    }
    (given.out / "validation.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps({"dice": {k: result["dice"][k] for k in ("mean", "worst")}}, indent=1))
    print(json.dumps({k: result["counts"][k] for k in ("t1", "t2")}, indent=1))
    if given.sheets:
        pictures = sorted((given.out / "pictures").glob("*.png"))
        for page in range(0, len(pictures), 40):
            contact_sheet(pictures[page : page + 40], given.out / f"sheet-{page // 40}.png")
    if given.card:
        card = json.loads(given.card.read_text("utf-8"))
        card["results"] = result
        card["limits"] = LIMITS
        given.card.write_text(json.dumps(card, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
