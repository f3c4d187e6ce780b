"""NIfTI and MetaImage files → series."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from openlumbar.core.errors import InputError
from openlumbar.core.exam import Block, LeftOut, Series, Weighting
from openlumbar.core.plane import Plane
from openlumbar.exam.weighting import weighting_from_name
from openlumbar.io.directions import side_flags
from openlumbar.io.files import FileKind, FoundFile
from openlumbar.io.nifti import VolumeFile, read_mha, read_nifti

_READERS = {FileKind.NIFTI: read_nifti, FileKind.MHA: read_mha}

#: BIDS suffixes and common words of files that hold labels, not intensities.
_LABEL_MAP = re.compile(r"_(?:d?seg|probseg|mask|labels?|msk)$|_label-\w+$", re.IGNORECASE)


def stem_of(name: str) -> str:
    """File name without ``.nii``, ``.nii.gz``, ``.mha`` or ``.mhd``."""
    return re.sub(r"\.(?:nii(?:\.gz)?|mha|mhd)$", "", name, flags=re.IGNORECASE)


def read_volumes(
    files: Sequence[FoundFile], weighting: Weighting | None, taken: Iterable[str] = ()
) -> tuple[list[Series], list[LeftOut]]:
    """Read volume files; each is one series.

    Parameters
    ----------
    files
        NIfTI and MetaImage files.
    weighting
        Overrides what the files' names say.
    taken
        Names that other series of the exam have.

    Returns
    -------
    series, left_out
        In the order given; names are made unique.
    """
    series: list[Series] = []
    left_out: list[LeftOut] = []
    names = set(taken)
    for file in files:
        try:
            series.append(_read(file, weighting, names))
            names.add(series[-1].name)
        except InputError as error:
            reason = str(error).removeprefix(f"{file.name}: ")
            left_out.append(LeftOut(file.name, reason))
    return series, left_out


def _read(file: FoundFile, weighting: Weighting | None, taken: set[str]) -> Series:
    stem = stem_of(file.name)
    if _LABEL_MAP.search(stem):
        raise InputError("a label map by its name, not an image")
    found = _READERS[file.kind](file.path)
    plane = found.volume.plane
    if plane is Plane.OBLIQUE:
        raise InputError("oblique: its slices lie near no anatomical plane")
    if found.volume.array.min() == found.volume.array.max():
        raise InputError("empty: all voxels have one value")
    contrast = weighting or weighting_from_name(stem)
    return Series(
        name=_unique(stem, taken),
        plane=plane,
        weighting=contrast,
        blocks=(_block(found, file.name),),
        source=found.source,
        warnings=(*found.warnings, *_weighting_warnings(contrast)),
        flags=side_flags(found.warnings),
    )


def _unique(stem: str, taken: set[str]) -> str:
    count = 2
    name = stem
    while name in taken:
        name = f"{stem}-{count}"
        count += 1
    return name


def _block(found: VolumeFile, name: str) -> Block:
    return Block(found.volume, (name,) * found.volume.shape[0], found.grid)


def _weighting_warnings(contrast: Weighting) -> list[str]:
    if contrast is not Weighting.UNKNOWN:
        return []
    return ["the file's name does not tell the weighting; give it with --weighting"]
