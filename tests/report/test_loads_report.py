import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from load_samples import some_loads, standing
from pypdf import PdfReader
from report_pages import Page
from report_samples import axial_analysis, axial_series, plain_analysis
from rich.console import Console

from openlumbar.core.loads import Loads
from openlumbar.report.html import html_of
from openlumbar.report.pdf import pdf_bytes
from openlumbar.report.summary import summary

MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MISSING = Loads(missing="OpenSim has no package for this platform")
SAID = (
    "Spinal loads, estimated by a model",
    "no force was measured",
    "Upright standing",
    "60° of trunk flexion, 5 kg in each hand (Hess et al. 2023)",
    "as Hess et al. 2023 report them",
    "2931 [2492–3371]",
    "The modelled muscles do not suffice for this task",
    "Reserve at L1-L2, lateral bending",
    "rectus abdominis (L3-L4 L4-L5)",
    "The supine curvature was carried to standing as it is.",
)


def with_loads(loads=None):
    return replace(plain_analysis(), loads=loads or some_loads())


def page_text(analysis):
    return Page(html_of(analysis)).text


def pdf_text(analysis):
    pages = PdfReader(io.BytesIO(pdf_bytes(analysis, MADE))).pages
    return " ".join(" ".join(page.extract_text() for page in pages).replace("\u200b", "").split())


def told(analysis, width=140):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(summary(analysis))
    return capture.get()


@pytest.mark.parametrize("text_of", [page_text, pdf_text])
def test_page_and_pdf_say_the_same(text_of):
    text = text_of(with_loads())
    for words in SAID:
        assert words in text


@pytest.mark.parametrize("text_of", [page_text, pdf_text, told])
def test_an_analysis_without_loads_says_nothing_of_them(text_of):
    text = text_of(plain_analysis())
    assert "loads" not in text.lower()


@pytest.mark.parametrize("text_of", [page_text, pdf_text, told])
def test_missing_loads_are_told_with_the_reason(text_of):
    text = text_of(with_loads(MISSING))
    assert "OpenSim has no package for this platform." in " ".join(text.split())
    assert "Compression" not in text


def test_the_page_has_both_models_and_the_chart_and_asks_for_nothing():
    text = html_of(with_loads())
    assert "http" not in text
    page = Page(text)
    labels = [label for label in page.attribute("aria-label") if label.startswith("The model from")]
    assert len(labels) == 2
    assert "load-chart" in page.attribute("class")
    assert "Antero-posterior shear, N" in page.text


def test_names_from_a_task_file_are_only_text():
    hostile = "</script><img src=x onerror=alert(1)>\"'--><style>"
    task = standing(task="t", title=hostile, posture=(hostile,))
    page = Page(html_of(with_loads(some_loads(tasks=(task,), notes=(hostile,)))))
    assert "onerror" not in {name for _, attributes in page.elements for name in attributes}
    assert page.text.count(hostile) >= 3
    assert hostile in pdf_text(with_loads(some_loads(tasks=(task,)))).replace("‐", "-")


def test_loads_stand_in_reports_of_axial_series_alone():
    analysis = replace(axial_analysis(axial_series()), loads=some_loads())
    assert "Spinal loads" in page_text(analysis)
    assert "Spinal loads" in pdf_text(analysis)


def test_the_same_loads_give_the_same_bytes():
    assert pdf_bytes(with_loads(), MADE) == pdf_bytes(with_loads(), MADE)


def test_the_terminal_has_a_line_a_disc_with_its_interval():
    lines = [line.split() for line in told(with_loads()).splitlines() if "[" in line]
    assert [line[0] for line in lines] == ["T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1"]
    assert lines[4] == ["L4-L5", "502", "[427–577]", "2931", "[2492–3371]"]
