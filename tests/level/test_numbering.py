import pytest

from openlumbar.core.masks import Tissue
from openlumbar.level.numbering import (
    Evidence,
    choose_sacrum,
    name_above,
    name_below,
    names_upward,
)


def seen(tissue, disc=1.0, certainty=0.95):
    shares = {Tissue.BODY: 0.0, Tissue.S1: 0.0, Tissue.S2: 0.0}
    return Evidence({**shares, tissue: 1.0}, certainty, disc, 1.0)


LUMBAR = [seen(Tissue.BODY)] * 6


def test_names_count_from_the_sacrum_upward():
    assert names_upward(8, (0,) * 7, 6) == ("T12", "L1", "L2", "L3", "L4", "L5", "S1", "S2")


def test_a_missing_body_shifts_no_name_above_it():
    assert names_upward(4, (0, 1, 0), 3) == ("L2", "L3", "L5", "S1")


def test_without_a_sacrum_the_lowest_is_the_fifth_lumbar():
    assert names_upward(3, (0, 0), 3) == ("L3", "L4", "L5")


def test_names_end_at_the_first_thoracic_and_below_the_second_sacral():
    names = names_upward(21, (0,) * 20, 18)
    assert names[0] == ""
    assert names[1] == "T1"
    assert names[-3:] == ("S1", "S2", "")


def test_neighbours_of_names():
    assert [name_above(n) for n in ("S2", "S1", "L5", "L1", "T1")] == ["S1", "L5", "L4", "T12", ""]
    assert [name_below(n) for n in ("T12", "L5", "S1", "S2")] == ["L1", "S1", "S2", ""]


def test_clear_sacrum_is_chosen_surely():
    guess = choose_sacrum([*LUMBAR, seen(Tissue.S1, 0.0), seen(Tissue.S2, 0.0)], at_border=False)
    assert guess.sacral == 6
    assert guess.share > 0.95
    assert sum(guess.shares) == pytest.approx(1.0)


def test_no_sacral_tissue_at_the_border_means_it_is_below():
    guess = choose_sacrum([*LUMBAR[:-1], seen(Tissue.BODY, 0.0)], at_border=True)
    assert guess.sacral == 6


def test_two_first_sacral_segments_leave_the_upper_as_first_with_less_belief():
    clear = choose_sacrum([*LUMBAR, seen(Tissue.S1, 0.0), seen(Tissue.S2, 0.0)], at_border=False)
    double = choose_sacrum([*LUMBAR, seen(Tissue.S1, 0.0), seen(Tissue.S1, 0.0)], at_border=False)
    assert double.sacral == 6
    assert double.share < clear.share


def test_a_disc_below_the_first_sacral_segment_costs_belief():
    plain = choose_sacrum([*LUMBAR, seen(Tissue.S1, 0.0), seen(Tissue.S1, 0.0)], at_border=False)
    disc = choose_sacrum([*LUMBAR, seen(Tissue.S1, 1.0), seen(Tissue.S1, 0.0)], at_border=False)
    assert disc.share < plain.share
