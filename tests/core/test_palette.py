import re
from itertools import pairwise

import pytest

from openlumbar.core import anatomy
from openlumbar.core.palette import VERTEBRA_COLOURS, colour_of, tint


@pytest.mark.parametrize("code", sorted(anatomy.BY_CODE))
def test_every_structure_has_a_colour(code):
    assert re.fullmatch(r"#[0-9A-F]{6}", colour_of(code))


def test_neighbours_differ():
    # The usual chain, and the two variants between their neighbours.
    usual = [name for name in anatomy.VERTEBRAE if name not in ("T13", "L6")]
    chains = [usual, ["T12", "T13", "L1"], ["L5", "L6", "S1"]]
    for chain in chains:
        for upper, lower in pairwise(chain):
            assert VERTEBRA_COLOURS[upper] != VERTEBRA_COLOURS[lower]


def test_muscles_and_their_sides_differ():
    muscles = [structure.code for structure in anatomy.STRUCTURES if structure.kind == "muscle"]
    beside = [anatomy.UNKNOWN_VERTEBRA, anatomy.UNKNOWN_DISC, anatomy.SPINAL_CANAL]
    assert len({colour_of(code) for code in (*muscles, *beside)}) == len(muscles) + len(beside)


def test_tint_goes_from_the_colour_to_white():
    assert tint("#102030", 0) == "#102030"
    assert tint("#102030", 1) == "#FFFFFF"
    assert tint("#000000", 0.5) == "#808080"


def test_an_unknown_code_is_an_error():
    with pytest.raises(KeyError):
        colour_of(9999)
