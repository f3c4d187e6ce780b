"""Names and looks of axial slices to put on the samples' analyses."""

from dataclasses import replace

import numpy as np
from report_samples import axial_analysis, axial_series, slice_row

from openlumbar.core.levels import LEVEL_CLASSES, POSITIONS, Levels, Numbering, SliceLooks

#: From slice 0 at the foot to slice 3 at the head.
LEVELS = ("S1", "L5-S1", "L5", "L4-L5")
#: Pixels of the sample's slices that a map covers: rows 6 … 46, columns 10 … 70.
MAP_BOX = (6, 10, 46, 70)


def looks(series, slice_, level, block=0, sure=0.8, activation=None, **changes):
    """A slice that is taken for a level, the rest evenly for all others."""
    rest = (1 - sure) / (len(LEVEL_CLASSES) - 1)
    probability = tuple(sure if name == level else rest for name in LEVEL_CLASSES)
    if activation is None:  # all of it in the upper left quarter
        activation = np.kron([[100, 0], [0, 0]], np.ones((4, 6), int))
    facts = {
        "signs": {"kidney": 0.1, "ilium": 0.9},
        "activation": tuple(map(tuple, np.asarray(activation).tolist())),
        "box": MAP_BOX,
    }
    return SliceLooks(series.name, block, slice_, LEVEL_CLASSES, probability, **(facts | changes))


def class_of(level):
    """The class that shows a level."""
    return level if level in POSITIONS else "S1 and below"


def named_rows(series, source="both"):
    """A row a slice, LEVELS upward; the discs' slices lie best in them, the sac's centre at 0."""
    discs = ("L5-S1", "L5-S1", "L4-L5", "L4-L5")
    rows = []
    for k, (level, disc) in enumerate(zip(LEVELS, discs, strict=True)):
        row = slice_row(series, k, level, disc)
        rows.append(replace(row, source=source, best="-" in level, within=0.5, z_mm=4.0 * k))
    return tuple(rows)


def named_analysis(shift=0, numbering=None, source="both"):
    """An axial series with names; its looks lie so many classes lower."""
    series = axial_series()
    analysis = axial_analysis(series)
    names = list(LEVEL_CLASSES)
    seen = tuple(
        looks(series, k, names[min(names.index(class_of(level)) + shift, len(names) - 1)])
        for k, level in enumerate(LEVELS)
    )
    numbering = numbering or Numbering(series.name, 0.96, (), ("slices and looks agree",))
    return replace(analysis, levels=Levels(named_rows(series, source), (numbering,), seen))


def conflict():
    """The looks lie one level lower than the sagittal names."""
    evidence = (
        "by the sagittal names the slices show L4-L5 to S1",
        "by their looks they show L5-S1 and below",
    )
    numbering = Numbering("spine_axial_T2w", 0.3, ("level-conflict",), evidence)
    return named_analysis(shift=2, numbering=numbering)
