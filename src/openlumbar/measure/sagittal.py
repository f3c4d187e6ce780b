"""Named masks of a sagittal series → measurements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import GeometryError, InputError
from openlumbar.core.exam import Series
from openlumbar.core.levels import LevelRow
from openlumbar.core.masks import SeriesMasks
from openlumbar.core.measurement import Measurement
from openlumbar.core.plane import Plane
from openlumbar.measure.angles import lordosis_reading
from openlumbar.measure.body import split_bodies
from openlumbar.measure.canal import canal_readings
from openlumbar.measure.disc_readings import disc_readings
from openlumbar.measure.reading import Reading
from openlumbar.measure.state import MeasuredBlock
from openlumbar.measure.trust import judged
from openlumbar.measure.vertebra_readings import vertebra_readings
from openlumbar.measure.view import BlockView, view_of


def measure_sagittal(
    series: Series,
    masks: SeriesMasks,
    rows: Sequence[LevelRow] = (),
    certainty: Sequence[NDArray[np.uint8]] = (),
) -> tuple[Measurement, ...]:
    """Measure the named anatomy of a sagittal series.

    Parameters
    ----------
    series
        The series that the masks are of.
    masks
        Codes of :mod:`openlumbar.core.anatomy`, ``[k, j, i]``, a volume a block. Where the
        bodies alone are not given, they are cut out of the vertebrae.
    rows
        Names found, with their confidence and flags; rows of other series are left aside.
        A row flagged ``upside-down`` withholds every number of its block.
    certainty
        One ``uint8[k, j, i]`` a block, probability times 255; empty for masks that came
        without it.

    Returns
    -------
    tuple of Measurement
        Block by block: vertebrae from head to foot, discs, spine, canal. A number that
        cannot be trusted is withheld, with a flag that says why; a block whose anatomy runs
        against its header (``upside-down``) gives none at all.

    Raises
    ------
    InputError
        Masks, bodies or certainties do not go with the series' blocks, or hold no codes.
    GeometryError
        The slices of a block are not sagittal.

    Notes
    -----
    Definitions and sources: :mod:`openlumbar.core.metrics`.
    """
    _check(series, masks, certainty)
    bodies = masks.bodies or tuple(split_bodies(labels) for labels in masks.labels)
    measurements: list[Measurement] = []
    for number, labels in enumerate(masks.labels):
        sure = certainty[number] if certainty else None
        view = view_of((series.name, number), labels, bodies[number], rows, sure)
        measurements += _measure(view)
    return tuple(measurements)


def _check(series: Series, masks: SeriesMasks, certainty: Sequence[NDArray[np.uint8]]) -> None:
    given = {"masks": len(masks.labels)}
    given |= {"bodies": len(masks.bodies)} if masks.bodies else {}
    given |= {"certainty": len(certainty)} if certainty else {}
    for name, count in given.items():
        if count != len(series.blocks):
            raise InputError(
                f"series {series.name} has {len(series.blocks)} blocks, but {name} has {count}; "
                "give one a block"
            )
    for number, (block, labels) in enumerate(zip(series.blocks, masks.labels, strict=True)):
        shapes = {"masks": labels.shape}
        shapes |= {"bodies": masks.bodies[number].shape} if masks.bodies else {}
        shapes |= {"certainty": certainty[number].shape} if certainty else {}
        for name, shape in shapes.items():
            if shape != block.volume.shape:
                raise InputError(
                    f"block {number} of series {series.name} has shape {block.volume.shape}, "
                    f"but its {name} {shape}; they must lie on one grid"
                )
        _check_codes(series, number, masks)
        if labels.plane is not Plane.SAGITTAL:
            raise GeometryError(
                f"block {number} of series {series.name} is {labels.plane}; only sagittal "
                "slices are measured here"
            )


def _check_codes(series: Series, number: int, masks: SeriesMasks) -> None:
    for name, volumes in (("masks", masks.labels), ("bodies", masks.bodies)):
        kind = volumes[number].array.dtype if volumes else np.dtype(np.uint16)
        if not np.issubdtype(kind, np.integer):
            raise InputError(
                f"block {number} of series {series.name} has {name} of {kind}; they hold codes, "
                "so give whole numbers (array.astype('uint16'))"
            )


def _measure(view: BlockView) -> list[Measurement]:
    return judged(view, [*read_block(view), *canal_readings(view)])


def read_block(view: BlockView) -> list[Reading]:
    """Measure all of a block but the canal."""
    block = MeasuredBlock(view)
    readings: list[Reading] = []
    for code in block.free:
        readings += vertebra_readings(block, code)
    for segment in block.segments:
        readings += disc_readings(block, segment)
    if len(block.free) >= 2:
        readings.append(lordosis_reading(block))
    return readings
