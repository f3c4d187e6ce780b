"""Labels that the network makes for itself, cleaned and with its doubts left open."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import Tissue
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.imaging.resample import resample_planes, resampled_shape
from openlumbar.models import Predictor
from openlumbar.segment import segment_sagittal
from openlumbar.train.losses import IGNORE
from openlumbar.train.spider import SingleSlice, TrainingVolume

#: Pixels of less certainty (of 255) are left out of the loss.
_SURE = 145
#: What lies farther than this from the largest piece of anatomy is dropped.
_REACH_MM = 9.0


def label_slices(slices: Iterable[SingleSlice], predictor: Predictor) -> list[TrainingVolume]:
    """Resample single slices to the working spacing and label them by a network."""
    return [_label_slice(single, predictor) for single in slices]


def _label_slice(single: SingleSlice, predictor: Predictor) -> TrainingVolume:
    spacing = predictor.card.input.spacing_mm
    rows, columns = single.image.shape
    shape = resampled_shape((rows, columns), single.spacing_mm, spacing)
    image = resample_planes(single.image, single.spacing_mm, shape, spacing)
    top = max(1.0, float(np.percentile(image, 99.8)))
    picture = (image * (255 / top)).clip(0, 255).astype(np.uint8)[None]
    mask = segment_sagittal(_sagittal_series(picture, spacing), predictor)[0]
    label = np.where(mask.certainty < _SURE, IGNORE, mask.tissue.array).astype(np.uint8)
    _forget_lower_canal(label[0])
    far = _far_from_anatomy(mask.tissue.array[0] > 0, spacing[0])
    label[0][far & (label[0] != IGNORE)] = 0
    return TrainingVolume(single.name, single.patient, picture, label, (4.0, *spacing))


def _forget_lower_canal(label: NDArray[np.uint8]) -> None:
    """Leave the canal open below the middle of S1, where SPIDER's labels end variously."""
    sacral = np.flatnonzero((label == Tissue.S1).any(1))
    if len(sacral):
        lower = label[(sacral[0] + sacral[-1]) // 2 :]
        lower[lower == Tissue.CANAL] = IGNORE


def _far_from_anatomy(found: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.bool_]:
    """Pixels that are not near the largest connected piece."""
    joined = ndimage.binary_dilation(found, iterations=round(_REACH_MM / 2 / spacing_mm))
    pieces, count = ndimage.label(joined)
    if count == 0:
        return np.ones_like(found)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return pieces != sizes.argmax()


def _sagittal_series(image: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> Series:
    """Wrap ``[1, superior→inferior, anterior→posterior]`` as a series in patient space."""
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = (
        spacing_mm[1],
        -spacing_mm[0],
        -4.0,
        1.0,
    )
    block = Block(Volume(image, affine), ("picture",))
    return Series("picture", Plane.SAGITTAL, Weighting.UNKNOWN, (block,), "array")
