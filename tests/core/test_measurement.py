from dataclasses import replace

import pytest

from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import METRICS

NUMBER = Measurement(
    series="t2",
    block=0,
    structure="spine",
    level="L1-S1",
    metric="lordosis_deg",
    value=45.0,
    uncertainty=2.0,
    confidence=0.9,
)


def test_the_unit_is_that_of_the_metric():
    assert NUMBER.unit == "deg"


def test_a_number_of_no_known_metric_is_refused():
    with pytest.raises(KeyError):
        replace(NUMBER, metric="height_in_feet")


def test_a_metric_of_another_structure_is_refused():
    with pytest.raises(KeyError):
        replace(NUMBER, structure="disc")


def test_nothing_is_withheld_without_a_reason():
    with pytest.raises(ValueError, match="withheld without a flag"):
        replace(NUMBER, value=None, uncertainty=None)


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_name_ends_in_its_unit(metric):
    endings = {"mm": "_mm", "mm2": "_mm2", "cm2": "_cm2", "deg": "_deg", "%": "_percent"}
    assert metric.name.endswith(endings.get(metric.unit, ""))
    assert metric.unit in {*endings, "1"}
