import numpy as np
import pytest

from openlumbar.core.errors import InputError
from openlumbar.core.exam import Subject
from openlumbar.core.flags import FLAGS
from openlumbar.core.loads import Origin
from openlumbar.mechanics.subject import base_sex, person_of, perturbed

REFERENCE = (1.76, 78.0)


def person(sex="F", height_m=1.65, mass_kg=62.0):
    return person_of(Subject(sex, 40.0, height_m, mass_kg), *REFERENCE)


def test_what_is_given_is_taken_with_a_small_deviation():
    found = person()
    assert (found.sex, found.height_m, found.mass_kg, found.flags) == ("F", 1.65, 62.0, ())
    assert 0 < found.height_sd_m <= 0.03
    assert 0 < found.mass_sd_kg <= 3
    assert {row.origin for row in found.provenance} == {Origin.MEASURED}


@pytest.mark.parametrize(
    ("given", "flag", "height_m", "mass_kg"),
    [
        ({"height_m": None}, "height-unknown", 1.76, 62.0),
        ({"mass_kg": None}, "mass-unknown", 1.65, 78.0),
        ({"sex": None}, "sex-unknown", 1.65, 62.0),
        ({"sex": "O"}, "sex-unknown", 1.65, 62.0),
    ],
)
def test_what_is_missing_comes_from_the_base_model_flagged(given, flag, height_m, mass_kg):
    found = person(**given)
    assert found.flags == (flag,)
    assert flag in FLAGS
    assert (found.height_m, found.mass_kg) == (height_m, mass_kg)
    assert len(found.notes) == 1
    assert [row.origin for row in found.provenance].count(Origin.GENERIC) == 1


def test_an_unknown_value_is_far_less_sure_than_a_given_one():
    assert person(height_m=None).height_sd_m > 3 * person().height_sd_m
    assert person(mass_kg=None).mass_sd_kg > 3 * person().mass_sd_kg


def test_nothing_known_is_three_flags():
    found = person_of(Subject(), *REFERENCE)
    assert found.flags == ("sex-unknown", "height-unknown", "mass-unknown")
    assert found.sex == base_sex(Subject()) == "M"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"mass_kg": 700.0}, "700 kg"),
        ({"height_m": 17.0}, "17 m"),
        ({"height_m": 175.0}, "perhaps 1.75 m"),
        ({"height_m": 1.0}, "1 m"),
        ({"height_m": -1.7}, "-1.7 m"),
        ({"height_m": float("nan")}, "nan m"),
        ({"mass_kg": 0.0}, "0 kg"),
        ({"mass_kg": float("inf")}, "inf kg"),
        ({"height_m": 1.25, "mass_kg": 290.0}, "index of 186"),
        ({"height_m": 2.2, "mass_kg": 31.0}, "index of 6"),
    ],
)
def test_what_no_adult_is_is_refused_in_one_sentence(given, word):
    with pytest.raises(InputError, match=word.replace("-", r"\-")) as error:
        person(**given)
    assert str(error.value).startswith("body ")
    assert "\n" not in str(error.value)


def test_perturbed_persons_have_the_deviation_said_and_stay_possible():
    rng = np.random.default_rng(0)
    drawn = [perturbed(person(mass_kg=None), rng) for _ in range(2000)]
    masses = np.array([one.mass_kg for one in drawn])
    heights = np.array([one.height_m for one in drawn])
    assert masses.mean() == pytest.approx(78.0, abs=1.0)
    assert masses.std() == pytest.approx(15.0, rel=0.06)
    assert heights.std() == pytest.approx(0.02, rel=0.06)
    assert masses.min() >= 30.0
