"""The recipe of Cho et al. 2022, at toy size, from a folder of slices to ``analyze --model``."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("timm", reason="the extra 'train' is not installed: no timm")
pytest.importorskip("sklearn", reason="the extra 'train' is not installed: no scikit-learn")

import timm
import torch

import openlumbar.recipes
from openlumbar.cli import main
from openlumbar.core.errors import OptionError
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import AxialMask
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.level.looks import look_at_slices
from openlumbar.models import load_classifier, role_of
from openlumbar.phantom.axial_training import axial_training_case
from openlumbar.train.backbones import TIMM_NAMES, start_backbone
from openlumbar.train.own_levels import DISC_LEVELS

SHIPPED = Path(openlumbar.recipes.__file__).with_name("cho2022.toml")


def toy_recipe(folder: Path) -> Path:
    """The shipped recipe for one epoch, from scratch, seeing 128 x 128 pixels."""
    text = SHIPPED.read_text("utf-8")
    for old, new in (
        ('pretrained = "hub"', 'pretrained = "none"'),
        ("reduce = 1", "reduce = 4"),
        ("epochs = 25", "epochs = 1"),
        ("batch = 8", "batch = 4"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = folder / "toy.toml"
    path.write_text(text, "utf-8")
    return path


def write_slices(folder: Path) -> None:
    """Two slices of each of six patients: a bright square, the lower the lower the level."""
    rows = ["patient,file,slice,level"]
    rng = np.random.default_rng(1)
    for patient in range(6):
        for n in range(2):
            level = (2 * patient + n) % 5
            picture = rng.integers(0, 60, (60, 80), dtype=np.uint8)
            picture[8 + 8 * level : 16 + 8 * level, 30:50] = 220
            Image.fromarray(picture).save(folder / f"p{patient}-{n}.png")
            rows.append(f"p{patient},p{patient}-{n}.png,,{DISC_LEVELS[level]}")
    (folder / "levels.csv").write_text("\n".join(rows) + "\n", "utf-8")


def phantom_slice() -> Series:
    """One axial slice of a phantom person, as a series."""
    case = axial_training_case(np.random.default_rng(5))
    affine = np.diag([case.pixel_mm, case.pixel_mm, 4.0, 1.0])
    block = Block(Volume(case.image[None].astype(np.float32), affine), ("slice",))
    return Series("axial", Plane.AXIAL, Weighting.T2, (block,), "array")


def blind(series: Series) -> list[AxialMask]:
    """Masks in which nothing was recognised."""
    masks = []
    for block in series.blocks:
        shape = block.volume.shape
        nothing = block.volume.with_array(np.zeros(shape, np.uint16))
        masks.append(AxialMask(nothing, nothing, np.zeros(shape, np.uint8), ((),) * shape[0]))
    return masks


@pytest.mark.parametrize("backbone", sorted(TIMM_NAMES))
def test_each_network_of_the_paper_trains_and_names_the_level_of_a_slice(tmp_path, backbone):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    write_slices(data)
    recipe = str(toy_recipe(tmp_path))
    given = ["--backbone", backbone, "--data", str(data), "-o", str(out)]
    assert main(["train", recipe, *given]) == 0

    classifier = load_classifier(out / f"cho2022-{backbone}.onnx")
    card = classifier.card
    assert card.classes == DISC_LEVELS
    assert role_of(card) == "level"
    assert "trained from scratch" in card.limits

    looks = look_at_slices(phantom_slice(), blind(phantom_slice()), classifier)
    assert looks[0].classes == DISC_LEVELS
    assert sum(looks[0].probability) == pytest.approx(1, abs=1e-4)
    assert np.array(looks[0].activation).max() <= 100

    told = json.loads((out / f"cho2022-{backbone}-results.json").read_text("utf-8"))
    parts = [set(told["patients"][name]) for name in ("train", "tune", "test")]
    assert set.union(*parts) == {f"p{n}" for n in range(6)}
    assert sum(map(len, parts)) == 6  # nobody is in two parts
    assert np.sum(told["test"]["confusion"]) == told["test"]["slices"] == 2 * len(parts[2])
    assert card.held_out["report"] == tuple(sorted(parts[2]))
    assert card.results["accuracy"] == pytest.approx(told["test"]["accuracy"], abs=1e-4)


def test_weights_of_a_file_are_what_the_network_starts_from(tmp_path):
    torch.manual_seed(3)
    model = timm.create_model("densenet169")
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    started = start_backbone("densenet169", str(tmp_path / "weights.pth"))
    assert started.imagenet
    first = started.network.network.features.conv0.weight
    assert torch.equal(first, model.features.conv0.weight)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "weights.pth")
    with pytest.raises(OptionError, match=r"cannot be loaded as timm's weights of densenet169"):
        start_backbone("densenet169", str(tmp_path / "weights.pth"))


@pytest.mark.parametrize("content", [b"", b"not weights at all"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path, content):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(OptionError, match="cannot be loaded"):
        start_backbone("densenet169", str(tmp_path / "weights.pth"))


def test_a_file_of_weights_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OptionError, match="no such file"):
        start_backbone("xception", str(tmp_path / "absent.pth"))


def test_without_the_hub_the_network_is_trained_from_scratch_and_says_so(tmp_path, monkeypatch):
    # Nothing is fetched in a test: an empty cache, and a hub that is switched off.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    started = start_backbone("densenet169", "hub")
    assert not started.imagenet
    assert started.start == "trained from scratch: no ImageNet weights could be loaded"
