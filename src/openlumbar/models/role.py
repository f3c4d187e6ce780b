"""What a weights file is for."""

from __future__ import annotations

from typing import Literal

from openlumbar.core.errors import ModelError
from openlumbar.models.card import ModelCard

#: What a network does in an analysis: tissue of sagittal slices, tissue of axial ones, or the
#: level that an axial slice shows.
Role = Literal["sagittal", "axial", "level"]

#: By the module whose function makes the network's pictures: that says what they are of.
_ROLES: dict[str, Role] = {
    "openlumbar.segment.preprocess": "sagittal",
    "openlumbar.segment.axial_preprocess": "axial",
    "openlumbar.level.looks": "level",
}


def role_of(card: ModelCard) -> Role:
    """Say what a network does, by the function that its card names for its pictures.

    Parameters
    ----------
    card
        Its ``input.preprocessing`` is a dotted name.

    Raises
    ------
    ModelError
        No stage makes such pictures.
    """
    module = card.input.preprocessing.rpartition(".")[0]
    if module not in _ROLES:
        raise ModelError(
            f"{card.name}: its card asks for pictures made by {card.input.preprocessing}; "
            f"those of {', '.join(_ROLES)} are known"
        )
    return _ROLES[module]
