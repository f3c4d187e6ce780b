"""What a network does follows from its card."""

import pytest

from openlumbar.core.errors import ModelError
from openlumbar.models import role_of
from openlumbar.models.card import read_card
from openlumbar.models.session import weights_path
from support_models import card_for


@pytest.mark.parametrize("name", ["sagittal", "axial"])
def test_a_network_that_ships_does_what_it_is_called_by(name):
    assert role_of(read_card(weights_path(name).with_suffix(".json"))) == name


@pytest.mark.parametrize(
    ("function", "role"),
    [
        ("openlumbar.segment.preprocess.prepare", "sagittal"),
        ("openlumbar.segment.axial_preprocess.overview", "axial"),
        ("openlumbar.level.looks.standard_picture", "level"),
        ("openlumbar.level.looks.whole_picture", "level"),
    ],
)
def test_the_pictures_that_a_network_takes_say_what_it_does(function, role):
    assert role_of(_asking_for(function)) == role


def test_pictures_that_no_stage_makes_are_named():
    with pytest.raises(ModelError, match=r"made by somebody\.else\.picture"):
        role_of(_asking_for("somebody.else.picture"))


def _asking_for(function):
    card = card_for("toy", 1.0, 1)
    return card.model_copy(
        update={"input": card.input.model_copy(update={"preprocessing": function})}
    )
