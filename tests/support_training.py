"""A spine of rectangles, as training arrays and as a user's files."""

from pathlib import Path

import nibabel
import numpy as np

from openlumbar.core.masks import Tissue
from openlumbar.train.spider import TrainingVolume


def spine(slices: int = 5) -> TrainingVolume:
    """Bodies, discs, canal and posterior elements as rectangles."""
    label = np.zeros((slices, 160, 128), np.uint8)
    for top in range(10, 150, 30):
        label[:, top : top + 20, 40:70] = Tissue.BODY
        label[:, top + 21 : top + 28, 40:70] = Tissue.DISC
        label[:, top : top + 20, 90:105] = Tissue.POSTERIOR
    label[:, :, 72:85] = Tissue.CANAL
    image = (label * 40 + 10).astype(np.uint8)
    return TrainingVolume("spine", "p1", image, label, (3.0, 0.625, 0.625))


def codes() -> np.ndarray:
    """The same spine in codes of label maps, every vertebra L4 and every disc L4-L5."""
    label = spine().label
    result = np.zeros(label.shape, np.uint8)
    result[np.isin(label, [Tissue.BODY, Tissue.POSTERIOR])] = 44
    result[label == Tissue.DISC] = 95
    result[label == Tissue.CANAL] = 2
    return result


def write(
    path: Path, array: np.ndarray, spacing: tuple[float, float, float] = (3.0, 0.625, 0.625)
) -> None:
    """Store ``[slice, superior→inferior, anterior→posterior]`` as RAS NIfTI."""
    ras = array.transpose(0, 2, 1)[:, ::-1, ::-1]
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(ras), np.diag([*spacing, 1.0])), path)


def write_pair(folder: Path, name: str) -> None:
    """Store the spine as ``NAME.nii.gz`` and ``NAME_dseg.nii.gz``."""
    write(folder / f"{name}.nii.gz", spine().image)
    write(folder / f"{name}_dseg.nii.gz", codes())
