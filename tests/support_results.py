"""An analysis of DICOM files with known masks, and what a validator says of a file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from openlumbar.core.anatomy import SPINAL_CANAL, disc_code, vertebra_code
from openlumbar.core.levels import Levels
from openlumbar.core.masks import Masks, SeriesMasks
from openlumbar.core.run import Run, Weights
from openlumbar.core.volume import Volume
from openlumbar.exam import read_exam
from openlumbar.io.analysis import Analysis
from support_dicom import SAGITTAL, stack

L4, L5, L4_L5 = vertebra_code("L4"), vertebra_code("L5"), disc_code("L4-L5")
RUN = Run("1.2.3", weights=(Weights("sagittal", "1", "ab" * 32),))


#: A header with which the standard is content.
COMPLETE = {
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "StudyDate": "20260102",
    "StudyTime": "101112",
    "StudyID": "S1",
    "AccessionNumber": "A1",
    "PatientPosition": "HFS",
}


def pictures(count=5, orientation=SAGITTAL, origin=(8.0, -0.6, 0.4), step=4.0, **elements):
    """Sagittal slices 4 mm apart that what is at :func:`code_at` lies in."""
    return stack(count, orientation, origin, step, **{**COMPLETE, **elements})


def code_at(points: NDArray[np.float64]) -> NDArray[np.uint16]:
    """What is at ``[..., 3]`` LPS mm: four unlike pieces, no two alike when mirrored."""
    x, y, z = np.moveaxis(np.asarray(points), -1, 0)
    codes = np.zeros(x.shape, np.uint16)
    codes[(y < 3.1) & (z > -4.9) & (x > -4.1)] = L4
    codes[(y < 2.1) & (z < -5.9) & (z > -7.0)] = L4_L5
    codes[(y < 1.6) & (z < -7.4) & (x < -3.9)] = L5
    codes[(y > 4.4) & (z < -2.0)] = SPINAL_CANAL
    return codes


def grid_points(volume: Volume) -> NDArray[np.float64]:
    """LPS mm of each voxel, ``[k, j, i, 3]``."""
    return volume.to_patient(np.moveaxis(np.indices(volume.shape), 0, -1))


def analysis_of(
    folder: Path,
    what: Callable[[NDArray[np.float64]], NDArray[np.uint16]] = code_at,
    measurements=(),
) -> Analysis:
    """The exam of a folder with masks painted by place; bodies in the front of that."""
    exam = read_exam([folder])
    masks = []
    for series in exam.series:
        volumes = [block.volume for block in series.blocks]
        labels = [volume.with_array(what(grid_points(volume))) for volume in volumes]
        bodies = [_bodies(volume) for volume in labels]
        masks.append(SeriesMasks(series.name, tuple(labels), tuple(bodies)))
    return Analysis(exam, Masks(tuple(masks)), Levels(), RUN, measurements=tuple(measurements))


def _bodies(labels: Volume) -> Volume:
    is_body = np.isin(labels.array, (L4, L5)) & (grid_points(labels)[..., 1] < 1.2)
    return labels.with_array(np.where(is_body, labels.array, 0).astype(np.uint16))


def complaints(path: Path) -> list[str]:
    """The errors that dciodvfy finds in a file, and its warnings but for private codes."""
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    told = subprocess.run([tool, "-new", str(path)], capture_output=True, text=True, check=False)
    lines = (told.stdout + told.stderr).splitlines()
    return [
        line
        for line in lines
        if line.startswith(("Error", "Warning", "Abort")) and "<99OPENLUMBAR>" not in line
    ]
