"""Cards for predictors that tests make up."""

import numpy as np

from openlumbar.core.levels import LEVEL_CLASSES
from openlumbar.core.masks import AXIAL_TISSUE_NAMES, TISSUE_NAMES
from openlumbar.models import Classified, ModelCard
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


def classifier_card(
    classes=("other", "L4-L5", "S1 and below"),
    signs=("kidney", "ilium"),
    preprocessing="standard_picture",
    channels=8,
    pixels=(128, 192),
) -> ModelCard:
    """The card of a classifier of whole slices, without weights."""
    card = _card("looker", 1.6, 32, tuple(f"channel {n}" for n in range(channels)), classes)
    given = {"preprocessing": f"openlumbar.level.looks.{preprocessing}", "pixels": pixels}
    return card.model_copy(update={"signs": signs, "input": card.input.model_copy(update=given)})


class Undecided:
    """A level classifier to which every class is as likely."""

    def __init__(self) -> None:
        self.card = classifier_card(classes=LEVEL_CLASSES)

    def classify(self, images):
        n, classes = len(images), len(LEVEL_CLASSES)
        return Classified(
            np.full((n, classes), 1 / classes, np.float32),
            np.full((n, 2), 0.5, np.float32),
            np.zeros((n, classes, 4, 6), np.float32),
        )


def intensity_network(classes=3, signs=2, channels=8, cell=16):
    """A classifier whose two features are the mean and the negative of channel 0 in each cell.

    With the weights drawn here anything that it says can be worked out by hand.
    """
    import torch  # noqa: PLC0415  (only some of the tests that import this need it)
    from torch import nn  # noqa: PLC0415

    from openlumbar.train.classifier_network import ClassifierNetwork  # noqa: PLC0415

    mean = nn.Conv2d(channels, 2, cell, stride=cell, bias=False)
    with torch.no_grad():
        mean.weight.zero_()
        mean.weight[0, 0], mean.weight[1, 0] = cell**-2, -(cell**-2)
    torch.manual_seed(1)
    return ClassifierNetwork(mean, 2, classes, signs).eval()
