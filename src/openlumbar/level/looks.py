"""What a classifier says of each axial slice by its looks.

What goes into the classifier is made by the function that the model's card names, for
training and for use alike; cards and training know those functions by this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Series
from openlumbar.core.levels import SliceLooks
from openlumbar.core.masks import AxialMask
from openlumbar.imaging.frame import Frame, axial_frame_of
from openlumbar.level.activation import map_on_slice
from openlumbar.level.pictures import (
    PREPROCESSING,
    STANDARD_CHANNELS,
    STANDARD_MM,
    STANDARD_SAC,
    STANDARD_SHAPE,
    STANDARD_TISSUES,
    WHOLE_CHANNELS,
    WHOLE_SHAPE,
    Preprocessing,
    SliceView,
    preprocessing_of,
    standard_picture,
    whole_picture,
)
from openlumbar.level.pose import axial_tissue, spine_pose
from openlumbar.models import Classified, Classifier, ModelCard

__all__ = [
    "PREPROCESSING",
    "STANDARD_CHANNELS",
    "STANDARD_MM",
    "STANDARD_SAC",
    "STANDARD_SHAPE",
    "STANDARD_TISSUES",
    "WHOLE_CHANNELS",
    "WHOLE_SHAPE",
    "axial_tissue",
    "look_at_slices",
    "spine_pose",
    "standard_picture",
    "whole_picture",
]

#: Called with slices done and slices in all.
Progress = Callable[[int, int], None]
#: Pixels classified at a time: a batch of large pictures would need gigabytes.
_BATCH_PIXELS = 2**19


def look_at_slices(
    series: Series,
    found: Sequence[AxialMask],
    classifier: Classifier,
    progress: Progress | None = None,
) -> tuple[SliceLooks, ...]:
    """Ask a classifier of every slice of an axial series what it shows.

    Parameters
    ----------
    series
        An axial series; its arrays' axes and their directions make no difference.
    found
        One a block, on the block's own grid. Slices that were not recognised are looked at
        as well, about the centre of their picture.
    classifier
        The level model.
    progress
        Told after every batch.

    Returns
    -------
    tuple of SliceLooks
        Block by block, in the order of the slices. Activation maps and their boxes are in the
        order of the block's own rows and columns.

    Raises
    ------
    ModelError
        The classifier's card asks for pictures that are not made here.
    StageError
        ``found`` does not fit the series' blocks, or a block does not hold axial slices.
    """
    preprocessing = preprocessing_of(classifier.card)
    _check(series, found)
    slices = [one for n in range(len(found)) for one in _slices(series, n, found[n])]
    size = max(1, _BATCH_PIXELS // int(np.prod(preprocessing.shape)))
    looks: list[SliceLooks] = []
    for start in range(0, len(slices), size):
        part = slices[start : start + size]
        said = classifier.classify(np.stack([preprocessing.picture(one.view) for one in part]))
        looks += [
            _looks(series.name, one, preprocessing, said.of(n), classifier.card)
            for n, one in enumerate(part)
        ]
        if progress is not None:
            progress(len(looks), len(slices))
    return tuple(looks)


@dataclass(frozen=True, eq=False)
class _Slice:
    """A slice as it is looked at, and where it stands in its series."""

    block: int
    index: int
    frame: Frame
    view: SliceView


def _slices(series: Series, block: int, mask: AxialMask) -> Iterator[_Slice]:
    """The slices of a block in the order of its array, each turned the canonical way."""
    volume = series.blocks[block].volume
    frame = axial_frame_of(volume)
    if frame.order[0] != 0:
        raise StageError(
            f"{series.name}: the slices of block {block + 1} are not axial; its array must hold "
            "one axial picture after the other along its first axis"
        )
    codes, bodies = frame.canonical(mask.labels.array), frame.canonical(mask.bodies.array)
    pictures, spacing = frame.canonical(volume.array), frame.spacing_mm[1:]
    for k in range(len(pictures)):
        at = len(pictures) - 1 - k if frame.flip[0] else k
        tissue = axial_tissue(codes[at], bodies[at])
        centre, turn = spine_pose(tissue, spacing)
        yield _Slice(block, k, frame, SliceView(pictures[at], tissue, spacing, centre, turn))


def _looks(
    name: str, one: _Slice, preprocessing: Preprocessing, said: Classified, card: ModelCard
) -> SliceLooks:
    """What was said of one slice, ``said`` being of this one alone."""
    (probability,), (signs,), (activation,) = said.probability, said.signs, said.activation
    values, box = map_on_slice(activation[probability.argmax()], one.view, preprocessing, one.frame)
    return SliceLooks(
        series=name,
        block=one.block,
        slice=one.index,
        classes=card.classes,
        probability=tuple(probability.tolist()),
        signs=dict(zip(card.signs, signs.tolist(), strict=True)),
        activation=tuple(map(tuple, values.tolist())),
        box=box,
    )


def _check(series: Series, found: Sequence[AxialMask]) -> None:
    shapes = [mask.labels.shape for mask in found]
    wanted = [block.volume.shape for block in series.blocks]
    if shapes != wanted:
        raise StageError(
            f"{series.name}: masks of {shapes} for blocks of {wanted}; look_at_slices needs one "
            "mask a block, on its grid"
        )
