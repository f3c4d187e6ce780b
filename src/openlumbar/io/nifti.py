"""NIfTI and MetaImage files ↔ volumes; the one place where LPS meets RAS.

In memory the slice axis comes first (``[k, j, i]``). A file's axes may stand in any
order; they are permuted, never flipped or resampled, and :class:`SourceGrid` keeps the
record with which a mask is written on the file's own grid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, ImageDataError
from numpy.typing import ArrayLike, NDArray

from openlumbar.core.errors import GeometryError, InputError, UnreadableError
from openlumbar.core.exam import SourceGrid
from openlumbar.core.volume import Volume
from openlumbar.io.directions import SIDES_CONTRADICT, letters_contradict

#: LPS ↔ RAS: the first two coordinates change sign.
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])

#: One spacing counts as coarser than another beyond this ratio.
COARSER_RATIO = 1.05
#: Up to this part of the voxels may be NaN or infinite and is set to 0.
MAX_NOT_FINITE = 0.2
#: Voxels in a file that is still read: 2 GiB of float32.
MAX_VOXELS = 1 << 29

_NO_THICKNESS = "no slice thickness is given for a single slice; 1 mm is assumed"

#: What nibabel raises for a damaged file.
_NIBABEL_ERRORS = (
    ImageFileError,
    HeaderDataError,
    ImageDataError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True, eq=False)
class VolumeFile:
    """A volume read from a file.

    Attributes
    ----------
    volume
        ``[k, j, i]`` with ``k`` the slice axis, LPS.
    grid
        The file's own order of axes.
    source
        ``nifti`` or ``mha``.
    warnings
        Sentences for a person.
    """

    volume: Volume
    grid: SourceGrid
    source: str
    warnings: tuple[str, ...] = ()


def read_nifti(path: Path) -> VolumeFile:
    """Read a NIfTI-1 or -2 image.

    Parameters
    ----------
    path
        ``.nii`` or ``.nii.gz``; two or three axes (more when they have one sample).

    Returns
    -------
    VolumeFile
        In LPS, slice axis first (:func:`slice_axis`).

    Raises
    ------
    UnreadableError
        The file is damaged.
    GeometryError
        It has no orientation, a zero spacing, or sheared axes.
    InputError
        Four real dimensions, colour, or mostly NaN.
    """
    try:
        image = nibabel.load(path, mmap=False)
        if not isinstance(image, nibabel.Nifti1Image):  # NIfTI-2 derives from it
            raise UnreadableError(f"{path.name}: not a NIfTI file but {type(image).__name__}")
        _check_size(path, image.shape)
        array = np.asanyarray(image.dataobj)
    except _NIBABEL_ERRORS as error:
        reason = _short(path, error)
        raise UnreadableError(f"{path.name}: cannot be read as NIfTI ({reason})") from error
    affine, warnings = _nifti_affine(path, image)
    return _volume_file(path, array, _FLIP @ affine, "nifti", warnings)


def _short(path: Path, error: Exception) -> str:
    """First line of a foreign message without folders, which may be named after a patient."""
    lines = str(error).replace(str(path), path.name).splitlines()
    return lines[0][:120] if lines else type(error).__name__


def _check_size(path: Path, shape: tuple[int, ...]) -> None:
    count = float(np.prod(np.array(shape, float)))
    if not 0 < count <= MAX_VOXELS:
        raise InputError(f"{path.name}: {shape} voxels; between 1 and {MAX_VOXELS} can be read")


def _nifti_affine(path: Path, image: nibabel.Nifti1Image) -> tuple[NDArray, list[str]]:
    """Return the affine to RAS mm, and what is odd about it."""
    header = image.header
    if not (header["sform_code"] or header["qform_code"]):
        raise GeometryError(
            f"{path.name}: no orientation (sform_code and qform_code are 0); set one of them"
        )
    unit = int(header["xyzt_units"]) % 8
    if unit not in (0, 2):  # NIFTI_UNITS_UNKNOWN, NIFTI_UNITS_MM
        raise GeometryError(f"{path.name}: lengths are in metres or microns; millimetres expected")
    thickness = [] if header["sform_code"] else _qform_warnings(path, image)
    return np.array(image.affine, float), [*thickness, *_form_warnings(header)]


def _qform_warnings(path: Path, image: nibabel.Nifti1Image) -> list[str]:
    """Look at the spacing as it stands in the file: nibabel reads 0 as 1 mm.

    Raises
    ------
    GeometryError
        It is 0 along an axis of several samples; where there is one, 1 mm is assumed.
    """
    with image.file_map["image"].get_prepare_fileobj("rb") as stream:
        steps = type(image.header).from_fileobj(stream, check=False)["pixdim"][1:4]
    shape = (*image.shape, 1, 1)[:3]
    if any(step == 0 and size > 1 for step, size in zip(steps, shape, strict=True)):
        raise GeometryError(f"{path.name}: the voxel spacing is zero along an axis")
    return [_NO_THICKNESS] if (steps == 0).any() else []


def _form_warnings(header: nibabel.Nifti1Header) -> list[str]:
    if not (header["sform_code"] and header["qform_code"]):
        return []
    try:
        sform, qform = header.get_sform(), header.get_qform()
    except (ValueError, HeaderDataError, np.linalg.LinAlgError):
        return ["sform and qform disagree; the sform is used"]
    if _exchange_sides(sform, qform):
        return [f"{SIDES_CONTRADICT}: sform and qform give them opposite ways; the sform is used"]
    same = np.allclose(sform, qform, atol=0.1)
    return [] if same else ["sform and qform disagree; the sform is used"]


def _exchange_sides(one: NDArray, other: NDArray) -> bool:
    """Tell whether two affines have opposite handedness, or x along one axis both ways."""
    if np.linalg.det(one[:3, :3]) * np.linalg.det(other[:3, :3]) < 0:
        return True
    lengths = [np.maximum(np.linalg.norm(form[:3, :3], axis=0), 1e-6) for form in (one, other)]
    # Cosine between what the two take for the patient's left, in the file's axes.
    return bool((one[0, :3] / lengths[0]) @ (other[0, :3] / lengths[1]) < -0.5)


def read_mha(path: Path) -> VolumeFile:
    """Read a MetaImage (``.mha``, or ``.mhd`` with its data beside it).

    Returns
    -------
    VolumeFile
        In LPS, which MetaImage uses itself; slice axis first.

    Raises
    ------
    UnreadableError
        The file is damaged, or its data lie elsewhere than in its own folder.
    GeometryError, InputError
        As :func:`read_nifti`; two-dimensional files have no place in the patient.
    """
    data = _data_part(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("MetaImageIO")
    try:
        reader.ReadImageInformation()
        size = reader.GetSize()
        _check_size(path, size)
        image = reader.Execute()
    except RuntimeError as error:
        raise UnreadableError(f"{path.name}: cannot be read as MetaImage") from error
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{path.name}: a colour or vector image, not intensities")
    if image.GetDimension() < 3:
        raise GeometryError(f"{path.name}: two-dimensional, without a place in the patient")
    array = SimpleITK.GetArrayFromImage(image)
    if data.found_bytes < (data.packed_bytes or array.nbytes):
        # ITK fills what a truncated file lacks with whatever is in memory.
        raise UnreadableError(f"{path.name}: truncated, {data.found_bytes} bytes of voxels")
    array = array.transpose(range(array.ndim)[::-1])
    affine = _mha_affine(image)
    return _volume_file(path, array, affine, "mha", _letter_warnings(data.orientation, affine))


def _letter_warnings(code: str, affine: NDArray) -> list[str]:
    axes = affine[:3, :3] / np.maximum(np.linalg.norm(affine[:3, :3], axis=0), 1e-6)
    if not letters_contradict(code, axes):
        return []
    return [
        f"{SIDES_CONTRADICT} or other directions: AnatomicalOrientation {code} does not go with "
        "its TransformMatrix, which is used"
    ]


@dataclass(frozen=True)
class _DataPart:
    """What only a MetaImage's own header tells.

    ``found_bytes``, ``packed_bytes``: how many bytes of voxels it has, and should have
    when compressed. ``orientation``: AnatomicalOrientation, a letter an axis, or empty.
    """

    found_bytes: int
    packed_bytes: int
    orientation: str


def _data_part(path: Path) -> _DataPart:
    """Look at the header; data outside of its own folder are refused."""
    try:
        with path.open("rb") as stream:
            head = stream.read(1 << 16)
        before, found, rest = head.partition(b"ElementDataFile")
        line = rest.split(b"\n", 1)[0]
        target = line.partition(b"=")[2].strip().decode("latin-1")
        if not found or not target:
            raise UnreadableError(f"{path.name}: not a MetaImage (no ElementDataFile)")
        if target == "LIST" or "/" in target or "\\" in target:
            raise UnreadableError(f"{path.name}: its data must lie in one file beside it")
        start = len(before) + len(found) + len(line) + 1 if target == "LOCAL" else 0
        data = path if target == "LOCAL" else path.parent / target
        size = data.stat().st_size - start
    except OSError as error:
        raise UnreadableError(f"{path.name}: cannot be opened ({error.strerror})") from error
    packed = re.search(rb"CompressedDataSize\s*=\s*(\d{1,15})", before)
    compressed = re.search(rb"CompressedData\s*=\s*True", before, re.IGNORECASE)
    letters = re.search(rb"^AnatomicalOrientation\s*=\s*([A-Za-z]{3})\s*$", before, re.MULTILINE)
    return _DataPart(
        found_bytes=size,
        packed_bytes=int(packed.group(1)) if packed else int(bool(compressed)),
        orientation=letters.group(1).decode("ascii").upper() if letters else "",
    )


def _mha_affine(image: SimpleITK.Image) -> NDArray:
    count = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(count, count)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = direction * np.array(image.GetSpacing())[:3]
    affine[:3, 3] = image.GetOrigin()[:3]
    return affine


def _volume_file(
    path: Path, array: NDArray, affine: NDArray, source: str, warnings: list[str]
) -> VolumeFile:
    """Check values and axes of an array in the file's order, affine to LPS."""
    values, notes = _finite(path, array)
    solid = _three_axes(path, values)
    affine, more = _with_slice_step(affine, solid.shape)
    try:
        Volume(solid, affine)  # before the axes are looked at: they must exist
        axes = _axes(solid.shape, affine)
        volume = Volume(np.ascontiguousarray(solid.transpose(axes)), _permuted(affine, axes))
    except GeometryError as error:
        raise GeometryError(f"{path.name}: {error}") from error
    if min(volume.shape[1:]) < 2:
        raise InputError(f"{path.name}: {array.shape} voxels are not a picture")
    grid = SourceGrid(array.shape, axes, affine)
    return VolumeFile(volume, grid, source, (*warnings, *notes, *more))


def _three_axes(path: Path, array: NDArray) -> NDArray:
    if any(size != 1 for size in array.shape[3:]):
        raise InputError(
            f"{path.name}: {array.ndim} dimensions {array.shape}; one volume is expected: "
            "split it and give the volume to analyse"
        )
    shape = (*array.shape, 1, 1)[:3]
    return array.reshape(shape)


def _finite(path: Path, array: NDArray) -> tuple[NDArray, list[str]]:
    """Give integers or float32 without NaN; colour is refused."""
    if array.dtype.kind not in "iufb":
        kind = "colour" if array.dtype.names else array.dtype
        raise InputError(f"{path.name}: voxels of type {kind}; plain numbers are expected")
    if array.dtype.kind != "f":
        return (array.astype(np.uint8) if array.dtype.kind == "b" else array), []
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    wrong = ~np.isfinite(values)
    count = int(wrong.sum())
    if not count:
        return values, []
    if count > MAX_NOT_FINITE * values.size:
        raise InputError(
            f"{path.name}: {count} of {values.size} voxels are NaN or infinite; "
            f"at most {MAX_NOT_FINITE:.0%} are accepted"
        )
    values[wrong] = 0
    return values, [f"{count} voxels are NaN or infinite and were set to 0"]


def _with_slice_step(affine: NDArray, shape: tuple[int, ...]) -> tuple[NDArray, list[str]]:
    """Give a single slice a thickness of 1 mm along its normal where the file has none."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    bad = [axis for axis in range(3) if lengths[axis] < 1e-6]
    if len(bad) != 1 or shape[bad[0]] != 1 or not np.isfinite(affine).all():
        return affine, []
    axis = bad[0]
    one, two = (affine[:3, other] for other in range(3) if other != axis)
    normal = np.cross(one, two)
    length = np.linalg.norm(normal)
    if length < 1e-12:
        return affine, []
    fixed = affine.copy()
    fixed[:3, axis] = normal / length
    return fixed, [_NO_THICKNESS]


def slice_axis(shape: tuple[int, int, int], affine: ArrayLike) -> int:
    """Find the axis that the slices of a volume are stacked along.

    An axis with one sample; else the axis of clearly coarsest spacing (5 % more than
    any other); else, with equal spacings, the axis with fewest samples; else the axis
    nearest to left-right, so that cubes are read as sagittal.

    Parameters
    ----------
    shape
        Samples along the three axes.
    affine
        ``4 x 4`` from the indices of these axes to LPS (or RAS) mm.
    """
    matrix = np.asarray(affine, float)[:3, :3]
    lengths = np.linalg.norm(matrix, axis=0)
    single = [axis for axis in range(3) if shape[axis] == 1]
    if single:
        return max(single, key=lambda axis: lengths[axis])
    order = np.argsort(lengths)
    if lengths[order[2]] > COARSER_RATIO * lengths[order[1]]:
        return int(order[2])
    fewest = [axis for axis in range(3) if shape[axis] == min(shape)]
    return max(fewest, key=lambda axis: abs(matrix[0, axis]) / lengths[axis])


def _axes(shape: tuple[int, ...], affine: NDArray) -> tuple[int, int, int]:
    """Choose the file's axes for k, j, i.

    In the plane, rows follow one another along the axis nearer to the head-foot (else
    back-front) direction, as radiologists' pictures do; no axis is turned round.
    """
    matrix = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    x, y, z = shape
    k = slice_axis((x, y, z), affine)
    one, two = (axis for axis in range(3) if axis != k)
    height = np.abs(matrix).T @ np.array([0.0, 1.0, 2.0])
    j, i = (one, two) if height[one] > height[two] else (two, one)
    return k, j, i


def _permuted(affine: NDArray, axes: tuple[int, int, int]) -> NDArray:
    """Order the columns of an affine for (i, j, k)."""
    k, j, i = axes
    return affine[:, [i, j, k, 3]]


def write_image(volume: Volume, path: Path, like: SourceGrid | None = None) -> None:
    """Write intensities as NIfTI.

    Parameters
    ----------
    volume
        ``[k, j, i]``, LPS.
    path
        ``.nii.gz`` or ``.nii``.
    like
        The file the volume came from: shape, axes and affine become its own. Without
        it the file's axes are i, j, k.

    Raises
    ------
    GeometryError
        The volume does not have the shape of ``like``.
    """
    array, affine = _in_file_order(volume, like)
    image = nibabel.Nifti1Image(_storable(array), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    nibabel.save(image, path)


def write_label_map(volume: Volume, path: Path, like: SourceGrid | None = None) -> None:
    """Write a label map as NIfTI with unsigned integers, on the grid of its image.

    Parameters are those of :func:`write_image`.

    Raises
    ------
    GeometryError
        The volume does not have the shape of ``like``.
    InputError
        Labels are negative, above 65535, or no integers.
    """
    array = volume.array
    if array.dtype.kind not in "iub" or array.min(initial=0) < 0 or array.max(initial=0) > 65535:
        raise InputError(f"{path.name}: labels must be integers of 0 … 65535, not {array.dtype}")
    write_image(volume.with_array(array.astype(np.uint16)), path, like)


def _storable(array: NDArray) -> NDArray:
    """Use a type that every NIfTI reader knows."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    return array.astype(np.int32) if array.dtype == np.int64 else array


def _in_file_order(volume: Volume, like: SourceGrid | None) -> tuple[NDArray, NDArray]:
    if like is None:
        return volume.array.transpose(2, 1, 0), _FLIP @ volume.affine
    shape = tuple((*like.shape, 1, 1)[axis] for axis in like.axes)
    if shape != volume.shape:
        raise GeometryError(f"a volume of shape {volume.shape} does not fit the file's {shape}")
    back = np.argsort(like.axes)
    return volume.array.transpose(back).reshape(like.shape), _FLIP @ like.affine
