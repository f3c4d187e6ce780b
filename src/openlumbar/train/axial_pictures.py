"""Axial training pictures from every source, on one spacing and one layout.

Arrays are laid out as the axial network sees them: ``[row, column]`` with rows from front to
back and columns toward the patient's left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from openlumbar.core import anatomy
from openlumbar.core.errors import InputError
from openlumbar.core.masks import AXIAL_OF_MUSCLE, AXIAL_OF_TISSUE, AxialMask, AxialTissue, Tissue
from openlumbar.imaging.resample import resample_planes, resampled_shape
from openlumbar.level.pose import axial_tissue
from openlumbar.phantom.axial_training import AxialTrainingCase
from openlumbar.train.losses import IGNORE
from openlumbar.train.spider import TrainingVolume, read_ras

#: MuscleMap's short codes, odd on one side and even on the other, to classes of the network;
#: its long codes are ours.
_SHORT = {2 * n + side: 1 + n for n in range(4) for side in (1, 2)}
#: Around a map of muscles alone, pixels nearer than this may be anything.
_UNKNOWN_MM = 60.0
#: Cuts through a narrow volume carry no loss nearer than this to its edges.
_STRIP_EDGE_MM = 4.0
#: This far behind the sac there is no muscle yet, so that what is not sac is background.
_BEHIND_SAC_MM = 4.0
#: Axial pictures cut out of a sagittal volume are this deep, front to back.
_CUT_DEPTH_MM = 200.0


@dataclass(frozen=True, eq=False)
class AxialPicture:
    """One axial slice ready for sampling.

    Attributes
    ----------
    name
        Source and slice.
    patient
        Unit of every split.
    image
        ``uint8[row, column]`` at the working spacing.
    label
        ``uint8[row, column]`` of :class:`~openlumbar.core.masks.AxialTissue`,
        :data:`~openlumbar.train.losses.IGNORE` if unknown.
    """

    name: str
    patient: str
    image: NDArray[np.uint8]
    label: NDArray[np.uint8]


def to_bytes(image: NDArray) -> NDArray[np.uint8]:
    """Scale a picture so that its brightest thousandth reaches white."""
    top = max(1e-6, float(np.percentile(image, 99.9)))
    scaled: NDArray[np.uint8] = (
        (image.astype(np.float32) * (255 / top)).clip(0, 255).astype(np.uint8)
    )
    return scaled


def nearest_rows(count_in: int, count_out: int) -> NDArray[np.intp]:
    """Index of the old sample under each new one, over one field of view."""
    return ((np.arange(count_out) + 0.5) * count_in / count_out).astype(np.intp)


def at_spacing(
    image: NDArray, label: NDArray, own_mm: tuple[float, float], spacing_mm: float
) -> tuple[NDArray[np.uint8], NDArray]:
    """Resample a slice: image linearly, labels (or codes) to the nearest."""
    new = (spacing_mm, spacing_mm)
    shape = resampled_shape(image.shape, own_mm, new)
    rows, columns = (nearest_rows(o, n) for o, n in zip(image.shape, shape, strict=True))
    picture = resample_planes(image[None], own_mm, shape, new)[0]
    return to_bytes(picture), label[rows][:, columns]


def of_phantom(case: AxialTrainingCase, name: str, spacing_mm: float) -> AxialPicture:
    """A phantom's slice at the working spacing."""
    pixel = (case.pixel_mm, case.pixel_mm)
    return AxialPicture(name, name, *at_spacing(case.image, case.label, pixel, spacing_mm))


# -- label maps of muscles ---------------------------------------------------------------


def read_axial_array(path: Path) -> tuple[NDArray, tuple[float, float, float]]:
    """Read a NIfTI as ``[slice upward, front→back, right→left]`` with its spacing.

    Raises
    ------
    UnreadableError
        The file is absent, damaged, or has not three axes.
    """
    stored, (right, anterior, superior) = read_ras(path)
    array = np.ascontiguousarray(stored[::-1, ::-1].transpose(2, 1, 0))
    return array, (superior, anterior, right)


def muscle_classes(codes: NDArray, *, ours: bool = False) -> NDArray[np.uint8]:
    """Codes of muscles as classes of the network; others background.

    Parameters
    ----------
    ours
        The codes are ours, which are MuscleMap's long ones. Else they may also be its short
        ones (1–8), and are where none is larger.
    """
    label = np.zeros(codes.shape, np.uint8)
    short = not ours and codes.max(initial=0) <= max(_SHORT)
    for code, kind in (_SHORT if short else AXIAL_OF_MUSCLE).items():
        label[codes == code] = kind
    return label


def read_shapes(path: Path, spacing_mm: float) -> list[NDArray[np.uint8]]:
    """Slices of a label map of muscles at the working spacing, those without debris.

    A slice is kept if multifidus and erector spinae together cover 6 cm² or more.
    """
    codes, (_, row_mm, column_mm) = read_axial_array(path)
    label = muscle_classes(codes)
    shape = resampled_shape(label.shape[1:], (row_mm, column_mm), (spacing_mm, spacing_mm))
    rows, columns = (nearest_rows(o, n) for o, n in zip(label.shape[1:], shape, strict=True))
    back = (label == AxialTissue.MULTIFIDUS) | (label == AxialTissue.ERECTOR_SPINAE)
    kept = back.sum((1, 2)) * row_mm * column_mm >= 600
    return [plane[rows][:, columns] for plane in label[kept]]


# -- axial cuts of sagittal volumes ------------------------------------------------------


def cut_axially(
    volume: TrainingVolume, rng: np.random.Generator, count: int, spacing_mm: float
) -> Iterator[AxialPicture]:
    """Cut slices out of a sagittal volume at random heights and tilts of up to 40°.

    What lies outside the volume is black; it, the volume's edges, and the muscles behind the
    canal, which nobody annotated, are left out of the loss (design.md, section 9).

    Parameters
    ----------
    volume
        ``[slice, row, column]`` from the patient's left to right, head to foot, front to
        back, with classes of :class:`~openlumbar.core.masks.Tissue`.
    """
    canal = np.argwhere(volume.label == Tissue.CANAL)
    for number in range(count):
        row, column = canal[rng.integers(len(canal)), 1:]
        tilt = np.radians(np.clip(rng.normal(0, 18), -40, 40))
        image, label = _cut(volume, (float(row), float(column)), float(tilt), spacing_mm)
        if (label == AxialTissue.SAC).any():
            yield AxialPicture(f"{volume.name}-cut-{number}", volume.patient, image, label)


def _cut(
    volume: TrainingVolume, at: tuple[float, float], tilt: float, spacing_mm: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One oblique slice through a row and column of the middle slice."""
    slice_mm, row_mm, column_mm = volume.spacing_mm
    count = len(volume.image)
    wide = int(count * slice_mm / spacing_mm)
    deep = int(_CUT_DEPTH_MM / spacing_mm)
    across = (np.arange(wide) - (wide - 1) / 2) * spacing_mm
    # The canal lies behind the middle of the picture.
    back = (np.arange(deep) - 0.55 * deep) * spacing_mm
    # Slices run from left to right, columns of the picture toward the left.
    k = np.broadcast_to((count - 1) / 2 - across / slice_mm, (deep, wide))
    j = np.broadcast_to((at[0] + back * np.sin(tilt) / row_mm)[:, None], (deep, wide))
    i = np.broadcast_to((at[1] + back * np.cos(tilt) / column_mm)[:, None], (deep, wide))
    points = np.stack([k, j, i])
    image = map_coordinates(volume.image.astype(np.float32), points, order=1)
    tissue = map_coordinates(volume.label, points, order=0, cval=IGNORE)
    return to_bytes(image), _cut_label(tissue, spacing_mm)


def _cut_label(tissue: NDArray[np.uint8], spacing_mm: float) -> NDArray[np.uint8]:
    label = np.full(tissue.shape, IGNORE, np.uint8)
    for old, new in AXIAL_OF_TISSUE.items():
        label[tissue == old] = new
    sac = np.flatnonzero((label == AxialTissue.SAC).any(1))
    if len(sac):
        behind = np.arange(len(label))[:, None] > sac[-1] + _BEHIND_SAC_MM / spacing_mm
        label[behind & (label == AxialTissue.BACKGROUND)] = IGNORE
    edge = max(1, round(_STRIP_EDGE_MM / spacing_mm))
    label[:, :edge] = label[:, -edge:] = IGNORE
    return label


def widen(
    picture: AxialPicture, columns: int, rng: np.random.Generator, p_smeared: float = 0.25
) -> AxialPicture:
    """Put a narrow cut into the middle of a wider picture: black, or smeared sideways."""
    missing = max(0, columns - picture.image.shape[1])
    sides = (missing // 2, missing - missing // 2)
    mode: Literal["edge", "constant"] = "edge" if rng.random() < p_smeared else "constant"
    image = np.pad(picture.image, ((0, 0), sides), mode=mode)
    label = np.pad(picture.label, ((0, 0), sides), constant_values=IGNORE)
    return AxialPicture(picture.name, picture.patient, image, label)


# -- the user's own ----------------------------------------------------------------------


def read_own_axial(folder: Path, spacing_mm: float) -> list[AxialPicture]:
    """Read every slice of ``NAME.nii.gz`` that has a ``NAME_dseg.nii.gz`` beside it.

    The label maps hold our codes, as ``analyze`` writes them, or MuscleMap's. 255 stands for
    "unknown". The patient is the part of the name before the first underscore. Where a map
    holds muscles alone, all but the muscles and what is farther than 60 mm from them is
    left open.

    Raises
    ------
    InputError
        A label map does not lie on the grid of its image.
    """
    pictures: list[AxialPicture] = []
    for path in sorted(folder.glob("*.nii.gz")):
        mask = path.with_name(path.name.replace(".nii.gz", "_dseg.nii.gz"))
        if not path.name.endswith("_dseg.nii.gz") and mask.exists():
            pictures += _read_pair(path, mask, spacing_mm)
    return pictures


def _read_pair(path: Path, mask: Path, spacing_mm: float) -> list[AxialPicture]:
    image, (_, row_mm, column_mm) = read_axial_array(path)
    codes, _ = read_axial_array(mask)
    if codes.shape != image.shape:
        raise InputError(f"{mask.name}: shape {codes.shape}, but its image has {image.shape}")
    name = path.name.removesuffix(".nii.gz")
    own = (row_mm, column_mm)
    pictures = []
    for k, (plane, marked) in enumerate(zip(image, codes, strict=True)):
        if marked.any():
            picture, kept = at_spacing(plane, marked, own, spacing_mm)
            label = classes_of_codes(kept, spacing_mm)
            pictures.append(AxialPicture(f"{name}-{k}", name.split("_")[0], picture, label))
    return pictures


def classes_of_codes(codes: NDArray, spacing_mm: float) -> NDArray[np.uint8]:
    """Codes of :mod:`openlumbar.core.anatomy` on one slice as classes of the network.

    Vertebrae are parted at the front of the spinal canal. Where there are none, what lies
    within :data:`_UNKNOWN_MM` of a muscle is unknown.
    """
    label = muscle_classes(codes)
    present = {int(code) for code in np.unique(codes)}
    kinds = {code: anatomy.BY_CODE[code].kind for code in present if code in anatomy.BY_CODE}
    canal = np.isin(codes, [c for c, kind in kinds.items() if kind in ("canal", "cord")])
    bone = np.isin(codes, [c for c, kind in kinds.items() if kind in ("vertebra", "sacrum")])
    if not bone.any():
        away_mm = distance_transform_edt(label == 0) * spacing_mm
        label[(label == 0) & (away_mm < _UNKNOWN_MM)] = IGNORE
        return label
    front = np.flatnonzero(canal.any(1))[0] if canal.any() else len(label)
    label[bone] = AxialTissue.POSTERIOR
    label[bone & (np.arange(len(label))[:, None] < front)] = AxialTissue.BODY
    label[np.isin(codes, [c for c, kind in kinds.items() if kind == "disc"])] = AxialTissue.DISC
    label[canal] = AxialTissue.SAC
    label[codes == IGNORE] = IGNORE
    return label


# -- the network's own labels --------------------------------------------------------------


def classes_of_axial_mask(mask: AxialMask, index: int = 0, sure: int = 145) -> NDArray[np.uint8]:
    """A slice of a segmentation as classes of the network; doubts are left open.

    Parameters
    ----------
    sure
        Least certainty, of 255, that carries loss.
    """
    label = axial_tissue(mask.labels.array[index], mask.bodies.array[index])
    label[mask.certainty[index] < sure] = IGNORE
    return label
