"""Tell whether a series is stored upside down, or back to front, against its header.

The network learnt spines upright. Of a turned one it still finds bodies, discs and a canal,
but no sacrum, or a poor one. Then the middle slices are shown to it turned each other way: a
whole sacrum that stands out in one of those says which way is up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.exam import Series
from openlumbar.core.masks import Tissue, TissueMask
from openlumbar.core.volume import Volume
from openlumbar.imaging.frame import frame_of
from openlumbar.models import Predictor
from openlumbar.segment.preprocess import neighbours, prepare
from openlumbar.segment.sagittal import predict_slice

#: How a picture can be turned, and the axes of ``[slice, row, column]`` that turn it back.
TURNS: dict[str, tuple[int, ...]] = {
    "head for foot": (1,),
    "front for back": (2,),
    "by 180°": (1, 2),
}
#: Slices looked at, about the middle one, and the distance between them.
SLICES, APART_MM = 3, 4.0

# What an upright sacrum shows. Ours, between what was found in pictures turned right and in
# those turned wrong or without a sacrum; benchmarks/upside_down.py counts what comes of them.
#: Mean area on a slice of S1, and of S2, mm².
LEAST_S1_MM2, LEAST_S2_MM2 = 200.0, 100.0
#: Mean certainty of the pixels called S1.
LEAST_CERTAINTY = 0.9
#: Share of the rows with body and canal in which the canal lies behind.
CANAL_BEHIND = 0.8


def find_turn(series: Series, masks: Sequence[TissueMask], predictor: Predictor) -> str | None:
    """Find out whether a sagittal series is stored turned within the plane of its slices.

    Parameters
    ----------
    series
        A sagittal series of any weighting; its largest block is looked at.
    masks
        What :func:`~openlumbar.segment.segment_sagittal` found in it. Where they show a
        sacrum, as mostly, the predictor is not asked.
    predictor
        The sagittal model.

    Returns
    -------
    str or None
        A key of :data:`TURNS` where the network finds a whole sacrum once the picture is
        turned back, and none as the header has it. None where nothing speaks for that; a
        picture without a sacrum may be turned all the same.
    """
    sizes = [block.volume.array.size for block in series.blocks]
    largest = int(np.argmax(sizes))
    if _shows_sacrum(_as_stored(masks[largest])):
        return None
    pictures = _pictures(series.blocks[largest].volume, predictor)
    turned = (
        name for name, axes in TURNS.items() if _shows_sacrum(_read(pictures, axes, predictor))
    )
    return next(turned, None)


@dataclass(frozen=True, eq=False)
class _Reading:
    """What the network finds on a few slices: ``[slice, row, column]``, certainty 0 … 255."""

    tissue: NDArray[np.integer]
    certainty: NDArray[np.uint8]
    pixel_mm2: float


def _as_stored(mask: TissueMask) -> _Reading:
    frame = frame_of(mask.tissue)
    tissue, certainty = frame.canonical(mask.tissue.array), frame.canonical(mask.certainty)
    middle = _middle(len(tissue), frame.spacing_mm[0])
    pixel_mm2 = frame.spacing_mm[1] * frame.spacing_mm[2]
    return _Reading(tissue[middle], certainty[middle], pixel_mm2)


def _pictures(volume: Volume, predictor: Predictor) -> NDArray[np.float32]:
    """The middle slices with their neighbours, ``[slice, channel, row, column]``."""
    spec = predictor.card.input
    stack, frame = prepare(volume, spec.spacing_mm)
    slice_mm = frame.spacing_mm[0]
    table = neighbours(len(stack), slice_mm, spec.neighbour_mm)
    return stack[table[_middle(len(stack), slice_mm)]]


def _middle(count: int, slice_mm: float) -> NDArray[np.intp]:
    """Indices of the slices looked at."""
    step = max(1, round(APART_MM / slice_mm))
    places = count // 2 + step * (np.arange(SLICES) - SLICES // 2)
    return places[(places >= 0) & (places < count)]


def _read(pictures: NDArray[np.float32], axes: tuple[int, ...], predictor: Predictor) -> _Reading:
    """What the network finds in the pictures once they are turned."""
    turned = np.flip(pictures, tuple(axis + 1 for axis in axes))
    probability = np.stack([predict_slice(picture, predictor) for picture in turned])
    pixel_mm2 = float(np.prod(predictor.card.input.spacing_mm))
    return _Reading(probability.argmax(1), probability.max(1), pixel_mm2)


def _shows_sacrum(reading: _Reading) -> bool:
    """Whether S1 and S2 stand out, below the bodies, with the canal behind these."""
    tissue = reading.tissue
    s1, s2, body = (tissue == kind for kind in (Tissue.S1, Tissue.S2, Tissue.BODY))
    if not s1.any() or not body.any():
        return False
    mm2 = reading.pixel_mm2 / len(tissue)
    return bool(
        s1.sum() * mm2 >= LEAST_S1_MM2
        and s2.sum() * mm2 >= LEAST_S2_MM2
        and reading.certainty[s1].mean() >= LEAST_CERTAINTY * 255
        and np.median(np.nonzero(s1)[1]) > np.percentile(np.nonzero(body)[1], 90)
        and _canal_behind(tissue) >= CANAL_BEHIND
    )


def _canal_behind(tissue: NDArray[np.integer]) -> float:
    """Share of the rows with body and canal in which the canal lies behind; 0 without any."""
    columns = np.arange(tissue.shape[2])
    body, canal = tissue == Tissue.BODY, tissue == Tissue.CANAL
    both = body.any(2) & canal.any(2)
    if not both.any():
        return 0.0
    places = [(mask * columns).sum(2)[both] / mask.sum(2)[both] for mask in (body, canal)]
    return float(np.mean(places[1] > places[0]))
