"""The axial recipe, at toy size, from data to weights that run."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from openlumbar.core.errors import InputError  # noqa: E402  (torch is optional)
from openlumbar.core.exam import Block, Series, Weighting  # noqa: E402
from openlumbar.core.masks import AXIAL_TISSUE_NAMES  # noqa: E402
from openlumbar.core.plane import Plane  # noqa: E402
from openlumbar.core.volume import Volume  # noqa: E402
from openlumbar.models import load_model  # noqa: E402
from openlumbar.recipes import AxialRecipe, read_recipe  # noqa: E402
from openlumbar.segment import segment_axial  # noqa: E402
from openlumbar.train.axial import train_axial  # noqa: E402
from openlumbar.train.run import train_network  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "examples" / "own-axial-annotations.toml"


def write_axial_pair(folder: Path, name: str) -> None:
    """Two slices with both multifidi, and their label map."""
    codes = np.zeros((2, 80, 80), np.int16)
    codes[:, 50:65, 25:39] = 5102
    codes[:, 50:65, 41:55] = 5101
    affine = np.diag([-1.5, -1.5, 5.0, 1.0])
    for suffix, stack in (("", codes % 255), ("_dseg", codes)):
        image = nibabel.Nifti1Image(stack.transpose(2, 1, 0).astype(np.int16), affine)
        nibabel.save(image, folder / f"{name}{suffix}.nii.gz")


def toy(weights: dict[str, float]) -> AxialRecipe:
    """The shipped recipe with a tiny network, one phantom person and four steps."""
    recipe = read_recipe("axial")
    content = recipe.model_dump()
    content["network"]["widths"] = (8, 8, 8, 8, 8)
    content["input"]["spacing_mm"] = 2.0
    content["batch"] = {"size": 2, "rows": 96, "columns": 96}
    content["stage"] = [{"name": "toy", "iterations": 4, "weights": weights}]
    content["sources"] = {"phantoms": 1, "cuts": 1, "dressed": 1}
    return AxialRecipe.model_validate(content)


def test_the_example_recipe_trains_weights_that_segment_a_series(tmp_path):
    for name in ("sub-01_T2w", "sub-02_T2w"):  # the recipe holds the second one out
        write_axial_pair(tmp_path, name)
    weights = train_network(read_recipe(EXAMPLE), tmp_path, tmp_path / "run")
    predictor = load_model(weights)
    assert predictor.card.classes == AXIAL_TISSUE_NAMES
    assert predictor.card.limits[-1].startswith("not validated")
    assert "sub-02" in predictor.card.held_out["report"]
    volume = Volume(
        np.random.default_rng(0).random((2, 90, 100)).astype(np.float32),
        np.diag([1.5, 1.5, 5.0, 1.0]),
    )
    series = Series("s", Plane.AXIAL, Weighting.T2, (Block(volume, ("a", "b")),), "nifti")
    mask = segment_axial(series, predictor)[0]
    assert mask.labels.shape == volume.shape
    assert len(mask.flags) == 2


@pytest.mark.parametrize("source", ["spider_space", "shapes", "sudirman_axial", "own"])
def test_a_source_that_is_not_there_is_named(tmp_path, source):
    with pytest.raises(InputError, match=source):
        train_axial(toy({source: 1.0}), tmp_path, tmp_path / "run")
