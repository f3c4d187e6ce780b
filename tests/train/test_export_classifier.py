"""A classifier's file says what the network says, of any number of pictures."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402  (torch is optional)
import onnxruntime  # noqa: E402
from torch import nn  # noqa: E402

from openlumbar.train.classifier_network import ClassifierNetwork  # noqa: E402
from openlumbar.train.export import export_classifier  # noqa: E402

PIXELS = (32, 48)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 32, 3, stride=4), nn.ReLU())
    return ClassifierNetwork(backbone, 32, 5, signs=2, dropout=0.5).eval()


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "tiny.onnx"
    export_classifier(network, path, 3, PIXELS)
    return path


@pytest.fixture(scope="module")
def session(weights):
    return onnxruntime.InferenceSession(str(weights))


def pictures(count):
    return np.random.default_rng(count).random((count, 3, *PIXELS)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 3])
def test_the_file_says_what_the_network_says_of_any_number_of_pictures(network, session, count):
    images = pictures(count)
    with torch.no_grad():
        logits, signs = network(torch.from_numpy(images))
    given = session.run(["probability", "signs"], {"image": images})
    # Large weights are stored in half precision.
    np.testing.assert_allclose(given[0], logits.softmax(1), atol=2e-3)
    np.testing.assert_allclose(given[1], signs.sigmoid(), atol=2e-3)


def test_the_activation_is_the_linear_layer_at_each_place_and_its_mean_the_logit(network, session):
    images = pictures(2)
    with torch.no_grad():
        features = network.backbone(torch.from_numpy(images))
        logits, _ = network(torch.from_numpy(images))
        expected = torch.einsum("kf,nfrc->nkrc", network.classes.weight, features)
    (activation,) = session.run(["activation"], {"image": images})
    np.testing.assert_allclose(activation, expected, atol=2e-3)
    whole = activation.mean((2, 3)) + network.classes.bias.detach().numpy()
    np.testing.assert_allclose(whole, logits, atol=2e-3)


def test_without_signs_the_network_gives_none_and_the_file_has_no_such_output(tmp_path):
    network = ClassifierNetwork(nn.Conv2d(1, 4, 8, stride=8), 4, 2).eval()
    logits, signs = network(torch.zeros(3, 1, 16, 16))
    assert (logits.shape, signs.shape) == ((3, 2), (3, 0))
    export_classifier(network, tmp_path / "plain.onnx", 1, (16, 16))
    outputs = onnxruntime.InferenceSession(str(tmp_path / "plain.onnx")).get_outputs()
    assert [output.name for output in outputs] == ["probability", "activation"]


def test_large_weights_are_stored_in_half_precision(weights):
    stored = onnx.load(weights).graph.initializer
    large = [weight for weight in stored if np.prod(weight.dims) >= 256]
    assert large
    assert {weight.data_type for weight in large} == {onnx.TensorProto.FLOAT16}
