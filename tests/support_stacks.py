"""Axial stacks across a spine whose levels are known, and what a classifier says of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.anatomy import SPINAL_CANAL, UNKNOWN_DISC, UNKNOWN_VERTEBRA
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.levels import LEVEL_CLASSES, POSITIONS, SliceLooks
from openlumbar.core.masks import AxialMask
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume

#: A picture of 40 x 40 pixels of 4 mm.
SIZE, PIXEL_MM = 40, 4.0
DISCS = ("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")


@dataclass(frozen=True)
class Spine:
    """A column on a circle in the sagittal plane, lordotic; straight where the radius is None.

    Disc L3-L4 lies at the origin with its plane level; positions are proportional to arc
    length, ``pitch_mm`` a level. The sac runs 27 mm behind.
    """

    pitch_mm: float = 35.0
    radius_mm: float | None = None

    def point(self, position: float) -> NDArray[np.float64]:
        """Centre of the column, LPS mm."""
        along = (position - 3) * self.pitch_mm
        if self.radius_mm is None:
            return np.array([0.0, 0.0, -along])
        angle = along / self.radius_mm
        # The centre of curvature lies behind: y grows toward both ends.
        return self.radius_mm * np.array([0.0, 1 - np.cos(angle), -np.sin(angle)])

    def toward_foot(self, position: float) -> NDArray[np.float64]:
        """Unit tangent."""
        if self.radius_mm is None:
            return np.array([0.0, 0.0, -1.0])
        angle = (position - 3) * self.pitch_mm / self.radius_mm
        return np.array([0.0, np.sin(angle), -np.cos(angle)])


def block(middle, normal, count, step_mm, name="b") -> Block:
    """Slices about a point, ascending along the normal; the picture's middle lies off the spine."""
    normal = np.asarray(normal, float) / np.linalg.norm(normal)
    columns = np.array([1.0, 0, 0])
    rows = np.cross(normal, columns)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([columns * PIXEL_MM, rows * PIXEL_MM, normal * step_mm])
    corner = (SIZE - 1) / 2 * PIXEL_MM * (columns + rows) + (count - 1) / 2 * step_mm * normal
    affine[:3, 3] = np.asarray(middle) + 15 * rows - corner
    volume = Volume(np.zeros((count, SIZE, SIZE), np.float32), affine)
    return Block(volume, tuple(f"{name}.{k}" for k in range(count)))


def series_of(*blocks: Block) -> Series:
    return Series("axial", Plane.AXIAL, Weighting.T2, blocks, "dicom")


def upright(first: float, count: int, step_mm: float, spine: Spine) -> Series:
    """A stack of level slices; slice 0 is the lowest and lies at position ``first``."""
    foot = spine.point(first)
    middle = foot + np.array([0, 0, (count - 1) / 2 * step_mm])
    return series_of(block(middle, (0, 0, 1), count, step_mm))


def angled(positions, count: int, step_mm: float, spine: Spine) -> Series:
    """A block in the plane of each disc, in the order given."""
    return series_of(
        *(block(spine.point(n), -spine.toward_foot(n), count, step_mm, f"b{n}") for n in positions)
    )


def true_positions(series: Series, spine: Spine) -> NDArray[np.float64]:
    """Where each slice's plane cuts the column: by formula if it is straight, else by search."""
    result = []
    at = np.arange(-3.0, 9.0, 0.005)
    points = np.array([spine.point(u) for u in at]) if spine.radius_mm else None
    for one in series.blocks:
        normal = one.volume.affine[:3, 2] / np.linalg.norm(one.volume.affine[:3, 2])
        for k in range(one.volume.shape[0]):
            middle = one.volume.to_patient((k, (SIZE - 1) / 2, (SIZE - 1) / 2))
            if points is None:
                result.append(3 - middle @ normal / normal[2] / spine.pitch_mm)
                continue
            height = np.abs((points - middle) @ normal)
            # A circle is cut twice at most; the other place is out of the picture.
            height[np.linalg.norm(points - middle, axis=1) > 90] = np.inf
            result.append(at[height.argmin()])
    return np.array(result)


def masks_of(series: Series, spine: Spine, *, bodies=True, flags=None) -> list[AxialMask]:
    """A body or disc and a sac on each slice, where the spine is."""
    places = iter(true_positions(series, spine))
    result = []
    for number, one in enumerate(series.blocks):
        grid = np.moveaxis(np.indices(one.volume.shape), 0, -1)
        points = one.volume.to_patient(grid)
        labels = np.zeros(one.volume.shape, np.uint16)
        for k in range(one.volume.shape[0]):
            position = next(places)
            column, down = spine.point(position), spine.toward_foot(position)
            backward = np.array([0, -down[2], down[1]])
            disc = abs(position - round(position)) < 0.15
            code = UNKNOWN_DISC if disc else UNKNOWN_VERTEBRA
            labels[k][_near(points[k], column, 16)] = code
            labels[k][_near(points[k], column + 27 * backward, 7)] = SPINAL_CANAL
        body = np.where(labels == UNKNOWN_VERTEBRA, labels, 0).astype(np.uint16)
        slices = one.volume.shape[0]
        result.append(
            AxialMask(
                one.volume.with_array(labels),
                one.volume.with_array(body if bodies else np.zeros_like(body)),
                np.full(one.volume.shape, 255, np.uint8),
                flags[number] if flags else ((),) * slices,
            )
        )
    return result


def _near(points, centre, radius_mm):
    return np.linalg.norm(points - centre, axis=-1) < radius_mm


def looks_at(
    series: Series, probability: NDArray[np.float64], classes=LEVEL_CLASSES, signs=None
) -> tuple[SliceLooks, ...]:
    """Probabilities ``[slices, classes]`` as a classifier gives them."""
    slices = [(n, k) for n, one in enumerate(series.blocks) for k in range(one.volume.shape[0])]
    return tuple(
        SliceLooks(
            series.name, n, k, tuple(classes), tuple(map(float, row)), signs[i] if signs else {}
        )
        for i, ((n, k), row) in enumerate(zip(slices, probability, strict=True))
    )


def probabilities(positions, classes=LEVEL_CLASSES, width=0.5) -> NDArray[np.float64]:
    """A classifier that sees positions with an error of ``width`` levels (one SD) and knows it.

    As if trained on as many slices of each class, a class being the places nearest to it; the
    end classes reach 2.5 levels further. ``other`` has 1 %.
    """
    placed = [name for name in classes if name in POSITIONS]
    anchors = np.array([POSITIONS[name] for name in placed])
    fine = np.arange(anchors[0] - 2.5, anchors[-1] + 2.5, 0.02)
    nearest = np.abs(fine[:, None] - anchors).argmin(axis=1)
    result = np.zeros((len(positions), len(classes)))
    for row, position in zip(result, positions, strict=True):
        density = np.exp(-(((fine - position) / width) ** 2) / 2) + 1e-9
        share = np.bincount(nearest, density) / np.bincount(nearest)
        row[[classes.index(name) for name in placed]] = share / share.sum()
    if "other" in classes:
        result *= 0.99
        result[:, classes.index("other")] = 0.01
    return result


def correlated(rng, along_mm, width, length_mm=20.0):
    """Errors of classification, in levels, of SD ``width`` and alike over ``length_mm``."""
    apart = np.abs(np.subtract.outer(along_mm, along_mm))
    root = np.linalg.cholesky(np.exp(-apart / length_mm) + 1e-9 * np.eye(len(along_mm)))
    return width * root @ rng.standard_normal(len(along_mm))
