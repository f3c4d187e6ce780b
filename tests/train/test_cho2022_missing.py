"""Our own recipes do without the libraries of the published networks, which are asked for."""

import sys
from types import ModuleType

import pytest

pytest.importorskip("torch")

from openlumbar.cli import BackboneName, main
from openlumbar.recipes.cho2022 import Backbone

OURS = tuple(f"openlumbar.train.{name}" for name in ("cho2022", "backbones", "level_scores"))


@pytest.fixture
def modules():
    """The loaded modules without those in question, which come back afterwards."""

    def in_question():
        return [n for n in sys.modules if n in OURS or n.split(".")[0] in ("timm", "sklearn")]

    before = {name: sys.modules.pop(name) for name in in_question()}
    yield sys.modules
    for name in in_question():
        del sys.modules[name]
    sys.modules.update(before)


@pytest.mark.parametrize(("absent", "package"), [("timm", "timm"), ("sklearn", "scikit-learn")])
def test_a_library_that_is_not_there_is_named(absent, package, tmp_path, modules, capfd):
    modules["timm"] = ModuleType("timm")  # it is asked for first, and may be absent for real
    modules[absent] = None
    code = main(["train", "cho2022", "--data", str(tmp_path), "-o", str(tmp_path / "out")])
    assert code == 2
    assert f"needs {package}, which is not installed: pip install" in capfd.readouterr().err


def test_a_recipe_with_a_network_of_its_own_takes_no_other(tmp_path, capfd):
    code = main(
        ["train", "axial", "--backbone", "xception", "--data", str(tmp_path), "-o", str(tmp_path)]
    )
    assert code == 2
    assert "--backbone and --pretrained are for the recipe cho2022" in capfd.readouterr().err


def test_the_command_line_knows_the_networks_of_the_recipe():
    assert BackboneName.__args__ == Backbone.__args__
