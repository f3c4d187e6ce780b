"""From what is there to what a scanner shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.phantom.scene import GridSample, Scene, profile_weights

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scanner:
    """How well a series is imaged.

    Attributes
    ----------
    blur_mm
        Standard deviation of the in-plane blur.
    coil_mm
        Depth behind the skin at which the spine coil's sensitivity has halved.
    bias
        Strength of a smooth random sensitivity, 0 … 1.
    noise
        Standard deviation of the noise in each channel, of the brightest 1 %.
    saturation_mm
        Distance in front of the bodies beyond which a saturation band is black;
        infinite without one.
    ghost
        Strength of a motion ghost along the phase-encoding (head-foot) direction.
    """

    blur_mm: float = 0.45
    coil_mm: float = 110.0
    bias: float = 0.15
    noise: float = 0.02
    saturation_mm: float = float("inf")
    ghost: float = 0.0


def sample_scanner(rng: np.random.Generator) -> Scanner:
    """Draw a scanner of ordinary to poor quality."""
    band = rng.uniform(18, 45) if rng.random() < 0.5 else float("inf")
    return Scanner(
        blur_mm=float(rng.uniform(0.25, 0.7)),
        coil_mm=float(rng.uniform(70, 220)),
        bias=float(rng.uniform(0.05, 0.3)),
        noise=float(np.exp(rng.uniform(np.log(0.006), np.log(0.05)))),
        saturation_mm=band,
        ghost=float(rng.uniform(0.02, 0.08)) if rng.random() < 0.15 else 0.0,
    )


def mean_signal(sample: GridSample, signals: Floats) -> Floats:
    """Signal of each voxel, averaged through the slice: ``float32[k, j, i]``.

    Parameters
    ----------
    signals
        Signal of each tissue, by :class:`openlumbar.phantom.tissue.Tissue`.
    """
    weights = profile_weights(sample.tissue.shape[1])
    image = np.zeros(sample.grid.shape, np.float32)
    for n, weight in enumerate(weights):
        part = sample.mix[:, n].astype(np.float32) / np.float32(255)
        first = signals[sample.tissue[:, n]]
        image += weight * (first + part * (signals[sample.other[:, n]] - first))
    return image


def _smooth_field(rng: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    coarse = rng.standard_normal((4, 4))
    factors = (shape[1] / 4, shape[2] / 4)
    field = zoom(coarse, factors, order=3, mode="nearest", grid_mode=True)
    return field[: shape[1], : shape[2]].astype(np.float32)


def _sensitivity(sample: GridSample, scene: Scene, scanner: Scanner) -> Floats:
    """Coil falloff and saturation band: ``float32[k, j, i]``."""
    grid, profile = sample.grid, scene.spine.profile
    out = np.empty(grid.shape, np.float32)
    j, i = np.mgrid[: grid.shape[1], : grid.shape[2]]
    for k in range(grid.shape[0]):
        points = grid.to_patient(np.stack([np.full_like(j, k), j, i], -1)).astype(np.float32)
        row = profile.rows(points[..., 2])
        depth = np.maximum(profile.skin_y[row] - points[..., 1], 0)
        out[k] = 2.0 / (1.0 + (depth / scanner.coil_mm) ** 1.5)
        if np.isfinite(scanner.saturation_mm):
            beyond = profile.front_y[row] - points[..., 1] - scanner.saturation_mm
            out[k] *= 0.06 + 0.94 / (1 + np.exp(np.clip(beyond / 4.0, -30, 30)))
    return out


def cross_talk(grid: Volume, crossing: Sequence[Volume]) -> Floats:
    """Signal left where slices of other blocks have already used the magnetisation.

    Parameters
    ----------
    grid
        The block that is looked at.
    crossing
        Other blocks of the same series; each saturates the slab that it fills.

    Returns
    -------
    numpy.ndarray
        ``float32[k, j, i]``: 1 outside of all other slabs, 0.4 within one.
    """
    left = np.ones(grid.shape, np.float32)
    k, j, i = np.indices(grid.shape, np.float32)
    for other in crossing:
        step = other.spacing_mm[0]
        normal = other.affine[:3, 2] / step
        toward = normal @ grid.affine[:3, :3]
        start = float(normal @ (grid.affine[:3, 3] - other.affine[:3, 3]))
        along = start + toward[0] * i + toward[1] * j + toward[2] * k
        half = 0.5 * step * other.shape[0]
        inside = half - np.abs(along - half + 0.5 * step)
        left *= 1 - 0.6 / (1 + np.exp(-np.clip(inside / 0.8, -30, 30)))
    return left.astype(np.float32)


def acquire(
    scene: Scene,
    sample: GridSample,
    signals: Floats,
    scanner: Scanner,
    rng: np.random.Generator,
    crossing: Sequence[Volume] = (),
) -> Floats:
    """Make one series' picture of a sampled grid.

    Parameters
    ----------
    scene, sample
        The phantom, and what it is on the grid.
    signals
        Signal of each tissue, by :class:`openlumbar.phantom.tissue.Tissue`.
    crossing
        Other blocks of the series, whose slices leave dark bands in this one.

    Returns
    -------
    numpy.ndarray
        ``float32[k, j, i]``; the brightest 0.5 % reach about 1.
    """
    _, step_j, step_i = sample.grid.spacing_mm
    image = mean_signal(sample, signals)
    if crossing:
        image *= cross_talk(sample.grid, crossing)
    # The point-spread function of sampling is never narrower than about half a pixel.
    blur = tuple(np.hypot(scanner.blur_mm / step, 0.42) for step in (step_j, step_i))
    image = gaussian_filter(image, (0, *blur))
    image *= _sensitivity(sample, scene, scanner)
    image *= np.exp(scanner.bias * _smooth_field(rng, image.shape))
    if scanner.ghost > 0:
        axis = 1 if sample.grid.plane is Plane.SAGITTAL else 2
        shift = int(rng.uniform(0.15, 0.4) * image.shape[axis])
        image += scanner.ghost * np.roll(image, shift, axis=axis)
    image /= max(float(np.percentile(image, 99.5)), 1e-6)
    noise = rng.standard_normal((2, *image.shape)).astype(np.float32) * np.float32(scanner.noise)
    return np.hypot(image + noise[0], noise[1])
