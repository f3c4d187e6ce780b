"""Running a network: one small protocol, and its ONNX Runtime implementation."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import ModelError
from openlumbar.models.card import ModelCard
from openlumbar.models.session import open_session, weights_path


class Predictor(Protocol):
    """Whatever turns prepared pictures into class probabilities."""

    @property
    def card(self) -> ModelCard:
        """The contract of the weights."""
        ...

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map pictures to probabilities.

        Parameters
        ----------
        images
            ``float32[n, channels, rows, columns]`` as the card's preprocessing makes them;
            rows and columns are multiples of the card's divisor.

        Returns
        -------
        ndarray
            ``float32[n, classes, rows, columns]``, summing to one over the classes.
        """
        ...


class OnnxPredictor:
    """A weights file run by ONNX Runtime on the CPU.

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
        self._check_shape(weights.name)

    @property
    def card(self) -> ModelCard:
        """The contract of the weights."""
        return self._card

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map pictures to probabilities, as :meth:`Predictor.predict` says."""
        name = self._session.get_inputs()[0].name
        return self._session.run(None, {name: images})[0]

    def _check_shape(self, name: str) -> None:
        outputs = self._session.get_outputs()
        if len(outputs) != 1:
            raise ModelError(
                f"{name}: outputs {', '.join(output.name for output in outputs)}, but a network "
                "that segments has one; this one classifies whole pictures"
            )
        channels = self._session.get_inputs()[0].shape[1]
        classes = outputs[0].shape[1]
        expected = (len(self._card.input.channels), len(self._card.classes))
        if (channels, classes) != expected:
            raise ModelError(
                f"{name}: {channels} input channels and {classes} classes, "
                f"but its card says {expected[0]} and {expected[1]}"
            )


def load_model(model: str | Path, threads: int | None = None) -> OnnxPredictor:
    """Load a shipped model by name, or any model by the path of its file.

    Parameters
    ----------
    model
        ``sagittal``, or ``NAME.onnx`` with its card ``NAME.json`` beside it.
    threads
        Threads of one forward pass; all cores when None.

    Raises
    ------
    ModelError
        The file is absent, is no network, or does not match its card.
    """
    return OnnxPredictor(weights_path(model), threads)
