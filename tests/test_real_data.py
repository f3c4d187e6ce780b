"""The main job on real patients; skipped where ``../shared/data`` is absent."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from openlumbar import analyze, read_exam
from openlumbar.core import anatomy
from openlumbar.core.exam import Subject
from openlumbar.io.dicom_write import MrSeries, MrStudy, write_mr_series

DATA = Path(__file__).parents[2] / "shared" / "data"
SPACE = DATA / "spider_space"

pytestmark = pytest.mark.skipif(not SPACE.is_dir(), reason="../shared/data is not here")

#: A patient that the shipped model was trained on and one that it was not.
TRAINED, HELD_OUT = "sub-005_T2w.nii.gz", "sub-078_T2w.nii.gz"


def spider_discs(path: Path) -> list[np.ndarray]:
    """Centroids of the annotated discs in LPS, from the lowest upward."""
    mask = nibabel.load(path.with_name(path.name.replace(".nii.gz", "_dseg.nii.gz")))
    pieces, count = ndimage.label(np.asanyarray(mask.dataobj) == 2, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())
    kept = [n for n in range(1, count + 1) if sizes[n] > 500]
    centres = np.array(ndimage.center_of_mass(pieces > 0, pieces, kept))
    ras = centres @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    return sorted(ras * [-1, -1, 1], key=lambda point: point[2])


def found_discs(analysis) -> dict[str, np.ndarray]:
    return {
        row.level: np.array([row.x_mm, row.y_mm, row.z_mm])
        for row in analysis.levels.rows
        if row.structure == "disc"
    }


@pytest.fixture(scope="module", params=[TRAINED, HELD_OUT])
def case(request):
    path = SPACE / request.param
    return path, analyze(read_exam([path]))


def test_discs_are_named_from_the_sacrum_upward(case):
    path, analysis = case
    assert analysis.failures == ()
    names = ["L5-S1", "L4-L5", "L3-L4", "L2-L3", "L1-L2", "T12-L1", "T11-T12"]
    discs = found_discs(analysis)
    for name, truth in zip(names, spider_discs(path), strict=True):
        # A quarter of the distance between discs: the name is right.
        assert np.linalg.norm(discs[name] - truth) < 9.0, name


def test_no_right_name_is_flagged_as_uncertain(case):
    _, analysis = case
    assert not any("numbering-uncertain" in row.flags for row in analysis.levels.rows)


def test_masks_agree_with_spider(case):
    path, analysis = case
    truth = nibabel.load(path.with_name(path.name.replace(".nii.gz", "_dseg.nii.gz")))
    volume = analysis.masks.series[0].labels[0]
    # Where each voxel of the label map lies in SPIDER's array: by coordinates alone.
    corner = np.diag([-1.0, -1.0, 1.0, 1.0])
    to_truth = np.linalg.inv(corner @ truth.affine) @ volume.affine
    k, j, i = np.indices(volume.shape).reshape(3, -1)
    ijk = np.rint(to_truth @ np.stack([i, j, k, np.ones_like(i)]))[:3].astype(int)
    theirs = np.asanyarray(truth.dataobj)[tuple(ijk)].reshape(volume.shape)
    discs = [code for code, s in anatomy.BY_CODE.items() if s.kind == "disc"]
    for ours, code, least in (
        (np.isin(volume.array, discs), 2, 0.80),
        (volume.array == anatomy.SPINAL_CANAL, 3, 0.80),
    ):
        overlap = 2 * (ours & (theirs == code)).sum() / (ours.sum() + (theirs == code).sum())
        assert overlap > least


def test_a_dicom_made_from_it_gives_the_same_names(case, tmp_path):
    _, analysis = case
    volume = analysis.exam.series[0].blocks[0].volume
    study = MrStudy("real", "Nobody^No", "0", Subject(), "made from NIfTI")
    settings = MrSeries(1, "sag t2 space", tr_ms=1500.0, te_ms=120.0, thickness_mm=1.0)
    write_mr_series([volume], settings, study, tmp_path)
    again = analyze(read_exam([tmp_path]))
    one, other = found_discs(analysis), found_discs(again)
    assert list(one) == list(other)
    for name, point in one.items():
        assert np.linalg.norm(point - other[name]) < 1.0, name


AXIAL = DATA / "musclemap" / "sub-01_axial.nii.gz"
#: MuscleMap's short codes of the right side (the left one follows), and the least Dice of both.
MUSCLES = {
    "multifidus": (1, 0.82),
    "erector spinae": (3, 0.86),
    "psoas": (5, 0.88),
    "quadratus lumborum": (7, 0.65),
}


@pytest.mark.skipif(not AXIAL.exists(), reason="the annotated axial exam is not here")
def test_muscles_of_a_patient_never_trained_on_agree_with_the_annotator_on_either_side():
    analysis = analyze(read_exam([AXIAL]))
    assert analysis.failures == ()
    volume = analysis.masks.series[0].labels[0]
    mask = nibabel.load(AXIAL.with_name("sub-01_axial_dseg.nii.gz"))
    to_mask = np.linalg.inv(np.diag([-1.0, -1.0, 1.0, 1.0]) @ mask.affine) @ volume.affine
    k, j, i = np.indices(volume.shape).reshape(3, -1)
    ijk = np.rint(to_mask @ np.stack([i, j, k, np.ones_like(i)]))[:3].astype(int)
    theirs = np.asanyarray(mask.dataobj)[tuple(ijk)].reshape(volume.shape)
    for name, (code, least) in MUSCLES.items():
        shared = marked = 0
        for offset, side in ((0, "right"), (1, "left")):
            ours = next(c for c, s in anatomy.BY_CODE.items() if s.name == name and s.side == side)
            one, other = volume.array == ours, theirs == code + offset
            shared += (one & other).sum()
            marked += one.sum() + other.sum()
        assert 2 * shared / marked > least, name
