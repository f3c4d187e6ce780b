"""Analyses to make reports of: a small block with two vertebrae, and numbers on it."""

import numpy as np

from openlumbar.core.anatomy import SPINAL_CANAL, UNKNOWN_VERTEBRA, disc_code, vertebra_code
from openlumbar.core.exam import Block, Exam, Series, Subject, Weighting
from openlumbar.core.levels import LevelRow, Levels, Numbering
from openlumbar.core.masks import Masks, SeriesMasks
from openlumbar.core.measurement import ANCHOR, GUIDE, RULER, Line, Measurement
from openlumbar.core.plane import Plane
from openlumbar.core.run import Run, Timing, Weights
from openlumbar.core.volume import Volume
from openlumbar.io.analysis import Analysis

#: Sagittal: i to the back (0.5 mm), j to the feet (0.8 mm), k to the left (4 mm).
AFFINE = np.array([[0, 0, 4.0, -8], [0.5, 0, 0, 10], [0, -0.8, 0, 40], [0, 0, 0, 1.0]])
#: Slices, rows, columns: 20 x 64 x 60 mm.
SHAPE = (5, 80, 120)


def sagittal_series(name="spine_T2w", weighting=Weighting.T2, blocks=1, plane=Plane.SAGITTAL):
    """Brighter from slice to slice, darker to the right, so that every turn shows."""
    ramp = np.arange(SHAPE[0])[:, None, None] * 100.0 + np.arange(SHAPE[2])
    array = np.broadcast_to(ramp, SHAPE).astype(np.float32)
    block = Block(Volume(array, AFFINE), tuple(f"{name}-{k}" for k in range(SHAPE[0])))
    return Series(name, plane, weighting, (block,) * blocks, "nifti")


def series_masks(series):
    """L4 over disc L4-L5 over L5, canal behind, in slices 1 … 3."""
    labels = np.zeros(SHAPE, np.uint16)
    labels[1:4, 10:30, 30:70] = vertebra_code("L4")
    labels[1:4, 30:40, 30:70] = disc_code("L4-L5")
    labels[1:4, 40:60, 30:70] = vertebra_code("L5")
    bodies = np.where(labels == disc_code("L4-L5"), 0, labels)
    labels[2, 5:70, 74:90] = 2
    count = len(series.blocks)
    return SeriesMasks(
        series.name, (Volume(labels, AFFINE),) * count, (Volume(bodies, AFFINE),) * count
    )


def level_rows(series):
    def row(structure, name, label, z, flags=()):
        disc = name if structure == "disc" else ""
        return LevelRow(
            series.name, 1, 2, "", structure, label, name, disc, 0.9, 0.0, 35.0, z, "sacrum", flags
        )

    return (
        row("vertebra", "L5", 45, 0.0),
        row("disc", "L4-L5", 95, 12.0),
        row("vertebra", "L4", 44, 24.0, ("partly-in-view",)),
    )


def measurement(series, metric="anterior_height_mm", value=16.0, **changes):
    """Of L4, in slice 2; its ruler runs straight down from column 34, row 10 to 30."""
    facts = {
        "series": series.name if isinstance(series, Series) else series,
        "block": 0,
        "structure": "vertebra",
        "level": "L4",
        "metric": metric,
        "value": value,
        "uncertainty": None if value is None else 0.3,
        "confidence": 0.9,
        "slice": 2,
        "lines": (
            Line(RULER, ((0.0, 27.0, 32.4), (0.0, 27.0, 16.4))),
            Line(GUIDE, ((0.0, 25.0, 32.4), (0.0, 45.0, 32.4), (0.0, 45.0, 16.4))),
            Line(ANCHOR, ((0.0, 27.0, 32.4),)),
        ),
    }
    return Measurement(**(facts | changes))


def of_disc(series, metric, value, **changes):
    return measurement(series, metric, value, structure="disc", level="L4-L5", **changes)


def some_measurements(series):
    """One of each kind, among them a withheld one and one with a flag."""
    return (
        measurement(series),
        measurement(series, "posterior_height_mm", None, flags=("partly-in-view",)),
        measurement(series, "wedge_ratio", 0.851, flags=("irregular-outline",), lines=()),
        of_disc(series, "height_mm", 8.04, uncertainty=0.01),
        of_disc(series, "listhesis_mm", -1.25),
        of_disc(series, "meyerding_grade", 0.0, uncertainty=0.0, lines=()),
        measurement(series, "ap_diameter_mm", 12.3, structure="canal", level="L4-L5"),
        measurement(
            series, "lordosis_deg", 48.26, structure="spine", level="L4-L5", uncertainty=1.24
        ),
    )


def analysis_of(*series, measurements=(), masks=True, failures=(), warnings=()):
    """An analysis of the given series, with masks and names unless told otherwise."""
    shown = series if masks else ()
    return Analysis(
        exam=Exam(series, subject=Subject(sex="F", age_years=54.0)),
        masks=Masks(tuple(series_masks(one) for one in shown)),
        levels=Levels(
            rows=tuple(row for one in shown for row in level_rows(one)),
            numbering=tuple(
                Numbering(one.name, 0.93, (), ("the sacrum was found",)) for one in shown
            ),
        ),
        run=Run(
            "0.1.0",
            weights=(Weights("sagittal", "0.1.0", "34e31ac4" * 8),),
            timings=(Timing("segment", "a", 1.0), Timing("segment", "", 1.25)),
            warnings=warnings,
        ),
        failures=failures,
        measurements=measurements,
    )


def plain_analysis():
    series = sagittal_series()
    return analysis_of(series, measurements=some_measurements(series))


# Axial -------------------------------------------------------------------------------

#: Axial: i to the patient's left, j to the back, k to the head; 1 x 1 x 4 mm.
AXIAL_AFFINE = np.array([[1.0, 0, 0, -40], [0, 1.0, 0, -30], [0, 0, 4.0, 0], [0, 0, 0, 1.0]])
#: Slices, rows, columns.
AXIAL_SHAPE = (4, 60, 80)
#: Rows and columns of what is painted into every slice.
AXIAL_BOXES = {
    5101: (slice(40, 55), slice(45, 60)),  # multifidus, the left one at the picture's right
    5102: (slice(40, 55), slice(20, 35)),
    UNKNOWN_VERTEBRA: (slice(10, 28), slice(28, 52)),
    SPINAL_CANAL: (slice(30, 38), slice(35, 45)),
}


def axial_affine(z_mm=0.0, tilt_deg=0.0):
    """A block whose first row's middle lies at a height, its front lower by a tilt."""
    angle = np.radians(tilt_deg)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    affine = AXIAL_AFFINE.copy()
    affine[:3, :3] = turn @ AXIAL_AFFINE[:3, :3]
    affine[2, 3] = z_mm
    return affine


def axial_series(name="spine_axial_T2w", weighting=Weighting.T2, affines=(AXIAL_AFFINE,)):
    """Brighter to the patient's left, to the back and to the head."""
    k, j, i = np.indices(AXIAL_SHAPE)
    array = (2.0 * i + j + 40.0 * k).astype(np.float32)
    names = tuple(f"{name}-{slice_}" for slice_ in range(AXIAL_SHAPE[0]))
    blocks = tuple(Block(Volume(array, affine), names) for affine in affines)
    return Series(name, Plane.AXIAL, weighting, blocks, "nifti")


def axial_masks(series):
    """Multifidus of both sides, a vertebra and the sac in every slice."""
    labels = np.zeros(AXIAL_SHAPE, np.uint16)
    for code, (rows, columns) in AXIAL_BOXES.items():
        labels[:, rows, columns] = code
    bodies = np.where(labels == UNKNOWN_VERTEBRA, labels, 0).astype(np.uint16)
    volumes = [block.volume for block in series.blocks]
    return SeriesMasks(
        series.name,
        tuple(volume.with_array(labels) for volume in volumes),
        tuple(volume.with_array(bodies) for volume in volumes),
    )


def of_slice(series, slice_, metric, value, **changes):
    """A number of the left multifidus."""
    facts = {
        "structure": "multifidus",
        "level": "",
        "side": "left",
        "slice": slice_,
        "lines": (),
    }
    return measurement(series, metric, value, **(facts | changes))


def sac_diameter(series, slice_, value=8.0, **changes):
    """Antero-posterior, with its ruler on the midline of the first block."""
    z = 4.0 * slice_
    ruler = Line(RULER, ((-0.5, -0.5, z), (-0.5, 7.5, z)))
    facts = {"structure": "dural sac", "side": "", "lines": (ruler,)}
    return of_slice(series, slice_, "ap_diameter_mm", value, **(facts | changes))


def axial_measurements(series, slices=range(4), block=0):
    """Area and fat of both sides, and the sac; all grow from slice to slice."""
    fat = "fat_fraction_partial_volume_percent"
    found = []
    for k in slices:
        for side, area in (("left", 8.0 + k), ("right", 6.0 + k)):
            found.append(of_slice(series, k, "csa_cm2", area, side=side, block=block))
            found.append(of_slice(series, k, fat, 10.0 + k, side=side, block=block))
        sac = {"structure": "dural sac", "side": "", "block": block}
        found.append(of_slice(series, k, "area_mm2", 150.0 + k, **sac))
    return tuple(found)


def slice_row(series, slice_, level="", disc_level="", flags=(), block=0):
    return LevelRow(
        series.name,
        block,
        slice_,
        "",
        "slice",
        0,
        level,
        disc_level,
        0.9,
        0,
        0,
        0,
        "geometry",
        flags,
    )


def axial_analysis(*series, measurements=None, rows=(), masks=True):
    """Axial series alone."""
    if measurements is None:
        measurements = tuple(m for one in series for m in axial_measurements(one))
    return Analysis(
        exam=Exam(series, subject=Subject(sex="F", age_years=54.0)),
        masks=Masks(tuple(axial_masks(one) for one in series) if masks else ()),
        levels=Levels(tuple(rows)),
        run=Run("0.1.0", weights=(Weights("axial", "0.1.0", "ab" * 32),)),
        measurements=tuple(measurements),
    )
