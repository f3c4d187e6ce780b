from __future__ import annotations

import pydicom
import pytest

from openlumbar.report.dicom import write_dicom_results
from support_dicom import save
from support_results import analysis_of, complaints, pictures


@pytest.mark.parametrize("pdf", [b"%PDF-1.7 even", b"%PDF-1.7 an odd one"])
def test_the_pdf_comes_back_byte_by_byte(tmp_path, pdf):
    save(pictures(4), tmp_path / "exam")
    (tmp_path / "report.pdf").write_bytes(pdf)
    analysis = analysis_of(tmp_path / "exam")
    paths = write_dicom_results(analysis, [tmp_path / "exam"], tmp_path, tmp_path / "report.pdf")
    path = tmp_path / "dicom" / "report.dcm"
    assert paths[-1] == path
    document = pydicom.dcmread(path)
    assert document.EncapsulatedDocument[: document.EncapsulatedDocumentLength] == pdf
    assert (document.Modality, document.BurnedInAnnotation) == ("DOC", "NO")
    assert document.DocumentTitle == "OpenLumbar report (research use)"
    sources = {item.ReferencedSOPInstanceUID for item in document.SourceInstanceSequence}
    assert {*analysis.exam.series[0].blocks[0].instances} < sources
    assert complaints(path) == []
