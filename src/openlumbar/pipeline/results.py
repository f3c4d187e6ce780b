"""Analysis → output folder: pictures, report, DICOM, tables and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from openlumbar.core.errors import OptionError
from openlumbar.core.run import Timing, peak_memory_mb
from openlumbar.io.analysis import Analysis, write_arrays, write_facts
from openlumbar.pipeline.stages import Stages
from openlumbar.report.dicom import write_dicom_results
from openlumbar.report.html import write_html
from openlumbar.report.load_pictures import draw_loads
from openlumbar.report.pdf import write_pdf
from openlumbar.report.pictures import draw_series
from openlumbar.report.rulers import draw_rulers


def write_results(
    analysis: Analysis,
    folder: Path,
    stages: Stages | None = None,
    inputs: Sequence[Path] = (),
) -> Analysis:
    """Fill an existing, empty folder with everything that an analysis gives.

    Parameters
    ----------
    folder
        As :func:`openlumbar.io.outfolder.replacing` gives it.
    stages
        What was timed before the analysis.
    inputs
        What the exam was read from, for DICOM results in the study of DICOM images; none
        are written without.

    Returns
    -------
    Analysis
        The same with the timings and failures of drawing and writing.

    Raises
    ------
    OptionError
        The folder cannot be written (no space left, say).
    """
    stages = stages or Stages()
    before = tuple(stages.timings)
    stages.timings.clear()
    _draw(analysis, folder, stages)
    try:
        with stages.timed("write"):
            write_arrays(analysis, folder)
        _report(analysis, before, stages, folder, inputs)
        whole = _with_stages(analysis, before, stages)
        write_facts(whole, folder)
    except OSError as error:
        raise OptionError(
            f"the output cannot be written ({error.strerror}); free some space or choose another "
            "folder with -o"
        ) from error
    return whole


def _draw(analysis: Analysis, folder: Path, stages: Stages) -> None:
    """Pictures of each series with masks (a sagittal one plain and with rulers), and of tasks."""
    pictures = folder / "pictures"
    for name in (masks.series for masks in analysis.masks.series):
        with stages.stage("picture", name):
            draw_series(analysis, name, pictures)
            if any(one.series == name for one in analysis.measurements):
                draw_rulers(analysis, name, pictures)
    if analysis.loads is not None and analysis.loads.tasks:
        with stages.stage("picture", "loads"):
            draw_loads(analysis.loads, pictures)


def _report(
    analysis: Analysis,
    before: tuple[Timing, ...],
    stages: Stages,
    folder: Path,
    inputs: Sequence[Path],
) -> None:
    """What a person reads, and the same as DICOM; the page comes last, and names what failed."""
    pdf = folder / "report.pdf"
    with stages.stage("report"):
        write_pdf(_with_stages(analysis, before, stages), pdf)
    if inputs:
        with stages.stage("dicom"):
            write_dicom_results(analysis, inputs, folder, pdf if pdf.exists() else None)
    with stages.stage("report"):
        write_html(_with_stages(analysis, before, stages), folder / "report.html")


def _with_stages(analysis: Analysis, before: tuple[Timing, ...], stages: Stages) -> Analysis:
    run = replace(
        analysis.run,
        timings=before + analysis.run.timings + tuple(stages.timings),
        peak_memory_mb=round(peak_memory_mb(), 1),
    )
    return replace(analysis, run=run, failures=analysis.failures + tuple(stages.failures))
