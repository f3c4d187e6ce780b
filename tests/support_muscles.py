"""Axial slices with known muscles, as their measurements, for tests of ``mechanics``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from openlumbar.core.levels import LevelRow
from openlumbar.core.measurement import Measurement
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import MEASURED_GROUPS, Array, Model, Posture
from openlumbar.mechanics.muscles import LINE_SD_MM, MeasuredMuscles
from openlumbar.mechanics.sections import LEVELS, SIDES, Planes, crossing, disc_planes
from openlumbar.mechanics.spine import MeasuredSpine, generic_spine

SERIES = "axial"
#: (group, side): place in the disc's axes, mm, and area, cm2.
Truth = dict[tuple[str, str], tuple[Array, float]]


def seen_spine(model: Model | None = None) -> MeasuredSpine:
    """The base model's spine as if a sagittal series had shown it."""
    return replace(generic_spine(model or base_model("M")), flags=(), notes=())


@dataclass(frozen=True)
class Cut:
    """A slice: at a disc, so far above its middle, tilted by so much about the right axis."""

    level: str
    height_mm: float = 0.0
    tilt_deg: float = 0.0
    series: str = SERIES


def disc_truth() -> Truth:
    """Muscles that stand square to every disc."""
    places = {
        "multifidus": (-50.0, 14.0, 9.0),
        "erector spinae": (-55.0, 45.0, 20.0),
        "psoas": (-3.0, 40.0, 12.0),
        "quadratus lumborum": (-30.0, 60.0, 5.0),
    }
    return {
        (group, side): (np.array([forward, 0.0, right if side == "right" else -right]), area)
        for group, (forward, right, area) in places.items()
        for side in SIDES
    }


def measured_slices(
    spine: MeasuredSpine, cuts: Sequence[Cut], truth: Truth, moved_mm: Sequence[float] = (0, 0, 0)
) -> tuple[list[Measurement], list[LevelRow]]:
    """What an analysis says of slices through straight muscles that run along each disc's axis.

    Parameters
    ----------
    moved_mm
        LPS, of the patient from the sagittal to the axial series.
    """
    measurements: list[Measurement] = []
    rows = []
    for number, cut in enumerate(cuts):
        measurements += _slice(spine, cut, number, truth, np.asarray(moved_mm, float))
        rows.append(_row(cut, number))
    return measurements, rows


def _slice(
    spine: MeasuredSpine, cut: Cut, number: int, truth: Truth, moved: Array
) -> Iterator[Measurement]:
    disc = spine.discs[cut.level]
    angle = np.radians(cut.tilt_deg)
    normal = np.array([np.sin(angle), np.cos(angle), 0.0])  # in the disc's axes

    def of(structure: str, side: str, metric: str, value: float) -> Measurement:
        return Measurement(
            cut.series, 0, structure, cut.level, metric, value, 0.2, 0.9, slice=number, side=side
        )

    def centre(structure: str, side: str, local: Array) -> Iterator[Measurement]:
        # Along the muscle, which runs upward, to the plane.
        up = (np.array([0.0, cut.height_mm, 0.0]) - local) @ normal / normal[1]
        at = disc.middle_mm + disc.axes @ (local + np.array([0.0, up, 0.0])) + moved
        for axis, value in zip("xyz", at, strict=True):
            yield of(structure, side, f"centroid_{axis}_mm", float(value))

    lps = disc.axes @ normal
    yield of("slice", "", "tilt_deg", float(np.degrees(np.arctan2(-lps[1], lps[2]))))
    yield from centre("disc", "", np.zeros(3))
    for (group, side), (local, area) in truth.items():
        yield of(group, side, "csa_cm2", area / normal[1])
        yield of(group, side, "lean_csa_cm2", 0.8 * area / normal[1])
        yield from centre(group, side, local)


def _row(cut: Cut, number: int) -> LevelRow:
    within = 0.5 if cut.height_mm == 0 else None
    return LevelRow(
        series=cut.series,
        block=0,
        slice=number,
        instance="",
        structure="slice",
        label=0,
        level=cut.level,
        disc_level=cut.level,
        level_confidence=1.0,
        x_mm=0.0,
        y_mm=0.0,
        z_mm=0.0,
        source="geometry",
        within=within,
    )


def own_muscles(model: Model, tilt_deg: float = 0.0) -> MeasuredMuscles:
    """A model's own sections, at its discs or tilted against them, as if they were measured."""
    poses = place(model, Posture())
    discs = disc_planes(model, poses)
    angle = np.radians(tilt_deg)
    normals = discs.axes @ np.array([np.sin(angle), np.cos(angle), 0.0])
    cut = crossing(model, poses, Planes(discs.origins_m, normals, discs.middles_m, discs.axes))
    n = len(MEASURED_GROUPS)
    slant = np.abs(np.einsum("kc,gskc->gsk", normals, cut.direction))[:n]
    area = np.where(cut.area_cm2[:n] > 0, cut.area_cm2[:n] / slant, np.nan)
    seen = np.isfinite(area)[..., None]
    local = np.einsum("kij,ki->kj", discs.axes, normals)
    return MeasuredMuscles(
        csa_cm2=area,
        csa_sd_cm2=0.05 * area,
        lean_cm2=0.5 * area,
        lean_sd_cm2=0.05 * area,
        place_mm=cut.offset_m[:n] * 1000,
        place_sd_mm=np.where(seen, LINE_SD_MM, np.nan) * np.ones(2),
        normal=np.where(seen, np.broadcast_to(local, (*area.shape, 3)), np.nan),
        slices=np.isfinite(area).astype(np.intp),
    )


def without(
    muscles: MeasuredMuscles, group: str, side: str, levels: Sequence[str]
) -> MeasuredMuscles:
    """The same with a muscle withheld at some discs."""
    gone = (
        MEASURED_GROUPS.index(group),
        SIDES.index(side),
        [LEVELS.index(level) for level in levels],
    )
    changed = {}
    names = (
        "csa_cm2",
        "csa_sd_cm2",
        "lean_cm2",
        "lean_sd_cm2",
        "place_mm",
        "place_sd_mm",
        "normal",
    )
    for name in names:
        changed[name] = getattr(muscles, name).copy()
        changed[name][gone] = np.nan
    return replace(muscles, **changed)
