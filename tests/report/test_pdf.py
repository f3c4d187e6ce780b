import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pypdf import PdfReader
from report_samples import (
    analysis_of,
    axial_analysis,
    axial_measurements,
    axial_series,
    measurement,
    of_slice,
    plain_analysis,
    sagittal_series,
    slice_row,
    some_measurements,
)

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Exam, LeftOut
from openlumbar.core.plane import Plane
from openlumbar.core.run import Failure
from openlumbar.report.pdf import pdf_bytes, write_pdf
from openlumbar.report.typeset import typeset

MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
A4_MM = (210.0, 297.0)


def read(analysis):
    return PdfReader(io.BytesIO(pdf_bytes(analysis, MADE)))


def text_of(analysis):
    """All words in a line, as one looks them up; breaks within a word are closed."""
    pages = " ".join(page.extract_text() for page in read(analysis).pages)
    return " ".join(pages.replace("\u200b", "").split())


@pytest.fixture(scope="module")
def plain():
    return read(plain_analysis())


def test_it_is_an_archivable_pdf_on_a4(plain):
    metadata = plain.xmp_metadata.stream.get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part>" in metadata
    assert "<pdfaid:conformance>B</pdfaid:conformance>" in metadata
    for page in plain.pages:
        millimetres = [float(side) * 25.4 / 72 for side in page.mediabox[2:]]
        assert millimetres == pytest.approx(A4_MM, abs=0.1)


def test_it_has_a_title_and_no_author(plain):
    assert plain.metadata.title == "Lumbar spine MRI"
    assert plain.metadata.author is None


def test_every_page_says_what_it_is_for_and_its_number(plain):
    for number, page in enumerate(plain.pages, start=1):
        words = page.extract_text()
        assert "Research use only – not for diagnosis" in words
        assert "imaged supine" in words
        assert f"page {number} of {len(plain.pages)}" in words


def test_its_fonts_are_its_own(plain):
    for page in plain.pages:
        for font in page["/Resources"]["/Font"].values():
            descendant = font.get_object()["/DescendantFonts"][0].get_object()
            descriptor = descendant["/FontDescriptor"].get_object()
            assert {"/FontFile2", "/FontFile3"} & set(descriptor)
            assert "SourceSansPro" in descriptor["/FontName"]


def test_the_first_page_has_the_numbers_the_picture_and_the_doubts(plain):
    first = " ".join(plain.pages[0].extract_text().split())
    for words in (
        "16.0",
        "48.3 ± 1.2°",
        "8.0",
        "What is doubtful",
        "The outline fits the shape that is measured on it badly",
        "sex female · age 54 years",
    ):
        assert words in first
    assert len(plain.pages[0].images) == 1


def test_a_section_has_the_numbers_with_their_uncertainty_and_the_evidence(plain):
    section = " ".join(plain.pages[1].extract_text().split())
    for words in ("16.0 ± 0.3", "the sacrum was found", "confidence 0.93", "Remarks"):
        assert words in section


def test_definitions_and_provenance_stand_last():
    words = text_of(plain_analysis())
    assert "Schneider et al. 2023, section 2.2" in words
    assert "34e31ac4" in words
    assert words.index("How it was measured") < words.index("What made this report")


def test_the_same_analysis_and_date_give_the_same_bytes():
    assert pdf_bytes(plain_analysis(), MADE) == pdf_bytes(plain_analysis(), MADE)


def test_a_file_is_written(tmp_path):
    write_pdf(plain_analysis(), tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_without_a_sagittal_series_it_says_so():
    axial = sagittal_series("abdomen_T2w", plane=Plane.AXIAL)
    analysis = analysis_of(axial, masks=False, warnings=("no sagittal series was found",))
    words = text_of(analysis)
    assert "no sagittal series was found" in words
    assert "abdomen_T2w · axial" in words
    assert "How it was measured" not in words


def test_an_empty_exam_gives_a_report_of_what_was_left_out():
    exam = Exam((), left_out=(LeftOut("localizer", "it has only one slice"),))
    assert "it has only one slice" in text_of(replace(analysis_of(), exam=exam))


def test_a_failed_stage_is_named_on_the_first_page():
    failure = Failure("measure", "spine_T2w", "GeometryError", "the slices are not sagittal")
    page = read(analysis_of(sagittal_series(), failures=(failure,))).pages[0]
    assert "failed: the slices are not sagittal" in " ".join(page.extract_text().split())


def test_withheld_numbers_are_dashes_and_never_figures():
    series = sagittal_series()
    withheld = tuple(
        replace(m, value=None, uncertainty=None, confidence=0.0, flags=("low-certainty",), lines=())
        for m in some_measurements(series)
    )
    words = text_of(analysis_of(series, measurements=withheld))
    assert "The segmentation is unsure of this structure" in words
    assert "–*" in words.replace(" ", "")
    assert not any(number in words for number in ("16.0", "48.3", "8.0", "12.3"))


def test_each_measured_block_and_series_has_a_section():
    two = sagittal_series(blocks=2)
    other = sagittal_series("spine_T1w")
    numbers = (measurement(two), measurement(two, block=1), measurement(other))
    words = text_of(analysis_of(two, other, measurements=numbers))
    for title in ("spine_T2w, block 1", "spine_T2w, block 2", "spine_T1w"):
        assert title.split(",")[0] in words
    assert words.count("Heights of vertebrae and discs, mm") == 1 + 3


@pytest.mark.parametrize("name", ["#set_text_[x]_$y$_*b*_`c`_@d_<e>_\\f_//g", "\"quoted\"_'name'"])
def test_names_are_never_markup(name):
    assert name in text_of(analysis_of(sagittal_series(name)))


def test_signs_without_a_glyph_are_written_as_numbers():
    words = text_of(analysis_of(sagittal_series("환자_Ж_ü_T2w")))
    assert "[U+D658][U+C790]_Ж_ü_T2w" in words


def test_a_long_name_breaks_and_stays_on_the_page():
    name = "sub-" + "a" * 150 + "_T2w"
    reader = read(analysis_of(sagittal_series(name)))
    for page in reader.pages:
        lines = page.extract_text().splitlines()
        assert max(map(len, lines)) < 140
    words = "".join(page.extract_text() for page in reader.pages).replace("\u200b", "")
    assert name in "".join(words.split())


def test_what_fits_a_line_can_be_searched_for_and_copied(plain):
    words = " ".join(page.extract_text() for page in plain.pages)
    assert f"sagittal 0.1.0, SHA-256 {'34e31ac4' * 8}" in " ".join(words.split())
    assert "\u200b" not in words


def test_headers_facts_that_may_name_a_person_stay_out():
    series = replace(
        sagittal_series(), facts={"description": "DOE JOHN", "patient_name": "DOE^JOHN"}
    )
    data = pdf_bytes(analysis_of(series, measurements=some_measurements(series)), MADE)
    reader = PdfReader(io.BytesIO(data))
    assert "DOE" not in " ".join(page.extract_text() for page in reader.pages)


def test_a_record_that_does_not_fit_its_template_is_an_error():
    with pytest.raises(StageError, match=r"report\.typ could not be set"):
        typeset("report.typ", {"title": "x"}, {})


def axial_alone():
    series = axial_series()
    flagged = of_slice(series, 2, "csa_cm2", None, structure="psoas", flags=("partly-in-view",))
    return axial_analysis(series, measurements=(*axial_measurements(series), flagged))


def test_an_exam_of_axial_slices_alone_begins_with_them():
    reader = read(axial_alone())
    first = " ".join(reader.pages[0].extract_text().split())
    for words in ("Axial T2w", "Sides differ most: multifidus", "slice 3", "right sides paler"):
        assert words in first
    assert "Vertebrae" not in first
    assert len(reader.pages[0].images) == 1


def test_axial_pages_have_curves_tables_doubts_and_definitions():
    words = text_of(axial_alone())
    for sentence in (
        "Along the spine",
        "fat area fraction, %",
        "not a proton-density fat fraction",
        "Multifidus R cm² Multifidus L cm² Psoas L cm²",
        "slice 3 9.0 11.0",
        "The structure is cut by the border of the picture",
        "1 number, 1 withheld",
        "pixels of the muscle in the slice times the area of a pixel",
    ):
        assert sentence in words
    assert "k-means" not in words  # what is not printed is not defined


def test_where_levels_are_known_the_tables_are_of_the_discs():
    series = axial_series()
    rows = [slice_row(series, k, "L4-L5", "L4-L5") for k in range(4)]
    of_level = of_slice(series, None, "csa_cm2", 9.5, level="L4-L5")
    numbers = (*axial_measurements(series), of_level)
    words = text_of(axial_analysis(series, measurements=numbers, rows=rows))
    assert "L4-L5 9.5" in words
    assert "11.0" not in words


def test_axial_pages_follow_the_sagittal_ones():
    sagittal, axial = plain_analysis(), axial_alone()
    both = replace(
        sagittal,
        exam=replace(sagittal.exam, series=(*sagittal.exam.series, *axial.exam.series)),
        masks=replace(sagittal.masks, series=(*sagittal.masks.series, *axial.masks.series)),
        measurements=(*sagittal.measurements, *axial.measurements),
    )
    alone, pages = read(sagittal).pages, read(both).pages
    # Page numbers apart, the first pages are the same.
    for before, after in zip(alone[:2], pages[:2], strict=True):
        assert before.extract_text().split("page")[0] == after.extract_text().split("page")[0]
    assert "Axial T2w" in pages[2].extract_text()


def test_an_axial_series_without_numbers_is_shown():
    words = text_of(axial_analysis(axial_series(), measurements=(), masks=False))
    assert "Nothing was measured in this series" in words
