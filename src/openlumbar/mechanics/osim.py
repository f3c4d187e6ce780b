"""OpenSim: models written for it, balance read from it, a user's base model read.

All else in ``mechanics/`` works without OpenSim; :func:`unavailable` says whether it can be used.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from openlumbar.core.errors import InputError
from openlumbar.mechanics.model import Model, Posture
from openlumbar.mechanics.osim_api import translated, unavailable
from openlumbar.mechanics.osim_build import build
from openlumbar.mechanics.osim_read import ReadModel, read_model
from openlumbar.mechanics.osim_statics import opensim_statics

__all__ = [
    "ReadModel",
    "model_text",
    "opensim_statics",
    "read_model",
    "unavailable",
    "write_model",
]


def model_text(model: Model, posture: Posture | None = None) -> str:
    """XML of an OpenSim 4 model that carries its geometry: no other file is needed.

    The same model and posture give the same text.

    Parameters
    ----------
    posture
        In which the model opens, with what it holds welded to the hands and pushes as prescribed
        forces; upright standing if none.

    Raises
    ------
    InputError
        OpenSim is missing or refuses the model, or the posture names what it does not have.
    """
    built = build(model, posture or Posture(), drawn=True)
    # OpenSim writes files alone.
    with tempfile.TemporaryDirectory() as folder, translated(f"model {model.name!r}"):
        path = Path(folder) / "model.osim"
        built.printToXML(str(path))
        return path.read_text(encoding="utf-8")


def write_model(model: Model, path: Path, posture: Posture | None = None) -> None:
    """Write :func:`model_text` to a file.

    Raises
    ------
    InputError
        As :func:`model_text`, or the file cannot be written.
    """
    text = model_text(model, posture)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
