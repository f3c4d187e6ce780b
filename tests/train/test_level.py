"""The level recipe, at toy size, from phantoms to weights that name slices."""

from dataclasses import replace

import nibabel
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from openlumbar.core.errors import InputError, OptionError  # noqa: E402  (torch is optional)
from openlumbar.core.levels import LEVEL_CLASSES  # noqa: E402
from openlumbar.core.masks import AxialTissue  # noqa: E402
from openlumbar.level.looks import STANDARD_CHANNELS, STANDARD_SHAPE  # noqa: E402
from openlumbar.models import load_classifier  # noqa: E402
from openlumbar.phantom.axial_training import (  # noqa: E402
    AxialTrainingOptions,
    axial_training_cases,
)
from openlumbar.recipes import LevelRecipe, read_recipe  # noqa: E402
from openlumbar.train import level  # noqa: E402
from openlumbar.train.level import (  # noqa: E402
    level_figures,
    level_loss,
    level_network,
    of_case,
    read_source,
    train_level,
)
from openlumbar.train.level_sampling import plain_picture, target_of  # noqa: E402
from openlumbar.train.run import train_network  # noqa: E402

COARSE = AxialTrainingOptions(slices=4, pixel_mm=(2.5, 3.0), width_mm=(220.0, 260.0), planes=1)


def toy(**changes) -> LevelRecipe:
    """The shipped recipe with a tiny network, a person of each kind and three steps."""
    content = read_recipe("level").model_dump()
    content["network"]["widths"] = (8, 8, 8)
    content["batch"] = {"size": 4, "fresh": 2, "remembered": 8}
    content["stage"] = [{"name": "toy", "iterations": 3, "weights": {"phantom": 1.0, "other": 0.5}}]
    content["sources"] = {"phantoms": 1, "others": 1, "tune": 0, "slices": 3, "segmented": 0.0}
    return LevelRecipe.model_validate(content | changes)


@pytest.fixture(autouse=True)
def coarse_phantoms(monkeypatch):
    monkeypatch.setattr(
        level, "AxialTrainingOptions", lambda slices: replace(COARSE, slices=slices)
    )


def write_own(folder, levels=("L3-L4", "other")) -> None:
    """A NIfTI of one slice a level, and the table that names them."""
    stack = np.random.default_rng(0).integers(0, 400, (len(levels), 90, 100))
    affine = np.diag([-1.5, -1.5, 5.0, 1.0])
    image = nibabel.Nifti1Image(stack.transpose(2, 1, 0).astype(np.int16), affine)
    nibabel.save(image, folder / "sub-01_T2w.nii.gz")
    rows = [f"sub-01,sub-01_T2w.nii.gz,{n},{name}" for n, name in enumerate(levels)]
    text = "\n".join(["patient,file,slice,level", *rows])
    (folder / "levels.csv").write_text(text + "\n", "utf-8")


def test_the_recipe_trains_weights_that_classify(tmp_path):
    weights = train_network(toy(), tmp_path, tmp_path / "run")
    classifier = load_classifier(weights)
    card = classifier.card
    assert card.classes == LEVEL_CLASSES
    assert card.signs == ("kidney", "ilium")
    assert card.input.pixels == STANDARD_SHAPE
    assert [source.name for source in card.data] == ["OpenLumbar phantoms"]
    assert any("no real slice with a level that an expert" in limit for limit in card.limits)
    said = classifier.classify(np.zeros((3, len(STANDARD_CHANNELS), *STANDARD_SHAPE), np.float32))
    assert said.probability.shape == (3, len(LEVEL_CLASSES))
    assert np.allclose(said.probability.sum(1), 1, atol=1e-4)
    assert said.signs.shape == (3, 2)


def test_phantoms_of_other_than_five_lumbar_vertebrae_teach_only_the_signs():
    case = next(axial_training_cases(np.random.default_rng(3), COARSE))
    five = of_case(replace(case, lumbar_count=5, position=2.0), "a", "b")
    six = of_case(replace(case, lumbar_count=6, position=2.0), "a", "b")
    assert LEVEL_CLASSES[five.target.argmax()] == "L2-L3"
    assert np.isnan(six.target).all()
    nowhere = of_case(replace(case, lumbar_count=6, position=float("nan")), "a", "b")
    assert LEVEL_CLASSES[nowhere.target.argmax()] == "other"


def test_what_is_unknown_carries_no_loss():
    classes, signs = torch.randn(2, 13, requires_grad=True), torch.randn(2, 2, requires_grad=True)
    target = torch.full((2, 15), float("nan"))
    target[0, :13] = torch.from_numpy(target_of(3.0))
    target[1, 13] = 1.0
    level_loss((classes, signs), target).backward()
    assert classes.grad[0].abs().sum() > 0
    assert classes.grad[1].abs().sum() == 0
    assert (signs.grad != 0).tolist() == [[False, False], [True, False]]


def test_loss_is_least_where_the_truth_is_said():
    target = torch.cat([torch.from_numpy(target_of(2.3)), torch.tensor([1.0, 0.0])])[None]
    right = (target[:, :13] + 1e-6).log(), torch.tensor([[20.0, -20.0]])
    wrong = right[0].roll(1, 1), right[1]
    # The entropy of 0.4 and 0.6 is all that is left.
    least = -(0.4 * np.log(0.4) + 0.6 * np.log(0.6))
    assert float(level_loss(right, target)) == pytest.approx(least, abs=1e-3)
    assert float(level_loss(wrong, target)) > least + 1


def test_own_slices_come_with_the_axial_models_tissues(tmp_path):
    write_own(tmp_path)
    own = toy(stage=[{"name": "toy", "iterations": 1, "weights": {"own": 1.0}}])
    found = read_source("own", own, tmp_path, None)
    assert [LEVEL_CLASSES[one.target.argmax()] for one in found] == ["L3-L4", "other"]
    assert found[0].spacing_mm == pytest.approx((1.5, 1.5))
    assert found[0].tissue.shape == found[0].image.shape == (90, 100)
    held = toy(held_out={"tune": ("sub-01",), "report": ()}, stage=own.model_dump()["stage"])
    with pytest.raises(InputError, match="own"):
        read_source("own", held, tmp_path, None)


def test_wrong_tables_and_channels_are_named(tmp_path):
    write_own(tmp_path, ("L3-L4", "L9"))
    own = toy(stage=[{"name": "toy", "iterations": 1, "weights": {"own": 1.0}}])
    with pytest.raises(InputError, match="line 3"):
        train_level(own, tmp_path, tmp_path / "run")
    odd = toy(network={"widths": (8,), "fold": 2, "channels": ("slice",)})
    with pytest.raises(OptionError, match="channels"):
        train_level(odd, tmp_path, tmp_path / "run")


def saying(targets, signs):
    """A classifier that says these of the slices it is asked about, in their order."""
    told = iter(zip(targets, signs, strict=True))

    def classify(pictures):
        said = [next(told) for _ in pictures]
        return tuple(np.stack(part) for part in zip(*said, strict=True))

    return classify


def test_figures_of_the_truth_are_perfect_and_of_its_shift_are_not():
    cases = axial_training_cases(np.random.default_rng(8), replace(COARSE, slices=12))
    slices = [of_case(replace(case, lumbar_count=5), str(n), "p") for n, case in enumerate(cases)]
    targets = np.stack([one.target for one in slices])
    seen = np.zeros((len(slices), 2), np.float32)
    right = level_figures(saying(targets, seen), slices)
    assert right["slices"] > 3
    assert right["nearest disc right, percent"] == 100
    assert right["mean error of the place"] < 1e-3
    wrong = level_figures(saying(np.roll(targets, 2, 1), seen), slices)
    assert wrong["nearest disc right, percent"] < 50
    assert wrong["mean error of the place"] > 0.5


def test_the_network_sees_slices_as_inference_makes_them():
    tissue = np.zeros((90, 120), np.uint8)
    tissue[45:53, 55:65] = AxialTissue.SAC
    one = of_case(next(axial_training_cases(np.random.default_rng(3), COARSE)), "a", "b")
    one = replace(one, tissue=tissue, image=np.ones((90, 120)), spacing_mm=(2.0, 2.0))
    network = level_network(toy().network).eval()
    said = network(torch.from_numpy(plain_picture(one))[None])
    assert [part.shape for part in said] == [(1, 13), (1, 2)]
