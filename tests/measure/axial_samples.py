"""Axial pictures of ellipses: every area, diameter and fraction of fat is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from openlumbar.core.anatomy import SPINAL_CANAL, UNKNOWN_DISC, UNKNOWN_VERTEBRA
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import AxialMask
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume

#: Centre (x leftward, y backward) and half axes of each piece, mm; the muscles' sides differ.
MUSCLES = {
    5101: (16, 42, 12, 13),
    5102: (-16, 42, 11, 13),
    5111: (46, 40, 16, 15),
    5112: (-46, 40, 15, 15),
    5121: (48, -8, 17, 20),
    5122: (-48, -8, 15, 20),
    5131: (70, 16, 8, 14),
    5132: (-70, 16, 8, 13),
}
BODY, SAC = (0, -5, 24, 17), (0, 24, 10, 7)
TRUNK = (0, 5, 125, 82)
#: Brightness of muscle and fat.
LEVELS = {Weighting.T1: (300.0, 640.0), Weighting.T2: (120.0, 520.0), Weighting.STIR: (300.0, 40.0)}
FINE = 4


@dataclass(frozen=True)
class Sample:
    """What is made.

    Attributes
    ----------
    pixel_mm
        Height and width of a pixel.
    tilt_deg
        Of the slices, positive when the front is lower.
    turn_deg
        Of body and sac about the head-foot axis.
    fat
        Fraction asked for in all muscles.
    ahead
        Code in front of the sac: vertebra or disc.
    width_mm
        Of the picture.
    """

    pixel_mm: tuple[float, float] = (1.0, 1.0)
    slices: int = 1
    tilt_deg: float = 0.0
    turn_deg: float = 0.0
    fat: float = 0.2
    weighting: Weighting = Weighting.T2
    ahead: int = UNKNOWN_VERTEBRA
    width_mm: float = 264.0
    bias: float = 0.15
    noise: float = 12.0
    seed: int = 0

    def grid(self) -> Volume:
        """Columns leftward, rows backward, slices upward, about (0, 10, 0)."""
        height, width = self.pixel_mm
        rows, columns = round(180 / height), round(self.width_mm / width)
        tilt = np.radians(self.tilt_deg)
        back = np.array([0.0, np.cos(tilt), np.sin(tilt)])
        left = np.array([1.0, 0.0, 0.0])
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1] = left * width, back * height
        affine[:3, 2] = np.cross(left, back) * 5.0
        middle = (columns - 1) / 2 * affine[:3, 0] + (rows - 1) / 2 * affine[:3, 1]
        affine[:3, 3] = np.array([0.0, 10.0, 0.0]) - middle
        return Volume(np.zeros((self.slices, rows, columns), np.uint16), affine)


@dataclass(frozen=True, eq=False)
class Made:
    """A series, its mask, and the exact part of fat of each voxel, ``[k, j, i]``."""

    series: Series
    mask: AxialMask
    fat: np.ndarray

    def with_picture(self, picture: np.ndarray, weighting: Weighting | None = None) -> Made:
        """The same with other intensities."""
        (block,) = self.series.blocks
        volume = Volume(picture, block.volume.affine)
        series = replace(self.series, blocks=(replace(block, volume=volume),))
        return replace(self, series=replace(series, weighting=weighting or series.weighting))

    @property
    def picture(self) -> np.ndarray:
        return self.series.blocks[0].volume.array

    def with_mask(self, **changes) -> Made:
        """The same with another mask."""
        return replace(self, mask=replace(self.mask, **changes))

    def fraction(self, code: int, slice_: int = 0) -> tuple[float, float]:
        """Percent of fat in a muscle, and of its voxels over half fat."""
        part = self.fat[slice_][self.mask.labels.array[slice_] == code]
        return 100 * float(part.mean()), 100 * float((part > 0.5).mean())


def made(sample: Sample) -> Made:
    """Paint, blur, shade and add noise."""
    rng = np.random.default_rng(sample.seed)
    grid = sample.grid()
    labels, bodies = _labels(sample, grid)
    fat = _fat(sample, labels, rng)
    picture = _picture(sample, labels, fat, rng)
    mask = AxialMask(
        grid.with_array(labels),
        grid.with_array(bodies),
        np.full(labels.shape, 255, np.uint8),
        ((),) * sample.slices,
    )
    names = tuple(f"slice-{k}" for k in range(sample.slices))
    blocks = (Block(grid.with_array(picture), names),)
    series = Series("axial", Plane.AXIAL, sample.weighting, blocks, "dicom")
    return Made(series, mask, fat)


def _places(grid: Volume) -> tuple[np.ndarray, np.ndarray]:
    """``[row, column]`` within the slice: leftward, backward, mm."""
    _, height, width = grid.spacing_mm
    rows, columns = grid.shape[1:]
    x = (np.arange(columns) - (columns - 1) / 2) * width
    y = (np.arange(rows) - (rows - 1) / 2) * height + 10
    return np.broadcast_to(x, (rows, columns)), np.broadcast_to(y[:, None], (rows, columns))


def within(x, y, piece, turn_deg=0.0, more=0.0):
    """Points of an ellipse, turned about the middle of the body."""
    turn = np.radians(turn_deg)
    a, b = x, y - BODY[1]
    a, b = a * np.cos(turn) + b * np.sin(turn), b * np.cos(turn) - a * np.sin(turn) + BODY[1]
    at_x, at_y, half_x, half_y = piece
    return ((a - at_x) / (half_x + more)) ** 2 + ((b - at_y) / (half_y + more)) ** 2 <= 1


def _labels(sample, grid):
    x, y = _places(grid)
    plane = np.zeros(grid.shape[1:], np.uint16)
    for code, piece in MUSCLES.items():
        plane[within(x, y, piece)] = code
    plane[within(x, y, BODY, sample.turn_deg)] = sample.ahead
    plane[within(x, y, SAC, sample.turn_deg)] = SPINAL_CANAL
    labels = np.broadcast_to(plane, grid.shape).copy()
    return labels, np.where(labels == UNKNOWN_VERTEBRA, labels, 0).astype(np.uint16)


def _fat(sample, labels, rng):
    """Streaks of pure fat, finer than a pixel in part, averaged over it; around muscles all."""
    fat = np.empty(labels.shape, np.float32)
    for k, plane in enumerate(labels):
        fine = ndimage.gaussian_filter(
            rng.standard_normal([FINE * n for n in plane.shape]), (1.6 * FINE, 0.8 * FINE)
        )
        inside = np.repeat(np.repeat(plane > 5000, FINE, 0), FINE, 1)
        streaks = fine > np.quantile(fine[inside], 1 - sample.fat)
        part = streaks.reshape(plane.shape[0], FINE, plane.shape[1], FINE).mean((1, 3))
        fat[k] = np.where(plane > 5000, part, plane == 0)
    return fat


def _picture(sample, labels, fat, rng):
    muscle, full = LEVELS[sample.weighting]
    x, y = _places(sample.grid())
    signal = muscle + fat * (full - muscle)
    signal[np.isin(labels, (UNKNOWN_VERTEBRA, UNKNOWN_DISC))] = 0.5 * full
    signal[labels == SPINAL_CANAL] = 1.1 * full
    signal *= within(x, y, TRUNK)
    sigma = 0.45 / np.array(sample.pixel_mm) * 1.0
    signal = ndimage.gaussian_filter(signal, (0, *np.maximum(sigma, 0.4)))
    gain = np.exp(sample.bias * (y - 10) / 60 + 0.4 * sample.bias * np.sin(x / 45))
    noise = rng.normal(0, sample.noise, (2, *signal.shape))
    return np.hypot(signal * gain + noise[0], noise[1]).astype(np.float32)
