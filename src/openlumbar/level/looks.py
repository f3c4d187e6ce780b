"""What a classifier says of each axial slice by its looks.

What goes into the classifier is made here, for training and for use alike, by the function
that the model's card names (:data:`PREPROCESSING`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.errors import ModelError, StageError
from openlumbar.core.exam import Series
from openlumbar.core.levels import SliceLooks
from openlumbar.core.masks import AXIAL_OF_MUSCLE, AxialMask, AxialTissue
from openlumbar.imaging.frame import Frame, axial_frame_of
from openlumbar.imaging.intensity import DARK_PERCENTILE, INTENSITY_CEILING, normalise_slice
from openlumbar.imaging.resample import resample_planes, resampled_shape
from openlumbar.models import Classified, Classifier

#: Called with slices done and slices in all.
Progress = Callable[[int, int], None]
#: Matrix and offset from (row, column) in the classifier's picture to those in the slice.
_Place = tuple[NDArray[np.float64], NDArray[np.float64]]

#: The standard picture: muscles of the back, psoas, kidneys and the wings of the ilium are in
#: it; in front of the great vessels it ends. Ours.
STANDARD_SHAPE, STANDARD_MM = (128, 192), 1.6
#: Row and column of the sac's centre in it.
STANDARD_SAC = (56.0, 95.5)
#: Tissues of each channel behind the first.
STANDARD_TISSUES: dict[str, tuple[int, ...]] = {
    "multifidus": (AxialTissue.MULTIFIDUS,),
    "erector spinae": (AxialTissue.ERECTOR_SPINAE,),
    "psoas": (AxialTissue.PSOAS,),
    "quadratus lumborum": (AxialTissue.QUADRATUS_LUMBORUM,),
    "bone": (AxialTissue.BODY, AxialTissue.POSTERIOR),
    "disc": (AxialTissue.DISC,),
    "dural sac": (AxialTissue.SAC,),
}
STANDARD_CHANNELS = ("slice", *STANDARD_TISSUES)
#: Channel of each value of a tissue map; 0 of what belongs to none.
_CHANNEL_OF_TISSUE = np.zeros(256, np.uint8)
for _channel, _tissues in enumerate(STANDARD_TISSUES.values(), start=1):
    _CHANNEL_OF_TISSUE[list(_tissues)] = _channel
#: Every pixel of the standard picture is the mean of so many squared samples.
_FINER = 2

#: Rows and columns of the whole picture (Cho et al. 2022, Model Implementation).
WHOLE_SHAPE = (512, 512)
WHOLE_CHANNELS = ("slice", "slice", "slice")

#: Of a smaller body or disc the centre says little of how the patient lies.
_LEAST_BODY_MM2 = 150.0
#: Muscles of a pair are of one size within this factor, and of at least this area.
_PAIR_RATIO, _LEAST_PAIR_MM2 = 3.0, 100.0
#: Nobody lies turned further; what seems so was misread (as in segment.axial_align).
_MOST_TURN_RAD = np.radians(35.0)

#: Pixels classified at a time: a batch of large pictures would need gigabytes.
_BATCH_PIXELS = 2**19
#: Most rows and columns of an activation map; the network's own is coarser.
_MAP_SHAPE = (32, 48)


@dataclass(frozen=True, eq=False)
class SliceView:
    """A slice and how the patient lies in it, as :func:`standard_picture` takes them."""

    picture: NDArray
    tissue: NDArray[np.uint8]
    spacing_mm: tuple[float, float]
    centre: tuple[float, float]
    turn_rad: float = 0.0


@dataclass(frozen=True)
class Preprocessing:
    """A way to make a classifier's picture of a slice.

    Attributes
    ----------
    picture
        Gives ``float32[channel, row, column]``.
    place
        Gives the way back to the slice's own pixels.
    channels, shape
        Of the picture.
    """

    picture: Callable[[SliceView], NDArray[np.float32]]
    place: Callable[[SliceView], _Place]
    channels: tuple[str, ...]
    shape: tuple[int, int]


def standard_picture(
    picture: NDArray,
    tissue: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    centre: tuple[float, float],
    turn_rad: float,
) -> NDArray[np.float32]:
    """A slice with its sac at one place, upright, in pixels of one size, and its tissues.

    Parameters
    ----------
    picture
        ``[row, column]``, any intensity unit, rows from front to back, columns toward the
        patient's left.
    tissue
        ``uint8`` of the same shape, classes of :class:`~openlumbar.core.masks.AxialTissue`;
        other values belong to no channel. All background where nothing was recognised.
    spacing_mm
        Between rows and between columns.
    centre
        Row and column of the sac's centre, or of the picture's where no sac is known.
    turn_rad
        Of the patient in the picture, positive when the front points to the picture's left.

    Returns
    -------
    ndarray
        ``float32[8, 128, 192]`` of 1.6 mm, channels of :data:`STANDARD_CHANNELS`. The first
        is scaled by :func:`~openlumbar.imaging.intensity.normalise_slice` over what is in
        view, dark beyond the slice; the others are the part of each pixel, 0 … 1, that is of
        the tissue.
    """
    view = SliceView(picture, tissue, spacing_mm, centre, turn_rad)
    values = np.empty((len(STANDARD_CHANNELS), *STANDARD_SHAPE), np.float32)
    values[0] = normalise_slice(_standard_intensity(view))
    values[1:] = _standard_tissues(view)
    return values


def whole_picture(picture: NDArray, spacing_mm: tuple[float, float]) -> NDArray[np.float32]:
    """A slice as Cho et al. 2022 show it to their networks: all of it, in 512 x 512 pixels.

    Parameters
    ----------
    picture
        ``[row, column]``, any intensity unit.
    spacing_mm
        Between rows and between columns.

    Returns
    -------
    ndarray
        ``float32[3, 512, 512]``, 0 … 1, the same in each channel, which networks made for
        photographs ask for.

    Notes
    -----
    The paper gives the size alone. Ours: the picture keeps its proportions and is padded
    with black on both sides of its shorter axis, and intensities are scaled by
    :func:`~openlumbar.imaging.intensity.normalise_slice`.
    """
    pixel_mm = _whole_pixel_mm(picture.shape, spacing_mm)
    shape = resampled_shape(_rows_columns(picture), spacing_mm, (pixel_mm, pixel_mm))
    scaled = normalise_slice(resample_planes(picture, spacing_mm, shape, (pixel_mm, pixel_mm)))
    before = [(whole - n) // 2 for whole, n in zip(WHOLE_SHAPE, shape, strict=True)]
    padding = [(a, whole - n - a) for a, n, whole in zip(before, shape, WHOLE_SHAPE, strict=True)]
    padded = np.pad(scaled / np.float32(INTENSITY_CEILING), padding)
    return np.broadcast_to(padded, (len(WHOLE_CHANNELS), *WHOLE_SHAPE))


def axial_tissue(codes: NDArray[np.uint16], bodies: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Codes of a slice as classes of :class:`~openlumbar.core.masks.AxialTissue`.

    Parameters
    ----------
    codes, bodies
        As in :class:`~openlumbar.core.masks.AxialMask`, any shape.

    Returns
    -------
    ndarray
        ``uint8`` of the same shape.
    """
    table = np.zeros(int(codes.max(initial=0)) + 1, np.uint8)
    for code in np.flatnonzero(np.bincount(codes.ravel())):
        table[code] = _tissue_of_code(int(code))
    tissue = table[codes]
    tissue[(bodies > 0) & (tissue == AxialTissue.POSTERIOR)] = AxialTissue.BODY
    return tissue


def spine_pose(
    tissue: NDArray[np.uint8], spacing_mm: tuple[float, float]
) -> tuple[tuple[float, float], float]:
    """Where the sac lies in a slice, and how the patient is turned in it.

    Parameters
    ----------
    tissue
        ``uint8[row, column]``, classes of :class:`~openlumbar.core.masks.AxialTissue`, rows
        from front to back, columns toward the patient's left.
    spacing_mm
        Between rows and between columns.

    Returns
    -------
    centre : tuple of float
        Row and column of the sac's centre; of the picture's where there is no sac.
    turn_rad : float
        Positive when the front points to the picture's left, by the body in front of the sac
        and by the muscles on either side; 0 where sac or body is not seen, or where they
        stand as in no patient.
    """
    if not (tissue == AxialTissue.SAC).any():
        return ((tissue.shape[0] - 1) / 2, (tissue.shape[1] - 1) / 2), 0.0
    sac = _centre_of(tissue == AxialTissue.SAC)
    centre = (float(sac[0]), float(sac[1]))
    column = (tissue == AxialTissue.BODY) | (tissue == AxialTissue.DISC)
    if column.sum() * np.prod(spacing_mm) < _LEAST_BODY_MM2:
        return centre, 0.0
    spine = (_centre_of(column) - sac) * np.array(spacing_mm)
    # Sac and body lie so near to each other that a few pixels more on one side would turn the
    # patient; pairs of muscles lie far apart.
    front = spine + _across_muscles(tissue, sac, spine, spacing_mm)
    turn = float(np.arctan2(-front[1], -front[0]))
    return centre, turn if abs(turn) <= _MOST_TURN_RAD else 0.0


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
    preprocessing = _preprocessing_of(classifier)
    _check(series, found)
    slices = [one for n in range(len(found)) for one in _slices(series, n, found[n])]
    size = max(1, _BATCH_PIXELS // int(np.prod(preprocessing.shape)))
    looks: list[SliceLooks] = []
    for start in range(0, len(slices), size):
        part = slices[start : start + size]
        pictures = np.stack([preprocessing.picture(one.view) for one in part])
        said = classifier.classify(pictures)
        looks += [
            _looks(series.name, one, preprocessing, (classifier, said, n))
            for n, one in enumerate(part)
        ]
        if progress is not None:
            progress(len(looks), len(slices))
    return tuple(looks)


# -- how the patient lies ------------------------------------------------------------------


def _across_muscles(
    tissue: NDArray[np.uint8],
    sac: NDArray[np.float64],
    spine: NDArray[np.float64],
    spacing_mm: tuple[float, float],
) -> NDArray[np.float64]:
    """Sum over the pairs of muscles of the way from one side to the other, turned to the front.

    In millimetres (backward, leftward); ``spine`` is the way from sac to body in them.
    """
    rows, columns = (np.arange(n) for n in tissue.shape)
    # Positive toward the patient's left of the line through sac and body.
    aside = np.subtract.outer(
        (rows - sac[0]) * spacing_mm[0] * spine[1], (columns - sac[1]) * spacing_mm[1] * spine[0]
    )
    total = np.zeros(2)
    for muscle in set(AXIAL_OF_MUSCLE.values()):
        sides = [(tissue == muscle) & half for half in (aside < 0, aside > 0)]
        least, most = sorted(float(side.sum()) * np.prod(spacing_mm) for side in sides)
        if least < _LEAST_PAIR_MM2 or most > _PAIR_RATIO * least:
            continue
        back, left = (_centre_of(sides[1]) - _centre_of(sides[0])) * np.array(spacing_mm)
        total += np.array([-left, back])
    return total


def _centre_of(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Row and column of the centre of a mask that is not empty."""
    by_axis = [mask.sum(1), mask.sum(0)]
    return np.array([count @ np.arange(len(count)) / count.sum() for count in by_axis])


# -- the standard picture ------------------------------------------------------------------


def _standard_intensity(view: SliceView) -> NDArray[np.float32]:
    """Intensities in the standard picture, the darkest of the slice beyond it."""
    sample_mm = STANDARD_MM / _FINER
    spacing = (max(view.spacing_mm[0], sample_mm), max(view.spacing_mm[1], sample_mm))
    shape = resampled_shape(_rows_columns(view.picture), view.spacing_mm, spacing)
    picture = resample_planes(view.picture, view.spacing_mm, shape, spacing)
    outside = float(np.percentile(picture[::2, ::2], DARK_PERCENTILE))
    return _mean_of_samples(_sampled(picture, _place_on(view, shape, spacing), 1, outside))


def _standard_tissues(view: SliceView) -> NDArray[np.float32]:
    """Part of each pixel that is of the tissues of a channel: ``[channel, row, column]``."""
    if not view.tissue.any():
        return np.zeros((len(STANDARD_TISSUES), *STANDARD_SHAPE), np.float32)
    samples = _sampled(view.tissue, _standard_place(view), 0, AxialTissue.BACKGROUND)
    channels = _CHANNEL_OF_TISSUE[samples]
    return np.stack([_mean_of_samples(channels == n) for n in range(1, len(STANDARD_CHANNELS))])


def _sampled(values: NDArray, place: _Place, order: int, outside: float) -> NDArray:
    """The samples that each pixel of the standard picture is the mean of."""
    matrix, offset = place
    first = (1 / _FINER - 1) / 2  # of the first sample's centre, in pixels
    return np.asarray(
        ndimage.affine_transform(
            values,
            matrix / _FINER,
            offset + matrix @ np.array([first, first]),
            output_shape=(_FINER * STANDARD_SHAPE[0], _FINER * STANDARD_SHAPE[1]),
            order=order,
            cval=outside,
        )
    )


def _mean_of_samples(samples: NDArray) -> NDArray[np.float32]:
    """Pixels of the standard picture from their samples."""
    total = np.zeros(STANDARD_SHAPE, np.float32)
    for row in range(_FINER):
        for column in range(_FINER):
            total += samples[row::_FINER, column::_FINER]
    return total / np.float32(_FINER**2)


def _standard_place(view: SliceView) -> _Place:
    return _place_on(view, _rows_columns(view.picture), view.spacing_mm)


def _place_on(view: SliceView, shape: tuple[int, int], spacing_mm: tuple[float, float]) -> _Place:
    """From the standard picture to other pixels with the same centre as the slice's own."""
    middle = (np.array(view.picture.shape) - 1) / 2
    sac_mm = (np.array(view.centre) - middle) * view.spacing_mm
    cos, sin = np.cos(view.turn_rad), np.sin(view.turn_rad)
    matrix = STANDARD_MM * np.array([[cos, -sin], [sin, cos]]) / np.array(spacing_mm)[:, None]
    sac = sac_mm / spacing_mm + (np.array(shape) - 1) / 2
    return matrix, sac - matrix @ np.array(STANDARD_SAC)


# -- the whole picture ---------------------------------------------------------------------


def _whole_pixel_mm(shape: tuple[int, ...], spacing_mm: tuple[float, float]) -> float:
    """Size of the pixels in which the longer side of a slice fills the whole picture."""
    return max(n * step / m for n, step, m in zip(shape, spacing_mm, WHOLE_SHAPE, strict=True))


def _whole_place(view: SliceView) -> _Place:
    pixel_mm = _whole_pixel_mm(view.picture.shape, view.spacing_mm)
    matrix = np.diag(pixel_mm / np.array(view.spacing_mm))
    shape = resampled_shape(_rows_columns(view.picture), view.spacing_mm, (pixel_mm, pixel_mm))
    before = (np.array(WHOLE_SHAPE) - shape) // 2
    middle = before + (np.array(shape) - 1) / 2
    return matrix, (np.array(view.picture.shape) - 1) / 2 - matrix @ middle


#: How a classifier's pictures are made, by what its card calls it.
PREPROCESSING: dict[str, Preprocessing] = {
    "openlumbar.level.looks.standard_picture": Preprocessing(
        lambda view: standard_picture(
            view.picture, view.tissue, view.spacing_mm, view.centre, view.turn_rad
        ),
        _standard_place,
        STANDARD_CHANNELS,
        STANDARD_SHAPE,
    ),
    "openlumbar.level.looks.whole_picture": Preprocessing(
        lambda view: whole_picture(view.picture, view.spacing_mm),
        _whole_place,
        WHOLE_CHANNELS,
        WHOLE_SHAPE,
    ),
}


# -- slices of a series --------------------------------------------------------------------


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
    tissue = frame.canonical(axial_tissue(mask.labels.array, mask.bodies.array))
    pictures, spacing = frame.canonical(volume.array), frame.spacing_mm[1:]
    for k in range(len(pictures)):
        at = len(pictures) - 1 - k if frame.flip[0] else k
        centre, turn = spine_pose(tissue[at], spacing)
        yield _Slice(block, k, frame, SliceView(pictures[at], tissue[at], spacing, centre, turn))


def _looks(
    name: str, one: _Slice, preprocessing: Preprocessing, said: tuple[Classifier, Classified, int]
) -> SliceLooks:
    """What was said of one slice: of ``said``, the classifier, its batch and the place in it."""
    classifier, classified, n = said
    probability = classified.probability[n]
    activation = classified.activation[n, probability.argmax()]
    values, box = _map_on(one, activation, preprocessing)
    return SliceLooks(
        series=name,
        block=one.block,
        slice=one.index,
        classes=classifier.card.classes,
        probability=tuple(float(value) for value in probability),
        signs=dict(zip(classifier.card.signs, map(float, classified.signs[n]), strict=True)),
        activation=tuple(tuple(int(value) for value in row) for row in values),
        box=box,
    )


def _map_on(
    one: _Slice, activation: NDArray[np.float32], preprocessing: Preprocessing
) -> tuple[NDArray[np.intp], tuple[int, int, int, int]]:
    """An activation map on the slice's own pixels, and the box of them that it covers.

    What speaks against the class is 0, as in Grad-CAM.
    """
    place = preprocessing.place(one.view)
    spans = _covered(place, preprocessing.shape, one.view.picture.shape)
    index = _cells(spans)
    within = _index_within(index, place)
    step = np.array(preprocessing.shape) / activation.shape
    at = np.moveaxis((within + 0.5) / step - 0.5, -1, 0)
    values = ndimage.map_coordinates(activation, at, order=1, mode="nearest")
    edge = np.array(preprocessing.shape) - 0.5
    values = np.where(((within >= -0.5) & (within <= edge)).all(-1), values, 0).clip(0)
    scaled = np.rint(100 * values / max(float(values.max()), 1e-9)).astype(np.intp)
    return _in_own_order(one, scaled, spans)


def _covered(place: _Place, shape: tuple[int, int], slice_shape: tuple[int, ...]) -> list[range]:
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


def _index_within(index: NDArray[np.float64], place: _Place) -> NDArray[np.float64]:
    """Row and column in the classifier's picture of those in the slice."""
    matrix, offset = place
    return np.asarray((index - offset) @ np.linalg.inv(matrix).T, np.float64)


def _in_own_order(
    one: _Slice, values: NDArray[np.intp], spans: Sequence[range]
) -> tuple[NDArray[np.intp], tuple[int, int, int, int]]:
    """A map and its box in the order of the block's own rows and columns."""
    frame, shape = one.frame, one.view.picture.shape
    own: list[tuple[int, int]] = [(0, 0)] * 3
    for axis in (1, 2):
        span, n = spans[axis - 1], shape[axis - 1]
        flipped = frame.flip[axis]
        own[frame.order[axis]] = (
            (n - span.stop, n - span.start) if flipped else (span.start, span.stop)
        )
    (top, bottom), (first, last) = own[1:]
    return frame.original(values[None])[0], (top, first, bottom, last)


# -- small pieces --------------------------------------------------------------------------


def _tissue_of_code(code: int) -> int:
    if code in AXIAL_OF_MUSCLE:
        return AXIAL_OF_MUSCLE[code]
    kind = BY_CODE[code].kind if code in BY_CODE else ""
    return _TISSUE_OF_KIND.get(kind, AxialTissue.BACKGROUND)


_TISSUE_OF_KIND: dict[str, int] = {
    "vertebra": AxialTissue.POSTERIOR,
    "sacrum": AxialTissue.POSTERIOR,
    "disc": AxialTissue.DISC,
    "canal": AxialTissue.SAC,
    "cord": AxialTissue.SAC,
}


def _rows_columns(picture: NDArray) -> tuple[int, int]:
    rows, columns = picture.shape
    return rows, columns


def _preprocessing_of(classifier: Classifier) -> Preprocessing:
    """How this classifier's pictures are made; an error where its card asks for others."""
    card = classifier.card
    name = card.input.preprocessing
    if name not in PREPROCESSING:
        raise ModelError(
            f"{card.name}: its card asks for pictures made by {name}; the level stage has "
            + " and ".join(PREPROCESSING)
        )
    preprocessing = PREPROCESSING[name]
    made = (len(preprocessing.channels), preprocessing.shape)
    asked = (len(card.input.channels), card.input.pixels)
    if asked != made:
        raise ModelError(
            f"{card.name}: its card asks for {asked[0]} channels of {asked[1]} pixels, but "
            f"{name} makes {made[0]} of {made[1]}"
        )
    return preprocessing


def _check(series: Series, found: Sequence[AxialMask]) -> None:
    shapes = [mask.labels.shape for mask in found]
    wanted = [block.volume.shape for block in series.blocks]
    if shapes != wanted:
        raise StageError(
            f"{series.name}: masks of {shapes} for blocks of {wanted}; look_at_slices needs one "
            "mask a block, on its grid"
        )
