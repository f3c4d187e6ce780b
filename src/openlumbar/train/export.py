"""A trained network → ONNX file and card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from openlumbar.models import ModelCard, hash_file
from openlumbar.models.classifier import ACTIVATION, PROBABILITY, SIGNS
from openlumbar.train.classifier_network import ClassifierNetwork

#: Weights of more elements than this are stored in half precision.
_HALF_FROM = 256


class _Probabilities(nn.Module):
    """The network with a softmax behind it, as the predictor expects."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image).softmax(1)


class _Looks(nn.Module):
    """A classifier with what its predictor expects: probabilities, signs if any, activation."""

    def __init__(self, network: ClassifierNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        logits, signs, activation = self.network.look(image)
        said = () if self.network.signs is None else (signs.sigmoid(),)
        return logits.softmax(1), *said, activation


def export_onnx(
    network: nn.Module, path: Path, channels: int, divisor: int, *, half: bool = True
) -> None:
    """Write a fully convolutional network as ONNX with free batch, rows and columns.

    Parameters
    ----------
    network
        In evaluation mode; logits of ``[batch, classes, rows, columns]``.
    path
        The ``.onnx`` file.
    channels
        Input channels.
    divisor
        Rows and columns must be multiples of this number.
    half
        Store large weights as 16-bit floats, widened again when loaded; it halves the
        file and changes probabilities by less than a thousandth.
    """
    # Sizes of the example differ, since equal ones would be taken for one dimension.
    example = torch.zeros(2, channels, 2 * divisor, 3 * divisor)
    free = {
        0: torch.export.Dim("batch"),
        2: divisor * torch.export.Dim("r"),
        3: divisor * torch.export.Dim("c"),
    }
    torch.onnx.export(
        _Probabilities(network).eval(),
        (example,),
        str(path),
        input_names=["image"],
        output_names=["probability"],
        dynamic_shapes=(free,),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    if half:
        _store_half(path)


def export_classifier(
    network: ClassifierNetwork, path: Path, channels: int, pixels: tuple[int, int]
) -> None:
    """Write a classifier as ONNX with a free batch, large weights in half precision.

    Parameters
    ----------
    network
        Is put into evaluation mode.
    path
        The ``.onnx`` file. Its outputs are ``probability``, ``signs`` (where there are any)
        and ``activation``, as :class:`~openlumbar.models.Classified` says.
    channels
        Input channels.
    pixels
        Rows and columns of the pictures; the file takes no others.
    """
    signs = () if network.signs is None else (SIGNS,)
    torch.onnx.export(
        _Looks(network).eval(),
        (torch.zeros(2, channels, *pixels),),
        str(path),
        input_names=["image"],
        output_names=[PROBABILITY, *signs, ACTIVATION],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    _store_half(path)


def _store_half(path: Path) -> None:
    model = onnx.load(path)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < _HALF_FROM:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    for node in reversed(casts):
        model.graph.node.insert(0, node)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write_card(card: ModelCard, weights: Path) -> ModelCard:
    """Write the card beside its weights, with their hash."""
    signed = card.model_copy(update={"sha256": hash_file(weights)})
    weights.with_suffix(".json").write_text(signed.model_dump_json(indent=2) + "\n", "utf-8")
    return signed
