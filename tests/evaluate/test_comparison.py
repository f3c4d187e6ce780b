import csv
import re

import pytest

from openlumbar.core.errors import InputError, OptionError
from openlumbar.core.plane import Plane
from openlumbar.evaluate.comparison import ExamPair, compare
from openlumbar.evaluate.matching import State
from openlumbar.evaluate.writing import HEADER, write_comparison
from support_comparison import (
    AXIAL,
    SAGITTAL,
    analysis,
    areas,
    centroid,
    disc_heights,
    loads,
    number,
    series,
)


def one(reference, other, **more):
    return compare([ExamPair("p01", reference, other)], **more)


def row(rows, name, level=""):
    found = [r for r in rows if (r.quantity.name, r.level) == (name, level)]
    assert len(found) == 1
    return found[0]


def states(result, name):
    return [n.state for n in result.numbers if n.quantity.name == name]


def test_disc_heights_by_hand():
    result = one(
        analysis(disc_heights([8.0, 9.0, 10.0, 11.0, 7.0])),
        analysis(disc_heights([8.5, 9.0, 9.0, 12.5, 7.0])),
    )
    overall = row(result.overall, "disc bounding_height_mm")
    assert overall.compared == 5
    assert overall.error.mean == pytest.approx((0.5 + 0 + 1 + 1.5 + 0) / 5)
    assert overall.agreement.bias == pytest.approx(0.2)
    # by hand: deviations from 9 and 9.2, of products and squares
    products = 1 * 0.7 + 0 + 1 * 0.2 * -1 + 2 * 3.3 + 2 * 2.2
    squares = (1 + 0 + 1 + 4 + 4) * (0.49 + 0.04 + 0.04 + 10.89 + 4.84)
    assert overall.correlation.r == pytest.approx(products / squares**0.5)
    at_level = row(result.disc_heights, "disc bounding_height_mm", "L4-L5")
    assert (at_level.compared, at_level.error.mean) == (1, 1.5)
    assert at_level.correlation is None
    assert "there are 1" in at_level.note
    assert [r.level for r in result.disc_heights] == [
        "", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1",
    ]  # fmt: skip


def test_over_exams_a_level_has_a_number_each():
    heights = {"p01": (10.0, 11.0), "p02": (8.0, 7.0), "p03": (9.0, 9.5)}
    pairs = [
        ExamPair(name, analysis(disc_heights([ours])), analysis(disc_heights([theirs])))
        for name, (ours, theirs) in heights.items()
    ]
    at_level = row(compare(pairs).disc_heights, "disc bounding_height_mm", "L1-L2")
    assert (at_level.exams, at_level.compared) == (3, 3)
    assert at_level.error.mean == pytest.approx((1 + 1 + 0.5) / 3)
    assert at_level.correlation.n == 3


def test_a_disc_is_matched_by_level_whatever_slice_was_measured():
    ours = [number("disc", "bounding_height_mm", 9.0, "L4-L5", slice=1)]
    theirs = [number("disc", "bounding_height_mm", 9.5, "L4-L5", slice=2)]
    assert states(one(analysis(ours), analysis(theirs)), "disc bounding_height_mm") == [
        State.COMPARED
    ]


def test_a_muscle_is_matched_by_slice_and_side_whatever_level_it_was_given():
    ours = [*areas([10.0, 12.0], level="L3-L4"), *areas([9.0], side="right")]
    theirs = [*areas([11.0, 12.5], level="L4-L5"), *areas([9.0], side="right")]
    found = row(one(analysis(ours), analysis(theirs)).overall, "psoas csa_cm2")
    assert found.compared == 3  # not the means of the levels
    assert found.error.mean == pytest.approx((1 + 0.5 + 0) / 3)


def test_what_is_missing_is_counted():
    ours = disc_heights([8.0, None, 10.0, 11.0])
    theirs = disc_heights([8.1, 9.0, None, 11.0, 7.0])[:3] + disc_heights([0, 0, 0, 0, 7.0])[4:]
    result = one(analysis(ours), analysis(theirs))
    assert states(result, "disc bounding_height_mm") == [
        State.COMPARED,
        State.WITHHELD,
        State.WITHHELD,
        State.ONLY_REFERENCE,
        State.ONLY_OTHER,
    ]
    found = row(result.overall, "disc bounding_height_mm")
    assert (found.compared, found.withheld, found.only_reference, found.only_other) == (1, 2, 1, 1)


def test_centroids_are_compared_by_distance():
    ours = [*centroid("vertebra", (0.0, 0.0, 0.0)), *centroid("disc", (1.0, 1.0, 1.0), "L4-L5")]
    theirs = [*centroid("vertebra", (2.0, 3.0, 6.0)), *centroid("disc", (1.0, None, 1.0), "L4-L5")]
    result = one(analysis(ours), analysis(theirs))
    assert row(result.centroids, "vertebra centroid_mm").error.mean == pytest.approx(7.0)
    disc = row(result.centroids, "disc centroid_mm")
    assert (disc.compared, disc.withheld, disc.error) == (0, 1, None)


def test_muscle_centroids_are_compared_slice_by_slice():
    ours = [
        *centroid("psoas", (0.0, 0.0, 0.0), "L3-L4", slice=0, side="left"),
        *centroid("psoas", (0.0, 0.0, 5.0), "L3-L4", slice=1, side="left"),
    ]
    theirs = [
        *centroid("psoas", (3.0, 4.0, 0.0), "", slice=0, side="left"),
        *centroid("psoas", (0.0, 1.0, 5.0), "", slice=1, side="left"),
    ]
    found = row(one(analysis(ours), analysis(theirs)).centroids, "psoas centroid_mm")
    assert (found.compared, found.error.mean, found.error.largest) == (2, 3.0, 5.0)


def test_loads_are_those_of_the_vertebrae_in_the_task_asked_for():
    ours = loads({"standing": [1, 2, 3, 4, 5], "hess2023": [1000, 1100, 1200, 1300, 1400]})
    theirs = loads({"standing": [1, 2, 3, 4, 5], "hess2023": [1010, 1080, 1230, 1260, 1450]})
    result = one(analysis(disc_heights([8.0]), ours), analysis(disc_heights([8.0]), theirs))
    overall = row(result.overall, "vertebra compression_n")
    assert overall.compared == 5
    assert overall.error.mean == pytest.approx((10 + 20 + 30 + 40 + 50) / 5)
    assert overall.agreement.bias == pytest.approx((10 - 20 + 30 - 40 + 50) / 5)
    assert [r.level for r in result.loads] == ["", "L1", "L2", "L3", "L4", "L5"]
    standing = one(
        analysis(disc_heights([8.0]), ours), analysis(disc_heights([8.0]), theirs), task="standing"
    )
    assert row(standing.overall, "vertebra compression_n").error.mean == 0


def test_missing_loads_are_told_and_counted():
    ours = loads({"hess2023": [1000, 1100, 1200, 1300, 1400]})
    theirs = loads({}, missing="OpenSim is not installed.")
    result = one(analysis(disc_heights([8.0]), ours), analysis(disc_heights([8.0]), theirs))
    assert row(result.overall, "vertebra compression_n").only_reference == 5
    assert any("OpenSim is not installed" in note and "other" in note for note in result.notes)


def test_of_a_plane_the_first_series_that_both_have_counts():
    everything = [series(), series("sag_T2w"), series(AXIAL, Plane.AXIAL)]
    heights = [*disc_heights([8.0, 9.0]), *disc_heights([8.2, 9.2], where="sag_T2w")]
    result = one(analysis(heights, series_=everything), analysis(heights, series_=everything))
    assert row(result.overall, "disc bounding_height_mm").compared == 2
    assert {n.series for n in result.numbers} == {SAGITTAL}
    assert any("sag_T2w" in note for note in result.notes)


def test_a_level_named_twice_is_left_out_and_told():
    twins = [*disc_heights([8.0, 9.0]), *disc_heights([7.0])]
    result = one(analysis(twins), analysis(disc_heights([8.0, 9.0])))
    assert row(result.overall, "disc bounding_height_mm").compared == 1
    assert any("named twice" in note for note in result.notes)


def test_levels_named_differently_are_noticed():
    ours = [m for n, level in enumerate(("L3", "L4")) for m in centroid(
        "vertebra", (0.0, 0.0, -35.0 * n), level)]  # fmt: skip
    theirs = [m for n, level in enumerate(("L2", "L3", "L4")) for m in centroid(
        "vertebra", (0.0, 0.0, -35.0 * n), level)]  # fmt: skip
    result = one(analysis(ours), analysis(theirs))
    assert any("2 vertebrae" in note and "levels differently" in note for note in result.notes)
    assert not any("apart" in note for note in one(analysis(ours), analysis(ours)).notes)


def test_an_analysis_agrees_with_itself():
    numbers = [*disc_heights([8.0, 9.0, 11.0]), *areas([10.0, 12.0, 11.0])]
    result = one(analysis(numbers), analysis(numbers))
    for found in result.overall:
        assert found.error.mean == 0
        assert found.correlation.r == pytest.approx(1)
        assert (found.agreement.lower, found.agreement.upper) == (0, 0)


def test_other_pictures_are_refused():
    ours = analysis(disc_heights([8.0]))
    with pytest.raises(InputError, match="another grid"):
        one(ours, analysis(disc_heights([8.0]), series_=[series(shift_mm=1.0)]))
    elsewhere = analysis(disc_heights([8.0], where="x"), series_=[series("x")])
    with pytest.raises(InputError, match=f"{SAGITTAL}.*x"):
        one(ours, elsewhere)


def test_nothing_to_compare_is_refused():
    with pytest.raises(InputError, match="no pair"):
        compare([])
    angle = [number("spine", "lordosis_deg", 40.0, "L1-S1")]
    with pytest.raises(InputError, match="no number to compare"):
        one(analysis(angle), analysis(angle))


def test_two_exams_of_one_name_are_refused():
    pair = ExamPair("p01", analysis(disc_heights([8.0])), analysis(disc_heights([8.0])))
    with pytest.raises(InputError, match="p01"):
        compare([pair, pair])


@pytest.fixture
def whole():
    ours = [*disc_heights([8.0, 9.0, 11.0, None]), *areas([10.0, 12.0, 11.0]),
            *centroid("vertebra", (0.0, 0.0, 0.0))]  # fmt: skip
    theirs = [*disc_heights([8.5, 9.0, 10.0, 7.0]), *areas([10.5, 12.0, 12.0]),
              *centroid("vertebra", (0.0, 3.0, 4.0))]  # fmt: skip
    return one(
        analysis(ours, loads({"hess2023": [1000, 1100, 1200, 1300, 1400]})),
        analysis(theirs, loads({"hess2023": [1010, 1080, 1230, 1260, 1450]})),
        sides=("manual", "automatic"),
    )


def test_the_files_of_a_comparison(whole, tmp_path):
    out = write_comparison(whole, tmp_path / "out")
    assert {path.name for path in out.iterdir()} == {
        "comparison.csv", "comparison.md", "comparison.html", "bland_altman.png",
    }  # fmt: skip
    with (out / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == HEADER
    assert len(rows) == len(whole.numbers)
    withheld = [r for r in rows if r["state"] == "withheld"]
    assert [(r["level"], r["reference"], r["other"], r["reference_flag"]) for r in withheld] == [
        ("L4-L5", "", "7.000", "not-measurable")
    ]
    l1 = next(r for r in rows if r["quantity"] == "vertebra compression_n" and r["level"] == "L1")
    assert (l1["unit"], l1["difference"], l1["series"]) == ("N", "10.000", "")
    page = (out / "comparison.md").read_text(encoding="utf-8")
    for told in ("automatic against manual", "30.0 ± ", "1 withheld", "Research use only"):
        assert told in page
    assert (out / "bland_altman.png").read_bytes().startswith(b"\x89PNG")


def test_page_and_markdown_hold_the_same_tables(whole, tmp_path):
    out = write_comparison(whole, tmp_path / "out")
    lines = (out / "comparison.md").read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in lines
        if line.startswith("| ") and "---" not in line
    ]
    html = (out / "comparison.html").read_text(encoding="utf-8")
    shown = [
        re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line) for line in re.findall(r"<tr>.*?</tr>", html)
    ]
    unescaped = [[cell.replace("&#39;", "'") for cell in line] for line in shown]
    assert [[cell.strip() for cell in line] for line in unescaped] == cells


def test_only_an_earlier_comparison_is_replaced(whole, tmp_path):
    out = write_comparison(whole, tmp_path / "out")
    write_comparison(whole, out)
    (out / "thesis.docx").write_text("years of work")
    with pytest.raises(OptionError, match=r"thesis\.docx"):
        write_comparison(whole, out)


def test_a_name_cannot_break_the_page(tmp_path):
    ours = analysis(disc_heights([8.0]))
    result = compare([ExamPair("<script>", ours, ours)], sides=("<b>", "b"))
    html = (write_comparison(result, tmp_path / "out") / "comparison.html").read_text("utf-8")
    assert "<script>" not in html
    assert "<b>" not in html
