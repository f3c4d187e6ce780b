"""A phantom on disk: DICOM as from a scanner, and the truth beside it."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

from openlumbar.io.dicom_write import write_mr_series
from openlumbar.io.labels import write_label_table
from openlumbar.io.nifti import write_label_map
from openlumbar.phantom.axial_truth import MuscleTruth, PlaceTruth, SacTruth
from openlumbar.phantom.make import Phantom
from openlumbar.phantom.truth import SeriesTruth

SCHEMA_VERSION = 1


def write_phantom(phantom: Phantom, folder: Path) -> None:
    """Write the exam as DICOM and its truth.

    ::

        folder/dicom/<series>/IM-0001.dcm …
        folder/truth/<series>[_block-1]_dseg.nii.gz + .json     codes of core/anatomy
        folder/truth/<series>[_block-1]_desc-tissue_dseg.nii.gz classes of core.masks.Tissue
        folder/truth/<series>[_block-1]_desc-fat.nii.gz         fat part of each voxel, 255ths
        folder/truth/<series>_muscles.csv, <series>_sac.csv     a row a slice; axial series
        folder/truth/<series>_levels.csv                        a row a slice; axial series
        folder/truth/truth.json                                 levels and parameters

    Parameters
    ----------
    folder
        Made if absent; files of the same names are replaced.
    """
    truth = folder / "truth"
    truth.mkdir(parents=True, exist_ok=True)
    for series, acquisition in zip(phantom.exam.series, phantom.acquisitions, strict=True):
        volumes = [block.volume for block in series.blocks]
        write_mr_series(volumes, acquisition, phantom.study, folder / "dicom" / series.name)
    for labels in phantom.truth.series:
        _write_labels(labels, truth)
        _write_tables(labels, truth)
    text = json.dumps(_record(phantom), indent=2, allow_nan=False)
    (truth / "truth.json").write_text(text + "\n", encoding="utf-8")


def _write_labels(labels: SeriesTruth, folder: Path) -> None:
    for number, (codes, regions) in enumerate(zip(labels.codes, labels.regions, strict=True), 1):
        stem = _stem(labels, number)
        write_label_map(codes, folder / f"{stem}_dseg.nii.gz")
        write_label_table(
            codes.array, folder / f"{stem}_dseg.json", f"dicom/{labels.series}, block {number}"
        )
        write_label_map(regions, folder / f"{stem}_desc-tissue_dseg.nii.gz")
    for number, fat in enumerate(labels.fat, 1):
        write_label_map(fat, folder / f"{_stem(labels, number)}_desc-fat.nii.gz")


def _stem(labels: SeriesTruth, number: int) -> str:
    several = len(labels.codes) > 1
    return f"{labels.series}_block-{number}" if several else labels.series


def _write_tables(labels: SeriesTruth, folder: Path) -> None:
    """Rows of muscles, sac and levels; blocks from 1 as in the files' names, slices from 0."""
    tables = (("muscles", labels.muscles), ("sac", labels.sacs), ("levels", labels.places))
    for name, rows in tables:
        if not rows:
            continue
        with (folder / f"{labels.series}_{name}.csv").open(
            "w", newline="", encoding="utf-8"
        ) as file:
            records = [_flat(row) for row in rows]
            writer = csv.DictWriter(file, list(records[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(records)


def _flat(row: MuscleTruth | SacTruth | PlaceTruth) -> dict[str, object]:
    """A row of a table: six digits, the centroid by its axes."""
    record: dict[str, object] = {}
    for name, value in dataclasses.asdict(row).items():
        if name == "block":
            record[name] = value + 1
        elif name == "centroid_mm":
            record |= {f"{axis}_mm": f"{at:.3f}" for axis, at in zip("xyz", value, strict=True)}
        else:
            record[name] = f"{value:.6g}" if isinstance(value, float) else value
    return record


def _record(phantom: Phantom) -> dict[str, object]:
    """What ``truth.json`` holds; plain JSON types, LPS mm."""
    truth = phantom.truth
    return {
        "schema_version": SCHEMA_VERSION,
        "seed": phantom.seed,
        "subject": dataclasses.asdict(phantom.exam.subject),
        "lordosis_deg": truth.lordosis_deg,
        "sacral_slope_deg": truth.sacral_slope_deg,
        "lumbar_count": phantom.anatomy.lumbar_count,
        "transition": phantom.anatomy.transition,
        "levels": [dataclasses.asdict(level) for level in truth.levels],
        "anatomy": dataclasses.asdict(phantom.anatomy),
    }
