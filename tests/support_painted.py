"""Pictures whose intensities are their true tissue, and a network that reads it off them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from openlumbar.core.exam import Series
from openlumbar.phantom.truth import SeriesTruth
from support_models import card_for

#: In-plane pixel of the phantom, and what the painted predictor asks for: no resampling,
#: so that the painted tissue arrives as it was painted.
PIXEL_MM = 1.2


class PaintedPredictor:
    """Reads the tissue off a picture whose intensity *is* the tissue (``painted``).

    A real implementation of the protocol, by thresholds: 0, 1/8 … 7/8 of full scale are
    the eight classes, and full scale (the frame painted round each slice) is background.
    """

    def __init__(self) -> None:
        self.card = card_for("painted", PIXEL_MM, divisor=16)

    def predict(self, images):
        tissue = np.rint(images[:, 0] * 8).astype(int) % 8
        return np.moveaxis(np.eye(8, dtype=np.float32)[tissue], -1, 1)


def painted(series: Series, truth: SeriesTruth) -> Series:
    """The series with its true tissue, times 100, for intensities, and a frame of 800."""
    blocks = []
    for block, regions in zip(series.blocks, truth.regions, strict=True):
        values = regions.array.astype(np.uint16) * 100
        for axis in (1, 2):
            np.moveaxis(values, axis, 0)[:4] = 800
        blocks.append(replace(block, volume=block.volume.with_array(values)))
    return replace(series, blocks=tuple(blocks))
