"""Recipes are validated strictly, and the splits by patient do not overlap."""

from pathlib import Path

import pytest

import openlumbar.recipes
from openlumbar.core.errors import OptionError
from openlumbar.recipes import read_recipe
from openlumbar.recipes.schema import RECIPES

SHIPPED = Path(openlumbar.recipes.__file__).with_name("sagittal.toml")


def test_the_shipped_recipe_is_valid():
    assert read_recipe("sagittal").stage[-1].self_training


def test_an_unknown_key_is_an_error_that_names_it(tmp_path):
    changed = tmp_path / "mine.toml"
    changed.write_text(SHIPPED.read_text("utf-8").replace("warm_up", "warmup"), "utf-8")
    with pytest.raises(OptionError, match="warm"):
        read_recipe(changed)


def test_a_stage_says_when_it_trains_on_its_own_labels(tmp_path):
    changed = tmp_path / "mine.toml"
    text = SHIPPED.read_text("utf-8").replace("self_training = true\n", "")
    changed.write_text(text, "utf-8")
    with pytest.raises(OptionError, match="self_training must be true"):
        read_recipe(changed)


def test_a_crop_that_the_network_cannot_take_is_an_error(tmp_path):
    changed = tmp_path / "mine.toml"
    changed.write_text(SHIPPED.read_text("utf-8").replace("rows = 384", "rows = 380"), "utf-8")
    with pytest.raises(OptionError, match="multiples of 32"):
        read_recipe(changed)


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(OptionError, match=r"there are: sagittal, axial, .*or a \.toml file"):
        read_recipe("sagital")


def test_every_shipped_recipe_is_read_by_its_name_and_bears_it():
    for name in RECIPES:
        assert read_recipe(name).name == name


def test_broken_toml_is_an_option_error(tmp_path):
    broken = tmp_path / "broken.toml"
    for content in (b"name = ", b"name = '\xff'"):
        broken.write_bytes(content)
        with pytest.raises(OptionError, match="not valid TOML"):
            read_recipe(broken)


def test_every_patient_has_one_role_and_listed_ones_are_held_out():
    held_out = read_recipe("sagittal").held_out
    assert not set(held_out.tune) & set(held_out.report)
    volumes = frozenset({"5", "7", "22"})
    assert held_out.role("7", volumes) == "report"
    assert held_out.role("22", volumes) == "tune"
    assert held_out.role("5", volumes) == "train"
    roles = {held_out.role(str(n), volumes) for n in range(300, 340)}
    assert roles == {"train", "tune", "report"}


def test_own_patients_are_held_out_by_name_alone():
    example = Path(__file__).parents[2] / "examples" / "own-annotations.toml"
    held_out = read_recipe(example).held_out
    own = frozenset({"sub-01", "sub-02"})
    assert held_out.role("sub-01", own) == "train"
    assert held_out.role("sub-02", own) == "report"
