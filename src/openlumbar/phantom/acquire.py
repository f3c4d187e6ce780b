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
from openlumbar.phantom.tissue import Tissue, fat_share

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scanner:
    """How well a series is imaged; by default without any artefact.

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
        Strength of one motion ghost of the whole picture along the phase-encoding
        direction.
    saturation_edge_mm, saturation_left
        Width of the band's edge (a logistic curve's), and what is left of the signal
        within the band.
    cross_talk
        What slices of a crossing block take from the signal, 0 … 1.
    breathing
        Strength of the ghosts of the belly wall, 0 … 1: copies of what lies more than
        about 30 mm in front of the spine.
    pulsation
        Strength of the ghosts of the great vessels, of a full signal.
    wrap_mm
        How far beyond the field of view tissue is excited along the phase-encoding
        direction; it appears at the opposite border.
    acquired
        Part of the phase-encoding steps that is acquired; the others are filled with
        zeros, which blurs and rings (Gibbs).
    chemical_shift_mm
        Of fat against water along the frequency-encoding direction.
    evened
        How much of the coil's falloff is divided out again, noise and all, 0 … 1.
    phase
        The phase-encoding direction as in DICOM (0018,1312): ``COL`` along the columns,
        ``ROW`` along the rows; empty for the usual one, head-foot (``COL``) in sagittal and
        left-right (``ROW``) in axial slices.
    """

    blur_mm: float = 0.45
    coil_mm: float = 110.0
    bias: float = 0.15
    noise: float = 0.02
    saturation_mm: float = float("inf")
    ghost: float = 0.0
    saturation_edge_mm: float = 4.0
    saturation_left: float = 0.06
    cross_talk: float = 0.6
    breathing: float = 0.0
    pulsation: float = 0.0
    wrap_mm: float = 0.0
    acquired: float = 1.0
    chemical_shift_mm: float = 0.0
    evened: float = 0.0
    phase: str = ""

    def phase_axis(self, plane: Plane) -> int:
        """Axis of ``[k, j, i]`` along which the phase is encoded in slices of a plane."""
        usual = "COL" if plane is Plane.SAGITTAL else "ROW"
        return 1 if (self.phase or usual) == "COL" else 2


def sample_scanner(rng: np.random.Generator, plane: Plane = Plane.SAGITTAL) -> Scanner:
    """Draw a scanner of ordinary to poor quality, with the artefacts of a plane's slices."""
    return _axial_scanner(rng) if plane is Plane.AXIAL else _sagittal_scanner(rng)


def _sagittal_scanner(rng: np.random.Generator) -> Scanner:
    band = rng.uniform(18, 45) if rng.random() < 0.5 else float("inf")
    return Scanner(
        blur_mm=float(rng.uniform(0.25, 0.7)),
        coil_mm=float(rng.uniform(70, 220)),
        bias=float(rng.uniform(0.05, 0.3)),
        noise=float(np.exp(rng.uniform(np.log(0.006), np.log(0.05)))),
        saturation_mm=band,
        ghost=float(rng.uniform(0.02, 0.08)) if rng.random() < 0.15 else 0.0,
    )


def _axial_scanner(rng: np.random.Generator) -> Scanner:
    """A band in front of the spine in most; one scanner in ten of low field."""

    def sometimes(chance: float, low: float, high: float, otherwise: float = 0.0) -> float:
        """Two draws whatever comes of them, so that one chance does not move the next."""
        drawn, value = rng.random() < chance, float(rng.uniform(low, high))
        return value if drawn else otherwise

    low_field = rng.random() < 0.1
    noise = np.exp(rng.uniform(np.log(0.005), np.log(0.035)))
    return Scanner(
        blur_mm=float(rng.uniform(0.05, 0.4)) + (0.4 if low_field else 0.0),
        coil_mm=float(np.exp(rng.uniform(np.log(45), np.log(220)))),
        bias=float(rng.uniform(0.03, 0.3)),
        noise=float(noise * (2.5 if low_field else 1.0)),
        saturation_mm=sometimes(0.6, 0, 35, float("inf")),
        ghost=sometimes(0.1, 0.02, 0.1),
        saturation_edge_mm=float(np.exp(rng.uniform(np.log(1.2), np.log(7)))),
        saturation_left=float(rng.uniform(0.0, 0.12)),
        cross_talk=float(rng.uniform(0.3, 0.9)),
        breathing=sometimes(0.2, 0.03, 0.25),
        pulsation=sometimes(0.2, 0.02, 0.15),
        wrap_mm=sometimes(0.06, 8, 40),
        acquired=sometimes(0.4, 0.65, 0.95, 1.0),
        chemical_shift_mm=sometimes(0.5, -1.2, 1.2),
        evened=sometimes(0.4, 0.3, 1.0),
        phase="COL" if rng.random() < 0.5 else "ROW",
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


def _smooth_field(rng: np.random.Generator, rows: int, columns: int) -> Floats:
    """Smooth chance of about unit size: ``float32[j, i]``."""
    coarse = rng.standard_normal((4, 4))
    field = zoom(coarse, (rows / 4, columns / 4), order=3, mode="nearest", grid_mode=True)
    return field.astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Surroundings:
    """Where the points of a grid lie in the person, mm: ``float32[k, j, i]``.

    Attributes
    ----------
    depth
        In front of the skin of the back.
    ahead
        In front of the bodies' front.
    """

    depth: Floats
    ahead: Floats


def _surroundings(scene: Scene, grid: Volume) -> _Surroundings:
    profile = scene.spine.profile
    depth, ahead = np.empty(grid.shape, np.float32), np.empty(grid.shape, np.float32)
    j, i = np.mgrid[: grid.shape[1], : grid.shape[2]].astype(np.float32)
    steps = grid.affine.astype(np.float32)
    for k in range(grid.shape[0]):
        y, z = (
            steps[axis, 0] * i + steps[axis, 1] * j + (steps[axis, 2] * k + steps[axis, 3])
            for axis in (1, 2)
        )
        row = profile.rows(z)
        depth[k] = np.maximum(profile.skin_y[row] - y, 0)
        ahead[k] = profile.front_y[row] - y
    return _Surroundings(depth, ahead)


def _step(distance: Floats, width: float) -> Floats:
    """A smooth step from 0 to 1 where a distance changes its sign."""
    falling = np.exp(-np.clip(distance / np.float32(width), -30, 30))
    return np.asarray(1 / (1 + falling), np.float32)


def _coil(around: _Surroundings, scanner: Scanner) -> Floats:
    """Sensitivity of a coil under the back."""
    fallen = (around.depth / np.float32(scanner.coil_mm)) ** np.float32(1.5)
    return np.asarray(2 / (1 + fallen), np.float32)


def _band(around: _Surroundings, scanner: Scanner) -> Floats | float:
    """What a saturation band leaves."""
    if not np.isfinite(scanner.saturation_mm):
        return 1.0
    left = np.float32(scanner.saturation_left)
    beyond = around.ahead - np.float32(scanner.saturation_mm)
    return left + (1 - left) * _step(-beyond, scanner.saturation_edge_mm)


def cross_talk(grid: Volume, crossing: Sequence[Volume], taken: float = 0.6) -> Floats:
    """Signal left where slices of other blocks have already used the magnetisation.

    Parameters
    ----------
    grid
        The block that is looked at.
    crossing
        Other blocks of the same series; each saturates the slab that it fills.
    taken
        Part of the signal that is lost within one.

    Returns
    -------
    numpy.ndarray
        ``float32[k, j, i]``: 1 outside of all other slabs, ``1 - taken`` within one.
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
        left *= 1 - np.float32(taken) * _step(inside, 0.8)
    return left.astype(np.float32)


def _fat_shifted(sample: GridSample, signals: Floats, shift: float, axis: int) -> Floats:
    """Mean signal with that of fat moved by a number of pixels."""
    share = fat_share().astype(np.float32)
    fat = mean_signal(sample, signals * share)
    return mean_signal(sample, signals * (1 - share)) + _moved(fat, shift, axis)


def _moved(image: Floats, pixels: float, axis: int) -> Floats:
    """Shift by a fraction of pixels along an axis, the borders repeated."""
    whole = int(np.floor(pixels))
    part = np.float32(pixels - whole)
    index = np.arange(image.shape[axis]) - whole
    near, far = (np.take(image, np.clip(index - n, 0, image.shape[axis] - 1), axis) for n in (0, 1))
    return (1 - part) * near + part * far


def _received(
    scene: Scene, sample: GridSample, signals: Floats, scanner: Scanner, crossing: Sequence[Volume]
) -> Floats:
    """What the coil receives from the tissue of a grid, before artefacts and noise."""
    grid = sample.grid
    steps = grid.spacing_mm
    frequency = 3 - scanner.phase_axis(grid.plane)
    if scanner.chemical_shift_mm:
        shift = scanner.chemical_shift_mm / steps[frequency]
        image = _fat_shifted(sample, signals, shift, frequency)
    else:
        image = mean_signal(sample, signals)
    if crossing:
        image *= cross_talk(grid, crossing, scanner.cross_talk)
    # The point-spread function of sampling is never narrower than about half a pixel.
    blur = tuple(np.hypot(scanner.blur_mm / step, 0.42) for step in steps[1:])
    image = np.abs(gaussian_filter(image, (0, *blur)))
    around = _surroundings(scene, grid)
    return image * _coil(around, scanner) * _band(around, scanner)


def _beside(grid: Volume, axis: int, count: int) -> tuple[Volume, Volume]:
    """Grids of so many rows or columns before and after a grid."""
    shape = tuple(count if n == axis else size for n, size in enumerate(grid.shape))
    grids = []
    for first in (-count, grid.shape[axis]):
        start = np.zeros(3)
        start[axis] = first
        affine = np.array(grid.affine)
        affine[:3, 3] = grid.to_patient(start)
        grids.append(Volume(np.broadcast_to(np.uint8(0), shape), affine))
    return grids[0], grids[1]


def _fold(
    image: Floats, scene: Scene, sample: GridSample, signals: Floats, scanner: Scanner
) -> None:
    """Add what lies beyond the field of view along the phase at the opposite borders."""
    axis = scanner.phase_axis(sample.grid.plane)
    size = image.shape[axis]
    count = min(round(scanner.wrap_mm / sample.grid.spacing_mm[axis]), size)
    if count < 1:
        return
    ends = (slice(size - count, size), slice(0, count))
    for grid, end in zip(_beside(sample.grid, axis, count), ends, strict=True):
        strip = scene.sample(grid, sample.thickness_mm, sample.tissue.shape[1])
        where = tuple(end if n == axis else slice(None) for n in range(3))
        image[where] += _received(scene, strip, signals, scanner, ())


def _ghosts(image: Floats, source: Floats, axis: int, rng: np.random.Generator) -> Floats:
    """Add copies of a moving source, equally spaced along the phase and ever fainter."""
    period = rng.uniform(0.08, 0.3) * image.shape[axis]
    for order in (1, 2, 3):
        for side in (-1, 1):
            # A ghost has a phase of its own: it may add to the picture or take from it.
            sign = np.float32(np.cos(rng.uniform(0, 2 * np.pi)) / order)
            image = image + sign * np.roll(source, side * round(order * period), axis=axis)
    return np.abs(image)


def _moving(
    image: Floats, scene: Scene, sample: GridSample, scanner: Scanner, rng: np.random.Generator
) -> Floats:
    """Ghosts of the breathing belly and of pulsating vessels."""
    axis = scanner.phase_axis(sample.grid.plane)
    around = _surroundings(scene, sample.grid)
    if scanner.breathing > 0:
        source = np.float32(scanner.breathing) * image * _step(around.ahead - 30, 8.0)
        image = _ghosts(image, source, axis, rng)
    if scanner.pulsation > 0:
        middle = sample.tissue[:, sample.tissue.shape[1] // 2]
        blood = np.isin(middle, (Tissue.VESSEL, Tissue.VEIN)).astype(np.float32)
        source = gaussian_filter(blood, (0, 1, 1)) * _coil(around, scanner)
        image = _ghosts(image, np.float32(scanner.pulsation) * source, axis, rng)
    return image


def _truncated(image: Floats, acquired: float, axis: int) -> Floats:
    """Leave out the outer phase-encoding steps: blur, and ringing at edges (Gibbs)."""
    spectrum = np.fft.rfft(image, axis=axis)
    kept = max(int(np.ceil(acquired * spectrum.shape[axis])), 1)
    outer = tuple(slice(kept, None) if n == axis else slice(None) for n in range(3))
    spectrum[outer] = 0
    return np.abs(np.fft.irfft(spectrum, image.shape[axis], axis)).astype(np.float32)


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
    axis = scanner.phase_axis(sample.grid.plane)
    image = _received(scene, sample, signals, scanner, crossing)
    if scanner.wrap_mm > 0:
        _fold(image, scene, sample, signals, scanner)
    image *= np.exp(scanner.bias * _smooth_field(rng, *image.shape[1:]))
    if scanner.ghost > 0:
        shift = int(rng.uniform(0.15, 0.4) * image.shape[axis])
        image += scanner.ghost * np.roll(image, shift, axis=axis)
    if scanner.breathing > 0 or scanner.pulsation > 0:
        image = _moving(image, scene, sample, scanner, rng)
    if scanner.acquired < 1:
        image = _truncated(image, scanner.acquired, axis)
    image = _noisy(_scaled(image), scanner.noise, rng)
    if scanner.evened > 0:
        coil = _coil(_surroundings(scene, sample.grid), scanner)
        image = _scaled(image / coil ** np.float32(scanner.evened))
    return image


def eight_bit(image: Floats) -> NDArray[np.uint8]:
    """Values of :func:`acquire` as ``uint8``, with room above the brightest 0.5 %."""
    return np.clip(image * 215, 0, 255).astype(np.uint8)


def _scaled(image: Floats) -> Floats:
    return image / np.float32(max(float(np.percentile(image, 99.5)), 1e-6))


def _noisy(image: Floats, noise: float, rng: np.random.Generator) -> Floats:
    """Rician noise: that of the length of a complex number with noise in both parts."""
    both = rng.standard_normal((2, *image.shape)).astype(np.float32) * np.float32(noise)
    return np.hypot(image + both[0], both[1])
