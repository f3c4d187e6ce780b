"""The recipe of Cho et al. 2022 says what the paper says, and refuses what cannot be."""

from pathlib import Path

import pytest

import openlumbar.recipes
from openlumbar.core.errors import OptionError
from openlumbar.recipes import read_recipe

SHIPPED = Path(openlumbar.recipes.__file__).with_name("cho2022.toml")


def test_the_shipped_recipe_is_that_of_the_paper():
    recipe = read_recipe("cho2022")
    assert (recipe.schedule.learning_rate, recipe.schedule.epochs) == (1e-3, 25)
    assert recipe.schedule.batch == 8
    assert (recipe.split.train, recipe.split.tune, recipe.split.test) == (0.7, 0.1, 0.2)
    assert recipe.network.reduce == 1  # 512 x 512 pixels


def test_what_the_paper_does_not_say_is_marked_as_ours():
    recipe = read_recipe("cho2022")
    assert recipe.augmentation.source == "ours"
    assert recipe.split.by == "patient"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("train = 0.7", "train = 0.8", "add up to 1"),
        ("tune = 0.1\ntest = 0.2", "tune = 0.0\ntest = 0.3", "more than 0"),
        ("zoom = [0.9, 1.1]", "zoom = [1.1, 0.9]", "smallest and then the greatest"),
        ('sources = ["own"]', 'sources = ["phantom"]', "phantoms must be more than 0"),
        ('sources = ["own"]', "sources = []", "at least 1"),
        ('backbone = "xception"', 'backbone = "resnet50"', "densenet169"),
        ("batch = 8", "batch = 1", "greater than or equal to 2"),
        ("epochs", "epoch", "schedule.epoch"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_so(tmp_path, old, new, said):
    text = SHIPPED.read_text("utf-8")
    changed = tmp_path / "mine.toml"
    changed.write_text(text.replace(old, new), "utf-8")
    assert changed.read_text("utf-8") != text
    with pytest.raises(OptionError, match=said):
        read_recipe(changed)


def test_another_network_takes_the_place_of_the_recipe_s():
    recipe = read_recipe("cho2022")
    assert recipe.with_network("densenet169", None).network.backbone == "densenet169"
    assert recipe.with_network(None, "none").network.pretrained == "none"
    with pytest.raises(OptionError, match="xception"):
        recipe.with_network("resnet50", None)
