"""The recipe of the sagittal model, at toy size, from data to weights that run."""

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


def toy(weights: dict[str, float]) -> SagittalRecipe:
    """The shipped recipe with a tiny network, one phantom and four steps."""
    content = read_recipe("sagittal").model_dump()
    content["network"]["widths"] = (8, 8, 8, 8, 8)
    content["batch"] |= {"size": 2, "rows": 96, "columns": 64}
    content["stage"] = [{"name": "toy", "iterations": 4, "weights": weights}]
    content["phantoms"] = {"count": 1}
    return SagittalRecipe.model_validate(content)


def test_a_toy_run_writes_weights_that_analyse_a_series(tmp_path):
    weights = train_sagittal(toy({"phantom": 1.0}), tmp_path, tmp_path / "run")
    predictor = load_model(weights)
    assert predictor.card.limits[-1].startswith("not validated")
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
