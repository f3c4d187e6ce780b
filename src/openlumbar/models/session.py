"""A weights file with its card, opened by ONNX Runtime."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime
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


def weights_path(model: str | Path) -> Path:
    """The file of a shipped model, by its name, or of any model, by its path ``NAME.onnx``."""
    path = Path(model)
    return path if path.suffix == ".onnx" else _WEIGHTS / f"{model}.onnx"


def open_session(
    weights: Path, threads: int | None = None
) -> tuple[onnxruntime.InferenceSession, ModelCard]:
    """Open a weights file that matches its card, on the CPU.

    Parameters
    ----------
    weights
        ``NAME.onnx``; its card ``NAME.json`` lies beside it.
    threads
        Threads of one forward pass; all cores when None.

    Raises
    ------
    ModelError
        The file is absent, is no network, or is not the one that its card names.
    """
    if not weights.is_file():
        raise ModelError(f"{weights.name}: no such weights file (expected NAME.onnx)")
    card = read_card(weights.with_suffix(".json"))
    if hash_file(weights) != card.sha256:
        raise ModelError(
            f"{weights.name}: the weights do not match their card (SHA-256 differs); "
            "install the package again or export the model anew"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.inter_op_num_threads = 1
    # A thread that waits for work by spinning takes the core from the one that prepares it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Memory is given back between series instead of being kept in an arena.
    options.enable_cpu_mem_arena = False
    try:
        session = onnxruntime.InferenceSession(
            str(weights), options, providers=["CPUExecutionProvider"]
        )
    except _LOAD_ERRORS as error:
        raise ModelError(f"{weights.name}: ONNX Runtime cannot load it ({error})") from None
    return session, card
