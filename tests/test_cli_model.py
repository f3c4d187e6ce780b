"""``analyze --model`` puts a network where its card says."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import nibabel  # noqa: E402  (torch is optional)
from torch import nn  # noqa: E402

from openlumbar.cli import main  # noqa: E402
from openlumbar.level.looks import WHOLE_CHANNELS, WHOLE_SHAPE  # noqa: E402
from openlumbar.models.card import ModelInput  # noqa: E402
from openlumbar.models.session import weights_path  # noqa: E402
from openlumbar.train.classifier_network import ClassifierNetwork  # noqa: E402
from openlumbar.train.export import export_classifier, write_card  # noqa: E402
from openlumbar.train.own_levels import DISC_LEVELS  # noqa: E402
from support_models import card_for  # noqa: E402


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A level classifier that has learnt nothing, of the kind of Cho et al. 2022."""
    path = tmp_path_factory.mktemp("weights") / "mine.onnx"
    network = ClassifierNetwork(nn.Conv2d(3, 4, 64, stride=64), 4, len(DISC_LEVELS))
    export_classifier(network, path, len(WHOLE_CHANNELS), WHOLE_SHAPE)
    pictures = ModelInput(
        spacing_mm=(0.0, 0.0),
        channels=WHOLE_CHANNELS,
        divisor=1,
        neighbour_mm=(0.0, 0.0, 0.0),
        intensity="",
        preprocessing="openlumbar.level.looks.whole_picture",
        pixels=WHOLE_SHAPE,
    )
    card = card_for("mine", 1.0, 1)
    write_card(card.model_copy(update={"input": pictures, "classes": DISC_LEVELS}), path)
    return path


def write_slice(path):
    """One axial slice of noise."""
    array = np.random.default_rng(1).integers(0, 200, (64, 64, 1)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([3.0, 3.0, 4.0, 1.0])), path)


def test_a_level_classifier_takes_the_place_of_the_one_that_ships(weights, tmp_path):
    write_slice(tmp_path / "scan_T2w.nii.gz")
    out = tmp_path / "out"
    given = [str(tmp_path / "scan_T2w.nii.gz"), "-o", str(out), "--model", str(weights)]
    assert main(["analyze", *given]) == 0
    used = [one["name"] for one in json.loads((out / "run.json").read_text("utf-8"))["weights"]]
    assert "mine" in used
    assert "level" not in used


def test_two_networks_for_one_place_are_an_error(tmp_path, capfd):
    write_slice(tmp_path / "scan_T2w.nii.gz")
    given = [str(tmp_path / "scan_T2w.nii.gz"), "-o", str(tmp_path / "out")]
    axial = str(weights_path("axial"))
    assert main(["analyze", *given, "--model", axial, "--axial-model", axial]) == 2
    assert "same kind as --axial-model" in capfd.readouterr().err
