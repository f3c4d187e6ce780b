"""Class activation maps on the slices that they are of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.imaging.frame import Frame
from openlumbar.level.pictures import Place, Preprocessing, SliceView

#: Most rows and columns of an activation map; the network's own is coarser.
_MAP_SHAPE = (32, 48)


def map_on_slice(
    activation: NDArray[np.float32], view: SliceView, preprocessing: Preprocessing, frame: Frame
) -> tuple[NDArray[np.intp], tuple[int, int, int, int]]:
    """Lay an activation map of a classifier's picture on the slice's own pixels.

    Parameters
    ----------
    activation
        ``float32[row, column]`` over the whole of the classifier's picture, of any size.
    view, preprocessing
        What the classifier's picture was made of, and how.
    frame
        How the slice was turned to be looked at.

    Returns
    -------
    values : ndarray
        Integers ``[row, column]``, 0 … 100 of the greatest; what speaks against the class is
        0, as in Grad-CAM. In the order of the block's own rows and columns.
    box : tuple of int
        First row, first column, last row + 1 and last column + 1 of the slice's pixels that
        ``values`` covers.
    """
    place = preprocessing.place(view)
    spans = _covered(place, preprocessing.shape, view.picture.shape)
    index = _cells(spans)
    within = _index_within(index, place)
    step = np.array(preprocessing.shape) / activation.shape
    at = np.moveaxis((within + 0.5) / step - 0.5, -1, 0)
    values = ndimage.map_coordinates(activation, at, order=1, mode="nearest")
    edge = np.array(preprocessing.shape) - 0.5
    values = np.where(((within >= -0.5) & (within <= edge)).all(-1), values, 0).clip(0)
    scaled = np.rint(100 * values / max(float(values.max()), 1e-9)).astype(np.intp)
    return _in_own_order(scaled, spans, view.picture.shape, frame)


def _covered(place: Place, shape: tuple[int, int], slice_shape: tuple[int, ...]) -> list[range]:
    """Rows and columns of the slice that a classifier's picture covers."""
    rows, columns = shape
    corners = np.array([(a, b) for a in (-0.5, rows - 0.5) for b in (-0.5, columns - 0.5)])
    matrix, offset = place
    edges = corners @ matrix.T + offset + 0.5
    low, high = np.floor(edges.min(0) + 1e-6), np.ceil(edges.max(0) - 1e-6)
    return [
        range(max(0, int(a)), min(n, int(b)))
        for a, b, n in zip(low, high, slice_shape, strict=True)
    ]


def _cells(spans: Sequence[range]) -> NDArray[np.float64]:
    """Row and column in the slice of the centre of each cell of a map over some pixels."""
    centres = []
    for span, most in zip(spans, _MAP_SHAPE, strict=True):
        count = min(most, len(span))
        centres.append(span.start + (np.arange(count) + 0.5) * len(span) / count - 0.5)
    return np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1)


def _index_within(index: NDArray[np.float64], place: Place) -> NDArray[np.float64]:
    """Row and column in the classifier's picture of those in the slice."""
    matrix, offset = place
    return np.asarray((index - offset) @ np.linalg.inv(matrix).T, np.float64)


def _in_own_order(
    values: NDArray[np.intp], spans: Sequence[range], shape: tuple[int, ...], frame: Frame
) -> tuple[NDArray[np.intp], tuple[int, int, int, int]]:
    """A map and its box in the order of the block's own rows and columns."""
    own: list[tuple[int, int]] = [(0, 0)] * 3
    for axis in (1, 2):
        span, n = spans[axis - 1], shape[axis - 1]
        flipped = frame.flip[axis]
        own[frame.order[axis]] = (
            (n - span.stop, n - span.start) if flipped else (span.start, span.stop)
        )
    (top, bottom), (first, last) = own[1:]
    return frame.original(values[None])[0], (top, first, bottom, last)
