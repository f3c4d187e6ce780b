"""README and docs are run, so that they stay true.

A ```python block is executed; in a ```bash block each ``openlumbar`` line is. The blocks of
a page share a folder that holds ``exam/`` (DICOM) and ``scan.nii.gz``, as the pages assume.
"""

import doctest
import importlib
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from openlumbar import cli
from openlumbar.core.anatomy import STRUCTURES
from openlumbar.core.codes import SCHEMES
from openlumbar.core.flags import FLAGS
from openlumbar.level import block as naming_of_a_block
from openlumbar.level import numbering, shape, shift, stack
from openlumbar.mechanics import load_task
from openlumbar.models import ModelCard
from openlumbar.models.card import ModelInput

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
EXAMPLES = sorted(ROOT.glob("examples/*.py"))
SOURCES = sorted((ROOT / "src").rglob("*.py"))
DOCTESTED = [path for path in SOURCES if ">>> " in path.read_text("utf-8")]

#: What README and docs run with another tool than ours, and who runs it instead.
NOT_OURS = {
    "pip": "pip is run by .ci/run, in a fresh environment",
    "pytest": "pytest is what runs this",
}


@dataclass(frozen=True)
class CodeBlock:
    language: str
    text: str


def code_blocks(page: Path) -> Iterator[CodeBlock]:
    for found in re.finditer(r"^```(bash|python)\n(.*?)^```$", page.read_text(), re.M | re.S):
        yield CodeBlock(found[1], found[2])


def commands(block: CodeBlock) -> Iterator[list[str]]:
    for line in block.text.splitlines():
        for part in line.split("#")[0].split("&&"):
            if words := shlex.split(part):
                yield words


def run_block(block: CodeBlock) -> None:
    if block.language == "python":
        exec(compile(block.text, "<docs>", "exec"), {"__name__": "__main__"})
        return
    for name, *arguments in commands(block):
        if name == "openlumbar":
            assert cli.main(arguments) == 0, arguments
        else:
            assert name in NOT_OURS, f"nobody runs '{name}'"


@pytest.fixture
def desk(painted_dicom, painted_nifti, painted_phantom, networks, tmp_path, monkeypatch):
    """A folder as the pages assume it, with the painted predictor for the weights."""
    monkeypatch.setattr("openlumbar.pipeline.images.load_model", networks)
    monkeypatch.setattr(
        "openlumbar.phantom.make_phantom", lambda seed, options=None: painted_phantom
    )
    shutil.copytree(painted_dicom, tmp_path / "exam")
    shutil.copy(painted_nifti, tmp_path / "scan.nii.gz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(code_blocks(page))], ids=lambda page: page.name
)
def test_the_code_of_a_page_runs(page, desk):
    if page.name == "outputs.md":  # describes the folder that the tutorial makes
        assert cli.main(["analyze", "exam", "-o", "out"]) == 0
    for block in code_blocks(page):
        run_block(block)


def test_the_task_of_the_how_to_is_one(tmp_path):
    page = (ROOT / "docs" / "how-to" / "spinal-loads.md").read_text()
    (text,) = re.findall(r"^```toml\n(.*?)^```$", page, re.M | re.S)
    path = tmp_path / "lift.toml"
    path.write_text(text)
    assert load_task(path).carried_kg == {"hand_right": 10.0, "hand_left": 10.0}
    path.write_text(re.sub(r"^# (\w+ =|\[joints_deg\]|L4_L5)", r"\1", text, flags=re.M))
    assert load_task(path).joints_deg.keys() == {"L4_L5"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(example, desk):
    exec(compile(example.read_text(), str(example), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("source", DOCTESTED, ids=lambda path: path.stem)
def test_the_examples_of_docstrings_are_true(source):
    name = ".".join(source.relative_to(ROOT / "src").with_suffix("").parts)
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted > 0
    assert outcome.failed == 0


def rows_of(page: str, section: int = 0) -> list[list[str]]:
    text = (ROOT / "docs" / "reference" / page).read_text()
    lines = text.split("\n## ")[section].splitlines() if section else text.splitlines()
    table = [line for line in lines if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table]


def test_the_page_of_flags_is_the_vocabulary():
    assert dict(rows_of("flags.md")) == FLAGS


def test_the_page_of_labels_is_the_table_of_structures():
    rows = rows_of("labels.md", 1)
    documented = [(int(code), name, kind, side) for code, name, kind, side in rows]
    assert documented == [(s.code, s.name, s.kind, s.side or "") for s in STRUCTURES]


def test_the_page_of_labels_has_the_codes_of_other_tools():
    others = [scheme for name, scheme in SCHEMES.items() if name != "openlumbar"]
    expected = []
    for code, name in SCHEMES["openlumbar"].names(()).items():
        codes = [
            ", ".join(str(n) for n, theirs in other.names(()).items() if theirs == name)
            for other in others
        ]
        expected.append([str(code), name, *codes])
    assert rows_of("labels.md", 2) == expected


def test_the_page_of_confidences_has_the_constants_of_the_code():
    page = (ROOT / "docs" / "reference" / "levels-and-confidence.md").read_text()
    of_names, of_slices = page.split("## Axial slices")
    homes = [
        (of_names, vars(numbering) | vars(naming_of_a_block) | vars(shape)),
        (of_slices, vars(stack) | vars(shift)),
    ]
    for text, home in homes:
        documented = re.findall(r"^\| `([A-Z_0-9]+)` \| ([\d., ]+) \|", text, re.M)
        assert len(documented) >= 5
        for name, value in documented:
            numbers = [float(number) for number in value.split(",")]
            assert numbers == list(np.atleast_1d(home[name])), name


def test_every_flag_is_told_where_names_or_numbers_are_doubted():
    pages = ROOT / "docs" / "reference"
    of_names = (pages / "levels-and-confidence.md").read_text().split("## What sets a flag")[1]
    of_numbers = (pages / "measurements.md").read_text().split("### What withholds a number")[1]
    of_loads = (pages / "personalisation.md").read_text().split("## What sets a flag")[1]
    told = set(re.findall(r"`([a-z0-9-]+)`", of_names + of_numbers + of_loads))
    assert told >= set(FLAGS)


def test_the_page_of_the_card_lists_its_fields():
    documented = re.findall(r"\w+", " ".join(row[0] for row in rows_of("model-card.md")))
    fields = {*ModelCard.model_fields, *ModelInput.model_fields}
    assert {name for name in documented if "_" in name or name in fields} == fields


def test_the_table_of_architecture_has_every_folder():
    page = (ROOT / "docs" / "concepts" / "architecture.md").read_text()
    told = set(re.findall(r"^\| `(\w+)/` \|", page, re.M))
    folders = (ROOT / "src" / "openlumbar").glob("*/__init__.py")
    assert told == {path.parent.name for path in folders}


def test_every_command_is_documented():
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    documented = set(re.findall(r"^## openlumbar (\w+)", page, re.M))
    assert documented == {name for name in cli.app if not name.startswith("-")}


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text()
    readme = (ROOT / "README.md").read_text()
    assert "<!-- ci: tests -->" in script
    command = re.search(r"<!-- ci: tests -->\n```bash\n(.*?)\n```", readme, re.S)
    assert command is not None
    assert command[1] == "pip install '.[dev]' && pytest"
