from __future__ import annotations

import json
from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest

from openlumbar.core.errors import OptionError
from openlumbar.core.exam import Weighting
from openlumbar.core.plane import Plane
from openlumbar.exam import read_exam
from openlumbar.phantom import PhantomOptions, make_phantom


def test_the_same_seed_gives_the_same_pictures_and_another_seed_another(phantom, small_options):
    options = replace(small_options, contrasts=(Weighting.T1,), axial_contrasts=())
    again = make_phantom(1, options)
    mine = phantom.exam.series[0].blocks[0].volume.array
    assert np.array_equal(again.exam.series[0].blocks[0].volume.array, mine)
    assert again.anatomy == phantom.anatomy
    tiny = replace(options, sagittal=replace(options.sagittal, pixel_mm=12.0, slices=1))
    one, other = (make_phantom(seed, tiny).exam.series[0].blocks[0].volume for seed in (1, 2))
    assert one.shape == other.shape
    assert not np.array_equal(one.array, other.array)


def test_an_exam_has_two_sagittal_series_and_axial_blocks(phantom):
    found = [(s.plane, s.weighting, len(s.blocks)) for s in phantom.exam.series]
    assert found == [
        (Plane.SAGITTAL, Weighting.T1, 1),
        (Plane.SAGITTAL, Weighting.T2, 1),
        (Plane.AXIAL, Weighting.T2, 5),
    ]


def test_truth_lies_on_the_grid_of_its_series(phantom):
    for series, truth in zip(phantom.exam.series, phantom.truth.series, strict=True):
        for block, codes in zip(series.blocks, truth.codes, strict=True):
            assert codes.shape == block.volume.shape
            assert np.array_equal(codes.affine, block.volume.affine)


def test_an_axial_block_is_parallel_to_its_disc_and_cuts_it(phantom):
    truth = phantom.truth.series[2]
    block = phantom.exam.series[2].blocks[0].volume
    assert block.plane is Plane.AXIAL
    tilt = np.degrees(np.arctan2(-block.affine[1, 2], block.affine[2, 2]))
    disc, above, below = (phantom.truth.level(n).wedge_deg for n in ("L5-S1", "L5", "S1"))
    # Midway between the bodies of L5 and S1, each of which leans half its own wedge
    # away from its endplate.
    expected = phantom.truth.sacral_slope_deg - disc / 2 + (below - above) / 4
    assert tilt == pytest.approx(expected, abs=0.5)
    assert (truth.codes[0].array == 100).sum() > 50


def test_fluid_is_bright_on_t2_and_dark_on_t1(phantom):
    sac = phantom.truth.series[0].codes[0].array == 2
    body = phantom.truth.series[0].regions[0].array == 1
    t1, t2 = (phantom.exam.series[n].blocks[0].volume.array for n in (0, 1))
    assert t1[sac].mean() < 0.8 * t1[body].mean()
    assert t2[sac].mean() > 1.5 * t2[body].mean()


def test_written_dicom_has_the_geometry_and_pixels_of_the_exam(phantom, written):
    for series in phantom.exam.series:
        files = sorted((written / "dicom" / series.name).glob("*.dcm"))
        datasets = iter([pydicom.dcmread(path) for path in files])
        for block in series.blocks:
            for k, uid in enumerate(block.instances):
                dataset = next(datasets)
                assert dataset.SOPInstanceUID == uid
                corner = block.volume.to_patient((k, 0, 0))
                assert np.allclose(dataset.ImagePositionPatient, corner, atol=1e-6)
                assert np.array_equal(dataset.pixel_array, block.volume.array[k])
    assert dataset.PatientName == "Phantom^Seed-1"
    assert dataset.PatientSex == phantom.anatomy.sex
    assert float(dataset.PatientWeight) == pytest.approx(phantom.anatomy.mass_kg, abs=0.06)


def test_intake_reads_the_exam_that_was_made(phantom, written):
    read = read_exam([written / "dicom"])
    assert read.subject == phantom.exam.subject
    assert [series.name for series in read.series] == [s.name for s in phantom.exam.series]
    for mine, theirs in zip(phantom.exam.series, read.series, strict=True):
        assert (theirs.plane, theirs.weighting) == (mine.plane, mine.weighting)
        for one, other in zip(mine.blocks, theirs.blocks, strict=True):
            assert other.instances == one.instances
            assert np.allclose(other.volume.affine, one.volume.affine, atol=1e-6)
            assert np.array_equal(other.volume.array, one.volume.array)


def test_written_truth_is_in_the_same_space(phantom, written):
    image = nibabel.load(written / "truth" / "series-1_sagittal-T1w_dseg.nii.gz")
    points = np.argwhere(np.asarray(image.dataobj) == 43)
    ras = image.affine[:3, :3] @ points.mean(axis=0) + image.affine[:3, 3]
    truth = phantom.truth.level("L3").centroid_mm
    # NIfTI is RAS. The label holds posterior elements too, so it lies further back.
    assert abs(-ras[0] - truth[0]) < 6
    assert 0 < -ras[1] - truth[1] < 25
    record = json.loads((written / "truth" / "truth.json").read_text())
    assert record["schema_version"] == 1
    third = next(level for level in record["levels"] if level["name"] == "L3")
    assert third["centroid_mm"] == pytest.approx(truth)
    assert record["anatomy"]["sex"] == phantom.anatomy.sex


def test_contrasts_and_planes_that_cannot_be_made_are_refused():
    with pytest.raises(OptionError, match="unknown"):
        PhantomOptions(contrasts=(Weighting.UNKNOWN,))
    with pytest.raises(OptionError, match="odd"):
        PhantomOptions(planes=2)
