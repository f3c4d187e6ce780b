"""Axial series → muscles, vertebra, disc and sac with their sides, slice by slice.

A slice is corrected for uneven sensitivity and looked at twice: coarsely over the whole
picture, which says where the spine is and how the patient lies, and finely in a standard frame,
where the first look saw anything. What was read is then cleaned, given its sides, and asked
whether it is an axial lumbar slice at all.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.anatomy import UNKNOWN_VERTEBRA
from openlumbar.core.errors import StageError
from openlumbar.core.exam import Series
from openlumbar.core.masks import AXIAL_TISSUE_NAMES, AxialMask, AxialTissue
from openlumbar.core.volume import Volume
from openlumbar.imaging.frame import axial_frame_of
from openlumbar.models import Predictor
from openlumbar.segment.axial_align import Pose, interpolate, pose_of
from openlumbar.segment.axial_clean import clean_slice
from openlumbar.segment.axial_preprocess import (
    Picture,
    normalise_slice,
    overview,
    resampled,
    source_picture,
)
from openlumbar.segment.landmarks import LEAST_SAC_MM2, PlaneGrid, box_of, find_landmarks
from openlumbar.segment.recognise import (
    NOT_A_SLICE,
    TURNED_CERTAINTY,
    UPSIDE_DOWN,
    Reading,
    doubts,
    is_lumbar,
)

#: Called with slices done and slices in all.
Progress = Callable[[int, int], None]

#: Slices read at a time: while one is in the network another is prepared or cleaned.
AT_ONCE = 2
#: Smallest picture that may show a section of the spine.
LEAST_PIXELS, LEAST_MM = 16, 12.0
#: Where the network is this sure of background all around, it is not asked again.
_SURELY_NOTHING = 0.97
#: What the second look sees around all that the first one named.
MARGIN_MM = 14.0
#: Each class, a disc as the body.
_WITHOUT_DISC = np.arange(len(AXIAL_TISSUE_NAMES))
_WITHOUT_DISC[AxialTissue.DISC] = AxialTissue.BODY
#: Probability of a sac where no pixel is more probably sac than anything else.
_FAINT_SAC = 0.1


@dataclass(frozen=True)
class AxialOptions:
    """Which steps are taken; all of them, but for measuring what each gains.

    Attributes
    ----------
    bias
        Correct the coil's uneven sensitivity (N4).
    align
        Read each slice a second time, in the standard frame.
    recognise
        Leave slices empty that are not recognised as lumbar. Without it whatever has a sac
        and a body is labelled: for cuts of volumes too narrow to show a muscle.
    """

    bias: bool = True
    align: bool = True
    recognise: bool = True


def segment_axial(
    series: Series,
    predictor: Predictor,
    progress: Progress | None = None,
    options: AxialOptions | None = None,
    overview: Predictor | None = None,
) -> tuple[AxialMask, ...]:
    """Find muscles, vertebra, disc and dural sac in an axial series.

    Parameters
    ----------
    series
        An axial series of any weighting, tilted by up to 45°.
    predictor
        The axial model.
    progress
        Told after every slice.
    options
        Steps to leave out.
    overview
        The model of the first look, of the same classes and of coarser pixels; the axial
        model itself when None, which takes longer and fails on patients who lie turned.

    Returns
    -------
    tuple of AxialMask
        One a block, each on its block's own grid. Slices that show something else are empty
        and say so in their flags.

    Raises
    ------
    StageError
        The pictures of a block are too small to show anything.
    """
    reader = _Reader(predictor, overview or predictor, options or AxialOptions())
    total = sum(block.volume.shape[0] for block in series.blocks)
    done = 0
    masks = []
    for block in series.blocks:

        def report(count: int, before: int = done) -> None:
            if progress is not None:
                progress(before + count, total)

        masks.append(_segment_block(block.volume, reader, report))
        done += block.volume.shape[0]
    return tuple(masks)


def _segment_block(volume: Volume, reader: _Reader, report: Callable[[int], None]) -> AxialMask:
    frame = axial_frame_of(volume)
    if frame.order[0] != 0:
        raise StageError(
            "the slices of this block are not axial; its array must hold one axial picture "
            "after the other along its first axis"
        )
    slices = []
    with ThreadPoolExecutor(AT_ONCE) as workers:
        read = partial(reader.read_slice, spacing_mm=frame.spacing_mm[1:])
        for found in workers.map(read, frame.canonical(volume.array)):
            slices.append(found)
            report(len(slices))
    codes, bodies, certainty = (
        frame.original(np.stack([getattr(found, name) for found in slices]))
        for name in ("codes", "bodies", "certainty")
    )
    flags = tuple(found.flags for found in slices)
    return AxialMask(
        labels=volume.with_array(codes),
        bodies=volume.with_array(bodies),
        certainty=certainty,
        flags=flags[::-1] if frame.flip[0] else flags,
    )


@dataclass(frozen=True, eq=False)
class _Slice:
    """What comes of one slice, ``[row, column]`` of its own pixels."""

    codes: NDArray[np.uint16]
    bodies: NDArray[np.uint16]
    certainty: NDArray[np.uint8]
    flags: tuple[str, ...]


_Place = TypeVar("_Place", PlaneGrid, Pose)


@dataclass(frozen=True, eq=False)
class _Seen(Generic[_Place]):
    """Probabilities ``float32[class, row, column]`` and where they lie in the slice."""

    values: NDArray[np.float32]
    place: _Place


@dataclass(frozen=True)
class _Reader:
    """Reads slices with a network, and one to look first."""

    predictor: Predictor
    overview: Predictor
    options: AxialOptions

    def read_slice(self, plane: NDArray, spacing_mm: tuple[float, float]) -> _Slice:
        """Segment one slice ``[row, column]``, rows from front to back."""
        rows, columns = plane.shape
        _check_size((rows, columns), spacing_mm)
        native = PlaneGrid((rows, columns), spacing_mm)
        picture = source_picture(plane, spacing_mm, self.options.bias)
        reading = self._reading(picture, native)
        if reading is not None and (not self.options.recognise or is_lumbar(reading)):
            return _named(reading, native)
        turned = self.options.recognise and self._reads_turned(picture)
        return _empty(native, UPSIDE_DOWN if turned else NOT_A_SLICE)

    def _reading(self, picture: Picture, native: PlaneGrid) -> Reading | None:
        """What the slice shows, on its own pixels."""
        asked = self.predictor.card.input
        if not self.options.align:
            whole = resampled(picture, asked.spacing_mm)
            seen = _predict(self.predictor, normalise_slice(whole.values))
            return _read(_Seen(seen, whole.grid), native)
        first = self._look(picture)
        tissue, _ = _classes(first.values, first.place.pixel_mm2)
        landmarks = find_landmarks(tissue, first.place)
        pose = pose_of(landmarks, asked.spacing_mm[0]) if landmarks else None
        if pose is None:
            return None
        window = _window(tissue > 0, first.place, pose, asked.divisor)
        second = self._look_again(picture, pose, window)
        reading = _read(second, native)
        return reading and replace(reading, agreement=_agreement(first, second))

    def _reads_turned(self, picture: Picture) -> bool:
        """Whether front put for back makes a lumbar slice of it, and surely."""
        turned = Picture(picture.values[::-1], picture.grid)
        return is_lumbar(self._reading(turned, turned.grid), TURNED_CERTAINTY)

    def _look(self, picture: Picture) -> _Seen[PlaneGrid]:
        """The whole picture, coarsely."""
        whole = overview(picture, self.overview.card.input.spacing_mm[0])
        return _Seen(_predict(self.overview, normalise_slice(whole.values)), whole.grid)

    def _look_again(self, picture: Picture, pose: Pose, window: tuple[slice, slice]) -> _Seen[Pose]:
        """The part of the picture that matters, in the standard frame."""
        standard = pose.to_standard(picture.values, picture.grid, float(picture.values.min()))
        seen = _predict(self.predictor, normalise_slice(standard)[window])
        values = np.zeros((len(seen), *pose.shape), np.float32)
        values[0] = 1
        values[:, *window] = seen
        return _Seen(values, pose)


def _predict(predictor: Predictor, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities ``[class, row, column]`` of a normalised picture."""
    rows, columns = picture.shape
    divisor = predictor.card.input.divisor
    padded = np.pad(picture, ((0, -rows % divisor), (0, -columns % divisor)))
    return predictor.predict(padded[None, None])[0, :, :rows, :columns]


def _window(
    named: NDArray[np.bool_], grid: PlaneGrid, pose: Pose, divisor: int
) -> tuple[slice, slice]:
    """Rows and columns of the standard frame around what a first look named.

    Both are as many as the network wants, where the frame has them.
    """
    index = pose.index_at(grid.place_mm(np.argwhere(named)))
    margin = MARGIN_MM / pose.pixel_mm
    first = np.floor(index.min(0) - margin).astype(int)
    count = np.ceil(index.max(0) + margin).astype(int) + 1 - first
    rows, columns = (
        _within(a, n + -n % divisor, most)
        for a, n, most in zip(first, count, pose.shape, strict=True)
    )
    return rows, columns


def _within(first: int, count: int, most: int) -> slice:
    """So many in a row of ``most`` from about ``first`` on."""
    count = min(count, most)
    first = int(np.clip(first, 0, most - count))
    return slice(first, first + count)


def _check_size(shape: tuple[int, int], spacing_mm: tuple[float, float]) -> None:
    extent = [n * step for n, step in zip(shape, spacing_mm, strict=True)]
    if min(shape) < LEAST_PIXELS or min(extent) < LEAST_MM:
        raise StageError(
            f"a picture of {shape[0]} × {shape[1]} pixels, {extent[0]:.0f} × {extent[1]:.0f} mm, "
            f"is too small to show a section of the spine (at least {LEAST_PIXELS} pixels and "
            f"{LEAST_MM:.0f} mm are needed)"
        )


def _read(seen: _Seen, native: PlaneGrid) -> Reading | None:
    """Name what the network found, on the part of the slice where it found something."""
    something = seen.values[0] < _SURELY_NOTHING
    corners = [(side.start - 1, side.stop) for side in box_of(something)]
    places = seen.place.place_mm(np.array(np.meshgrid(*corners)).reshape(2, -1).T)
    rows, columns = native.box_around(places)
    if not something.any() or rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    grid = native.cropped(rows, columns)
    index = seen.place.index_of(grid)
    inside = _at(ndimage.binary_dilation(something, np.ones((3, 3), bool)), index)
    classes = _classes(interpolate(seen.values, index[:, inside]).T, grid.pixel_mm2)
    tissue, certainty = np.zeros(grid.shape, np.uint8), np.ones(grid.shape, np.float32)
    tissue[inside], certainty[inside] = classes
    landmarks = find_landmarks(tissue, grid)
    if landmarks is None:
        return None
    return Reading(clean_slice(tissue, landmarks, grid), certainty, landmarks, grid)


def _agreement(first: _Seen, second: _Seen) -> float:
    """Dice overlap of all that two looks call the same, on every other pixel of the second.

    Body and disc count as one: which of the two it is, a slice between them leaves open.
    """
    again = _WITHOUT_DISC[second.values[:, ::2, ::2].argmax(0)]
    places = second.place.place_mm(2 * np.moveaxis(np.indices(again.shape), 0, -1))
    index = np.rint(first.place.index_at(places))
    row, column = np.moveaxis(index, -1, 0).astype(np.intp)
    framed = np.pad(_WITHOUT_DISC[first.values.argmax(0)], 1)
    rows, columns = framed.shape
    before = framed[(row + 1).clip(0, rows - 1), (column + 1).clip(0, columns - 1)]
    same = (before == again) & (again > 0)
    return float(2 * same.sum() / max(1, (before > 0).sum() + (again > 0).sum()))


def _classes(
    probability: NDArray[np.float32], pixel_mm2: float
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Most probable class ``[...]`` of each pixel of ``[class, ...]``, and its probability.

    Every section has a sac. Where none is the most probable class anywhere (a stenosis on T1
    leaves it hardly seen), it is what is a faint sac.
    """
    tissue, certainty = probability.argmax(0), probability.max(0)
    if (tissue == AxialTissue.SAC).sum() * pixel_mm2 < LEAST_SAC_MM2:
        faint = probability[AxialTissue.SAC] > _FAINT_SAC
        tissue[faint] = AxialTissue.SAC
        certainty[faint] = probability[AxialTissue.SAC][faint]
    return tissue, certainty


def _at(mask: NDArray[np.bool_], index: NDArray[np.float32]) -> NDArray[np.bool_]:
    """A mask at places ``[2, ...]`` between its pixels; False beyond it."""
    rows, columns = mask.shape
    # A pixel at the border may have its centre a little beyond the last one of the mask.
    framed = np.pad(np.pad(mask, 1, mode="edge"), 1)
    row, column = np.rint(index).astype(np.int32) + 2
    return np.asarray(framed[row.clip(0, rows + 3), column.clip(0, columns + 3)])


def _named(reading: Reading, native: PlaneGrid) -> _Slice:
    """A reading on the whole of its slice."""
    codes, bodies = np.zeros((2, *native.shape), np.uint16)
    certainty = np.full(native.shape, 255, np.uint8)
    rows, columns = reading.grid.place_in(native)
    codes[rows, columns] = reading.clean.codes
    bodies[rows, columns] = np.where(reading.clean.body, UNKNOWN_VERTEBRA, 0)
    certainty[rows, columns] = np.rint(reading.certainty * 255)
    return _Slice(codes, bodies, certainty, doubts(reading))


def _empty(native: PlaneGrid, flag: str) -> _Slice:
    """A slice that was not recognised."""
    nothing = np.zeros(native.shape, np.uint16)
    return _Slice(nothing, nothing, np.full(native.shape, 255, np.uint8), (flag,))
