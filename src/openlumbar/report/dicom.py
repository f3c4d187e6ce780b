"""An analysis of DICOM images → DICOM objects in the study of the images."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from openlumbar.core.errors import InputError, OpenLumbarError, StageError
from openlumbar.core.exam import Series
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.io.analysis import Analysis
from openlumbar.io.dicom_edge import quiet
from openlumbar.io.dicom_encapsulated import make_encapsulated_pdf
from openlumbar.io.dicom_result import ResultSeries, instances, reference
from openlumbar.io.dicom_seg import LabelMap, Segmentation, make_segmentation
from openlumbar.io.dicom_source import Source, new_uid, read_sources
from openlumbar.io.dicom_sr import AXIAL_NUMBERS, Measured, make_report

logger = logging.getLogger(__name__)

#: Results of series 3 are series 301, 302 and 303; the document of the exam is 9900.
ANATOMY, BODIES, REPORT = 1, 2, 3
DOCUMENT_NUMBER = 9900
#: Stands for the number of a source that has none, or one too large to count from.
NO_NUMBER, MAX_NUMBER = 98, 1_000_000


@dataclass(frozen=True, eq=False)
class _Written:
    """A file and what is in it."""

    path: Path
    dataset: Dataset


def write_dicom_results(
    analysis: Analysis, inputs: Sequence[Path], folder: Path, pdf: Path | None = None
) -> tuple[Path, ...]:
    """Write what was found in DICOM series as DICOM, into ``folder/dicom``.

    ::

        <series>_seg.dcm          Segmentation: all structures, a segment each
        <series>_seg-bodies.dcm   Segmentation: the bodies of vertebrae alone
        <series>_sr.dcm           Enhanced SR, TID 1500: measurements, of an axial series
                                  those of ``dicom_sr.AXIAL_NUMBERS``
        report.dcm                Encapsulated PDF

    A series of several blocks has ``<series>_block-1_seg.dcm`` and so on.

    Parameters
    ----------
    analysis
        Of images; series of NIfTI and MHA files have no DICOM results.
    inputs
        What the exam was read from. Headers are read again, for patient and study.
    folder
        An existing output folder; ``dicom/`` is made in it when there is something to
        write. It is the only place that has the patient's name in it.
    pdf
        The report to be wrapped; None for none.

    Returns
    -------
    tuple of Path
        What was written; nothing for an exam without DICOM series.

    Raises
    ------
    UnreadableError
        An input is gone.
    StageError
        Some of it could not be written; all else was.
    OSError
        The folder cannot be written.
    """
    chosen = _chosen(analysis, pdf)
    if not chosen:
        return ()
    place = folder / "dicom"
    place.mkdir(exist_ok=True)
    with quiet():
        sources = read_sources(inputs, {series.name: _slices(series) for series in chosen})
        written, failed = _write_all(analysis, chosen, sources, place)
        if pdf is not None:
            written += _write_document(analysis, sources, pdf, written, place)
    if failed:
        raise StageError(f"some DICOM results could not be written: {'; '.join(failed)}")
    return tuple(entry.path for entry in written)


def _chosen(analysis: Analysis, pdf: Path | None) -> list[Series]:
    """The DICOM series with results; for a report alone, one to be in the study of."""
    of_dicom = [series for series in analysis.exam.series if series.source == "dicom"]
    measured = {entry.series for entry in analysis.measurements}
    found = [s for s in of_dicom if analysis.masks.of(s.name) or s.name in measured]
    return found or (of_dicom[:1] if pdf is not None else [])


def _slices(series: Series) -> list[str]:
    return [name for block in series.blocks for name in block.instances]


def _write_all(
    analysis: Analysis,
    chosen: Sequence[Series],
    sources: dict[str, Source | InputError],
    place: Path,
) -> tuple[list[_Written], list[str]]:
    """Write the results of each series; a sentence for each that failed beside them."""
    written: list[_Written] = []
    failed: list[str] = []
    # Names in a picture stored upside down are wrong: none of them goes to an archive.
    wrong = {entry.series for entry in analysis.levels.numbering if "upside-down" in entry.flags}
    for series in (one for one in chosen if one.name not in wrong):
        try:
            written += _write_series(analysis, series, _found(sources[series.name]), place)
        except OSError:
            raise
        except OpenLumbarError as error:
            failed.append(str(error))
        except Exception:
            # A header that nobody thought of must not take the other series along; what
            # highdicom says of it may name the patient, and stays in the log.
            logger.exception("the DICOM results of %s failed", series.name)
            failed.append(f"{series.name}: an unexpected error; the log has its traceback")
    return written, failed


def _found(source: Source | InputError) -> Source:
    if isinstance(source, InputError):
        raise source
    return source


def _write_series(
    analysis: Analysis, series: Series, source: Source, place: Path
) -> list[_Written]:
    masks = analysis.masks.of(series.name)
    labels, bodies = (masks.labels, masks.bodies) if masks is not None else ((), ())
    anatomy = _segmentations(analysis, series, source, labels)
    of_bodies = _segmentations(analysis, series, source, bodies, bodies=True)
    written = [
        _save(entry.dataset, place / f"{series.stem(block)}_{suffix}.dcm")
        for suffix, objects in (("seg", anatomy), ("seg-bodies", of_bodies))
        for block, entry in objects.items()
    ]
    own = [entry for entry in analysis.measurements if entry.series == series.name]
    if series.plane is Plane.AXIAL:
        own = [entry for entry in own if (entry.structure, entry.metric) in AXIAL_NUMBERS]
    if own:
        slices = {number: block.instances for number, block in enumerate(series.blocks)}
        new = _new_series(source, REPORT, "measurements")
        report = make_report(own, Measured(slices, anatomy, of_bodies), source, new, analysis.run)
        written.append(_save(report, place / f"{series.name}_sr.dcm"))
    return written


def _segmentations(
    analysis: Analysis,
    series: Series,
    source: Source,
    volumes: Sequence[Volume],
    bodies: bool = False,
) -> dict[int, Segmentation]:
    """One object a block that has any structure, by its block."""
    what = (BODIES, "vertebral bodies") if bodies else (ANATOMY, "anatomy")
    new = _new_series(source, *what)
    return {
        block: make_segmentation(
            LabelMap(volume.array, series.blocks[block].instances, bodies),
            source,
            new,
            analysis.run,
            instance_number=block + 1,
        )
        for block, volume in enumerate(volumes)
        if volume.array.any()
    }


def _write_document(
    analysis: Analysis,
    sources: dict[str, Source | InputError],
    pdf: Path,
    written: Sequence[_Written],
    place: Path,
) -> list[_Written]:
    """Wrap the report; it refers to the images and to all that was written of them."""
    known = [source for source in sources.values() if isinstance(source, Source)]
    if not known:
        return []
    new = ResultSeries(new_uid(), DOCUMENT_NUMBER, "OpenLumbar report (research use)")
    made_of = [*_images(known), *(entry.dataset for entry in written)]
    document = make_encapsulated_pdf(pdf.read_bytes(), made_of, known[0], new, analysis.run)
    return [_save(document, place / "report.dcm")]


def _images(sources: Iterable[Source]) -> list[Dataset]:
    return [
        reference(source, image)
        for source in sources
        for image in instances(source.images.values())
    ]


def _new_series(source: Source, offset: int, what: str) -> ResultSeries:
    number = source.series_number
    if number is None or not 0 < number <= MAX_NUMBER:
        number = NO_NUMBER
    return ResultSeries(new_uid(), 100 * number + offset, f"OpenLumbar {what} (research use)")


def _save(dataset: Dataset, path: Path) -> _Written:
    dataset.save_as(path, enforce_file_format=True)
    return _Written(path, dataset)
