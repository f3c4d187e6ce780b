"""A classifier's file and its card: what they say together, and that they must agree."""

import shutil

import numpy as np
import pytest

from openlumbar.core.errors import ModelError
from openlumbar.models import OnnxPredictor, load_classifier, load_model
from support_models import classifier_card, intensity_network

pytest.importorskip("torch")

from openlumbar.train.export import export_classifier, write_card

PIXELS = (64, 96)


def export(path, **given):
    network = intensity_network(**given)
    export_classifier(network, path, 8, PIXELS)
    return network


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    return export(path), path


@pytest.fixture
def weights(exported, tmp_path):
    shutil.copy(exported[1], tmp_path)
    path = tmp_path / exported[1].name
    write_card(classifier_card(pixels=PIXELS), path)
    return path


def test_a_classifier_says_what_its_linear_layers_say(exported, weights):
    network, _ = exported
    classifier = load_classifier(weights, threads=1)
    assert classifier.card.signs == ("kidney", "ilium")
    images = np.zeros((5, 8, *PIXELS), np.float32)
    images[:, 0] = np.linspace(0, 2, 5)[:, None, None]
    said = classifier.classify(images)
    assert (said.probability.shape, said.signs.shape) == ((5, 3), (5, 2))
    assert said.activation.shape == (5, 3, 4, 6)
    weight, bias = (value.detach().numpy() for value in network.classes.parameters())
    slope = weight[:, 0] - weight[:, 1]  # the features are the intensity and its negative
    activation = np.linspace(0, 2, 5)[:, None] * slope
    np.testing.assert_allclose(said.activation[:, :, 1, 2], activation, atol=1e-5)
    odds = np.exp(activation + bias)
    np.testing.assert_allclose(said.probability, odds / odds.sum(1, keepdims=True), atol=1e-5)


def test_without_signs_it_says_nothing_of_any(tmp_path):
    path = tmp_path / "plain.onnx"
    export(path, signs=0)
    write_card(classifier_card(signs=(), pixels=PIXELS), path)
    said = load_classifier(path).classify(np.zeros((2, 8, *PIXELS), np.float32))
    assert said.signs.shape == (2, 0)


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ({"classes": ("other", "L4-L5")}, "activation of 2, probability of 2, signs of 2"),
        ({"signs": ("kidney",)}, "activation of 3, probability of 3, signs of 1"),
        ({"signs": ()}, "outputs activation of 3, probability of 3$"),
        ({"channels": 3}, "3 input channels"),
    ],
)
def test_a_card_of_other_outputs_is_refused_and_both_are_named(weights, card, says):
    write_card(classifier_card(**{"pixels": PIXELS, **card}), weights)
    with pytest.raises(ModelError, match=f"signs of 2, but its card says .*{says}"):
        load_classifier(weights)


def test_pictures_of_another_size_than_the_card_says_are_refused(weights):
    write_card(classifier_card(pixels=(128, 192)), weights)
    with pytest.raises(ModelError, match=r"64 x 96 .* its card says .*128 x 192"):
        load_classifier(weights)


def test_a_network_that_segments_is_no_classifier_nor_the_other_way_round(weights):
    with pytest.raises(ModelError, match="classifies whole pictures"):
        OnnxPredictor(weights)
    segmenting = load_model("axial")
    with pytest.raises(ModelError, match=r"probability of 9, but its card says .*activation"):
        load_classifier("axial")
    assert segmenting.card.classes


def test_changed_weights_are_refused(weights):
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="do not match their card"):
        load_classifier(weights)


def test_a_missing_classifier_is_named():
    with pytest.raises(ModelError, match=r"no-such-level\.onnx"):
        load_classifier("no-such-level")
