"""Labels that the network makes for itself, cleaned and with its doubts left open."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.masks import Tissue
from openlumbar.imaging.masks import largest_component
from openlumbar.imaging.resample import resample_planes, resampled_shape
from openlumbar.models import Predictor
from openlumbar.segment import segment_sagittal
from openlumbar.train.losses import IGNORE
from openlumbar.train.spider import SLICE_MM, SingleSlice, TrainingVolume, sagittal_series

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
    mask = segment_sagittal(sagittal_series(single.name, picture, (SLICE_MM, *spacing)), predictor)[
        0
    ]
    label = np.where(mask.certainty < _SURE, IGNORE, mask.tissue.array).astype(np.uint8)
    _forget_lower_canal(label[0])
    far = _far_from_anatomy(mask.tissue.array[0] > 0, spacing[0])
    label[0][far & (label[0] != IGNORE)] = 0
    return TrainingVolume(single.name, single.patient, picture, label, (SLICE_MM, *spacing))


def _forget_lower_canal(label: NDArray[np.uint8]) -> None:
    """Leave the canal open below the middle of S1, where SPIDER's labels end variously."""
    sacral = np.flatnonzero((label == Tissue.S1).any(1))
    if len(sacral):
        lower = label[(sacral[0] + sacral[-1]) // 2 :]
        lower[lower == Tissue.CANAL] = IGNORE


def _far_from_anatomy(found: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.bool_]:
    """Pixels that are not near the largest connected piece."""
    joined = ndimage.binary_dilation(found, iterations=round(_REACH_MM / 2 / spacing_mm))
    return ~largest_component(joined[None])[0]
