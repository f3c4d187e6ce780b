"""Pictures of axial slices as classifiers of their level are shown them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.errors import ModelError
from openlumbar.core.masks import AxialTissue
from openlumbar.imaging.intensity import DARK_PERCENTILE, INTENSITY_CEILING, normalise_slice
from openlumbar.imaging.resample import resample_planes, resampled_shape
from openlumbar.models import ModelCard

#: Matrix and offset from (row, column) in the classifier's picture to those in the slice.
Place = tuple[NDArray[np.float64], NDArray[np.float64]]

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
    place: Callable[[SliceView], Place]
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


def _sampled(values: NDArray, place: Place, order: int, outside: float) -> NDArray:
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


def _standard_place(view: SliceView) -> Place:
    return _place_on(view, _rows_columns(view.picture), view.spacing_mm)


def _place_on(view: SliceView, shape: tuple[int, int], spacing_mm: tuple[float, float]) -> Place:
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


def _whole_place(view: SliceView) -> Place:
    pixel_mm = _whole_pixel_mm(view.picture.shape, view.spacing_mm)
    matrix = np.diag(pixel_mm / np.array(view.spacing_mm))
    shape = resampled_shape(_rows_columns(view.picture), view.spacing_mm, (pixel_mm, pixel_mm))
    before = (np.array(WHOLE_SHAPE) - shape) // 2
    middle = before + (np.array(shape) - 1) / 2
    return matrix, (np.array(view.picture.shape) - 1) / 2 - matrix @ middle


def _rows_columns(picture: NDArray) -> tuple[int, int]:
    rows, columns = picture.shape
    return rows, columns


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


def preprocessing_of(card: ModelCard) -> Preprocessing:
    """How the pictures of the classifier of a card are made.

    Raises
    ------
    ModelError
        The card asks for pictures that are not made here.
    """
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
