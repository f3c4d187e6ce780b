from dataclasses import replace

import pytest
from load_samples import flexed, loads_of, some_loads, standing
from report_samples import plain_analysis

from openlumbar.core.loads import JOINT_LEVELS, Loads, Origin, Provenance
from openlumbar.report.content import report_of
from openlumbar.report.loads import interval_text, loads_section


def section(**changes):
    return loads_section(some_loads(**changes))


def test_an_analysis_without_loads_has_no_section():
    assert report_of(plain_analysis()).loads is None
    assert report_of(replace(plain_analysis(), loads=some_loads())).loads == section()


def test_missing_loads_are_one_sentence_and_nothing_else():
    found = loads_section(Loads(missing="OpenSim has no package for this platform"))
    assert found.missing == "OpenSim has no package for this platform."
    assert (found.tasks, found.tables, found.statements) == ((), (), ())


def test_loads_without_a_task_say_so():
    assert loads_section(Loads()).missing == "No task was solved."


def test_discs_then_vertebrae_from_head_to_foot_with_task_beside_task():
    discs, vertebrae = section().tables
    assert [line.name for line in discs.lines] == list(JOINT_LEVELS)
    assert [line.name for line in vertebrae.lines] == ["L1", "L2", "L3", "L4", "L5"]
    assert "Hess et al. 2023" in vertebrae.title
    line = next(line for line in discs.lines if line.name == "L4-L5")
    # 502 N and 2931.4 N, 15 % to each side; shear 259.4 N, 60 N to each side.
    assert [force.text for pair in line.cells for force in pair] == [
        "502 [427–577]",
        "259 [199–319]",
        "2931 [2492–3371]",
        "259 [199–319]",
    ]


def test_a_level_that_one_task_lacks_is_an_empty_place():
    few = replace(standing(), loads=loads_of()[2:3])
    discs = section(tasks=(few, flexed())).tables[0]
    assert [line.cells[0] == (None, None) for line in discs.lines] == [
        level != "L2-L3" for level in JOINT_LEVELS
    ]


def test_without_intervals_none_is_printed_and_the_statement_says_so():
    bare = replace(standing(), loads=loads_of(interval=False))
    found = section(tasks=(bare,), interval="", samples=0)
    assert found.tables[0].lines[0].cells[0][0].text == "1876"
    assert "No interval was asked for" in " ".join(found.statements)


def test_the_statements_say_what_the_numbers_are():
    words = " ".join(section().statements)
    for part in (
        "research use",
        "no force was measured",
        "supine",
        "60 perturbed models",
        "male base",
    ):
        assert part in words


@pytest.mark.parametrize(
    ("ends", "words"), [((10.4, 20.6), "10–21"), ((-5.2, 3.0), "−5 to 3"), ((-9, -4), "−9 to −4")]
)
def test_an_interval_below_zero_has_no_dash(ends, words):
    assert interval_text(*ends) == words


def test_a_flag_of_one_load_is_told_with_it_and_others_once():
    odd = replace(standing().loads[1], flags=("muscles-generic", "curvature-partly-generic"))
    task = replace(standing(), loads=(odd, *standing().loads[2:]))
    found = section(tasks=(task, flexed()))
    compression, shear = found.tables[0].lines[1].cells[0]
    expected = ("No muscle was measured; sizes and places are the base model's",)
    assert compression.reasons == shear.reasons == expected
    assert {doubt.flag: (doubt.levels, doubt.columns) for doubt in found.doubts} == {
        "curvature-partly-generic": ((), ()),
        "muscles-generic": (("L1-L2",), ("Upright standing",)),
        "reserve-in-use": ((), (flexed().title,)),
    }


def test_reserves_are_told_with_their_bound():
    still, bent = section().tasks
    assert not any("Reserve" in sentence for sentence in still.solution)
    assert "Reserve at L1-L2, lateral bending: −3.1 N·m of at most 20.0 N·m." in bent.solution


def test_the_greatest_compression_of_each_task_comes_first():
    finding = section().findings[1]
    assert (finding.value, finding.detail.split(" · ")[:2]) == (
        "2931 N",
        ["L4-L5", "2492–3371 N"],
    )


def test_origins_count_and_name_what_was_not_measured():
    origins = {origin.title: origin for origin in section().origins}
    counts = {
        title: (one.measured, one.interpolated, one.generic) for title, one in origins.items()
    }
    assert counts == {
        "Body mass": (1, 0, 0),
        "Place of the joint": (5, 1, 0),
        "Area": (8, 0, 4),
        "Shape and posture": (0, 0, 1),
    }
    assert origins["Body mass"].detail == "78.9 ± 1.2 kg"
    assert {title: one.of for title, one in origins.items()} == {
        "Body mass": "",
        "Place of the joint": "T12-L1 to L5-S1",
        "Area": "multifidus, psoas, rectus abdominis",
        "Shape and posture": "thorax",
    }
    assert origins["Place of the joint"].detail.endswith("interpolated: T12-L1")
    # Both sides lack the same levels, so they share a name; the median of 0.4 and 0.6 is 0.5.
    assert origins["Area"].detail == (
        "measured ones ± 0.5 cm² (median); generic: rectus abdominis (L3-L4 L4-L5)"
    )
    assert origins["Shape and posture"].notes == ("The thorax was not imaged; it stands upright.",)


def test_sides_that_differ_are_named_and_many_are_counted():
    def part(structure, side, level, origin):
        return Provenance("area", structure, origin, level=level, side=side)

    lopsided = (
        part("psoas", "left", "L3", Origin.GENERIC),
        part("psoas", "right", "L3", Origin.MEASURED),
    )
    (origin,) = section(provenance=lopsided).origins
    assert origin.detail == "generic: psoas left (L3)"
    many = tuple(part(f"muscle {n}", "left", "", Origin.GENERIC) for n in range(9))
    (origin,) = section(provenance=(*many, lopsided[1])).origins
    assert origin.detail.endswith("muscle 5 left and 3 more")


def test_a_value_has_the_digits_of_its_uncertainty_and_a_true_minus():
    def detail(**facts):
        part = Provenance("slope", "S1", Origin.MEASURED, **facts)
        return section(provenance=(part,)).origins[0].detail

    assert detail(value=-2.44, uncertainty=1.26, unit="deg") == "−2.4 ± 1.3°"
    assert detail(value=1.797, uncertainty=0.02, unit="m") == "1.80 ± 0.02 m"
    assert detail(value=1.797, unit="m") == "1.8 m"
    assert detail() == ""


def test_notes_of_single_values_are_left_out_where_they_are_many():
    def notes(count):
        parts = tuple(
            Provenance("area", "psoas", Origin.MEASURED, level=f"L{n}", note=f"a note, {n}")
            for n in range(count)
        )
        return section(provenance=parts).origins[0].notes

    assert notes(2) == ("A note, 0.", "A note, 1.")
    assert notes(5) == ()


def test_a_moment_left_over_is_told_where_it_counts():
    def said(moment):
        return section(tasks=(standing(residual_nm=moment),)).tasks[0].solution[0]

    assert said(3e-14).endswith("no moment is left over.")
    assert said(0.126).endswith("the largest moment left over is 0.13 N·m.")
