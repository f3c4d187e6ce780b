"""Painted cross-sections of which everything is known, and a predictor that reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import AXIAL_TISSUE_NAMES, AxialTissue
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.models import ModelCard
from openlumbar.models.card import ModelInput

#: Ellipses of a section: class, centre behind the sac and to the left, half axes, in mm.
#: The left psoas is larger and the right multifidus smaller: nothing is symmetrical by chance.
ELLIPSES = (
    (AxialTissue.PSOAS, -20.0, 48.0, 19.0, 14.0),
    (AxialTissue.PSOAS, -20.0, -46.0, 16.0, 13.0),
    (AxialTissue.QUADRATUS_LUMBORUM, 6.0, 76.0, 8.0, 11.0),
    (AxialTissue.QUADRATUS_LUMBORUM, 6.0, -76.0, 8.0, 11.0),
    (AxialTissue.ERECTOR_SPINAE, 36.0, 45.0, 18.0, 21.0),
    (AxialTissue.ERECTOR_SPINAE, 36.0, -45.0, 18.0, 21.0),
    (AxialTissue.MULTIFIDUS, 36.0, 14.0, 15.0, 9.0),
    (AxialTissue.MULTIFIDUS, 36.0, -13.0, 12.0, 8.0),
    (AxialTissue.POSTERIOR, 14.0, 0.0, 5.0, 15.0),
    (AxialTissue.POSTERIOR, 30.0, 0.0, 14.0, 3.0),
    (AxialTissue.BODY, -27.0, 0.0, 17.0, 24.0),
    (AxialTissue.SAC, 0.0, 0.0, 7.0, 9.0),
)
#: Code that a painted muscle must get, by class and whether it lies on the left.
SIDED = {
    (AxialTissue.MULTIFIDUS, True): 5101,
    (AxialTissue.MULTIFIDUS, False): 5102,
    (AxialTissue.ERECTOR_SPINAE, True): 5111,
    (AxialTissue.ERECTOR_SPINAE, False): 5112,
    (AxialTissue.PSOAS, True): 5121,
    (AxialTissue.PSOAS, False): 5122,
    (AxialTissue.QUADRATUS_LUMBORUM, True): 5131,
    (AxialTissue.QUADRATUS_LUMBORUM, False): 5132,
    (AxialTissue.POSTERIOR, False): 40,
    (AxialTissue.BODY, False): 40,
    (AxialTissue.SAC, False): 2,
}
#: Painted intensity of the fat behind the muscles, which sets the scale.
_WHITE = 900.0


@dataclass(frozen=True)
class Section:
    """How a section is painted.

    Attributes
    ----------
    turn_deg
        Of the patient, positive when the front points to the picture's left.
    sac_mm
        Place of the sac from the picture's centre, backward and leftward.
    scale
        Size against :data:`ELLIPSES`.
    without
        Numbers of the ellipses left out.
    """

    shape: tuple[int, int] = (256, 288)
    spacing_mm: tuple[float, float] = (0.8, 0.8)
    turn_deg: float = 0.0
    sac_mm: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    without: tuple[int, ...] = ()

    def _behind_left(self) -> tuple[NDArray, NDArray]:
        rows, columns = (
            (np.arange(n) - (n - 1) / 2) * step
            for n, step in zip(self.shape, self.spacing_mm, strict=True)
        )
        back, left = np.meshgrid(rows - self.sac_mm[0], columns - self.sac_mm[1], indexing="ij")
        turn = np.radians(self.turn_deg)
        behind = back * np.cos(turn) + left * np.sin(turn)
        aside = -back * np.sin(turn) + left * np.cos(turn)
        return behind / self.scale, aside / self.scale

    def tissue(self) -> NDArray[np.uint8]:
        """Classes ``[row, column]``."""
        return self._painted(lambda tissue, left: tissue)

    def codes(self) -> NDArray[np.uint16]:
        """Codes that segmentation must find."""
        return self._painted(lambda tissue, left: SIDED[tissue, left])

    def _painted(self, value) -> NDArray:
        behind, aside = self._behind_left()
        painted = np.zeros(self.shape, np.uint16)
        for number, (tissue, back, left, half_back, half_left) in enumerate(ELLIPSES):
            inside = ((behind - back) / half_back) ** 2 + ((aside - left) / half_left) ** 2 < 1
            if number not in self.without:
                painted[inside] = value(tissue, left > 0)
        return painted

    def picture(self) -> NDArray[np.float32]:
        """Intensities that :class:`SectionPredictor` reads: fat behind, air elsewhere."""
        behind, _ = self._behind_left()
        picture = self.tissue() * (_WHITE / 9)
        return np.where((behind > 60) & (behind < 90), _WHITE, picture).astype(np.float32)


class SectionPredictor:
    """Reads the class off the intensity of a painted section: eight steps of ninths."""

    def __init__(self, pixel_mm: float = 0.8) -> None:
        self.seen: list[NDArray[np.float32]] = []
        self.card = ModelCard(
            name="painted",
            version="1",
            task="tests",
            recipe="none",
            input=ModelInput(
                spacing_mm=(pixel_mm, pixel_mm),
                channels=("slice",),
                divisor=32,
                neighbour_mm=(2.5, 4.0, 6.6),
                intensity="percentiles",
                preprocessing="openlumbar.segment.axial_preprocess.normalise_slice",
            ),
            classes=AXIAL_TISSUE_NAMES,
            data=(),
            held_out={},
            results={},
            limits=(),
            sha256="0" * 64,
        )

    def predict(self, images):
        self.seen.append(images[0, 0])
        tissue = np.rint(images[0, 0] * 9).astype(int) % 9
        # Between two painted values lie others: thin lines, which a median takes out.
        steady = ndimage.median_filter(tissue, 5)
        return (steady[None] == np.arange(9)[:, None, None]).astype(np.float32)[None]


def series(volume: Volume) -> Series:
    names = tuple(str(k) for k in range(len(volume.array)))
    return Series("s", Plane.AXIAL, Weighting.T2, (Block(volume, names),), "nifti")


def volume_of(pictures: list[NDArray], spacing_mm: tuple[float, float]) -> Volume:
    """A stack with slices upward, rows backward and columns toward the patient's left."""
    return Volume(np.stack(pictures), np.diag([spacing_mm[1], spacing_mm[0], 4.0, 1.0]))
