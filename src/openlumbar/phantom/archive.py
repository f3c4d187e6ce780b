"""Exams as archives hold them: angled blocks in any order, and a patient who moved.

Made from ordinary phantoms: what differs is the order of slices and what the headers say, so
that the truth goes along unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.io.dicom_write import MrSeries, MrStudy, instance_uids
from openlumbar.phantom.axial_truth import MuscleTruth, PlaceTruth, SacTruth
from openlumbar.phantom.grids import AxialFrame, SagittalFrame
from openlumbar.phantom.make import AxialSet, Phantom, PhantomOptions, make_phantom
from openlumbar.phantom.truth import SeriesTruth

_Row = TypeVar("_Row", MuscleTruth, PlaceTruth, SacTruth)

#: Sagittal T2, six angled blocks of axial T2, and axial T1 of three discs in a smaller
#: picture with thicker slices.
ARCHIVE_SERIES = PhantomOptions(
    contrasts=(Weighting.T2,),
    axial=AxialFrame(slices=4, blocks=6),
    more_axial=(
        AxialSet(
            AxialFrame(pixel_mm=0.8, slice_mm=5.0, slices=3, width_mm=180.0, blocks=3),
            (Weighting.T1,),
        ),
    ),
)


#: The same, coarse and without partial volume: for what reads true masks, not pictures.
COARSE_SERIES = PhantomOptions(
    contrasts=(Weighting.T2,),
    sagittal=SagittalFrame(pixel_mm=1.4, slices=11),
    axial=AxialFrame(pixel_mm=1.6, blocks=6),
    more_axial=(
        AxialSet(
            AxialFrame(pixel_mm=1.6, slice_mm=5.0, slices=3, width_mm=180.0, blocks=3),
            (Weighting.T1,),
        ),
    ),
    planes=1,
    sacs=False,
)


@dataclass(frozen=True)
class Archived:
    """What sets an exam from an archive apart.

    Attributes
    ----------
    series
        What is imaged.
    backward
        Axial blocks, and the slices in each, from head to foot.
    own_frames
        Every series has a Frame of Reference UID of its own.
    moved_mm
        Of the patient between the sagittal and the axial series, LPS.
    turned_deg
        Likewise about the x, y and z axis through L3.
    """

    series: PhantomOptions = field(default_factory=lambda: ARCHIVE_SERIES)
    backward: bool = True
    own_frames: bool = True
    moved_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turned_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)


def archive_phantom(seed: int, archived: Archived | None = None) -> Phantom:
    """Make a phantom exam in the style of an archive.

    Parameters
    ----------
    seed
        As of :func:`openlumbar.phantom.make_phantom`, which gives the same anatomy.
    archived
        What sets it apart.

    Returns
    -------
    Phantom
        Truth of the axial series (label maps, slices and centroids) lies where their headers
        say; ``truth.levels`` and the sagittal series lie where the patient was at first.
    """
    archived = archived or Archived()
    phantom = make_phantom(seed, archived.series)
    motion = _motion(archived, np.array(phantom.truth.level("L3").centroid_mm))
    acquisitions = tuple(
        replace(one, frame=f"frame-{one.number}") if archived.own_frames else one
        for one in phantom.acquisitions
    )
    made = [
        _archived(series, truth, _Axial(archived, motion, acquisition, phantom.study))
        if series.plane is Plane.AXIAL
        else (series, truth)
        for series, truth, acquisition in zip(
            phantom.exam.series, phantom.truth.series, acquisitions, strict=True
        )
    ]
    return replace(
        phantom,
        exam=replace(phantom.exam, series=tuple(series for series, _ in made)),
        truth=replace(phantom.truth, series=tuple(truth for _, truth in made)),
        acquisitions=acquisitions,
    )


@dataclass(frozen=True, eq=False)
class _Axial:
    """How one axial series is changed."""

    archived: Archived
    motion: NDArray[np.float64]
    acquisition: MrSeries
    study: MrStudy


def _motion(archived: Archived, pivot: NDArray[np.float64]) -> NDArray[np.float64]:
    """``4 x 4`` from where the patient was to where the patient is, LPS."""
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", archived.turned_deg, degrees=True).as_matrix()
    motion[:3, 3] = pivot - motion[:3, :3] @ pivot + np.array(archived.moved_mm)
    return motion


def _archived(series: Series, truth: SeriesTruth, how: _Axial) -> tuple[Series, SeriesTruth]:
    """A series and its truth, moved and in its new order."""
    turn = how.archived.backward

    def volumes(given: tuple[Volume, ...]) -> tuple[Volume, ...]:
        moved = [Volume(one.array, how.motion @ one.affine) for one in given]
        return tuple(_flipped(one) for one in reversed(moved)) if turn else tuple(moved)

    images = volumes(tuple(block.volume for block in series.blocks))
    slices = [image.shape[0] for image in images]
    uids = instance_uids(sum(slices), how.acquisition, how.study)
    ends = np.cumsum([0, *slices])
    blocks = tuple(Block(image, uids[ends[n] : ends[n + 1]]) for n, image in enumerate(images))
    order = _reverser(slices) if turn else None
    return replace(series, blocks=blocks), replace(
        truth,
        codes=volumes(truth.codes),
        regions=volumes(truth.regions),
        fat=volumes(truth.fat),
        muscles=_rows(tuple(_carried(row, how.motion) for row in truth.muscles), order),
        sacs=_rows(truth.sacs, order),
        places=_rows(truth.places, order),
    )


def _flipped(volume: Volume) -> Volume:
    """The same slices, last first."""
    affine = volume.affine.copy()
    affine[:3, 3] += (volume.shape[0] - 1) * affine[:3, 2]
    affine[:3, 2] *= -1
    return Volume(np.ascontiguousarray(volume.array[::-1]), affine)


def _reverser(slices: list[int]) -> Callable[[int, int], tuple[int, int]]:
    """New block and slice of an old one; ``slices`` counts those of each new block."""

    def new(block: int, k: int) -> tuple[int, int]:
        block = len(slices) - 1 - block
        return block, slices[block] - 1 - k

    return new


def _rows(
    rows: tuple[_Row, ...], order: Callable[[int, int], tuple[int, int]] | None
) -> tuple[_Row, ...]:
    """Rows by their new block and slice, in the new order."""
    if order is None:
        return rows
    renamed = []
    for row in rows:
        block, k = order(row.block, row.slice)
        renamed.append(replace(row, block=block, slice=k))
    return tuple(sorted(renamed, key=lambda row: (row.block, row.slice)))


def _carried(row: MuscleTruth, motion: NDArray[np.float64]) -> MuscleTruth:
    x, y, z = motion[:3, :3] @ np.array(row.centroid_mm) + motion[:3, 3]
    return replace(row, centroid_mm=(float(x), float(y), float(z)))
