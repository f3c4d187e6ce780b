"""Running a network that says of a whole picture what it shows, and by what part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import ModelError
from openlumbar.models.card import ModelCard
from openlumbar.models.session import open_session, weights_path

#: Names of the outputs of a classifier's network; one without signs has no second.
PROBABILITY, SIGNS, ACTIVATION = "probability", "signs", "activation"


@dataclass(frozen=True, eq=False)
class Classified:
    """What a classifier says of some pictures.

    Attributes
    ----------
    probability
        ``float32[n, classes]``, summing to one.
    signs
        ``float32[n, signs]``: probability of each sign by itself.
    activation
        ``float32[n, classes, row, column]``: class activation maps, as coarse as the
        network's last feature maps. Their mean is the class's logit, but for what the class
        has whatever the picture shows.
    """

    probability: NDArray[np.float32]
    signs: NDArray[np.float32]
    activation: NDArray[np.float32]

    def of(self, n: int) -> Classified:
        """What is said of picture ``n`` alone."""
        one = slice(n, n + 1)
        return Classified(self.probability[one], self.signs[one], self.activation[one])


class Classifier(Protocol):
    """Whatever says of prepared pictures what they show."""

    @property
    def card(self) -> ModelCard:
        """The contract of the weights."""
        ...

    def classify(self, images: NDArray[np.float32]) -> Classified:
        """Say what pictures show.

        Parameters
        ----------
        images
            ``float32[n, channels, rows, columns]`` as the card's preprocessing makes them.
        """
        ...


class OnnxClassifier:
    """A classifier's weights file run by ONNX Runtime on the CPU.

    Parameters
    ----------
    weights
        ``NAME.onnx``; its card ``NAME.json`` lies beside it.
    threads
        Threads of one forward pass; all cores when None.

    Raises
    ------
    ModelError
        The file is absent, is no network, or does not match its card.
    """

    def __init__(self, weights: Path, threads: int | None = None) -> None:
        self._session, self._card = open_session(weights, threads)
        self._check_outputs(weights.name)

    @property
    def card(self) -> ModelCard:
        """The contract of the weights."""
        return self._card

    def classify(self, images: NDArray[np.float32]) -> Classified:
        """Say what pictures show, as :meth:`Classifier.classify` says."""
        names = list(_outputs_of(self._card))
        given = self._session.run(names, {self._session.get_inputs()[0].name: images})
        said = dict(zip(names, given, strict=True))
        said.setdefault(SIGNS, np.zeros((len(images), 0), np.float32))
        return Classified(said[PROBABILITY], said[SIGNS], said[ACTIVATION])

    def _check_outputs(self, name: str) -> None:
        _, channels, *pixels = self._session.get_inputs()[0].shape
        outputs = {output.name: output.shape[1] for output in self._session.get_outputs()}
        card = self._card
        given = _described(channels, pixels, outputs)
        expected = _described(
            len(card.input.channels), card.input.pixels or pixels, _outputs_of(card)
        )
        if given != expected:
            raise ModelError(f"{name}: {given}, but its card says {expected}")


def load_classifier(model: str | Path, threads: int | None = None) -> OnnxClassifier:
    """Load a shipped classifier by name, or any by the path of its file.

    Parameters
    ----------
    model
        ``level``, or ``NAME.onnx`` with its card ``NAME.json`` beside it.
    threads
        Threads of one forward pass; all cores when None.

    Raises
    ------
    ModelError
        The file is absent, is no network, or does not match its card.
    """
    return OnnxClassifier(weights_path(model), threads)


def _outputs_of(card: ModelCard) -> dict[str, int]:
    """Outputs that the network of a card has, and the width of each."""
    signs = {SIGNS: len(card.signs)} if card.signs else {}
    return {PROBABILITY: len(card.classes), **signs, ACTIVATION: len(card.classes)}


def _described(channels: int, pixels: Sequence[int | str], outputs: dict[str, int]) -> str:
    """The contract in words; sizes that are free have names."""
    widths = ", ".join(f"{name} of {width}" for name, width in sorted(outputs.items()))
    size = " x ".join(str(n) for n in pixels)
    return f"{channels} input channels of {size} pixels and outputs {widths}"
