"""Sagittal phantom pictures with their tissue classes, for training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.exam import Weighting
from openlumbar.core.volume import Volume
from openlumbar.phantom.acquire import acquire, eight_bit, sample_scanner
from openlumbar.phantom.anatomy import TRAINING_RANGES, AnatomyRanges, sample_anatomy
from openlumbar.phantom.grids import SagittalFrame, sagittal_grid
from openlumbar.phantom.scene import Scene
from openlumbar.phantom.tissue import SEQUENCES, Sequence, random_signals, tissue_signals


@dataclass(frozen=True)
class TrainingCaseOptions:
    """Ranges of the pictures that :func:`sagittal_training_case` makes (uniform).

    Attributes
    ----------
    pixel_mm, slice_mm
        In-plane spacing, and distance between slices.
    height_mm
        Of the field of view; pictures are 0.7 to 1 times as wide.
    slices
        Fewest and most slices.
    middle_mm
        How far the middle of the slab may lie from the midline at L3.
    shift_mm
        How far the field of view may be shifted up or down.
    p_synthetic
        Chance of a made-up contrast in place of T1, T2, PD, STIR or fat-saturated T2.
    anatomy
        Distributions of the anatomy.
    """

    pixel_mm: tuple[float, float] = (0.4, 1.5)
    slice_mm: tuple[float, float] = (3.0, 5.0)
    height_mm: tuple[float, float] = (220.0, 360.0)
    slices: tuple[int, int] = (11, 17)
    middle_mm: float = 6.0
    shift_mm: float = 45.0
    p_synthetic: float = 0.25
    anatomy: AnatomyRanges = TRAINING_RANGES


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """One phantom series with its truth.

    Attributes
    ----------
    image
        ``uint8[slice, row, column]``: slices from the patient's left to the right, rows
        from head to foot, columns from front to back.
    regions
        ``uint8``, same shape: classes of :class:`openlumbar.core.masks.Tissue`.
    codes
        ``uint16``, same shape: codes of :mod:`openlumbar.core.anatomy`; muscles have none.
    spacing_mm
        Between slices, rows and columns.
    affine
        ``4 x 4`` from ``(i, j, k, 1)`` to LPS.
    contrast
        The weighting, or ``synthetic``.
    """

    image: NDArray[np.uint8]
    regions: NDArray[np.uint8]
    codes: NDArray[np.uint16]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64]
    contrast: str


def _random_sequence(rng: np.random.Generator) -> Sequence:
    """The usual times of a contrast, varied; T1 and T2 come twice as often."""
    name = str(rng.choice(["T1w", "T2w", "T1w", "T2w", "STIR", "PDw", "T2w-fs"]))
    base = SEQUENCES[Weighting(name)]
    return replace(
        base,
        tr_ms=base.tr_ms * rng.uniform(0.75, 1.3),
        te_ms=base.te_ms * rng.uniform(0.8, 1.25),
        ti_ms=base.ti_ms * rng.uniform(0.92, 1.08),
        field_t=float(rng.choice([1.5, 3.0])),
    )


def _random_grid(rng: np.random.Generator, scene: Scene, options: TrainingCaseOptions) -> Volume:
    height = rng.uniform(*options.height_mm)
    frame = SagittalFrame(
        pixel_mm=float(rng.uniform(*options.pixel_mm)),
        slice_mm=float(rng.uniform(*options.slice_mm)),
        slices=int(rng.integers(options.slices[0], options.slices[1] + 1)),
        height_mm=float(height),
        width_mm=float(height * rng.uniform(0.7, 1.0)),
        shift_mm=(
            float(rng.uniform(-options.middle_mm, options.middle_mm)),
            float(rng.uniform(-15, 15)),
            float(rng.uniform(-options.shift_mm, options.shift_mm)),
        ),
        turn_deg=float(rng.normal(0, 2.0)),
    )
    return sagittal_grid(scene.spine, frame)


def sagittal_training_case(
    rng: np.random.Generator, options: TrainingCaseOptions | None = None
) -> TrainingCase:
    """Draw an anatomy, a field of view and a contrast, and image them.

    Parameters
    ----------
    rng
        Source of chance; the same state gives the same case.
    options
        Ranges; the default spans clinical practice.

    Returns
    -------
    TrainingCase
        Image and truth on one grid; takes 1–5 s on one core.
    """
    options = options or TrainingCaseOptions()
    scene = Scene(sample_anatomy(rng, options.anatomy), rng)
    grid = _random_grid(rng, scene, options)
    thickness = grid.spacing_mm[0] * float(rng.uniform(0.8, 1.0))
    sample = scene.sample(grid, thickness)
    if rng.random() < options.p_synthetic:
        contrast, signals = "synthetic", random_signals(rng)
    else:
        sequence = _random_sequence(rng)
        contrast, signals = str(sequence.weighting), tissue_signals(sequence)
    image = acquire(scene, sample, signals, sample_scanner(rng), rng)
    return TrainingCase(
        image=eight_bit(image),
        regions=sample.regions,
        codes=sample.spine,
        spacing_mm=grid.spacing_mm,
        affine=np.array(grid.affine),
        contrast=contrast,
    )
