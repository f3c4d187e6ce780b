"""The table of concepts against PS3.16 as pydicom has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.codedict import codes

from openlumbar.core import snomed
from openlumbar.core.anatomy import STRUCTURES, VERTEBRAE, disc_code, vertebra_code
from openlumbar.core.metrics import METRICS, MUSCLES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "dicom-codes.md"
#: Meanings by SNOMED CT code.
PS3_16: dict[str, set[str]] = {}
for by_value in concepts["SCT"].values():
    for value, (name, _) in by_value.items():
        PS3_16.setdefault(value, set()).add(name)
#: Codes that stand in none of PS3.16's context groups; the module says where they do.
ELSEWHERE = {"S1", "S2"}


@pytest.mark.parametrize(
    "name", [name for name in VERTEBRAE if name not in (*ELSEWHERE, "T13", "L6")]
)
def test_a_vertebra_has_its_code_of_ps3_16(name):
    concept = snomed.structure_concept(vertebra_code(name))
    assert concept.scheme == "SCT"
    assert concept.meaning in PS3_16[concept.value]


@pytest.mark.parametrize(
    "upper", [name for name in VERTEBRAE if name not in ("T13", "L6", "S1", "S2")]
)
def test_a_disc_and_its_level_have_their_codes_of_ps3_16(upper):
    order = [name for name in VERTEBRAE if name not in ("T13", "L6")]
    name = f"{upper}-{order[order.index(upper) + 1]}"
    for concept in (snomed.structure_concept(disc_code(name)), snomed.site_concept(name)):
        assert concept.meaning in PS3_16[concept.value]
    assert "Level" in snomed.site_concept(name).meaning


def test_the_other_codes_are_those_of_ps3_16():
    for ours, theirs in {
        snomed.structure_concept(1): codes.SCT.SpinalCord,
        snomed.structure_concept(2): codes.SCT.VertebralCanal,
        snomed.structure_concept(50): codes.SCT.Sacrum,
        snomed.structure_concept(40): codes.SCT.Vertebra,
        snomed.structure_concept(5111): codes.SCT.ErectorSpinaeMuscle,
        snomed.metric_concept("spine", "lordosis_deg"): codes.SCT.CobbAngle,
        snomed.metric_concept("psoas", "csa_cm2"): codes.SCT.Area,
        snomed.metric_concept("dural sac", "area_mm2"): codes.SCT.Area,
        snomed.LUMBAR_SPINE: codes.SCT.LumbarSpine,
        snomed.ANATOMICAL_STRUCTURE: codes.cid7150.AnatomicalStructure,
        snomed.LEFT: codes.cid244.Left,
        snomed.RIGHT: codes.cid244.Right,
        snomed.SUPINE: codes.cid20.Supine,
        snomed.PRONE: codes.cid20.Prone,
        snomed.UNITS["mm"]: codes.UCUM.Millimeter,
        snomed.UNITS["mm2"]: codes.UCUM.SquareMillimeter,
        snomed.UNITS["cm2"]: codes.UCUM.SquareCentimeter,
        snomed.UNITS["deg"]: codes.UCUM.Degree,
        snomed.UNITS["%"]: codes.UCUM.Percent,
        snomed.UNITS["1"]: codes.UCUM.NoUnits,
    }.items():
        assert (ours.value, ours.scheme) == (theirs.value, theirs.scheme_designator)


def every_concept():
    for structure in STRUCTURES:
        yield snomed.structure_concept(structure.code)
        if structure.kind == "vertebra":
            yield snomed.body_concept(structure.code)
        yield snomed.site_concept(structure.name)
    for metric in METRICS:
        yield snomed.metric_concept(*metric)
    yield from snomed.UNITS.values()


def test_every_structure_metric_and_unit_has_a_concept_that_fits_its_elements():
    for concept in every_concept():
        assert 0 < len(concept.value) <= 16, concept
        assert 0 < len(concept.meaning) <= 64, concept
        assert concept.scheme in ("SCT", "UCUM", snomed.PRIVATE), concept
    assert {metric.unit for metric in METRICS.values()} <= set(snomed.UNITS)


def test_no_two_of_a_kind_share_a_code():
    sided = {structure.name: structure.code for structure in STRUCTURES}
    structures = [snomed.structure_concept(code) for code in sided.values()]
    assert len(set(structures)) == len(structures)
    bodies = [snomed.body_concept(vertebra_code(name)) for name in VERTEBRAE]
    assert len({body.value for body in bodies}) == len(bodies)


def test_a_code_means_one_number_of_a_structure_and_one_kind_of_number_of_all():
    for structure in {structure for structure, _ in METRICS}:
        own = [snomed.metric_concept(*key) for key in METRICS if key[0] == structure]
        assert len({concept.value for concept in own}) == len(own)
    shared: dict[str, set[str]] = {}
    for structure, metric in METRICS:
        shared.setdefault(snomed.metric_concept(structure, metric).value, set()).add(metric)
    kinds = {value: names for value, names in shared.items() if len(names) > 1}
    assert kinds == {"42798000": {"csa_cm2", "area_mm2"}}


@pytest.mark.parametrize("muscle", MUSCLES)
def test_a_fat_area_fraction_is_not_called_one_of_proton_density(muscle):
    for (structure, metric), entry in METRICS.items():
        if structure == muscle and metric.startswith("fat_fraction"):
            concept = snomed.metric_concept(structure, metric)
            assert concept.value != codes.DCM.FatFraction.value
            assert "area fraction" in concept.meaning
            assert "not a proton-density" in entry.definition


@pytest.mark.parametrize("level", ["L1-S1", "unknown", ""])
def test_a_level_that_is_no_structure_is_the_lumbar_spine(level):
    assert snomed.site_concept(level) == snomed.LUMBAR_SPINE


def tables_of_the_page():
    lines = PAGE.read_text().splitlines()
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    return [row for line, row in zip(lines, rows, strict=True) if line.startswith("|")]


def cell(concept):
    return f"{concept.value} {concept.scheme}"


def test_the_page_of_codes_is_the_table():
    rows = tables_of_the_page()
    structures = [row for row in rows if row[0].isdigit()]
    assert structures == [
        [
            str(structure.code),
            f"{structure.name}, {structure.side}" if structure.side else structure.name,
            cell(snomed.structure_concept(structure.code)),
            cell(snomed.body_concept(structure.code)) if structure.kind == "vertebra" else "",
        ]
        for structure in STRUCTURES
    ]
    metrics = {
        (structure, row[1]): row[2:]
        for row in rows
        for structure in (MUSCLES if row[0] == "each muscle" else row[:1])
        if (structure, row[1]) in METRICS
    }
    concepts = {key: snomed.metric_concept(*key) for key in METRICS}
    assert metrics == {key: [cell(found), found.meaning] for key, found in concepts.items()}
