import re

import numpy as np
import pytest

from openlumbar.core.anatomy import BY_CODE, STRUCTURES
from openlumbar.core.codes import SCHEMES, fitting, translate
from openlumbar.core.errors import InputError, OptionError

OURS = [structure.code for structure in STRUCTURES]
#: What an ordinary lumbar mask holds; L6, T13 and unknown levels change what codes mean.
USUAL = [code for code in OURS if code not in (33, 40, 46, 90, 96)]
LUMBAR = [2, *range(30, 33), *range(41, 46), 50, 82, *range(91, 96), 100]
OTHERS = [name for name in SCHEMES if name != "openlumbar"]
#: Those whose vertebrae and discs have names.
LEVELLED = ["totalspineseg", "spineps", "spider", "nnunet"]


def translated(codes, source, target):
    return translate(np.array(codes), source, target)


#: SPIDER counts from below, so with L6 or T13 other names come back.
COME_BACK = [
    *((name, USUAL) for name in [*LEVELLED, "musclemap"]),
    *((name, [*USUAL, 46, 96]) for name in LEVELLED if name != "spider"),
    *((name, OURS) for name in LEVELLED if name != "spider"),
]


@pytest.mark.parametrize(("name", "present"), COME_BACK)
def test_what_a_scheme_can_say_comes_back(name, present):
    there = translated(present, "openlumbar", name)
    back = translated(there.labels, name, "openlumbar")
    merged = {51, 52} if 50 in back.labels[[present.index(51), present.index(52)]] else set()
    for code, written, found in zip(present, there.labels, back.labels, strict=True):
        assert found in (code, 0) or code in merged
        assert bool(found) == bool(written)
    numbers = [n for n, code in zip(there.labels, present, strict=True) if n and code not in merged]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_lost_is_told(name):
    there = translated(USUAL, "openlumbar", name)
    lost = [code for code, written in zip(USUAL, there.labels, strict=True) if not written]
    counted = re.findall(r"left out: (\d+) structure", " ".join(there.notes))
    assert sum(map(int, counted)) == len(lost)


@pytest.mark.parametrize("name", LEVELLED)
def test_the_lumbar_spine_is_in_every_scheme(name):
    there = translated([41, 42, 43, 44, 45, 91, 92, 93, 94, 95, 100], "openlumbar", name)
    assert (there.labels > 0).all()
    assert there.notes == ()


def test_codes_as_the_tools_document_them():
    # One or two of each, as they stand in the sources named at the head of core/codes.py.
    assert translated([41, 45, 50, 100, 82], "totalspineseg", "openlumbar").labels.tolist() == [
        *(41, 45, 50, 100, 82)
    ]
    assert translated([1, 5, 6, 17, 100, 201, 206], "spider", "openlumbar").labels.tolist() == [
        *(45, 41, 32, 21, 2, 100, 91)
    ]
    assert translated([8, 19, 20, 24, 26, 119, 124], "spineps", "openlumbar").labels.tolist() == [
        *(21, 32, 41, 45, 50, 91, 100)
    ]
    assert translated(
        [49, 41, 60, 61, 100], "spineps-subregions", "openlumbar"
    ).labels.tolist() == [*(40, 40, 1, 2, 90)]
    assert translated([5101, 5122, 6160], "musclemap", "openlumbar").labels.tolist() == [
        *(5101, 5122, 50)
    ]


def test_the_older_codes_of_musclemap_are_odd_on_the_right():
    found = translated(range(1, 9), "musclemap", "openlumbar")
    assert [BY_CODE[int(code)].side for code in found.labels] == ["right", "left"] * 4
    assert [BY_CODE[int(code)].name for code in found.labels[::2]] == [
        "multifidus",
        "erector spinae",
        "psoas",
        "quadratus lumborum",
    ]


def test_spider_says_which_vertebrae_are_partly_in_view():
    found = translated([1, 2, 100, 107, 108], "spider", "openlumbar")
    assert found.labels.tolist() == [45, 44, 2, 31, 30]
    assert found.partly_in_view == {31, 30}
    assert any("five lumbar" in note for note in found.notes)


@pytest.mark.parametrize("n", range(1, 25))
def test_spider_whole_and_partly_in_view_are_the_same_vertebra(n):
    whole, part = SCHEMES["spider"].names(())[n], SCHEMES["spider"].names(())[100 + n]
    assert whole == part
    assert 100 + n in SCHEMES["spider"].partly
    assert SCHEMES["spider"].names(())[200 + n].split("-")[0] == whole


def test_with_a_sixth_lumbar_vertebra_spider_counts_it_first():
    there = translated([44, 45, 46, 95, 96, 100], "openlumbar", "spider")
    assert there.labels.tolist() == [3, 2, 1, 203, 202, 201]
    assert any("one higher" in note for note in there.notes)


def test_with_a_sixth_lumbar_vertebra_spineps_has_its_disc():
    assert translated([24, 25, 124, 125], "spineps", "openlumbar").labels.tolist() == [
        *(45, 46, 96, 100)
    ]
    assert translated([24, 124], "spineps", "openlumbar").labels.tolist() == [45, 100]


def test_a_thirteenth_rib_bearing_vertebra_does_not_lend_its_disc_a_name():
    found = translated([19, 28, 20, 119, 128], "spineps", "openlumbar")
    assert found.labels.tolist() == [32, 33, 41, 0, 0]
    assert any("T12-T13, T13-L1" in note for note in found.notes)


def test_s1_is_a_vertebra_where_spineps_parts_the_sacrum():
    assert translated([24, 26], "spineps", "openlumbar").labels.tolist() == [45, 50]
    found = translated([24, 26, 29, 30, 126], "spineps", "openlumbar")
    assert found.labels.tolist() == [45, 51, 52, 50, 101]


def test_parts_of_the_sacrum_become_the_sacrum():
    there = translated([45, 50, 51, 52], "openlumbar", "totalspineseg")
    assert there.labels.tolist() == [45, 50, 50, 50]
    assert there.names == {45: "L5", 50: "sacrum"}
    assert any("S1 and S2" in note for note in there.notes)


def test_cervical_structures_pass_from_tool_to_tool_but_not_to_us():
    assert translated([17, 21, 71], "totalspineseg", "spineps").labels.tolist() == [7, 8, 107]
    ours = translated([17, 21, 71], "totalspineseg", "openlumbar")
    assert ours.labels.tolist() == [0, 21, 0]
    assert any("C7, C7-T1" in note for note in ours.notes)


def test_nnunet_has_every_structure_without_gaps():
    names = SCHEMES["nnunet"].names(())
    assert list(names) == list(range(1, len(STRUCTURES) + 1))
    assert set(names.values()) == set(SCHEMES["openlumbar"].names(()).values())


def test_an_array_of_any_shape_is_translated_voxel_by_voxel():
    rng = np.random.default_rng(0)
    ours = rng.choice([0, *LUMBAR], (4, 5, 6)).astype(np.uint16)
    there = translate(ours, "openlumbar", "totalspineseg")
    assert there.labels.dtype == np.uint16
    assert there.labels.shape == ours.shape
    for code in np.unique(ours):
        assert len(np.unique(there.labels[ours == code])) == 1
    assert (there.labels[ours == 0] == 0).all()
    assert np.array_equal(translate(there.labels, "totalspineseg", "openlumbar").labels, ours)


def test_unknown_codes_are_named_and_left_out():
    found = translated([0, *LUMBAR, 250, 251], "totalspineseg", "openlumbar")
    assert found.labels.tolist() == [0, *LUMBAR, 0, 0]
    assert any(
        "codes 250, 251 are not in the table of TotalSpineSeg" in note for note in found.notes
    )


#: Our table holds all of TotalSpineSeg's but the neck.
WRONG = [
    (true, said)
    for true in LEVELLED
    for said in SCHEMES
    if said not in (true, "openlumbar" if true == "totalspineseg" else true)
]


@pytest.mark.parametrize(("true", "said"), WRONG)
def test_a_mask_of_another_tool_is_recognised(true, said):
    mask = translated(LUMBAR, "openlumbar", true).labels
    with pytest.raises(InputError, match=true):
        translate(mask, said, "openlumbar" if said != "openlumbar" else "spider")


def test_the_subregions_of_spineps_are_no_vertebra_mask():
    with pytest.raises(InputError, match="spineps-subregions"):
        translated([41, 42, 49, 60, 61, 100, 26], "spineps", "openlumbar")


def test_vertebrae_that_spineps_only_counted_are_refused():
    with pytest.raises(InputError, match="labelling model"):
        translated([1, 2, 3, 4, 5, 6, 7, 26, 101, 102], "spineps", "openlumbar")


@pytest.mark.parametrize("codes", [[1, 2, 3], range(1, 9)], ids=["tissues", "muscles"])
def test_a_mask_without_discs_and_canal_is_none_of_spider(codes):
    with pytest.raises(InputError, match=r"this one only 1, 2, 3"):
        translated(codes, "spider", "openlumbar")


def test_codes_of_nobody_are_an_error():
    # Those of TotalSpineSeg before 2025: 21 … 23 would be T1 … T3.
    old = [*range(18, 26), 92, *range(200, 209)]
    with pytest.raises(InputError, match=r"most of the mask's codes \(18, 19.* and \d+ more\)"):
        translated(old, "totalspineseg", "openlumbar")


def test_nothing_that_the_target_knows_is_an_error():
    with pytest.raises(InputError, match="no code for any"):
        translated([5101, 5102], "openlumbar", "spider")
    with pytest.raises(InputError, match="empty"):
        translated([0, 0], "spider", "openlumbar")


def test_fitting_schemes_know_every_code():
    assert set(fitting([41, 45, 91, 100])) == {"openlumbar", "totalspineseg"}
    assert fitting([60000]) == ()


def test_an_unknown_scheme_is_an_error_with_the_choices():
    with pytest.raises(OptionError, match="totalspineseg"):
        translated([1], "nobody", "openlumbar")
