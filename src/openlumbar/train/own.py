"""A user's own annotations as training arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openlumbar.core import anatomy
from openlumbar.core.errors import InputError
from openlumbar.core.masks import Tissue
from openlumbar.imaging.resample import resample_planes, resampled_shape
from openlumbar.train.losses import IGNORE
from openlumbar.train.spider import TrainingVolume, read_sagittal_array, split_body


def read_own(folder: Path, spacing_mm: tuple[float, float]) -> list[TrainingVolume]:
    """Read every ``NAME.nii.gz`` that has a ``NAME_dseg.nii.gz`` beside it.

    The label maps hold codes of :mod:`openlumbar.core.anatomy`, as ``analyze`` writes
    them: correct its output and train on it. 255 stands for "unknown". The patient is
    the part of the name before the first underscore.

    Raises
    ------
    InputError
        A label map does not lie on the grid of its image, or a file cannot be read.
    """
    pairs = [
        (path, path.with_name(path.name.replace(".nii.gz", "_dseg.nii.gz")))
        for path in sorted(folder.glob("*.nii.gz"))
        if not path.name.endswith("_dseg.nii.gz")
    ]
    return [_read_pair(image, mask, spacing_mm) for image, mask in pairs if mask.exists()]


def tissues_of_codes(codes: NDArray, *, unknown: int = IGNORE) -> NDArray[np.uint8]:
    """Turn ``[slice, row, column]`` of anatomy codes into classes of the network.

    Vertebrae are parted into body and posterior elements at the canal's anterior border
    (design.md, section 4).
    """
    kinds = {code: structure.kind for code, structure in anatomy.BY_CODE.items()}
    sacral = {
        anatomy.vertebra_code("S1"): Tissue.S1,
        anatomy.vertebra_code("S2"): Tissue.S2,
        anatomy.SACRUM: Tissue.SACRUM,
    }
    present = {int(code) for code in np.unique(codes)}
    vertebrae = [c for c in present if kinds.get(c) == "vertebra" and c not in sacral]
    discs = [c for c in present if kinds.get(c) == "disc"]
    canal = np.isin(codes, [anatomy.SPINAL_CANAL, anatomy.SPINAL_CORD])
    vertebra = np.isin(codes, vertebrae)
    label = np.zeros(codes.shape, np.uint8)
    label[vertebra] = Tissue.POSTERIOR
    label[split_body(vertebra, canal)] = Tissue.BODY
    label[np.isin(codes, discs)] = Tissue.DISC
    label[canal] = Tissue.CANAL
    for code, tissue in sacral.items():
        label[codes == code] = tissue
    label[codes == unknown] = IGNORE
    return label


def _read_pair(image: Path, mask: Path, spacing_mm: tuple[float, float]) -> TrainingVolume:
    intensity, spacing = read_sagittal_array(image)
    codes, mask_spacing = read_sagittal_array(mask)
    if codes.shape != intensity.shape:
        raise InputError(f"{mask.name}: shape {codes.shape}, but its image has {intensity.shape}")
    if not np.allclose(mask_spacing, spacing, rtol=1e-3):
        raise InputError(f"{mask.name}: spacing {mask_spacing} mm, but its image has {spacing}")
    top = max(1e-6, float(np.percentile(intensity, 99.8)))
    scaled = intensity.astype(np.float32) * (255 / top)
    name = image.name.removesuffix(".nii.gz")
    return at_spacing(
        TrainingVolume(
            name,
            name.split("_")[0],
            scaled.clip(0, 255).astype(np.uint8),
            tissues_of_codes(codes),
            spacing,
        ),
        spacing_mm,
    )


def at_spacing(volume: TrainingVolume, spacing_mm: tuple[float, float]) -> TrainingVolume:
    """Resample a volume in its planes: image linearly, labels to the nearest."""
    slice_mm, *plane = volume.spacing_mm
    own = (plane[0], plane[1])
    rows, columns = volume.image.shape[1:]
    shape = resampled_shape((rows, columns), own, spacing_mm)
    image = resample_planes(volume.image, own, shape, spacing_mm).clip(0, 255).astype(np.uint8)
    nearest = [
        ((np.arange(new) + 0.5) * old / new).astype(np.intp)
        for new, old in zip(shape, (rows, columns), strict=True)
    ]
    label = volume.label[:, nearest[0]][:, :, nearest[1]]
    return TrainingVolume(volume.name, volume.patient, image, label, (slice_mm, *spacing_mm))
