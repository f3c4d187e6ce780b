"""Stored pixels of DICOM files → intensities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import UnreadableError
from openlumbar.io.dicom_child import JpegDecoder
from openlumbar.io.dicom_edge import decoded_here, needs_child
from openlumbar.io.dicom_header import Frame


@dataclass(frozen=True, eq=False)
class Slice:
    """A frame with its intensities ``[row, column]``."""

    frame: Frame
    pixels: NDArray


def read_slices(frames: Sequence[Frame]) -> Iterator[Slice | UnreadableError]:
    """Decode frames in turn; one that cannot be decoded comes out as its error.

    Each file is decoded once, however many of its frames are asked for.
    """
    with JpegDecoder() as decoder:
        for path, group in groupby(sorted(frames, key=_place), key=lambda frame: frame.path):
            yield from _read_file(path, list(group), decoder)


def _place(frame: Frame) -> tuple[Path, int]:
    return frame.path, frame.index or 0


def _read_file(
    path: Path, frames: list[Frame], decoder: JpegDecoder
) -> Iterator[Slice | UnreadableError]:
    try:
        child = needs_child(frames[0].pixels.syntax)
        stored = decoder.decode(path) if child else decoded_here(path)
    except UnreadableError as error:
        yield from [error] * len(frames)
        return
    for frame in frames:
        try:
            yield Slice(frame, _intensities(_picture(stored, frame), frame))
        except UnreadableError as error:
            yield error


def _picture(stored: NDArray, frame: Frame) -> NDArray:
    """Pick one frame and check that it has the shape that the header gave."""
    count = len(stored) if stored.ndim == 3 else 1
    index = frame.index or 0
    if index >= count:
        raise UnreadableError(f"{frame.path.name}: frame {index + 1} of {count} is missing")
    picture = stored[index] if stored.ndim == 3 else stored
    if picture.shape != frame.placement.shape:
        raise UnreadableError(
            f"{frame.path.name}: the pixels have shape {picture.shape}, "
            f"the header says {frame.placement.shape}"
        )
    return picture


def _intensities(stored: NDArray, frame: Frame) -> NDArray:
    """Apply polarity and modality rescale; integers stay integers without a rescale.

    MONOCHROME1 means that low values are bright (PS3.3 C.7.6.3.1.2): the stored values
    are mirrored in their range so that bright is high, as in every other series.
    """
    rule = frame.pixels
    values = stored
    if rule.inverted:
        top = -1 if rule.signed else (1 << rule.bits) - 1
        values = (top - stored.astype(np.int64)).astype(np.float32)
    if (rule.slope, rule.intercept) == (1.0, 0.0):
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = values.astype(np.float32) * np.float32(rule.slope) + np.float32(rule.intercept)
    if not np.isfinite(scaled).all():
        raise UnreadableError(f"{frame.path.name}: its rescale slope gives infinite values")
    return scaled
