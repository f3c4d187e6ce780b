"""Running a network: one small protocol, and its ONNX Runtime implementation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from openlumbar.core.errors import ModelError
from openlumbar.models.card import ModelCard, hash_file, read_card

_WEIGHTS = Path(__file__).parent / "weights"

_LOAD_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
)


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
        if not weights.is_file():
            raise ModelError(f"{weights.name}: no such weights file (expected NAME.onnx)")
        self._card = read_card(weights.with_suffix(".json"))
        if hash_file(weights) != self._card.sha256:
            raise ModelError(
                f"{weights.name}: the weights do not match their card (SHA-256 differs); "
                "install the package again or export the model anew"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.inter_op_num_threads = 1
        # Memory is given back between series instead of being kept in an arena.
        options.enable_cpu_mem_arena = False
        try:
            self._session = onnxruntime.InferenceSession(
                str(weights), options, providers=["CPUExecutionProvider"]
            )
        except _LOAD_ERRORS as error:
            raise ModelError(f"{weights.name}: ONNX Runtime cannot load it ({error})") from None
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
        channels = self._session.get_inputs()[0].shape[1]
        classes = self._session.get_outputs()[0].shape[1]
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
    path = Path(model)
    if path.suffix != ".onnx":
        path = _WEIGHTS / f"{model}.onnx"
    return OnnxPredictor(path, threads)
