import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

import openlumbar
from openlumbar import cli
from openlumbar.core.exam import Weighting


def test_the_public_names_are_these_three():
    assert sorted(openlumbar.__all__) == ["Analysis", "analyze", "read_exam"]
    for name in openlumbar.__all__:
        assert callable(getattr(openlumbar, name))
        assert name in dir(openlumbar)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"openlumbar.*no_such_name"):
        openlumbar.no_such_name  # noqa: B018 – the look-up is what is tested


def test_the_version_is_the_installed_one_and_the_cited_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", openlumbar.__version__)
    assert importlib.metadata.version("openlumbar") == openlumbar.__version__
    citation = Path(__file__).parents[1] / "CITATION.cff"
    assert f"\nversion: {openlumbar.__version__}\n" in citation.read_text()


def modules_after(statement):
    """Modules that a new interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return set(answer.stdout.split())


def test_import_loads_no_heavy_library():
    # What keeps 'import openlumbar' under 0.3 s (benchmarks/startup.py measures it).
    loaded = modules_after("import openlumbar")
    assert not loaded & {"numpy", "scipy", "pydicom", "onnxruntime", "matplotlib", "pydantic"}


def test_help_loads_no_heavy_library():
    loaded = modules_after("from openlumbar import cli; cli.main(['--help'])")
    assert not loaded & {"numpy", "scipy", "pydicom", "onnxruntime", "matplotlib", "torch"}


def test_analysing_never_loads_torch():
    loaded = modules_after("from openlumbar import analyze, read_exam, Analysis")
    assert "openlumbar.pipeline" in loaded
    assert "torch" not in loaded


def test_the_weightings_of_the_command_line_are_those_of_the_core():
    given = set(cli.WeightingName.__args__)
    assert given == {weighting.value for weighting in Weighting} - {"unknown"}
