"""The whole result of an analysis, and its way to a folder and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from openlumbar.core.errors import UnreadableError
from openlumbar.core.exam import Block, Exam, Series
from openlumbar.core.levels import Levels
from openlumbar.core.loads import Loads
from openlumbar.core.masks import Masks, SeriesMasks
from openlumbar.core.measurement import Measurement
from openlumbar.core.run import Failure, Run
from openlumbar.core.volume import Volume
from openlumbar.io.exam_json import exam_of_dict, exam_to_dict, write_exam_json
from openlumbar.io.json_file import read_json, write_json
from openlumbar.io.labels import write_label_table
from openlumbar.io.nifti import read_nifti, write_image, write_label_map
from openlumbar.io.outfolder import replacing
from openlumbar.io.tables import write_levels_csv, write_loads_csv, write_measurements_csv

_MODEL = "model.osim"

#: Of ``analysis.json`` and ``run.json``; a reader refuses any other.
SCHEMA_VERSION = 1

_LEVELS = TypeAdapter(Levels)
_MEASUREMENTS = TypeAdapter(tuple[Measurement, ...])
_LOADS = TypeAdapter(Loads | None)
_RUN = TypeAdapter(Run)
_RUN_FIELDS = tuple(field.name for field in fields(Run))
_FAILURES = TypeAdapter(tuple[Failure, ...])


@dataclass(frozen=True, eq=False)
class Analysis:
    """What :func:`openlumbar.analyze` found, with what made it.

    Attributes
    ----------
    exam
        The images, LPS millimetres.
    masks
        Named anatomy of each series that has any, on the grid of its images.
    levels
        Names of vertebrae and discs, and how far they can be trusted.
    measurements
        Numbers with their trust and the lines they were read from.
    run
        Version, weights, options, timings, peak memory, warnings.
    failures
        Stages that failed although their input was there; empty when all went well.
    loads
        Loads on the lumbar spine, or why there are none; None where nobody asked for them.
    """

    exam: Exam
    masks: Masks
    levels: Levels
    run: Run
    failures: tuple[Failure, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    loads: Loads | None = None

    def save(self, out: Path | str) -> None:
        """Write an output folder (docs/reference/outputs.md), as data.

        Without what is drawn from it: pictures, report and DICOM results are written by
        :func:`openlumbar.pipeline.write_results`. Saved over an earlier output, it takes
        the place of all that was in there.

        Parameters
        ----------
        out
            Absent, empty, or a previous output folder, which is replaced once the new
            one is whole.

        Raises
        ------
        OptionError
            ``out`` holds something else, or cannot be written.
        """
        with replacing(Path(out)) as folder:
            write_arrays(self, folder)
            write_facts(self, folder)

    @classmethod
    def load(cls, out: Path | str) -> Analysis:
        """Read an output folder back.

        Images come back for DICOM input. NIfTI and MHA input is not copied into the
        folder: its series come back with the right shape and place, and with NaN,
        which takes no memory, for every intensity.

        Raises
        ------
        UnreadableError
            The folder has no ``analysis.json`` and ``run.json`` of a known
            ``schema_version``, or a file that they name cannot be read.
        """
        folder = Path(out)
        facts = read_json(folder / "analysis.json", SCHEMA_VERSION)
        run = read_json(folder / "run.json", SCHEMA_VERSION)
        try:
            exam = _with_images(exam_of_dict(facts["exam"]), folder)
            return cls(
                exam=exam,
                masks=_read_masks(facts["masks"], exam, folder),
                levels=_LEVELS.validate_python(facts["levels"]),
                run=_RUN.validate_python({name: run[name] for name in _RUN_FIELDS}),
                failures=_FAILURES.validate_python(run["failures"]),
                measurements=_MEASUREMENTS.validate_python(facts.get("measurements", [])),
                loads=_read_loads(facts.get("loads"), folder),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableError(
                f"{folder}: analysis.json or run.json is damaged ({type(error).__name__}); "
                "run the analysis again"
            ) from error


def write_arrays(analysis: Analysis, folder: Path) -> None:
    """Write ``images/`` and ``segmentations/`` into an existing folder."""
    for series in analysis.exam.series:
        if _is_copied(series):
            (folder / "images").mkdir(exist_ok=True)
            for number, block in enumerate(series.blocks):
                write_image(block.volume, folder / _image_path(series, number))
        masks = analysis.masks.of(series.name)
        if masks is not None:
            (folder / "segmentations").mkdir(exist_ok=True)
            _write_masks(series, masks, folder)


def write_facts(analysis: Analysis, folder: Path) -> None:
    """Write ``exam.json``, the tables, ``analysis.json`` and, last, ``run.json``."""
    write_exam_json(analysis.exam, folder / "exam.json")
    write_levels_csv(analysis.levels.rows, folder / "levels.csv")
    write_measurements_csv(analysis.measurements, folder / "measurements.csv")
    record = {
        "exam": exam_to_dict(analysis.exam),
        "masks": [_masks_record(masks) for masks in analysis.masks.series],
        "levels": asdict(analysis.levels),
        "measurements": [asdict(measurement) for measurement in analysis.measurements],
    }
    if analysis.loads is not None:
        record["loads"] = _write_loads(analysis.loads, folder)
    write_json(record, folder / "analysis.json", SCHEMA_VERSION)
    run = asdict(analysis.run) | {"failures": [asdict(failure) for failure in analysis.failures]}
    write_json(run, folder / "run.json", SCHEMA_VERSION)


def _write_loads(loads: Loads, folder: Path) -> dict[str, Any]:
    """Write ``loads.csv`` and ``model.osim``; all but the model's text is for ``analysis.json``."""
    write_loads_csv(loads, folder / "loads.csv")
    if loads.osim:
        (folder / _MODEL).write_text(loads.osim, encoding="utf-8")
    return asdict(replace(loads, osim=""))


def _read_loads(record: Any, folder: Path) -> Loads | None:
    loads = _LOADS.validate_python(record)
    model = folder / _MODEL
    if loads is None or not model.exists():
        return loads
    return replace(loads, osim=model.read_text(encoding="utf-8"))


def _is_copied(series: Series) -> bool:
    """DICOM has no file that a label map could lie on; NIfTI and MHA have."""
    return series.source == "dicom"


def _image_path(series: Series, block: int) -> str:
    return f"images/{series.stem(block)}.nii.gz"


def _mask_path(series: Series, block: int, suffix: str) -> str:
    return f"segmentations/{series.stem(block)}_{suffix}.nii.gz"


def _write_masks(series: Series, masks: SeriesMasks, folder: Path) -> None:
    for suffix, volumes in (("dseg", masks.labels), ("desc-body_dseg", masks.bodies)):
        for number, volume in enumerate(volumes):
            path = folder / _mask_path(series, number, suffix)
            write_label_map(volume, path, series.blocks[number].source_grid)
            source = _image_path(series, number) if _is_copied(series) else series.name
            table = path.with_name(path.name.removesuffix(".nii.gz") + ".json")
            write_label_table(volume.array, table, source)


def _masks_record(masks: SeriesMasks) -> dict[str, Any]:
    """Which label maps a series has; their places follow from its name."""
    return {"series": masks.series, "labels": len(masks.labels), "bodies": len(masks.bodies)}


def _with_images(exam: Exam, folder: Path) -> Exam:
    def filled(series: Series, number: int, block: Block) -> Block:
        return replace(block, volume=_read_on(block, folder / _image_path(series, number)))

    def with_image(series: Series) -> Series:
        blocks = (filled(series, number, block) for number, block in enumerate(series.blocks))
        return replace(series, blocks=tuple(blocks)) if _is_copied(series) else series

    return replace(exam, series=tuple(with_image(series) for series in exam.series))


def _read_masks(records: list[dict[str, Any]], exam: Exam, folder: Path) -> Masks:
    by_name = {series.name: series for series in exam.series}
    return Masks(
        tuple(_read_series_masks(item, by_name[item["series"]], folder) for item in records)
    )


def _read_series_masks(record: dict[str, Any], series: Series, folder: Path) -> SeriesMasks:
    def read(suffix: str, count: int) -> tuple[Volume, ...]:
        return tuple(
            _read_on(series.blocks[number], folder / _mask_path(series, number, suffix))
            for number in range(count)
        )

    labels, bodies = read("dseg", record["labels"]), read("desc-body_dseg", record["bodies"])
    return SeriesMasks(series=series.name, labels=labels, bodies=bodies)


def _read_on(block: Block, path: Path) -> Volume:
    """Read a file of ours with the axes that the block has in memory.

    The reader chooses axes from the grid alone; what we wrote is (i, j, k), or has the
    input file's axes.
    """
    found = read_nifti(path)
    as_in_file = found.volume.array.transpose(np.argsort(found.grid.axes))
    axes = (2, 1, 0) if block.source_grid is None else block.source_grid.axes
    return block.volume.with_array(np.ascontiguousarray(as_in_file.transpose(axes)))
