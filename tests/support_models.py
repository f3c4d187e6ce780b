"""Cards for predictors that tests make up."""

from openlumbar.core.masks import TISSUE_NAMES
from openlumbar.models import ModelCard
from openlumbar.models.card import ModelInput


def card_for(name: str, pixel_mm: float, divisor: int) -> ModelCard:
    """The card of a sagittal predictor without weights."""
    return ModelCard(
        name=name,
        version="1",
        task="tests",
        recipe="none",
        input=ModelInput(
            spacing_mm=(pixel_mm, pixel_mm),
            channels=("slice", "neighbour", "neighbour"),
            divisor=divisor,
            neighbour_mm=(2.5, 4.0, 6.6),
            intensity="percentiles",
            preprocessing="openlumbar.segment.preprocess.prepare",
        ),
        classes=TISSUE_NAMES,
        data=(),
        held_out={},
        results={},
        limits=(),
        sha256="0" * 64,
    )
