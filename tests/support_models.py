"""Cards for predictors that tests make up."""

import numpy as np

from openlumbar.core.masks import AXIAL_TISSUE_NAMES, TISSUE_NAMES
from openlumbar.models import ModelCard
from openlumbar.models.card import ModelInput


def card_for(name: str, pixel_mm: float, divisor: int) -> ModelCard:
    """The card of a sagittal predictor without weights."""
    return _card(name, pixel_mm, divisor, ("slice", "neighbour", "neighbour"), TISSUE_NAMES)


def _card(name, pixel_mm, divisor, channels, classes) -> ModelCard:
    return ModelCard(
        name=name,
        version="1",
        task="tests",
        recipe="none",
        input=ModelInput(
            spacing_mm=(pixel_mm, pixel_mm),
            channels=channels,
            divisor=divisor,
            neighbour_mm=(2.5, 4.0, 6.6),
            intensity="percentiles",
            preprocessing="openlumbar.segment.preprocess.prepare",
        ),
        classes=classes,
        data=(),
        held_out={},
        results={},
        limits=(),
        sha256="0" * 64,
    )


class SeesNothing:
    """An axial network to which all is background."""

    def __init__(self) -> None:
        self.card = _card("blind", 0.8, 32, ("slice",), AXIAL_TISSUE_NAMES)

    def predict(self, images):
        found = np.zeros((len(images), len(AXIAL_TISSUE_NAMES), *images.shape[2:]), np.float32)
        found[:, 0] = 1
        return found
