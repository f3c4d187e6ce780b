"""An exam: the series that can be used, and what was left out and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume


class Weighting(StrEnum):
    """Image contrast."""

    T1 = "T1w"
    T2 = "T2w"
    PD = "PDw"
    STIR = "STIR"
    T2_FAT_SAT = "T2w-fs"
    T1_FAT_SAT = "T1w-fs"
    T2_STAR = "T2starw"
    UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class SourceGrid:
    """The grid of a NIfTI or MHA file, in the file's own order of axes.

    A mask of the file is written on this grid, so that it has the shape and affine of
    its image whatever order the axes have in memory.

    Attributes
    ----------
    shape
        As in the file: two to four (or more) numbers, those after the third all 1.
    axes
        The file's axis that became ``k``, ``j`` and ``i`` of the volume.
    affine
        ``4 x 4`` from the file's voxel indices, in the file's order, to LPS millimetres.
    """

    shape: tuple[int, ...]
    axes: tuple[int, int, int]
    affine: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Block:
    """One regular grid of a series and where its slices came from.

    Attributes
    ----------
    volume
        Intensities, ``float32[k, j, i]`` or an integer type, in LPS.
    instances
        One entry a slice ``k``: SOP Instance UID, ``UID#frame`` (frames from 1, as in
        DICOM's Referenced Frame Number), or a file name.
    source_grid
        The file's own order of axes, for NIfTI and MHA; None for DICOM.
    """

    volume: Volume
    instances: tuple[str, ...]
    source_grid: SourceGrid | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """One series of one plane and weighting.

    Attributes
    ----------
    name
        Unique in the exam; names the output files (design.md, section 3).
    blocks
        One for an ordinary stack; several for angled blocks of one series.
    source
        ``dicom``, ``nifti`` or ``mha``.
    facts
        Header facts kept for the record: TR, TE, field strength, description … No
        patient identity.
    warnings
        Sentences for a person.
    flags
        What holds for the series as a whole, words of :mod:`openlumbar.core.flags`:
        ``left-right-doubtful`` where its header contradicts itself on the sides.
    """

    name: str
    plane: Plane
    weighting: Weighting
    blocks: tuple[Block, ...]
    source: str
    facts: dict[str, str | float | int | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    def stem(self, block: int) -> str:
        """What a block's files are called: ``<series>``, or ``<series>_block-1`` … of several."""
        return f"{self.name}_block-{block + 1}" if len(self.blocks) > 1 else self.name


@dataclass(frozen=True)
class LeftOut:
    """A series or file that is not used, with the reason in one sentence."""

    name: str
    reason: str
    files: int = 1


@dataclass(frozen=True)
class Subject:
    """Facts of the person that measurements and loads need; no identity."""

    sex: str | None = None
    age_years: float | None = None
    height_m: float | None = None
    mass_kg: float | None = None


@dataclass(frozen=True, eq=False)
class Exam:
    """What :func:`openlumbar.read_exam` found.

    Attributes
    ----------
    series
        Usable series in the order of their numbers or names.
    left_out
        What was found but is not used.
    warnings
        What concerns the exam as a whole.
    """

    series: tuple[Series, ...]
    left_out: tuple[LeftOut, ...] = ()
    subject: Subject = field(default_factory=Subject)
    warnings: tuple[str, ...] = ()

    def of_plane(self, plane: Plane) -> tuple[Series, ...]:
        """The usable series of one plane."""
        return tuple(series for series in self.series if series.plane is plane)
