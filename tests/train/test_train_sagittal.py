"""Recipes of the sagittal model, at toy size, from data to weights that run."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from openlumbar.core.errors import InputError  # noqa: E402  (torch is optional)
from openlumbar.core.exam import Block, Series, Weighting  # noqa: E402
from openlumbar.core.plane import Plane  # noqa: E402
from openlumbar.core.volume import Volume  # noqa: E402
from openlumbar.models import load_model  # noqa: E402
from openlumbar.recipes import SagittalRecipe, read_recipe  # noqa: E402
from openlumbar.segment import segment_sagittal  # noqa: E402
from openlumbar.train.sagittal import train_sagittal  # noqa: E402
from support_training import write_pair  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "examples" / "own-annotations.toml"


def toy(weights: dict[str, float]) -> SagittalRecipe:
    """The shipped recipe with a tiny network, one phantom and four steps."""
    content = read_recipe("sagittal").model_dump()
    content["network"]["widths"] = (8, 8, 8, 8, 8)
    content["batch"] |= {"size": 2, "rows": 96, "columns": 64}
    content["stage"] = [{"name": "toy", "iterations": 4, "weights": weights}]
    content["phantoms"] = {"count": 1}
    return SagittalRecipe.model_validate(content)


def test_the_example_recipe_trains_weights_that_analyse_a_series(tmp_path):
    for name in ("sub-01_T2w", "sub-02_T2w"):  # the recipe holds the second one out
        write_pair(tmp_path, name)
    weights = train_sagittal(read_recipe(EXAMPLE), tmp_path, tmp_path / "run")
    predictor = load_model(weights)
    assert predictor.card.limits[-1].startswith("not validated")
    assert "sub-02" in predictor.card.held_out["report"]
    assert {data.name for data in predictor.card.data} == {
        "OpenLumbar phantoms", "the user's own annotations"
    }  # fmt: skip
    affine = np.array([[0, 0, -4.0, 0], [1.0, 0, 0, 0], [0, -1.0, 0, 0], [0, 0, 0, 1]])
    volume = Volume(np.random.default_rng(0).random((2, 90, 70)).astype(np.float32), affine)
    block = Block(volume, ("a", "b"))
    series = Series("s", Plane.SAGITTAL, Weighting.T2, (block,), "nifti")
    mask = segment_sagittal(series, predictor)[0]
    assert mask.tissue.shape == volume.shape
    assert mask.certainty.max() > 255 / 8


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="spider_space"):
        train_sagittal(toy({"spider_space": 1.0}), tmp_path, tmp_path / "run")


def test_a_source_with_nothing_but_held_out_patients_is_named_before_training(tmp_path):
    write_pair(tmp_path, "sub-02_T2w")
    with pytest.raises(InputError, match="'own'"):
        train_sagittal(read_recipe(EXAMPLE), tmp_path, tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())
