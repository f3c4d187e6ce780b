"""Loads as a stage of the pipeline: what the exam adds to them."""

from dataclasses import replace

import pytest

from openlumbar.core.exam import Subject
from openlumbar.mechanics import LoadsOptions
from openlumbar.pipeline import AnalyzeOptions, analyze

QUICK = LoadsOptions(samples=0)


@pytest.fixture(scope="module")
def solved(painted_exam, predictor, axial_predictor):
    def solve(exam, loads=QUICK):
        options = AnalyzeOptions(predictor, axial_predictor, None, axial_predictor, loads=loads)
        return analyze(exam, options)

    return lambda **changes: solve(replace(painted_exam, **changes))


def positioned(exam, position):
    return tuple(
        replace(one, facts={**one.facts, "patient_position": position}) for one in exam.series
    )


@pytest.mark.parametrize(("position", "told"), [("HFS", False), ("", False), ("FFP", True)])
def test_an_exam_not_taken_supine_is_told(solved, painted_exam, position, told):
    found = solved(series=positioned(painted_exam, position))
    assert found.failures == ()
    notes = " ".join(found.loads.notes)
    assert ("position FFP, not lying on the back" in notes) is told


def test_an_impossible_person_is_no_failure_and_the_rest_comes_out(solved):
    found = solved(subject=Subject("F", 40, 0.6, 60.0))
    assert found.failures == ()
    assert "0.6 m is no adult's" in found.loads.missing
    assert found.measurements
