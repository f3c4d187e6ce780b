"""SPIDER subsets as training arrays (van der Graaf et al. 2024, CC BY 4.0).

Arrays are laid out as the sagittal network sees them: ``[slice, row, column]`` with
rows from superior to inferior and columns from anterior to posterior.
"""

from __future__ import annotations

import ast
import csv
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.io import imread

from openlumbar.core.errors import UnreadableError
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import Tissue
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.train.losses import IGNORE

#: Depth of the sacral canal behind the sacral bodies.
_SACRAL_CANAL_MM = 11.0

_SPACE_VERTEBRA, _SPACE_DISC, _SPACE_CANAL = 1, 2, 3


@dataclass(frozen=True)
class TrainingVolume:
    """One sagittal series ready for sampling.

    Attributes
    ----------
    name
        File stem.
    patient
        Patient identifier: the unit of every split.
    image
        ``uint8[slice, row, column]``.
    label
        ``uint8[slice, row, column]`` of network classes, :data:`IGNORE` if unknown.
    spacing_mm
        Slice, row and column spacing.
    """

    name: str
    patient: str
    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]


def read_ras(path: Path) -> tuple[NDArray, tuple[float, float, float]]:
    """Read a NIfTI with its axes turned to right, anterior, superior, and their spacing.

    Raises
    ------
    UnreadableError
        The file is absent, damaged, or has not three axes.
    """
    try:
        image = nibabel.as_closest_canonical(nibabel.load(path))  # R, A, S
        stored = np.asanyarray(image.dataobj)
    except (OSError, EOFError, zlib.error, ImageFileError) as error:
        raise UnreadableError(f"{path.name}: cannot be read as NIfTI ({error})") from error
    if stored.ndim != 3:
        raise UnreadableError(f"{path.name}: {stored.ndim} axes; training needs volumes of 3")
    right, anterior, superior = (float(z) for z in image.header.get_zooms()[:3])
    return stored, (right, anterior, superior)


def read_sagittal_array(path: Path) -> tuple[NDArray, tuple[float, float, float]]:
    """Read a NIfTI as ``[left-right, superior→inferior, anterior→posterior]``.

    Returns
    -------
    array, spacing_mm
        Three axes, the first from the patient's left to the right, and their spacing.

    Raises
    ------
    UnreadableError
        The file is absent, damaged, or has not three axes.
    """
    stored, (right, anterior, superior) = read_ras(path)
    array = stored[:, ::-1, ::-1].transpose(0, 2, 1)
    return np.ascontiguousarray(array), (right, superior, anterior)


def anterior_canal_border(canal: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Column of the canal's anterior border for each slice and row.

    Slices and rows without canal take the border of the nearest slice that has one,
    and beyond the canal's ends its last columns go on straight.

    Parameters
    ----------
    canal
        ``[slice, row, column]``, columns from anterior to posterior.

    Returns
    -------
    ndarray
        ``[slice, row]``, in columns; NaN where the volume has no canal at all.
    """
    found = canal.any(2)
    border = np.where(found, canal.argmax(2), np.nan).astype(float)
    if not found.any():
        return border
    nearest = ndimage.distance_transform_edt(
        ~found, sampling=(1.0, 1e6), return_distances=False, return_indices=True
    )
    rows = np.flatnonzero(found.any(0))
    for row in rows:
        sources = nearest[0][:, row]
        border[:, row] = border[sources, row]
    first, last = rows[0], rows[-1]
    reach = min(24, len(rows) - 1)
    for index in range(len(border)):
        line = border[index]
        line[first : last + 1] = np.interp(np.arange(first, last + 1), rows, line[rows])
        line[:] = np.where(np.isnan(line), 0, line)
        line[first : last + 1] = ndimage.gaussian_filter1d(
            ndimage.median_filter(line[first : last + 1], 9, mode="nearest"), 2, mode="nearest"
        )
        up = (line[first] - line[first + reach]) / max(reach, 1)
        down = (line[last] - line[last - reach]) / max(reach, 1)
        line[:first] = line[first] + up * np.arange(first, 0, -1)
        line[last + 1 :] = line[last] + down * np.arange(1, len(line) - last)
    return border


def split_body(vertebra: NDArray[np.bool_], canal: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of the vertebrae in front of the canal's anterior border."""
    border = anterior_canal_border(canal)
    columns = np.arange(vertebra.shape[2])
    body = vertebra & (columns < border[:, :, None])
    return ndimage.binary_opening(body, np.ones((1, 3, 3))) & body


def sacrum_labels(shape: tuple[int, int, int], outline: dict) -> NDArray[np.uint8]:
    """Classes of a sacrum outlined on one slice and carried sideways.

    ``outline`` holds ``S1``, ``S2`` and ``rest`` as lists of (row, column) on the
    middle slice, and ``shift``: columns and rows a slice by which it is displaced.
    """
    label = np.zeros(shape, np.uint8)
    for name, code in (("rest", Tissue.SACRUM), ("S2", Tissue.S2), ("S1", Tissue.S1)):
        if outline.get(name):
            mask = polygon2mask(shape[1:], np.asarray(outline[name], float))
            label[:, mask] = code
    return label


def read_spider_space(
    path: Path, outlines: dict[str, dict], *, known_sacrum_mm: float = 11.0
) -> TrainingVolume:
    """One volume with bodies told from posterior elements and the sacrum added.

    Pixels nobody annotated (above the uppermost labelled vertebra, around and below
    the sacrum) are :data:`IGNORE`.
    """
    image, spacing = read_sagittal_array(path)
    mask, _ = read_sagittal_array(Path(str(path).replace(".nii.gz", "_dseg.nii.gz")))
    patient = str(int(path.name[4:7]))
    vertebra, disc, canal = (mask == c for c in (_SPACE_VERTEBRA, _SPACE_DISC, _SPACE_CANAL))
    body = split_body(vertebra, canal)
    label = np.zeros(mask.shape, np.uint8)
    label[vertebra] = Tissue.POSTERIOR
    label[body] = Tissue.BODY
    label[disc] = Tissue.DISC
    label[canal] = Tissue.CANAL
    background = label == Tissue.BACKGROUND
    rows = np.flatnonzero((body | disc).any((0, 2)))
    unknown = np.zeros_like(background)
    unknown[:, : rows[0] + 2] = True
    # Anything below the lowest disc or body of this slice stack may be sacrum.
    unknown[:, rows[-1] - 8 :] = True
    label[background & unknown] = IGNORE
    outline = outlines.get(patient)
    if outline:
        _add_sacrum(label, outline, spacing, known_sacrum_mm)
    else:
        _forget_sacrum(label, disc, body, background)
    return TrainingVolume(path.name.removesuffix(".nii.gz"), patient, image, label, spacing)


def _forget_sacrum(
    label: NDArray[np.uint8],
    disc: NDArray[np.bool_],
    body: NDArray[np.bool_],
    background: NDArray[np.bool_],
) -> None:
    lowest = np.argwhere(disc | body)
    bottom = lowest[lowest[:, 1] > np.percentile(lowest[:, 1], 97)]
    row, column = np.percentile(bottom[:, 1], 5), np.percentile(bottom[:, 2], 5)
    region = np.zeros_like(background)
    region[:, int(row) - 40 :, max(0, int(column) - 20) :] = True
    label[background & region] = IGNORE


def _add_sacrum(
    label: NDArray[np.uint8],
    outline: dict,
    spacing: tuple[float, float, float],
    known_mm: float,
) -> None:
    sacrum = sacrum_labels(label.shape, outline)
    middle = outline["slice"]
    distance = np.abs(np.arange(len(label)) - middle) * spacing[0]
    free = (label == Tissue.BACKGROUND) | (label == IGNORE)
    label[free & (sacrum > 0)] = sacrum[free & (sacrum > 0)]
    present = sacrum[middle] > 0
    near = ndimage.binary_dilation(present, iterations=round(30 / spacing[1]))
    rows = np.flatnonzero(present.any(1))
    # Behind and below the outlined sacrum lies bone that nobody outlined; elsewhere
    # what is not sacrum is known to be background.
    behind = np.zeros_like(near)
    sacral_canal = np.zeros_like(near)
    end = np.flatnonzero((label == Tissue.CANAL).any((0, 2))).max(initial=0)
    for row in range(near.shape[0]):
        inside = np.flatnonzero(present[row])
        if len(inside):
            behind[row, inside[-1] + 1 :] = True
            # Below the end of SPIDER's canal its continuation counts as background, so
            # that the network learns where that label ends on average.
            reach = inside[-1] + 1 + round(_SACRAL_CANAL_MM / spacing[2])
            sacral_canal[row, inside[-1] + 1 : reach] = row > end
    below = np.arange(near.shape[0])[:, None] >= rows.max() - 2
    doubt = near & (behind | below) & ~sacral_canal
    top = rows.min() - round(15 / spacing[1])
    lower = np.arange(near.shape[0])[:, None] >= top
    for plane, away_mm in zip(label, distance, strict=True):
        empty = (plane == Tissue.BACKGROUND) | (plane == IGNORE)
        sure = empty & lower & ~doubt & ((away_mm < known_mm) | ~near)
        plane[empty & lower] = IGNORE
        plane[sure] = Tissue.BACKGROUND


def read_outlines(path: Path) -> dict[str, dict]:
    """Read the committed sacrum outlines: patient → outline (:func:`sacrum_labels`)."""
    outlines: dict[str, dict] = json.loads(path.read_text("utf-8"))
    return outlines


#: Thickness that a single slice is given, since its file does not hold it.
SLICE_MM = 4.0


def sagittal_series(name: str, array: NDArray, spacing_mm: tuple[float, float, float]) -> Series:
    """Place ``[slice, superior→inferior, anterior→posterior]`` in the patient (LPS).

    Parameters
    ----------
    array
        Slices run from the patient's left to the right.
    spacing_mm
        Slice, row and column spacing.
    """
    slice_mm, row_mm, column_mm = spacing_mm
    affine = np.zeros((4, 4))
    affine[0, 2], affine[2, 1], affine[1, 0], affine[3, 3] = -slice_mm, -row_mm, column_mm, 1
    block = Block(Volume(array, affine), tuple(f"{name}#{k}" for k in range(len(array))))
    return Series(name, Plane.SAGITTAL, Weighting.UNKNOWN, (block,), "array")


@dataclass(frozen=True)
class SingleSlice:
    """One picture of ``spider_midsagittal``.

    Attributes
    ----------
    name
        ``<patient>_t1`` or ``<patient>_t2``.
    image
        ``uint8[row, column]`` at its native spacing.
    spacing_mm
        Row and column spacing.
    vertebrae
        Number of vertebrae annotated in the whole volume, by ``series.csv``.
    """

    name: str
    patient: str
    image: NDArray[np.uint8]
    spacing_mm: tuple[float, float]
    vertebrae: int


def read_spider_midsagittal(folder: Path) -> list[SingleSlice]:
    """Read all single slices of a folder with ``series.csv``.

    Raises
    ------
    UnreadableError
        ``series.csv`` or a picture it names is absent.
    """
    try:
        with (folder / "series.csv").open(newline="", encoding="utf-8") as file:
            return [_read_single_slice(folder, row) for row in csv.DictReader(file)]
    except FileNotFoundError as error:
        raise UnreadableError(f"{folder}: {error.filename} is missing") from None


def _read_single_slice(folder: Path, row: dict[str, str]) -> SingleSlice:
    name = row["new_file_name"]
    rows_mm, columns_mm = (float(value) for value in ast.literal_eval(row["PixelSpacing"]))
    return SingleSlice(
        name,
        name.split("_")[0],
        imread(folder / f"{name}.png"),
        (rows_mm, columns_mm),
        int(row["num_vertebrae"]),
    )
