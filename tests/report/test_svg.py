from xml.etree import ElementTree

import numpy as np
import pytest

from openlumbar.report.svg import Drawing, Pen, Type

SVG = "{http://www.w3.org/2000/svg}"


def drawn(act):
    drawing = Drawing(100, 50)
    act(drawing)
    return ElementTree.fromstring(drawing.bytes())


def test_a_drawing_counts_millimetres_of_paper():
    root = drawn(lambda drawing: None)
    assert (root.get("width"), root.get("viewBox")) == ("100.000mm", "0 0 100.000 50.000")


def test_a_path_runs_through_its_places_given_as_y_x():
    piece = np.array([[1.0, 2.0], [3.0, 4.0]])
    (path,) = drawn(lambda drawing: drawing.path([piece], Pen("#123456", 1.0), closed=True))
    assert path.get("d") == "M2.000 1.000L4.000 3.000Z"
    assert float(path.get("stroke-width")) == pytest.approx(25.4 / 72, abs=1e-3)


def test_only_a_dashed_pen_breaks_its_line():
    line = [np.zeros((2, 2))]
    solid, dashed = (
        drawn(lambda drawing, pen=pen: drawing.path(line, pen))[0]
        for pen in (Pen("#000000", 1.0), Pen("#000000", 1.0, dashed=True))
    )
    assert solid.get("stroke-dasharray") is None
    assert dashed.get("stroke-dasharray")


def test_words_stay_words_whatever_they_hold():
    words = '<b>&amp; "T1" </svg>'
    (text,) = drawn(lambda drawing: drawing.text((5, 5), words, Type("Source Sans Pro", 7, "#000")))
    assert text.tag == f"{SVG}text"
    assert text.text == words


def test_capitals_are_centred_on_their_place():
    (text,) = drawn(lambda drawing: drawing.text((10, 5), "H", Type("Source Sans Pro", 72, "#000")))
    # Capitals of this typeface are 0.66 of its size high; 72 points are 25.4 mm.
    assert float(text.get("y")) == pytest.approx(10 + 0.33 * 25.4, abs=0.01)
