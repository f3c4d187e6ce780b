"""The card of a weights file: what goes in, what comes out, how well, from what."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openlumbar.core.errors import ModelError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelInput(_Strict):
    """What the network expects.

    Attributes
    ----------
    spacing_mm
        In-plane pixel spacing (rows, columns) that pictures are resampled to.
    channels
        One name a channel, in order.
    divisor
        Rows and columns are padded to multiples of this number.
    neighbour_mm
        Least, ideal and greatest distance of the neighbour slices.
    intensity
        The rule, in words; its code is named by ``preprocessing``.
    preprocessing
        Dotted name of the function that training and inference share.
    pixels
        Rows and columns of the picture, where it has one size (a classifier's).
    """

    spacing_mm: tuple[float, float]
    channels: tuple[str, ...]
    divisor: Annotated[int, Field(gt=0)]
    neighbour_mm: tuple[float, float, float]
    intensity: str
    preprocessing: str
    pixels: tuple[int, int] | None = None


class ModelData(_Strict):
    """A data set the weights were trained on.

    Attributes
    ----------
    name, licence, credit
        Whose it is and on what terms.
    use
        What of it was trained on, and who made its labels.
    """

    name: str
    licence: str
    credit: str
    use: str


class ModelCard(_Strict):
    """Contract between a weights file and the code that runs it.

    Attributes
    ----------
    name, version
        Of the weights.
    task, recipe
        What they do, and what they were trained by.
    input
        What goes in.
    classes
        Names of the output channels; of a segmentation the background first.
    signs
        What else a classifier says of a picture, each by a probability of its own.
    held_out
        Patients never trained on, by data set.
    data
        What they were trained on.
    results
        Figures on held-out patients, each with the command that measured it.
    limits
        What they are not good for, in sentences.
    sha256
        Hash of the ONNX file.
    """

    schema_version: int = 1
    name: str
    version: str
    task: str
    recipe: str
    input: ModelInput
    classes: tuple[str, ...]
    signs: tuple[str, ...] = ()
    data: tuple[ModelData, ...]
    held_out: dict[str, tuple[str, ...]]
    results: dict[str, Any]
    limits: tuple[str, ...]
    sha256: str


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(path: Path) -> ModelCard:
    """Read and validate a card.

    Parameters
    ----------
    path
        ``NAME.json``, UTF-8 (docs/reference/model-card.md).

    Raises
    ------
    ModelError
        The file is absent or does not follow the schema.
    """
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"{path.name}: the model's card cannot be read ({error.strerror})"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(
            f"{path.name}: the model's card is wrong at {where}: {first['msg']}"
        ) from None
