"""Exams that many tests read, and a predictor that needs no weights."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np
import pytest

from openlumbar.core.exam import Series, Weighting
from openlumbar.mechanics import solve_loads
from openlumbar.phantom import PhantomOptions, make_phantom, write_phantom
from openlumbar.phantom.grids import AxialFrame, SagittalFrame
from support_models import SeesNothing
from support_painted import PIXEL_MM, PaintedPredictor, painted


@pytest.fixture(autouse=True, scope="session")
def few_samples():
    """Intervals of loads rest on ten models, not sixty: most tests are about something else."""

    def solve(who, measurements, rows, options, tell):
        few = replace(options, samples=min(options.samples, 10))
        return solve_loads(who, measurements, rows, few, tell)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("openlumbar.pipeline.loads.solve_loads", solve)
        yield


@pytest.fixture(scope="session")
def phantom():
    """A small exam: seven sagittal T2 slices, and two blocks of two axial slices."""
    options = PhantomOptions(
        sagittal=SagittalFrame(pixel_mm=PIXEL_MM, slices=7),
        axial=AxialFrame(pixel_mm=PIXEL_MM, slices=2, blocks=2),
        contrasts=(Weighting.T2,),
    )
    return make_phantom(3, options)


@pytest.fixture(scope="session")
def painted_phantom(phantom):
    pairs = zip(phantom.exam.series, phantom.truth.series, strict=True)
    series = tuple(painted(one, truth) for one, truth in pairs)
    return replace(phantom, exam=replace(phantom.exam, series=series))


@pytest.fixture(scope="session")
def painted_exam(painted_phantom):
    return painted_phantom.exam


@pytest.fixture(scope="session")
def painted_dicom(painted_phantom, tmp_path_factory):
    """The painted exam as a folder of DICOM files."""
    folder = tmp_path_factory.mktemp("painted")
    write_phantom(painted_phantom, folder)
    return folder / "dicom"


@pytest.fixture(scope="session")
def painted_nifti(painted_exam, tmp_path_factory):
    """The painted sagittal series as a NIfTI file whose axes are not ours: (k, i, j)."""
    block = painted_exam.series[0].blocks[0]
    affine = np.diag([-1.0, -1, 1, 1]) @ block.volume.affine[:, [2, 0, 1, 3]]
    path = tmp_path_factory.mktemp("nifti") / "sub-01_T2w.nii.gz"
    nibabel.save(nibabel.Nifti1Image(block.volume.array.transpose(0, 2, 1), affine), path)
    return path


@pytest.fixture(scope="session")
def predictor():
    return PaintedPredictor()


@pytest.fixture(scope="session")
def axial_predictor():
    """An axial network for exams whose axial pictures a test is not about."""
    return SeesNothing()


@pytest.fixture(scope="session")
def networks(predictor, axial_predictor):
    """What :func:`openlumbar.models.load_model` may be replaced by."""
    names = {"sagittal": predictor, "axial": axial_predictor, "axial-overview": axial_predictor}
    return names.__getitem__


def sagittal(exam) -> Series:
    return next(series for series in exam.series if series.plane == "sagittal")
