"""Axial slices as rows of ``levels.csv``: where each lies, of which level, how surely.

::

    sagittal names ──► place_slices ─┐
                       (geometry.py) ├──► reconcile ──► rows, numbering
    looks of slices ─► read_stack ───┘  (reconcile.py)
                       (stack.py)
"""

from __future__ import annotations

from collections.abc import Sequence

from openlumbar.core.exam import Series
from openlumbar.core.levels import SliceLooks
from openlumbar.core.masks import AxialMask
from openlumbar.level.fitting import check_masks
from openlumbar.level.geometry import place_slices
from openlumbar.level.naming import SeriesLevels
from openlumbar.level.reconcile import SliceNames, reconcile
from openlumbar.level.stack import read_stack


def name_slices(
    series: Series,
    found: Sequence[AxialMask],
    spines: Sequence[SeriesLevels] = (),
    looks: Sequence[SliceLooks] = (),
) -> SliceNames:
    """Name each slice of an axial series by geometry, by looks, or by both.

    Parameters
    ----------
    series
        For its name, its blocks' geometry and their instances.
    found
        One a block, on the block's own grid; its flags become those of the rows.
    spines
        Named anatomy of the sagittal series of the same exam.
    looks
        What a classifier says of the slices; those of other series are passed over.

    Returns
    -------
    SliceNames
        Rows block by block, in the order of the slices, and the numbering of the series.
        Without spines and looks rows have no level, source ``none`` and confidence 0, and
        there is no numbering.

    Raises
    ------
    StageError
        ``found`` does not fit the series' blocks, or ``looks`` do not fit its slices.
    """
    check_masks(series, found, "name_slices")
    placing = place_slices(series, found, spines) if spines else None
    reading = read_stack(series, found, looks) if looks else None
    return reconcile(series, found, placing, reading, spines)
