"""Spines of known shape, painted as sagittal and axial masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openlumbar.core.anatomy import (
    SPINAL_CANAL,
    UNKNOWN_DISC,
    UNKNOWN_VERTEBRA,
    disc_code,
    vertebra_code,
)
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.levels import LevelRow, Numbering
from openlumbar.core.masks import AxialMask, SeriesMasks
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.level import SeriesLevels
from support_results import grid_points

BODY_MM, DISC_MM = 26.0, 10.0
FIVE = ("L1", "L2", "L3", "L4", "L5", "S1")
#: Half depth and half width of the column; where the sac lies behind the axis.
_DEPTH_MM, _WIDTH_MM, _SAC_MM = 16.0, 20.0, (19.0, 31.0)


@dataclass(frozen=True)
class BentSpine:
    """Bodies of 26 mm and discs of 10 mm along a straight line or the arc of a circle.

    The arc goes through the origin, halfway along the spine, where it runs toward the foot.
    ``toward`` is the direction of its centre, ``radius_mm`` is infinite for a straight spine.
    """

    vertebrae: tuple[str, ...] = FIVE
    radius_mm: float = np.inf
    toward: tuple[float, float, float] = (0.0, 1.0, 0.0)
    without: tuple[str, ...] = ()

    @property
    def structures(self):
        """Name, upper and lower end along the axis, mm, of each vertebra and disc."""
        found, at = [], 0.0
        for n, name in enumerate(self.vertebrae):
            found.append((name, at, at + BODY_MM))
            at += BODY_MM
            if n + 1 < len(self.vertebrae):
                found.append((f"{name}-{self.vertebrae[n + 1]}", at, at + DISC_MM))
                at += DISC_MM
        return found

    @property
    def half_mm(self):
        return self.structures[-1][2] / 2

    def middle(self, name):
        return next((a + b) / 2 for one, a, b in self.structures if one == name)

    def at(self, along):
        """Point and direction toward the foot."""
        s, down, toward = along - self.half_mm, np.array([0, 0, -1.0]), np.array(self.toward)
        if np.isinf(self.radius_mm):
            return s * down, down
        angle = s / self.radius_mm
        point = self.radius_mm * (np.sin(angle) * down + (1 - np.cos(angle)) * toward)
        return point, np.cos(angle) * down + np.sin(angle) * toward

    def along(self, points):
        """Arc length of points, and how far left and back of the axis they lie."""
        points, toward = np.asarray(points, float), np.array(self.toward)
        inward, down = points @ toward, -points[..., 2]
        square = np.cross(toward, [0, 0, -1.0])
        if np.isinf(self.radius_mm):
            along, off = down, inward
        else:
            radial = np.hypot(self.radius_mm - inward, down)
            along = self.radius_mm * np.arctan2(down, self.radius_mm - inward)
            off = self.radius_mm - radial
        beside = off[..., None] * toward + (points @ square)[..., None] * square
        return along + self.half_mm, beside[..., 0], beside[..., 1]

    def codes(self, points):
        """Codes at points, and the same of the bodies alone."""
        along, left, back = self.along(points)
        column = (left / _WIDTH_MM) ** 2 + (back / _DEPTH_MM) ** 2 < 1
        codes = np.zeros(along.shape, np.uint16)
        low, high = _SAC_MM
        codes[(np.abs(left) < 8) & (back > low) & (back < high)] = SPINAL_CANAL
        names = [name for name, *_ in self.structures]
        starts = [start for _, start, _ in self.structures]
        # The first and the last code are those beyond the ends.
        own = [0, *(0 if name in self.without else _code(name) for name in names), 0]
        which = np.searchsorted([*starts, 2 * self.half_mm], along, side="right")
        codes = np.where(column, np.array(own, np.uint16)[which], codes)
        is_body = [
            code != 0 and "-" not in name for name, code in zip(names, own[1:], strict=False)
        ]
        bodies = column & np.array([False, *is_body, False])[which]
        return codes, np.where(bodies, codes, 0).astype(np.uint16)


def _code(name):
    return disc_code(name) if "-" in name else vertebra_code(name)


def sagittal_grid(slices=9, step=4.4, pixel=1.5, size=(180, 70), middle=(0.0, 5.0, 0.0)):
    """Slices from left to right, rows downward, columns backward, about a point."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, -step], [pixel, 0, 0], [0, -pixel, 0]])
    last = np.array([size[1] - 1, size[0] - 1, slices - 1]) / 2
    affine[:3, 3] = np.array(middle) - affine[:3, :3] @ last
    return Volume(np.zeros((slices, *size), np.uint16), affine)


def levels_of(labels, bodies, names, series="sagittal", confidence=0.95, flags=()):
    """Masks with a row for each structure that they show, cut ones marked."""
    rows = []
    for name in names:
        disc, code = "-" in name, _code(name)
        voxels = np.argwhere((labels if disc else bodies).array == code)
        if not len(voxels):
            continue
        x, y, z = (float(v) for v in labels.to_patient(voxels.mean(0)))
        cut = voxels[:, 1].min() == 0 or voxels[:, 1].max() == labels.shape[1] - 1
        rows.append(
            LevelRow(
                series=series,
                block=0,
                slice=0,
                instance="",
                structure="disc" if disc else "vertebra",
                label=code,
                level=name,
                disc_level=name if disc else "",
                level_confidence=confidence,
                x_mm=x,
                y_mm=y,
                z_mm=z,
                source="sacrum",
                flags=("partly-in-view",) if cut else (),
            )
        )
    masks = SeriesMasks(series, (labels,), (bodies,))
    return SeriesLevels(masks, tuple(rows), Numbering(series, confidence, flags))


def sagittal_levels(spine, grid=None, names=None, **kwargs):
    """A sagittal series of a spine; ``names`` are those that its rows give, if not the true."""
    grid = grid or sagittal_grid()
    codes, bodies = spine.codes(grid_points(grid))
    found = levels_of(
        grid.with_array(codes),
        grid.with_array(bodies),
        [name for name, *_ in spine.structures if name not in spine.without],
        **kwargs,
    )
    if names is None:
        return found
    rows = tuple(_renamed(row, names[row.level]) for row in found.rows if row.level in names)
    return SeriesLevels(found.masks, rows, found.numbering)


def _renamed(row, name):
    disc = name if row.structure == "disc" else ""
    return LevelRow(**{**row.__dict__, "level": name, "disc_level": disc})


def axial_grid(point, normal, slices=1, step=4.0, pixel=2.0, size=60, back_mm=0.0):
    """Slices upward along a normal; the middle one goes through a point."""
    up = np.asarray(normal, float) / np.linalg.norm(normal)
    up = up if up[2] > 0 else -up
    left = np.array([1.0, 0, 0]) - up[0] * up
    left /= np.linalg.norm(left)
    back = np.cross(up, left)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([left * pixel, back * pixel, up * step], 1)
    middle = np.array([(size - 1) / 2, (size - 1) / 2, (slices - 1) / 2])
    affine[:3, 3] = np.asarray(point, float) + back * back_mm - affine[:3, :3] @ middle
    return Volume(np.zeros((slices, size, size), np.uint16), affine)


def axial_series(grids, codes_at=None, shift=(0.0, 0.0, 0.0), flags=None):
    """An axial series and its masks; the patient has moved by ``shift`` before it.

    Without ``codes_at`` (as :meth:`BentSpine.codes`) its masks are empty.
    """
    blocks, found = [], []
    for number, grid in enumerate(grids):
        codes = np.zeros(grid.shape, np.uint16)
        bodies = codes
        if codes_at is not None:
            named, bodies = codes_at(grid_points(grid) - np.array(shift))
            codes = np.where(bodies > 0, UNKNOWN_VERTEBRA, named).astype(np.uint16)
            codes[(named > 0) & (named != SPINAL_CANAL) & (bodies == 0)] = UNKNOWN_DISC
            bodies = np.where(bodies > 0, UNKNOWN_VERTEBRA, 0).astype(np.uint16)
        told = flags[number] if flags else ((),) * len(codes)
        certainty = np.full(grid.shape, 255, np.uint8)
        masks = AxialMask(grid.with_array(codes), grid.with_array(bodies), certainty, told)
        found.append(masks)
        instances = tuple(f"{number}.{k}" for k in range(len(codes)))
        blocks.append(Block(grid, instances))
    return Series("axial", Plane.AXIAL, Weighting.T2, tuple(blocks), "dicom"), found
