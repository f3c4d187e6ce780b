"""Random geometry and contrast for training batches.

Everything works on whole batches of torch tensors, since on a CPU the augmentation
must cost less than the network. The ranges were chosen by us.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from openlumbar.imaging.intensity import BRIGHT_PERCENTILE, FOREGROUND
from openlumbar.train.losses import IGNORE


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes (uniform unless said otherwise); those of sagittal slices.

    Attributes
    ----------
    rotation_deg, scale, aspect, shear
        Geometry in the plane.
    p_contrast, p_invert, p_bias, p_blur, p_noise, p_band, p_coarse, p_ghost, p_coil
        Chance of each change.
    front_axis
        Axis of ``[batch, channels, rows, columns]`` that runs from front to back: a
        saturation band lies at its start, a surface coil at its end.
    white_percentile, foreground
        Which percentile of what is brighter than the background (a part of the 99.5th
        percentile) becomes about 1, as in the preprocessing of inference.
    """

    rotation_deg: float = 18.0
    scale: tuple[float, float] = (0.78, 1.28)
    aspect: float = 0.10
    shear: float = 0.08
    p_contrast: float = 0.55
    p_invert: float = 0.08
    p_bias: float = 0.6
    p_blur: float = 0.35
    p_noise: float = 0.5
    p_band: float = 0.2
    p_coarse: float = 0.25
    p_ghost: float = 0.12
    p_coil: float = 0.0
    front_axis: int = 3
    white_percentile: float = 99.5
    foreground: float = 0.0


#: For axial slices: a surface coil at the back, and black fronts more often than not.
AXIAL = Augmentation(
    rotation_deg=16.0,
    scale=(0.8, 1.25),
    p_contrast=0.4,
    p_band=0.45,
    p_coil=0.6,
    front_axis=2,
    white_percentile=BRIGHT_PERCENTILE,
    foreground=FOREGROUND,
)


def sample_grid(batch: int, rng: torch.Generator, ranges: Augmentation) -> Tensor:
    """Random affine maps, in pixels about the crop's centre: ``[batch, 2, 2]``."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, generator=rng) * (high - low) + low

    angle = uniform(-ranges.rotation_deg, ranges.rotation_deg) * math.pi / 180
    scale = torch.exp(uniform(math.log(ranges.scale[0]), math.log(ranges.scale[1])))
    aspect = 1 + uniform(-ranges.aspect, ranges.aspect)
    shear = uniform(-ranges.shear, ranges.shear)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rotate = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    stretch = torch.zeros(batch, 2, 2)
    stretch[:, 0, 0] = aspect / scale
    stretch[:, 1, 1] = 1 / (aspect * scale)
    stretch[:, 0, 1] = shear
    return rotate @ stretch


def warp(
    images: Tensor, labels: Tensor, centres: Tensor, maps: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Resample crops around ``centres``; outside the picture is black background.

    Parameters
    ----------
    images
        ``[batch, channels, rows, columns]``.
    labels
        ``[batch, rows, columns]`` of class indices.
    centres
        ``[batch, 2]``, the (column, row) that the crop's centre falls on.
    maps
        ``[batch, 2, 2]`` from :func:`sample_grid`, acting on (column, row).
    size
        Rows and columns of the crop.

    Returns
    -------
    images, labels : Tensor
        ``[batch, channels, *size]`` and ``[batch, *size]``.
    """
    rows, columns = size
    height, width = images.shape[-2:]
    y = torch.arange(rows, dtype=torch.float32) - (rows - 1) / 2
    x = torch.arange(columns, dtype=torch.float32) - (columns - 1) / 2
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).reshape(-1, 2)
    points = grid[None] @ maps.transpose(1, 2) + centres[:, None]
    normal = (points * 2 + 1) / torch.tensor([width, height]) - 1
    normal = normal.reshape(len(images), rows, columns, 2)
    warped = functional.grid_sample(images, normal, mode="bilinear", align_corners=False)
    floats = labels.float()[:, None]
    nearest = functional.grid_sample(floats, normal, mode="nearest", align_corners=False)
    return warped, nearest[:, 0].round().to(torch.uint8)


def _smooth_field(batch: int, cells: int, size: tuple[int, int], rng: torch.Generator) -> Tensor:
    coarse = torch.randn(batch, 1, cells, cells, generator=rng)
    return functional.interpolate(coarse, size=size, mode="bicubic", align_corners=True)


def _blur(images: Tensor, sigma_rows: float, sigma_columns: float) -> Tensor:
    channels = images.shape[1]
    for axis, sigma in ((2, sigma_rows), (3, sigma_columns)):
        if sigma < 0.2:
            continue
        reach = max(1, round(2.5 * sigma))
        offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
        kernel = kernel / kernel.sum()
        shape = [1, 1, 1, 1]
        shape[axis] = len(kernel)
        padding = [0, 0]
        padding[axis - 2] = reach
        weight = kernel.reshape(shape).expand(channels, 1, *shape[2:])
        images = functional.conv2d(images, weight, padding=padding, groups=channels)
    return images


def randomise_contrast(
    images: Tensor, labels: Tensor, rng: torch.Generator, ranges: Augmentation
) -> Tensor:
    """Change what the tissues look like, and how badly they were imaged.

    Parameters
    ----------
    images
        ``[batch, channels, rows, columns]`` in 0 … 1.
    labels
        ``[batch, rows, columns]``; each class gets its own random offset, so that
        one T2 picture also stands in for T1, STIR and what lies between.
    """
    dice = _Dice(rng)
    changed = []
    for original, label in zip(images.split(1), labels, strict=True):
        repaint = dice.chance(ranges.p_contrast)
        image = _repainted(original, label, dice) if repaint else original
        image = _degraded(_shaded(image, dice, ranges), dice, ranges)
        changed.append(image / _white(image, ranges) * dice.uniform(0.75, 1.15))
    return torch.cat(changed).clamp(0, 1.2)


def _white(image: Tensor, ranges: Augmentation) -> Tensor:
    """Brightness that becomes 1, but for chance."""
    sample = image[:, :1, ::4, ::4].flatten()
    if ranges.foreground > 0:
        sample = sample[sample >= ranges.foreground * torch.quantile(sample, 0.995)]
    return torch.quantile(sample, ranges.white_percentile / 100).clamp(min=1e-3)


@dataclass(frozen=True)
class _Dice:
    """Chance from one generator."""

    rng: torch.Generator

    def chance(self, probability: float) -> bool:
        return bool(torch.rand((), generator=self.rng) < probability)

    def uniform(self, low: float, high: float) -> float:
        return float(torch.rand((), generator=self.rng) * (high - low) + low)


def _repainted(image: Tensor, label: Tensor, dice: _Dice) -> Tensor:
    """Each class made brighter or darker; unknown pixels follow the background in part."""
    unknown = 8
    offsets = torch.randn(unknown + 1, generator=dice.rng) * dice.uniform(0.1, 0.6)
    offsets[unknown] = offsets[0] * dice.uniform(0, 1)
    lookup = torch.where(label == IGNORE, torch.full_like(label, unknown), label).long()
    painted = _blur(offsets[lookup][None, None], 0.8, 0.8)
    image = image * dice.uniform(0.4, 1.1) + painted * (image > 0.02).float()
    low = image.amin()
    return (image - low) / (image.amax() - low + 1e-6)


def _shaded(image: Tensor, dice: _Dice, ranges: Augmentation) -> Tensor:
    """Inversion, gamma, bias field and a dark band in front, as of a saturation slab."""
    rows, columns = image.shape[-2:]
    if dice.chance(ranges.p_invert):
        image = (1 - image) * (image > 0.03).float()
    image = image.clamp(0, 1.3) ** math.exp(dice.uniform(-0.6, 0.6))
    if dice.chance(ranges.p_bias):
        field = _smooth_field(1, 4, (rows, columns), dice.rng)
        image = image * torch.exp(field * dice.uniform(0.1, 0.5))
    if dice.chance(ranges.p_band):
        along = _along_front_axis(image, ranges)
        edge = dice.uniform(0.0, 0.5) * along.numel()
        ramp = torch.sigmoid((along - edge) / dice.uniform(2, 8))
        floor = dice.uniform(0, 0.5)
        image = image * (ramp * (1 - floor) + floor)
    if ranges.p_coil > 0 and dice.chance(ranges.p_coil):
        along = _along_front_axis(image, ranges)
        image = image * torch.exp((along - along.amax()) / dice.uniform(60, 300))
    return image


def _along_front_axis(image: Tensor, ranges: Augmentation) -> Tensor:
    """Pixels from the front, shaped to be multiplied with the image."""
    shape = [1, 1, 1, 1]
    shape[ranges.front_axis] = image.shape[ranges.front_axis]
    return torch.arange(image.shape[ranges.front_axis], dtype=torch.float32).reshape(shape)


def _degraded(image: Tensor, dice: _Dice, ranges: Augmentation) -> Tensor:
    """Blur, coarser sampling, a ghost and Rician-like noise."""
    rows, columns = image.shape[-2:]
    if dice.chance(ranges.p_blur):
        image = _blur(image, dice.uniform(0.0, 1.3), dice.uniform(0.0, 1.3))
    if dice.chance(ranges.p_coarse):
        factors = dice.uniform(0.42, 1.0), dice.uniform(0.42, 1.0)
        small = (max(8, round(rows * factors[0])), max(8, round(columns * factors[1])))
        image = functional.interpolate(image, size=small, mode="bilinear", antialias=True)
        image = functional.interpolate(image, size=(rows, columns), mode="bilinear")
    if dice.chance(ranges.p_ghost):
        shift = int(dice.uniform(20, 120))
        image = image + dice.uniform(0.03, 0.15) * torch.roll(image, shift, dims=2)
    if dice.chance(ranges.p_noise):
        noise = torch.randn(image.shape, generator=dice.rng) * dice.uniform(0.005, 0.09)
        image = (image + noise).abs()
    return image
