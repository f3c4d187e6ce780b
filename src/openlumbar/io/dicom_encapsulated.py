"""A PDF → Encapsulated PDF (PS3.3 A.45.1)."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import EncapsulatedPDFStorage

from openlumbar.core.run import Run
from openlumbar.core.snomed import Concept
from openlumbar.io.dicom_result import ResultSeries, coded, new_object, pointer
from openlumbar.io.dicom_source import Source


def make_encapsulated_pdf(
    pdf: bytes, made_of: Iterable[Dataset], source: Source, series: ResultSeries, run: Run
) -> Dataset:
    """Wrap a PDF file.

    Parameters
    ----------
    pdf
        The whole file. It names no patient: identity is in the header alone.
    made_of
        Instances that the document was derived from; each with its SOP Class UID and
        SOP Instance UID.
    source
        Whose patient and study it is put to.
    series
        The new series to put it into; its description is the document's title.
    run
        What made the document.

    Returns
    -------
    pydicom.Dataset
        Ready to be saved.
    """
    dataset = new_object(EncapsulatedPDFStorage, "DOC", source, series, run)
    _add_document(dataset, pdf, series.description)
    dataset.SourceInstanceSequence = [pointer(entry) for entry in made_of]
    return dataset


def _add_document(dataset: Dataset, pdf: bytes, title: str) -> None:
    """PS3.3 C.24.2 and, for Conversion Type, C.8.6.1."""
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "NO"
    dataset.RecognizableVisualFeatures = "NO"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.DocumentTitle = title
    dataset.ConceptNameCodeSequence = [_concept()]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    # Values have an even length (PS3.5 section 7.1.1); the true one stands beside them.
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    dataset.EncapsulatedDocumentLength = len(pdf)


def _concept() -> Dataset:
    title = codes.DCM.ImagingMeasurementReport
    return coded(Concept(title.value, title.scheme_designator, title.meaning))
