"""What is exactly true of a phantom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core import anatomy as codes
from openlumbar.core.volume import Volume
from openlumbar.phantom import shapes
from openlumbar.phantom.axial_truth import MuscleTruth, PlaceTruth, SacTruth
from openlumbar.phantom.discs import disc_frame, disc_gaps, disc_inside
from openlumbar.phantom.geometry import Coordinates, PlacedDisc, PlacedVertebra, Spine

# Step of the sums that give centroids and volumes, mm.
_STEP_MM = 1.0


@dataclass(frozen=True)
class LevelTruth:
    """One vertebra or disc.

    Attributes
    ----------
    name, code, kind
        As in :mod:`openlumbar.core.anatomy`.
    centroid_mm
        LPS; of the body for a vertebra.
    volume_mm3
        Of the body or the disc, as labelled.
    height_mm
        Mean rim height of a body; between the rims, as labelled, at mid-depth of a disc.
    depth_mm, width_mm
        Of a body; 0 for a disc.
    wedge_deg
        Between the endplates, positive when the front is higher.
    degeneration, listhesis_mm
        Of a disc (slip of the vertebra above, positive forward); 0 for a vertebra.
    fracture
        Of a vertebra; ``none`` for a disc.
    """

    name: str
    code: int
    kind: str
    centroid_mm: tuple[float, float, float]
    volume_mm3: float
    height_mm: float
    depth_mm: float
    width_mm: float
    wedge_deg: float
    degeneration: float
    listhesis_mm: float
    fracture: str


@dataclass(frozen=True, eq=False)
class SeriesTruth:
    """Label maps of one series, a volume a block.

    Attributes
    ----------
    codes
        ``uint16``, codes of :mod:`openlumbar.core.anatomy`; a vertebra's on its body and
        its posterior elements, a muscle's in axial series alone.
    regions
        ``uint8``, classes of :class:`openlumbar.core.masks.Tissue`.
    fat
        ``uint8``, exact fat part of each voxel, averaged through the slice, times 255; of
        axial series alone.
    muscles, sacs
        Muscles and dural sac slice by slice; of axial series alone.
    places
        Level of each slice; of axial series alone.
    """

    series: str
    codes: tuple[Volume, ...]
    regions: tuple[Volume, ...]
    fat: tuple[Volume, ...] = ()
    muscles: tuple[MuscleTruth, ...] = ()
    sacs: tuple[SacTruth, ...] = ()
    places: tuple[PlaceTruth, ...] = ()


@dataclass(frozen=True, eq=False)
class Truth:
    """All that is known of a phantom; levels from the head downward."""

    levels: tuple[LevelTruth, ...]
    series: tuple[SeriesTruth, ...]
    lordosis_deg: float
    sacral_slope_deg: float

    def level(self, name: str) -> LevelTruth:
        """The vertebra or disc of that name."""
        return next(level for level in self.levels if level.name == name)


def _lattice(half: tuple[float, float, float]) -> Coordinates:
    axes = [np.arange(-reach, reach + _STEP_MM, _STEP_MM, dtype=np.float32) for reach in half]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return x, y, z


def _sum(
    inside: NDArray[np.bool_], local: Coordinates, frame: PlacedVertebra
) -> tuple[tuple[float, float, float], float]:
    """Centroid (LPS) and volume of the lattice points inside."""
    mean = [float(axis[inside].mean(dtype=np.float64)) for axis in local]
    x, y, z = frame.to_patient((mean[0], mean[1], mean[2]))
    return (float(x), float(y), float(z)), float(inside.sum() * _STEP_MM**3)


def body_truth(placed: PlacedVertebra) -> LevelTruth:
    """Integrate a body over a lattice in its own frame."""
    spec = placed.spec
    reach = 4.0 + spec.height_mm * abs(spec.taper)
    local = _lattice((spec.width_mm / 2 + 3, spec.depth_mm / 2 + reach, spec.height_mm / 2 + 6))
    centroid, volume = _sum(shapes.body(spec, *local).whole < 0, local, placed)
    sacral = spec.name in ("S3", "S4", "S5")
    return LevelTruth(
        name=spec.name,
        code=codes.SACRUM if sacral else codes.vertebra_code(spec.name),
        kind="vertebra",
        centroid_mm=centroid,
        volume_mm3=volume,
        height_mm=spec.height_mm,
        depth_mm=spec.depth_mm,
        width_mm=spec.width_mm,
        wedge_deg=spec.wedge_deg,
        degeneration=0.0,
        listhesis_mm=0.0,
        fracture=spec.fracture,
    )


def disc_truth(disc: PlacedDisc) -> LevelTruth:
    """Integrate a disc over a lattice in the frame midway between its bodies."""
    frame = disc_frame(disc)
    half = disc.spec.height_mm / 2 + 8
    local = _lattice((frame.spec.width_mm / 2 + 5, frame.spec.depth_mm / 2 + 6, half))
    x, y, z = (
        sum(frame.rotation[axis, n] * local[n] for n in range(3)) + frame.centre[axis]
        for axis in range(3)
    )
    inside = disc_inside(disc, frame, local, disc_gaps(disc, (x, y, z)))
    centroid, volume = _sum(inside, local, frame)
    return LevelTruth(
        name=disc.spec.name,
        code=codes.disc_code(disc.spec.name),
        kind="disc",
        centroid_mm=centroid,
        volume_mm3=volume,
        height_mm=disc.spec.height_mm,
        depth_mm=0.0,
        width_mm=0.0,
        wedge_deg=disc.spec.wedge_deg,
        degeneration=disc.spec.degeneration,
        listhesis_mm=disc.spec.listhesis_mm,
        fracture="none",
    )


def levels_of(spine: Spine) -> tuple[LevelTruth, ...]:
    """Vertebrae and discs in turn, from the head downward."""
    levels: list[LevelTruth] = []
    for index, placed in enumerate(spine.vertebrae):
        levels.append(body_truth(placed))
        if index < len(spine.discs):
            levels.append(disc_truth(spine.discs[index]))
    return tuple(levels)
