"""A weights file that does not match its card is refused."""

import json
import shutil

import numpy as np
import pytest

from openlumbar.core.errors import ModelError
from openlumbar.core.masks import TISSUE_NAMES
from openlumbar.models import OnnxPredictor, load_model
from openlumbar.models.session import _WEIGHTS as WEIGHTS

torch = pytest.importorskip("torch")

from openlumbar.recipes import read_recipe  # noqa: E402  (torch is optional)
from openlumbar.train.export import export_onnx, write_card  # noqa: E402
from openlumbar.train.network import FoldedUNet  # noqa: E402
from openlumbar.train.sagittal import card_of  # noqa: E402


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return FoldedUNet(3, len(TISSUE_NAMES), (8, 8, 8, 8, 8)).eval()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    export_onnx(network, path, 3, 32)
    write_card(card_of(read_recipe("sagittal")), path)
    return path


@pytest.fixture
def weights(exported, tmp_path):
    for path in (exported, exported.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    return tmp_path / exported.name


def test_onnx_gives_the_probabilities_that_torch_gives(network, weights):
    images = np.random.default_rng(0).random((2, 3, 64, 96)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).softmax(1).numpy()
    given = OnnxPredictor(weights).predict(images)
    assert np.abs(given - expected).max() < 2e-3
    assert np.allclose(given.sum(1), 1, atol=1e-5)


def test_changed_weights_are_refused(weights):
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="do not match their card"):
        OnnxPredictor(weights)


def test_a_card_of_other_classes_is_refused(weights):
    card = weights.with_suffix(".json")
    content = json.loads(card.read_text("utf-8"))
    content["classes"] = content["classes"][:-1]
    card.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ModelError, match="its card says 3 and 7"):
        OnnxPredictor(weights)


def test_a_card_with_an_unknown_key_is_refused(weights):
    card = weights.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text("utf-8")) | {"extra": 1}), "utf-8")
    with pytest.raises(ModelError, match="extra"):
        OnnxPredictor(weights)


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nothing\.onnx"):
        load_model(tmp_path / "nothing.onnx")


def test_a_text_file_is_no_network(weights):
    weights.write_text("not a network", "utf-8")
    write_card(card_of(read_recipe("sagittal")), weights)
    with pytest.raises(ModelError, match="cannot load"):
        OnnxPredictor(weights)


def test_the_shipped_model_is_small_and_matches_its_card():
    predictor = load_model("sagittal")
    assert (WEIGHTS / "sagittal.onnx").stat().st_size < 16e6
    assert predictor.card.classes == TISSUE_NAMES
    assert predictor.card.results, "the shipped card must carry measured figures"
