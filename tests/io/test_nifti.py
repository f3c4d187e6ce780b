"""Volume files: axes, frames, masks on the file's own grid, and bad files."""

from __future__ import annotations

import re
from itertools import permutations

import nibabel
import numpy as np
import pytest
import SimpleITK

from openlumbar.core.errors import GeometryError, InputError, UnreadableError
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.io.nifti import read_mha, read_nifti, slice_axis, write_image, write_label_map

#: Index step along each RAS axis: 4 mm left-right, fine in the sagittal plane.
SPACING_RAS = np.array([4.0, 0.6, 0.8])


def nifti(path, shape=(4, 8, 10), affine=None, array=None):
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape) if array is None else array
    matrix = np.diag([*SPACING_RAS, 1]) if affine is None else affine
    nibabel.save(nibabel.Nifti1Image(values, matrix), path)
    return path


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1), (1, -1, 1)])
def test_any_order_of_axes_gives_sagittal_slices_and_masks_go_back(tmp_path, order, flips):
    affine = np.eye(4)
    for axis, ras in enumerate(order):
        affine[:3, axis] = 0
        affine[ras, axis] = flips[axis] * SPACING_RAS[ras]
    affine[:3, 3] = (3, -20, 7)
    shape = tuple((4, 8, 10)[ras] for ras in order)
    path = nifti(tmp_path / "a.nii.gz", shape, affine)
    found = read_nifti(path)
    assert found.volume.plane is Plane.SAGITTAL
    assert found.volume.shape == (4, 10, 8)  # slices, head-foot, front-back
    raw = nibabel.load(path)
    array = np.asarray(raw.dataobj)
    for k, j, i in ((0, 0, 0), (3, 9, 7), (1, 5, 2)):
        ras = np.array([-1, -1, 1]) * found.volume.to_patient((k, j, i))
        voxel = np.linalg.solve(affine, [*ras, 1])[:3].round().astype(int)
        assert array[tuple(voxel)] == found.volume.array[k, j, i]
    write_label_map(found.volume.with_array(found.volume.array % 7), tmp_path / "m.nii.gz",
                    found.grid)  # fmt: skip
    mask = nibabel.load(tmp_path / "m.nii.gz")
    assert mask.shape == raw.shape
    np.testing.assert_array_equal(mask.affine, raw.affine)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), array % 7)
    assert mask.get_data_dtype() == np.uint16


def test_lps_and_ras(tmp_path):
    affine = np.diag([*SPACING_RAS, 1])
    affine[:3, 3] = (10, 20, 30)
    volume = read_nifti(nifti(tmp_path / "a.nii", affine=affine)).volume
    np.testing.assert_allclose(volume.to_patient((0, 0, 0)), (-10, -20, 30))


def test_slice_axis_rule():
    spacing = np.diag([1.0, 1.0, 1.0, 1.0])
    assert slice_axis((30, 200, 180), spacing) == 0
    assert slice_axis((200, 30, 180), spacing) == 1
    assert slice_axis((64, 64, 64), spacing) == 0  # left-right
    assert slice_axis((64, 64, 64), spacing[:, [1, 2, 0, 3]]) == 2
    assert slice_axis((10, 200, 180), np.diag([0.5, 0.5, 4.0, 1])) == 2  # coarse beats few
    assert slice_axis((200, 1, 180), np.diag([0.5, 0.5, 4.0, 1])) == 1  # one slice beats all
    assert slice_axis((30, 64, 64), np.diag([0.62, 0.6, 0.6, 1])) == 0  # within 5 %


@pytest.mark.parametrize("shape", [(1, 8, 10), (8, 10), (8, 10, 1), (8, 1, 10, 1)])
def test_single_slices_of_any_rank(tmp_path, shape):
    found = read_nifti(nifti(tmp_path / "a.nii.gz", shape))
    assert found.volume.shape[0] == 1
    write_label_map(found.volume.with_array(np.ones(found.volume.shape, np.uint8)),
                    tmp_path / "m.nii.gz", found.grid)  # fmt: skip
    assert nibabel.load(tmp_path / "m.nii.gz").shape == shape


def test_a_two_dimensional_slice_without_thickness(tmp_path):
    affine = np.diag([0.6, 0.8, 0.0, 1.0])
    image = nibabel.Nifti1Image(np.arange(80, dtype=np.int16).reshape(8, 10), None)
    image.header["sform_code"] = 1
    image.header["srow_x"], image.header["srow_y"], image.header["srow_z"] = affine[:3]
    nibabel.save(image, tmp_path / "a.nii")
    found = read_nifti(tmp_path / "a.nii")
    assert found.volume.plane is Plane.AXIAL
    assert found.volume.spacing_mm == pytest.approx((1.0, 0.8, 0.6))
    assert "1 mm is assumed" in found.warnings[0]


def test_volumes_of_dicom_are_written_in_the_order_i_j_k(tmp_path):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    affine = np.diag([0.5, 0.7, 4, 1])
    write_image(Volume(array, affine), tmp_path / "a.nii.gz")
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert image.shape == (4, 3, 2)
    np.testing.assert_allclose(image.affine, np.diag([-0.5, -0.7, 4, 1]))
    back = read_nifti(tmp_path / "a.nii.gz").volume
    np.testing.assert_allclose(back.affine, affine, atol=1e-6)
    np.testing.assert_array_equal(back.array, array)


def test_labels_that_do_not_fit_are_refused(tmp_path):
    volume = Volume(np.full((2, 3, 4), -1), np.eye(4))
    with pytest.raises(InputError, match="0 … 65535"):
        write_label_map(volume, tmp_path / "a.nii.gz")
    grid = read_nifti(nifti(tmp_path / "b.nii")).grid
    with pytest.raises(GeometryError, match="does not fit"):
        write_image(volume, tmp_path / "a.nii.gz", grid)


# --- bad files


def test_four_dimensions(tmp_path):
    with pytest.raises(InputError, match="4 dimensions"):
        read_nifti(nifti(tmp_path / "a.nii", (4, 8, 10, 3)))
    assert read_nifti(nifti(tmp_path / "b.nii", (4, 8, 10, 1))).volume.shape == (4, 10, 8)


def test_nan_and_inf(tmp_path):
    values = np.ones((4, 8, 10), np.float32)
    values[0, 0, :3] = (np.nan, np.inf, -np.inf)
    found = read_nifti(nifti(tmp_path / "a.nii", array=values))
    assert np.isfinite(found.volume.array).all()
    assert found.warnings == ("3 voxels are NaN or infinite and were set to 0",)
    values[:2] = np.nan
    with pytest.raises(InputError, match="NaN"):
        read_nifti(nifti(tmp_path / "b.nii", array=values))


def _raw_form(path, matrix):
    image = nibabel.Nifti1Image(np.arange(320, dtype=np.int16).reshape(4, 8, 10), None)
    image.header["sform_code"] = 1
    for row, key in zip(matrix, ("srow_x", "srow_y", "srow_z"), strict=True):
        image.header[key] = row
    nibabel.save(image, path)
    return path


BAD_AFFINES = {
    "zero": ([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "spacing is zero"),
    "sheared": ([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "sheared"),
    "nan": ([[np.nan, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "finite"),
}


@pytest.mark.parametrize("name", BAD_AFFINES)
def test_bad_affines(tmp_path, name):
    matrix, message = BAD_AFFINES[name]
    with pytest.raises(GeometryError, match=message):
        read_nifti(_raw_form(tmp_path / "a.nii", matrix))


def _with_qform_steps(path, shape, steps):
    image = nibabel.Nifti1Image(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), None)
    image.header["qform_code"] = 1
    image.header["pixdim"][1:4] = steps
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_zero_spacing_of_the_qform_is_not_read_as_1_mm(tmp_path, name):
    with pytest.raises(GeometryError, match="spacing is zero"):
        read_nifti(_with_qform_steps(tmp_path / name, (4, 8, 10), (4, 0, 0.6)))
    found = read_nifti(_with_qform_steps(tmp_path / name, (8, 10, 1), (0.8, 0.6, 0)))
    assert found.volume.spacing_mm == pytest.approx((1, 0.6, 0.8))
    assert "1 mm is assumed" in found.warnings[0]


def test_no_folder_stands_in_a_message(tmp_path):
    """Folders are often named after patients, and reasons are written to exam.json."""
    path = nifti(tmp_path / "a.nii")
    raw = path.read_bytes()
    for content in (raw[: len(raw) // 2], raw[:100], b""):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.nii") as caught:
            read_nifti(path)
        assert str(tmp_path) not in str(caught.value)


def test_no_orientation(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((4, 8, 10), np.int16), None)
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(GeometryError, match="no orientation"):
        read_nifti(tmp_path / "a.nii")


def test_colour(tmp_path):
    rgb = np.zeros((4, 8, 10), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(InputError, match="plain numbers"):
        read_nifti(nifti(tmp_path / "a.nii", array=rgb))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_truncated_and_foreign_files(tmp_path, name):
    raw = nifti(tmp_path / name).read_bytes()
    for content in (raw[: len(raw) // 2], raw[:100], b"", b"not an image" * 99):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError):
            read_nifti(tmp_path / name)


def test_seeded_damage_never_escapes_the_error_tree(tmp_path):
    raw = nifti(tmp_path / "a.nii").read_bytes()
    random = np.random.default_rng(3)
    for _ in range(150):
        damaged = bytearray(raw)
        for place in random.integers(0, 352, 3):
            damaged[place] = random.integers(256)
        (tmp_path / "a.nii").write_bytes(damaged)
        try:
            found = read_nifti(tmp_path / "a.nii")
        except InputError:
            continue
        assert np.isfinite(found.volume.affine).all()


# --- MetaImage


def mha(path, size=(10, 8, 4), spacing=(0.6, 0.8, 4.0)):
    image = SimpleITK.GetImageFromArray(
        np.arange(np.prod(size), dtype=np.int16).reshape(size[::-1])
    )
    image.SetSpacing(spacing)
    image.SetOrigin((1.0, 2.0, 3.0))
    SimpleITK.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
def test_metaimage_is_lps_already(tmp_path, name):
    found = read_mha(mha(tmp_path / name))
    assert found.volume.plane is Plane.AXIAL
    assert found.volume.shape == (4, 8, 10)
    np.testing.assert_allclose(found.volume.to_patient((1, 0, 0)), (1, 2, 7))
    assert found.volume.array[1, 0, 0] == 80
    write_label_map(found.volume, tmp_path / "m.nii.gz", found.grid)
    np.testing.assert_allclose(
        nibabel.load(tmp_path / "m.nii.gz").affine @ [0, 0, 1, 1], (-1, -2, 7, 1)
    )
    assert nibabel.load(tmp_path / "m.nii.gz").shape == (10, 8, 4)


def test_bad_metaimages(tmp_path):
    raw = mha(tmp_path / "a.mha").read_bytes()
    no_spacing = re.sub(rb"ElementSpacing = \S+", b"ElementSpacing = 0", raw)
    assert no_spacing != raw
    packed = SimpleITK.ReadImage(str(tmp_path / "a.mha"))
    SimpleITK.WriteImage(packed, str(tmp_path / "b.mha"), useCompression=True)
    small = (tmp_path / "b.mha").read_bytes()
    assert read_mha(tmp_path / "b.mha").volume.shape == (4, 8, 10)
    for content in (raw[:-5], raw[: len(raw) // 2], small[:-9], b"", b"text", no_spacing):
        (tmp_path / "a.mha").write_bytes(content)
        with pytest.raises(InputError):
            read_mha(tmp_path / "a.mha")


def test_metaimage_that_points_elsewhere(tmp_path):
    path = mha(tmp_path / "a.mhd")
    path.write_text(path.read_text().replace("a.raw", "../a.raw"))
    with pytest.raises(UnreadableError, match="beside it"):
        read_mha(path)
