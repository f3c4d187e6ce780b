"""Stacked rounded boxes along a lordotic curve, as tissue maps with known centres."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import Tissue, TissueMask
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume

NAMES = ("S2", "S1", "L5", "L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9")
TILT_DEG = (58, 42, 24, 9, 0, -5, -8, -8, -6, -4, -2)
STEP_MM = 35.0
HALF_HEIGHT_MM, HALF_DEPTH_MM = 13.0, 17.0
PERMUTATIONS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


@dataclass
class Spine:
    """``tissue`` is [right→left, superior→inferior, anterior→posterior]."""

    tissue: np.ndarray
    spacing: tuple[float, float, float]
    centres: dict[str, tuple[float, float]]  # (row, column) in mm
    tilts: dict[str, float]

    def place(self, row_mm, column_mm):
        """Coordinates of every pixel about a point, mm."""
        rows = np.arange(self.tissue.shape[1])[:, None] * self.spacing[1] - row_mm
        columns = np.arange(self.tissue.shape[2])[None] * self.spacing[2] - column_mm
        return rows, columns

    def rounded(self, centre, tilt_deg, half_height, half_depth):
        rows, columns = self.place(*centre)
        tilt = np.radians(tilt_deg)
        along = rows * np.cos(tilt) + columns * np.sin(tilt)
        across = columns * np.cos(tilt) - rows * np.sin(tilt)
        return (along / half_height) ** 6 + (across / half_depth) ** 6 <= 1

    def paint(self, plane, value, *, only_free=True):
        region = np.broadcast_to(plane, self.tissue.shape)
        if only_free:
            region = region & (self.tissue == 0)
        self.tissue[region] = value

    def body(self, name):
        return self.rounded(self.centres[name], self.tilts[name], HALF_HEIGHT_MM, HALF_DEPTH_MM)

    def gap(self, upper, lower):
        """Centre and tilt of the disc between two neighbours."""
        centre = np.mean([self.centres[upper], self.centres[lower]], axis=0)
        return tuple(centre), 0.5 * (self.tilts[upper] + self.tilts[lower])


def make_spine(*, slices=1, spacing=(4.0, 0.8, 0.8), size_mm=(420.0, 200.0), foot_mm=40.0):
    """A spine from T9 to S2 whose S2 lies ``foot_mm`` above the lower border."""
    shape = (slices, round(size_mm[0] / spacing[1]), round(size_mm[1] / spacing[2]))
    place = np.array([size_mm[0] - foot_mm, 130.0])
    centres, tilts = {}, {}
    for number, (name, tilt) in enumerate(zip(NAMES, TILT_DEG, strict=True)):
        if number:
            mean = np.radians(0.5 * (tilt + TILT_DEG[number - 1]))
            step = 27.0 if name == "S1" else STEP_MM
            place = place - step * np.array([np.cos(mean), np.sin(mean)])
        centres[name], tilts[name] = (float(place[0]), float(place[1])), float(tilt)
    spine = Spine(np.zeros(shape, np.uint8), spacing, centres, tilts)
    value = {"S1": Tissue.S1, "S2": Tissue.S2}
    for name in NAMES:
        spine.paint(spine.body(name), value.get(name, Tissue.BODY))
    for lower, upper in pairwise(NAMES[1:]):
        spine.paint(spine.rounded(*spine.gap(upper, lower), 3.5, 16.0), Tissue.DISC)
    _paint_canal(spine)
    _paint_processes(spine)
    return spine


def _paint_canal(spine):
    nodes = np.array([spine.centres[name] for name in NAMES])
    tilt = np.radians([spine.tilts[name] for name in NAMES])
    nodes = nodes + 25.0 * np.stack([-np.sin(tilt), np.cos(tilt)], 1)
    order = np.argsort(nodes[:, 0])
    rows = np.arange(spine.tissue.shape[1]) * spine.spacing[1]
    middle = np.interp(rows, nodes[order, 0], nodes[order, 1])
    columns = np.arange(spine.tissue.shape[2]) * spine.spacing[2]
    inside = np.abs(columns[None] - middle[:, None]) < 6.0
    spine.paint(inside & (rows < nodes[0, 0])[:, None], Tissue.CANAL)


def _paint_processes(spine):
    for name in NAMES[2:]:
        tilt = 0.5 * np.radians(spine.tilts[name])
        row, column = spine.centres[name]
        back, down = np.array([-np.sin(tilt), np.cos(tilt)]), np.array([np.cos(tilt), np.sin(tilt)])
        centre = np.array([row, column]) + 48.0 * back + 14.0 * down
        spine.paint(spine.rounded(tuple(centre), np.degrees(tilt), 8.0, 11.0), Tissue.POSTERIOR)


def to_series(spine, *, order=(0, 1, 2), flip=(False, False, False), certainty=240):
    """The spine as a one-block series on a grid with its axes in any order and direction."""
    directions = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]).T * spine.spacing
    tissue = spine.tissue.transpose(order)
    affine = np.eye(4)
    origin = np.zeros(3)
    for axis, source in enumerate(order):
        step = directions[:, source]
        if flip[axis]:
            origin = origin + step * (tissue.shape[axis] - 1)
            step = -step
        affine[:3, 2 - axis] = step
    affine[:3, 3] = origin
    tissue = tissue[tuple(slice(None, None, -1 if f else 1) for f in flip)]
    volume = Volume(np.ascontiguousarray(tissue), affine)
    instances = tuple(f"slice-{n}" for n in range(volume.shape[0]))
    series = Series(
        "sag", Plane.SAGITTAL, Weighting.T2, (Block(volume, instances),), source="nifti"
    )
    return series, (TissueMask(volume, np.full(volume.shape, certainty, np.uint8)),)
