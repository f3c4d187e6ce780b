"""Label maps that other tools wrote: read, translated, and written on their own grid."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK

from openlumbar.core.codes import SCHEMES, Translation, scheme, translate
from openlumbar.core.errors import GeometryError, InputError, OptionError, UnreadableError
from openlumbar.core.exam import SourceGrid
from openlumbar.core.volume import Volume
from openlumbar.io.files import FileKind, kind_of
from openlumbar.io.json_file import write_json
from openlumbar.io.labels import write_label_table
from openlumbar.io.nifti import VolumeFile, read_mha, read_nifti, write_label_map

_READERS = {FileKind.NIFTI: read_nifti, FileKind.MHA: read_mha}
#: Of the table beside a map in other codes than ours.
SCHEMA_VERSION = 1


def read_label_map(path: Path) -> VolumeFile:
    """Read a label map.

    Parameters
    ----------
    path
        NIfTI or MetaImage, three-dimensional; whole numbers of 0 … 65535, of any type.

    Returns
    -------
    VolumeFile
        ``uint16[k, j, i]`` in LPS.

    Raises
    ------
    UnreadableError
        There is no such file, or it is damaged or of another kind.
    GeometryError
        It has no place in the patient.
    InputError
        It has four dimensions, or values that no labels are: fractions, below 0, above 65535.
    """
    if not path.exists():
        raise UnreadableError(f"{path}: there is no such file")
    if path.is_dir():
        raise UnreadableError(f"{path}: a folder; give one NIfTI or MetaImage file of labels")
    kind = kind_of(path)
    if kind not in _READERS:
        raise UnreadableError(f"{path.name}: {kind} file; NIfTI or MetaImage labels are expected")
    found = _READERS[kind](path)
    array = found.volume.array
    if array.dtype.kind == "f" and (array != np.rint(array)).any():
        raise InputError(
            f"{path.name}: holds fractions ({array.min():g} … {array.max():g}), so it is an image "
            "or a probability map; a map of whole numbers is expected"
        )
    if array.min() < 0 or array.max() > 65535:
        raise InputError(
            f"{path.name}: values of {array.min():g} … {array.max():g}; labels are 0 … 65535"
        )
    return replace(found, volume=found.volume.with_array(array.astype(np.uint16)))


def convert_label_map(path: Path, source: str, target: str, out: Path) -> Translation:
    """Write a label map in another tool's codes, on its own grid.

    Beside a map in our codes, and beside one for nnU-Net, whose integers mean nothing by
    themselves, the table of its labels is written, as ``.json``.

    Parameters
    ----------
    path
        What :func:`read_label_map` takes.
    source, target
        Names of :data:`openlumbar.core.codes.SCHEMES`.
    out
        A new ``.nii.gz``, ``.nii`` or ``.mha``.

    Returns
    -------
    Translation
        What was written; its notes tell what was lost.

    Raises
    ------
    InputError
        As :func:`read_label_map` and :func:`openlumbar.core.codes.translate`.
    OptionError
        ``out`` exists, has another ending, or cannot be written; or there is nothing to
        translate.
    """
    if scheme(source) is scheme(target):
        raise OptionError(f"from {source} to {target}: there is nothing to translate")
    writer, beside = _check_out(out)
    found = read_label_map(path)
    try:
        translation = translate(found.volume.array, source, target)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error
    volume = found.volume.with_array(translation.labels)
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
            new = Path(folder) / out.name
            writer(volume, new, found.grid)
            if target in _TABLES:
                table = Path(folder) / beside.name
                _TABLES[target](translation, table, path.name)
                os.replace(table, beside)
            os.replace(new, out)
    except OSError as error:
        raise OptionError(f"{out} cannot be written ({error.strerror}); choose another") from error
    return replace(translation, notes=(*found.warnings, *translation.notes))


def _write_mha(volume: Volume, path: Path, like: SourceGrid) -> None:
    """Write labels as MetaImage, which is LPS itself, in the file's own order of axes."""
    shape = tuple((*like.shape, 1, 1)[axis] for axis in like.axes)
    if shape != volume.shape:
        raise GeometryError(f"a volume of shape {volume.shape} does not fit the file's {shape}")
    in_file = volume.array.transpose(np.argsort(like.axes))
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(in_file.transpose(2, 1, 0)))
    spacing = np.linalg.norm(like.affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((like.affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(like.affine[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path), useCompression=True)


_Writer = Callable[[Volume, Path, SourceGrid], None]
_WRITERS: dict[str, _Writer] = {
    ".nii.gz": write_label_map,
    ".nii": write_label_map,
    ".mha": _write_mha,
}


def _check_out(out: Path) -> tuple[_Writer, Path]:
    """How ``out`` is written, and where its table goes."""
    ending = next((ending for ending in _WRITERS if out.name.lower().endswith(ending)), "")
    if not ending or out.name.lower() == ending:
        raise OptionError(f"{out}: give a file that ends in .nii.gz, .nii or .mha")
    beside = out.with_name(out.name[: -len(ending)] + ".json")
    for path in (out, beside):
        if path.exists():
            raise OptionError(f"{path} exists already and would be lost; choose another name")
    if not out.parent.is_dir():
        raise OptionError(f"{out.parent} is not a folder; make it, or choose another")
    return _WRITERS[ending], beside


def _our_table(translation: Translation, path: Path, source: str) -> None:
    write_label_table(translation.labels, path, source)


def _nnunet_table(translation: Translation, path: Path, source: str) -> None:
    """All labels, as nnU-Net's ``dataset.json`` has them: one data set needs one table."""
    names = SCHEMES["nnunet"].names(())
    labels = {"background": 0} | {name: number for number, name in names.items()}
    write_json({"labels": labels}, path, SCHEMA_VERSION)


_TABLES: dict[str, Callable[[Translation, Path, str], None]] = {
    "openlumbar": _our_table,
    "nnunet": _nnunet_table,
}
