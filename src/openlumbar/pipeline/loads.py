"""Loads of an exam, and of an output folder again with other tasks."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from openlumbar.core.errors import InputError
from openlumbar.core.exam import Exam, Subject
from openlumbar.core.levels import LevelRow
from openlumbar.core.loads import Loads
from openlumbar.core.measurement import Measurement
from openlumbar.core.progress import Progress, silent
from openlumbar.core.run import Run
from openlumbar.exam.patients import override
from openlumbar.io.analysis import Analysis
from openlumbar.io.outfolder import replacing
from openlumbar.mechanics import LoadsOptions, solve_loads
from openlumbar.pipeline.results import write_results
from openlumbar.pipeline.stages import Stages

#: Stages that are gone through again with new loads.
_AGAIN = frozenset({"loads", "picture", "write", "report", "dicom"})


def loads_of(
    exam: Exam,
    measurements: Sequence[Measurement],
    rows: Sequence[LevelRow],
    options: LoadsOptions | None,
    stages: Stages,
) -> Loads | None:
    """Solve the loads of an exam as a stage of its analysis.

    Returns
    -------
    None where they are not asked for, where nothing was measured that they could rest on, or
    where the stage failed. A person who cannot be (by a header's height, say) is not a failure:
    the loads say why they are missing.
    """
    if options is None or not measurements:
        return None
    loads = None
    with stages.stage("loads"):
        try:
            loads = _solved(exam, measurements, rows, options, stages)
        except InputError as error:
            loads = Loads(missing=str(error))
    return loads


def _solved(
    exam: Exam,
    measurements: Sequence[Measurement],
    rows: Sequence[LevelRow],
    options: LoadsOptions,
    stages: Stages,
) -> Loads:
    tell = stages.teller("loads", "")
    loads = solve_loads(exam.subject, measurements, rows, options, tell)
    return replace(loads, notes=(*_not_supine(exam), *loads.notes))


def _not_supine(exam: Exam) -> list[str]:
    """A sentence for each series whose Patient Position (PS3.3 C.7.3.1.1.2) is another."""
    positions = {one.name: str(one.facts.get("patient_position") or "") for one in exam.series}
    return [
        f"{name} was taken with the patient in position {position}, not lying on the back: the "
        "rule for standing up was made for those who do."
        for name, position in positions.items()
        if position and not position.endswith("S")
    ]


def solve_again(
    out: Path,
    options: LoadsOptions,
    who: Subject | None = None,
    noted: Mapping[str, str | float | int | None] | None = None,
    inputs: Sequence[Path] = (),
    progress: Progress = silent,
) -> Analysis:
    """Solve the loads of an output folder with other tasks or options; nothing is segmented.

    The folder is replaced when the new one is whole.

    Parameters
    ----------
    out
        Of an earlier analysis.
    options
        How.
    who
        Facts of the person that stand for those of the exam; what is None there stays.
    noted
        What to write to ``run.json`` of the options.
    inputs
        What the folder was analysed from, if pictures and DICOM results shall be made anew.
        Without, pictures of the images and ``dicom/`` stay, with the report of before inside.
    progress
        Told how far the work is.

    Raises
    ------
    UnreadableError
        The folder is not that of an analysis.
    InputError
        The person cannot be.
    StageError
        No task can be balanced.
    """
    before = Analysis.load(out)
    exam = replace(before.exam, subject=override(before.exam.subject, who))
    stages = Stages(progress)
    with stages.timed("loads"):
        loads = _solved(exam, before.measurements, before.levels.rows, options, stages)
    after = replace(before, exam=exam, loads=loads, run=_rerun(before, noted or {}, stages))
    with replacing(out) as folder:
        whole = write_results(after, folder, inputs=inputs)
        _keep(out, folder, images=not inputs)
    return whole


def _rerun(before: Analysis, noted: Mapping[str, str | float | int | None], stages: Stages) -> Run:
    timings = tuple(one for one in before.run.timings if one.stage not in _AGAIN)
    return replace(
        before.run,
        options={**before.run.options, **noted},
        timings=timings + tuple(stages.timings),
    )


def _keep(out: Path, folder: Path, images: bool) -> None:
    """Carry over what only the images could make again."""
    for name in ("phantom", *(("dicom",) if images else ())):
        if (out / name).is_dir() and not (folder / name).exists():
            shutil.copytree(out / name, folder / name)
    if images and (out / "pictures").is_dir():
        (folder / "pictures").mkdir(exist_ok=True)
        for picture in (out / "pictures").iterdir():
            if not picture.name.startswith("loads_"):
                shutil.copy2(picture, folder / "pictures" / picture.name)
