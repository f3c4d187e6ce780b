"""Axial phantom slices with their tissue classes and their fat, for training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.exam import Weighting
from openlumbar.core.masks import AXIAL_OF_MUSCLE, AXIAL_OF_TISSUE
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.phantom.acquire import acquire, eight_bit, sample_scanner
from openlumbar.phantom.anatomy import TRAINING_RANGES, AnatomyRanges, sample_anatomy
from openlumbar.phantom.canvas import Landmark
from openlumbar.phantom.grids import AXIAL_SPREAD, DiscCurve, SliceFrame, disc_curve, slice_grid
from openlumbar.phantom.scene import Scene
from openlumbar.phantom.tissue import (
    CHEMICAL,
    SEQUENCES,
    Sequence,
    random_signals,
    tissue_signals,
)

#: How often each contrast is drawn, apart from made-up ones.
_CONTRASTS: dict[str, float] = {
    "T1w": 0.34,
    "T2w": 0.40,
    "PDw": 0.04,
    "STIR": 0.05,
    "T2w-fs": 0.05,
    "T1w-fs": 0.02,
    "T2starw": 0.04,
    "water": 0.02,
    "fat": 0.02,
    "opposed": 0.02,
}


#: Least area at which a kidney or an iliac wing counts as in view; generic, ours.
SIGN_MM2 = 100.0


@dataclass(frozen=True)
class AxialTrainingOptions:
    """Ranges of the slices that :func:`axial_training_cases` makes (uniform).

    Attributes
    ----------
    slices
        Of one anatomy.
    pixel_mm
        In-plane spacing; never so small that a picture has more than ``most_pixels``
        rows or columns.
    slice_mm
        Thickness.
    width_mm
        Of the field of view; pictures are 0.7 to 1 times as high.
    most_pixels
        Rows or columns.
    p_parallel, p_plain
        Chances of a slice parallel to the nearest disc (within a few degrees), and of one
        square to the long axis of the body; the others have any tilt.
    most_tilt_deg
        Against the body's axis, of the slices of any tilt.
    contrasts
        How often each is drawn in proportion: weightings of
        :data:`openlumbar.phantom.tissue.SEQUENCES`, and ``water``, ``fat`` or ``opposed`` of a
        T1 or T2 (:data:`openlumbar.phantom.tissue.CHEMICAL`).
    p_synthetic
        Chance of a made-up contrast in place of them.
    p_crossing
        Chance of a dark band from the slices of another block.
    planes
        Through a slice, for partial volume (odd).
    anatomy
        Distributions of the anatomy.
    """

    slices: int = 6
    pixel_mm: tuple[float, float] = (0.4, 1.2)
    slice_mm: tuple[float, float] = (3.0, 5.0)
    width_mm: tuple[float, float] = (150.0, 320.0)
    most_pixels: int = 448
    p_parallel: float = 0.6
    p_plain: float = 0.25
    most_tilt_deg: float = 40.0
    contrasts: dict[str, float] = field(default_factory=lambda: dict(_CONTRASTS))
    p_synthetic: float = 0.15
    p_crossing: float = 0.15
    planes: int = 3
    anatomy: AnatomyRanges = TRAINING_RANGES


@dataclass(frozen=True, eq=False)
class AxialTrainingCase:
    """One axial phantom slice with its truth.

    Attributes
    ----------
    image
        ``uint8[row, column]``: rows from front to back, columns toward the patient's left.
    label
        ``uint8[row, column]``: classes of :class:`openlumbar.core.masks.AxialTissue`.
    codes
        ``uint16[row, column]``: codes of :mod:`openlumbar.core.anatomy`, muscles with their
        side.
    fat
        ``uint8[row, column]``: exact fat part of each voxel, averaged through the slice,
        times 255.
    pixel_mm
        Distance between rows and between columns.
    contrast
        The weighting, ``water``, ``fat`` or ``opposed`` (Dixon), or ``synthetic``.
    level
        Name of the nearest disc.
    tilt_deg
        Of the slice in the sagittal plane, positive when its front lies lower than its back.
    position
        Where the slice's plane cuts the curve through the discs' middles, on the scale of
        :data:`openlumbar.core.levels.POSITIONS`: T12-L1 at 0, L1-L2 at 1 and so on; nan
        where it is no slice of the lumbar spine, whose ``level`` is empty.
    landmarks
        ``uint8[row, column]`` of :class:`openlumbar.phantom.canvas.Landmark`.
    lumbar_count, transition
        Of the person: how many lumbar vertebrae, and ``none``, ``sacralised`` or
        ``lumbarised``.
    """

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    codes: NDArray[np.uint16]
    fat: NDArray[np.uint8]
    pixel_mm: float
    contrast: str
    level: str
    tilt_deg: float
    position: float
    landmarks: NDArray[np.uint8]
    lumbar_count: int
    transition: str

    @property
    def kidney(self) -> bool:
        """Whether at least :data:`SIGN_MM2` of kidney are in the picture."""
        return self._area(Landmark.KIDNEY) >= SIGN_MM2

    @property
    def ilium(self) -> bool:
        """Whether at least :data:`SIGN_MM2` of the iliac wings are in the picture."""
        return self._area(Landmark.ILIUM) >= SIGN_MM2

    def _area(self, landmark: Landmark) -> float:
        return float((self.landmarks == landmark).sum() * self.pixel_mm**2)


def axial_classes(codes: NDArray[np.uint16], regions: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Classes of :class:`openlumbar.core.masks.AxialTissue` of what the phantom painted.

    Parameters
    ----------
    codes, regions
        As in :class:`openlumbar.phantom.scene.GridSample`, any shape.

    Returns
    -------
    numpy.ndarray
        ``uint8`` of the same shape; left and right muscles have one class.
    """
    label = np.array([tissue for _, tissue in sorted(AXIAL_OF_TISSUE.items())], np.uint8)[regions]
    for code, tissue in AXIAL_OF_MUSCLE.items():
        label[codes == code] = tissue
    return label


def _place(rng: np.random.Generator, curve: DiscCurve) -> float:
    """Where along the discs a slice lies: mostly near one of the lumbar discs."""
    first = curve.names.index("T12-L1")
    last = next(n for n, name in enumerate(curve.names) if name.endswith("-S1"))
    kind = rng.random()
    if kind < 0.5:
        return float(rng.integers(first + 1, last + 1) + rng.normal(0, 0.2))
    if kind < 0.8:
        return float(rng.uniform(first, last + 0.3))
    if kind < 0.9:
        return float(rng.uniform(first - 0.7, first + 0.5))
    return float(rng.uniform(last + 0.3, last + 1.5))


def _tilt(rng: np.random.Generator, disc_deg: float, options: AxialTrainingOptions) -> float:
    kind = rng.random()
    if kind < options.p_parallel:
        tilt = disc_deg + rng.normal(0, 4)
    elif kind < options.p_parallel + options.p_plain:
        tilt = rng.normal(0, 3)
    else:
        tilt = rng.uniform(-options.most_tilt_deg, options.most_tilt_deg)
    # Further off the disc no one would cut, and little of a cross-section is left.
    return float(np.clip(tilt, disc_deg - 40, disc_deg + 40))


def _frame(rng: np.random.Generator, disc_deg: float, options: AxialTrainingOptions) -> SliceFrame:
    width = rng.uniform(*options.width_mm)
    height = width * rng.uniform(0.7, 1.0)
    pixel = max(rng.uniform(*options.pixel_mm), width / options.most_pixels)
    aside = rng.normal(0, 0.1 if rng.random() < 0.2 else 0.025) * width
    return SliceFrame(
        pixel_mm=float(pixel),
        shape=(round(height / pixel), round(width / pixel)),
        tilt_deg=_tilt(rng, disc_deg, options),
        lean_deg=float(rng.normal(0, 3)),
        turn_deg=float(rng.normal(0, 3.5)),
        # The spine lies a little in front of the middle of most pictures.
        shift_mm=(float(aside), float((0.1 + rng.normal(0, 0.06)) * height)),
    )


def _contrast(
    rng: np.random.Generator, options: AxialTrainingOptions
) -> tuple[str, NDArray[np.float32]]:
    """Name of a contrast, and the signal of each tissue."""
    if rng.random() < options.p_synthetic:
        return "synthetic", random_signals(rng)
    chances = np.array(list(options.contrasts.values()))
    name = str(rng.choice(list(options.contrasts), p=chances / chances.sum()))
    sequence = _varied(rng, name)
    return name, tissue_signals(sequence)


def _varied(rng: np.random.Generator, name: str) -> Sequence:
    """A sequence of a contrast with times and field strength about the usual."""
    if name in CHEMICAL:
        base = replace(SEQUENCES[Weighting(str(rng.choice(["T1w", "T2w"])))], chemical=name)
    else:
        base = SEQUENCES[Weighting(name)]
    return replace(
        base,
        tr_ms=float(base.tr_ms * rng.uniform(0.7, 1.35)),
        te_ms=float(base.te_ms * rng.uniform(0.75, 1.3)),
        ti_ms=float(base.ti_ms * rng.uniform(0.92, 1.08)),
        field_t=float(rng.choice([0.4, 1.5, 3.0], p=[0.1, 0.5, 0.4])),
        flip_deg=float(base.flip_deg * rng.uniform(0.6, 1.6)),
    )


def _crossing(
    rng: np.random.Generator, grid: Volume, options: AxialTrainingOptions
) -> list[Volume]:
    """Slices of another block that cut this one behind the spine: dark bands across it."""
    if rng.random() >= options.p_crossing:
        return []
    _, rows, columns = grid.shape
    slice_mm, gap_mm = rng.uniform(2.5, 5.0), rng.uniform(0.5, 4.0)
    tilt = np.radians(rng.choice([-1, 1]) * rng.uniform(15, 40))
    toward, back, up = (axis / np.linalg.norm(axis) for axis in grid.affine[:3, :3].T)
    normal = np.cos(tilt) * up + np.sin(tilt) * back
    first = grid.to_patient((0, rows * rng.uniform(0.5, 0.9), columns / 2))
    slabs = []
    for n in range(int(rng.integers(1, 4))):
        affine = np.eye(4)
        affine[:3, :3] = np.stack([toward, np.cross(normal, toward), normal * slice_mm], axis=1)
        affine[:3, 3] = first + n * (slice_mm + gap_mm) * normal
        slabs.append(Volume(np.broadcast_to(np.uint8(0), (1, 2, 2)), affine))
    return slabs


@dataclass(frozen=True, eq=False)
class _Cut:
    """Where a slice goes, and what is said of that: its position and the nearest disc."""

    point: NDArray[np.float64]
    frame: SliceFrame
    position: float
    level: str


def _along(
    rng: np.random.Generator, curve: DiscCurve, place: float, options: AxialTrainingOptions
) -> _Cut:
    """A slice through a place on the discs' curve, which ends with the last disc."""
    place = float(np.clip(place, 0, len(curve.names) - 1))
    nearest = round(place)
    frame = _frame(rng, float(curve.tilts_deg[nearest]), options)
    position = place - curve.names.index("T12-L1")
    return _Cut(curve.at(place), frame, position, curve.names[nearest])


def _imaged(
    rng: np.random.Generator, scene: Scene, cut: _Cut, options: AxialTrainingOptions
) -> AxialTrainingCase:
    frame, thickness = cut.frame, float(rng.uniform(*options.slice_mm))
    grid = slice_grid(cut.point, frame, thickness)
    sample = scene.sample(grid, thickness, options.planes, spread=AXIAL_SPREAD)
    contrast, signals = _contrast(rng, options)
    image = acquire(
        scene, sample, signals, sample_scanner(rng, Plane.AXIAL), rng, _crossing(rng, grid, options)
    )
    return AxialTrainingCase(
        image=eight_bit(image[0]),
        label=axial_classes(sample.codes[0], sample.regions[0]),
        codes=sample.codes[0],
        fat=np.rint(sample.fat_part()[0] * 255).astype(np.uint8),
        pixel_mm=frame.pixel_mm,
        contrast=contrast,
        level=cut.level,
        tilt_deg=frame.tilt_deg,
        position=cut.position,
        landmarks=sample.landmarks[0],
        lumbar_count=scene.spine.anatomy.lumbar_count,
        transition=scene.spine.anatomy.transition,
    )


def axial_training_cases(
    rng: np.random.Generator, options: AxialTrainingOptions | None = None
) -> Iterator[AxialTrainingCase]:
    """Draw an anatomy, and slices of it from T12 to S2, each imaged in its own way.

    Parameters
    ----------
    rng
        Source of chance; the same state gives the same cases.
    options
        Ranges; the default spans clinical practice.

    Yields
    ------
    AxialTrainingCase
        ``options.slices`` of them.
    """
    options = options or AxialTrainingOptions()
    scene = Scene(sample_anatomy(rng, options.anatomy), rng)
    curve = disc_curve(scene.spine)
    for _ in range(options.slices):
        yield _imaged(rng, scene, _along(rng, curve, _place(rng, curve), options), options)


def axial_training_case(
    rng: np.random.Generator, options: AxialTrainingOptions | None = None
) -> AxialTrainingCase:
    """The first slice of :func:`axial_training_cases`: one of an anatomy of its own.

    Parameters are those of :func:`axial_training_cases`.
    """
    return next(axial_training_cases(rng, options))


def other_training_cases(
    rng: np.random.Generator, options: AxialTrainingOptions | None = None
) -> Iterator[AxialTrainingCase]:
    """Draw an anatomy, and slices of it that a classifier of levels has to tell apart.

    In equal parts coronal and sagittal ones, ones of the thorax (T5 to T9), ones below the
    sacrum, and axial ones between T9 and T12, which do have a position.

    Parameters
    ----------
    rng, options
        As those of :func:`axial_training_cases`.

    Yields
    ------
    AxialTrainingCase
        ``options.slices`` of them.
    """
    options = options or AxialTrainingOptions()
    scene = Scene(sample_anatomy(rng, options.anatomy), rng)
    curve = disc_curve(scene.spine)
    for _ in range(options.slices):
        cut = _OTHER[int(rng.integers(len(_OTHER)))](rng, curve, options)
        yield _imaged(rng, scene, cut, options)


def _of_no_level(cut: _Cut) -> _Cut:
    return replace(cut, position=float("nan"), level="")


def _lumbar_place(rng: np.random.Generator, curve: DiscCurve) -> float:
    return float(rng.uniform(curve.names.index("T12-L1"), len(curve.names) - 1))


def _coronal(rng: np.random.Generator, curve: DiscCurve, options: AxialTrainingOptions) -> _Cut:
    cut = _along(rng, curve, _lumbar_place(rng, curve), options)
    upright = replace(cut.frame, tilt_deg=float(rng.choice([-90, 90]) + rng.normal(0, 5)))
    return _of_no_level(replace(cut, frame=upright))


def _sagittal(rng: np.random.Generator, curve: DiscCurve, options: AxialTrainingOptions) -> _Cut:
    cut = _along(rng, curve, _lumbar_place(rng, curve), options)
    upright = replace(cut.frame, tilt_deg=0.0, lean_deg=float(rng.choice([-90, 90])))
    beside = np.array([rng.normal(0, 20), 0.0, 0.0])
    return _of_no_level(replace(cut, frame=upright, point=cut.point + beside))


def _thoracic(rng: np.random.Generator, curve: DiscCurve, options: AxialTrainingOptions) -> _Cut:
    return _of_no_level(_along(rng, curve, rng.uniform(0, curve.names.index("T9-T10")), options))


def _below(rng: np.random.Generator, curve: DiscCurve, options: AxialTrainingOptions) -> _Cut:
    cut = _along(rng, curve, len(curve.names) - 1, options)
    down = np.array([0.0, rng.uniform(0, 40), rng.uniform(-130, -85)])
    plain = replace(cut.frame, tilt_deg=float(rng.normal(0, 8)))
    return _of_no_level(replace(cut, frame=plain, point=cut.point + down))


def _above(rng: np.random.Generator, curve: DiscCurve, options: AxialTrainingOptions) -> _Cut:
    first = curve.names.index("T9-T10")
    return _along(rng, curve, rng.uniform(first, first + 2.5), options)


_OTHER = (_coronal, _sagittal, _thoracic, _below, _above)
