"""Sagittal series → tissue masks, by the default network and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Series
from openlumbar.core.masks import TissueMask
from openlumbar.core.volume import Volume
from openlumbar.imaging.resample import resample_planes
from openlumbar.models import Predictor
from openlumbar.segment.preprocess import neighbours, prepare

#: Called with slices done and slices in all.
Progress = Callable[[int, int], None]

#: Standard deviation, in millimetres across slices, by which probabilities are shared
#: between slices; it reaches a neighbour only in thin-slice series.
SHARE_MM = 1.0


def segment_sagittal(
    series: Series, predictor: Predictor, progress: Progress | None = None
) -> tuple[TissueMask, ...]:
    """Find body, posterior elements, disc, canal and sacrum in a sagittal series.

    Parameters
    ----------
    series
        A sagittal series of any weighting.
    predictor
        The sagittal model.
    progress
        Told after every few slices.

    Returns
    -------
    tuple of TissueMask
        One a block, each on its block's own grid.

    Raises
    ------
    StageError
        A block is too small to show anything.
    """
    total = sum(block.volume.shape[0] for block in series.blocks)
    done = 0
    masks = []
    for block in series.blocks:

        def report(count: int, before: int = done) -> None:
            if progress is not None:
                progress(before + count, total)

        masks.append(_segment_block(block.volume, predictor, report))
        done += block.volume.shape[0]
    return tuple(masks)


def _segment_block(
    volume: Volume, predictor: Predictor, report: Callable[[int], None]
) -> TissueMask:
    spec = predictor.card.input
    stack, frame = prepare(volume, spec.spacing_mm)
    if min(stack.shape[1:]) < spec.divisor:
        raise StageError(
            f"a picture of {stack.shape[1]} × {stack.shape[2]} pixels at "
            f"{spec.spacing_mm[0]} mm is too small to segment"
        )
    slice_mm, row_mm, column_mm = frame.spacing_mm
    table = neighbours(len(stack), slice_mm, spec.neighbour_mm)
    probability = np.empty((len(stack), len(predictor.card.classes), *stack.shape[1:]), np.uint8)
    for index in range(len(stack)):
        probability[index] = predict_slice(stack[table[index]], predictor)
        report(index + 1)
    shape = frame.canonical(volume.array).shape[1:]
    tissue = np.empty((len(stack), *shape), np.uint8)
    certainty = np.empty_like(tissue)
    for index, weights in enumerate(_sharing(len(stack), slice_mm)):
        used = np.flatnonzero(weights)
        shared = np.tensordot(weights[used], probability[used].astype(np.float32), 1)
        full = resample_planes(shared, spec.spacing_mm, shape, (row_mm, column_mm))
        tissue[index] = full.argmax(0)
        certainty[index] = full.max(0).round()
    return TissueMask(volume.with_array(frame.original(tissue)), frame.original(certainty))


def predict_slice(picture: NDArray[np.float32], predictor: Predictor) -> NDArray[np.uint8]:
    """Probabilities times 255 of one slice with its neighbours, ``[class, row, column]``."""
    rows, columns = picture.shape[1:]
    divisor = predictor.card.input.divisor
    padding = ((0, 0), (0, -rows % divisor), (0, -columns % divisor))
    probability = predictor.predict(np.pad(picture, padding)[None])[0]
    return (probability[:, :rows, :columns] * 255).round().astype(np.uint8)


def _sharing(count: int, spacing_mm: float) -> NDArray[np.float32]:
    """Weights ``[slice, slice]`` by which thin slices lend each other probability."""
    distance = np.subtract.outer(np.arange(count), np.arange(count)) * spacing_mm
    weights = np.exp(-0.5 * (distance / SHARE_MM) ** 2)
    weights[weights < 0.05] = 0
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
