"""From parameters to places: the frame of every vertebra, and curves along the spine.

Everything is LPS, mm; the origin is the middle of the upper endplate of S1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from openlumbar.phantom.anatomy import (
    ENDPLATE_GAP_MM,
    THORACIC,
    Anatomy,
    DiscSpec,
    VertebraSpec,
)
from openlumbar.phantom.shapes import arch_of

#: Coordinates x, y and z of points, an array each.
Coordinates = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]

#: Distance between neighbouring rows of :class:`Profile`, mm.
PROFILE_STEP_MM = 0.2


def into_frame(
    points: Coordinates, centre: NDArray[np.float64], rotation: NDArray[np.float64]
) -> Coordinates:
    """Coordinates of LPS points along the columns of a rotation about a centre."""
    px, py, pz = (axis - np.float32(middle) for axis, middle in zip(points, centre, strict=True))
    turn = rotation.astype(np.float32)
    x, y, z = (px * turn[0, n] + py * turn[1, n] + pz * turn[2, n] for n in range(3))
    return x, y, z


class PlacedVertebra(NamedTuple):
    """A vertebra with its frame: ``LPS = centre + rotation @ local``."""

    spec: VertebraSpec
    centre: NDArray[np.float64]
    rotation: NDArray[np.float64]

    def to_patient(self, local: tuple[float, float, float]) -> NDArray[np.float64]:
        """Map a point of the vertebra's own frame to LPS."""
        return self.centre + self.rotation @ np.array(local)

    def to_local(self, points: Coordinates) -> Coordinates:
        """Map LPS points, an array an axis, to the vertebra's own frame."""
        return into_frame(points, self.centre, self.rotation)


class PlacedDisc(NamedTuple):
    """A disc, and the vertebrae above and below it."""

    spec: DiscSpec
    upper: PlacedVertebra
    lower: PlacedVertebra

    @property
    def middle(self) -> NDArray[np.float64]:
        """Midway between the middles of the endplates (LPS)."""
        above = self.upper.to_patient((0.0, 0.0, -self.upper.spec.height_mm / 2))
        below = self.lower.to_patient((0.0, 0.0, self.lower.spec.height_mm / 2))
        return (above + below) / 2


@dataclass(frozen=True, eq=False)
class Profile:
    """Curves along the spine as tables over height ``z`` (:data:`PROFILE_STEP_MM`).

    Attributes
    ----------
    z0
        Height of row 0.
    sac_x, sac_y, sac_cos
        Centre of the dural sac, and the cosine of its tilt in the sagittal plane.
    sac_half_depth, sac_half_width
        Of the sac; zero below its end.
    front_y
        Front of the bodies.
    skin_y, fascia_y
        Back of the person, and of the muscles.
    """

    z0: float
    sac_x: NDArray[np.float32]
    sac_y: NDArray[np.float32]
    sac_cos: NDArray[np.float32]
    sac_half_depth: NDArray[np.float32]
    sac_half_width: NDArray[np.float32]
    front_y: NDArray[np.float32]
    skin_y: NDArray[np.float32]
    fascia_y: NDArray[np.float32]

    def rows(self, z: NDArray[np.float32]) -> NDArray[np.int32]:
        """Row of each height; the ends stand for all beyond them."""
        row = ((z - np.float32(self.z0)) / np.float32(PROFILE_STEP_MM)).astype(np.int32)
        return np.clip(row, 0, len(self.sac_x) - 1)


@dataclass(frozen=True, eq=False)
class Spine:
    """An anatomy put in place.

    Attributes
    ----------
    vertebrae, discs
        From the head downward.
    conus_z, bifurcation_z
        Heights of the cord's end, and of the aorta's.
    """

    anatomy: Anatomy
    vertebrae: tuple[PlacedVertebra, ...]
    discs: tuple[PlacedDisc, ...]
    profile: Profile
    conus_z: float
    bifurcation_z: float

    def vertebra(self, name: str) -> PlacedVertebra:
        """The vertebra of that name."""
        return next(placed for placed in self.vertebrae if placed.spec.name == name)


def _rotation(tilt_deg: float, lateral_deg: float, axial_deg: float) -> NDArray[np.float64]:
    """Columns are the local left, backward and upward directions in LPS."""
    a, b, c = np.radians([tilt_deg, lateral_deg, axial_deg])
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    lean = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turn = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return tilt @ lean @ turn


def _curve(anatomy: Anatomy, above_mm: float) -> tuple[float, float]:
    """Lateral lean and axial rotation at a distance above S1, degrees."""
    wave = np.sin(above_mm / 55.0 + anatomy.scoliosis_phase) - np.sin(anatomy.scoliosis_phase)
    wave *= 0.6 * min(max(above_mm, 0.0) / 60.0, 1.0)
    return anatomy.scoliosis_deg * wave, anatomy.rotation_deg * wave


def _upward(anatomy: Anatomy, sacral: int) -> list[PlacedVertebra]:
    """Vertebrae above S1, from the lowest upward."""
    placed: list[PlacedVertebra] = []
    position, tilt, above = np.zeros(3), anatomy.sacral_slope_deg, 0.0
    for index in range(sacral - 1, -1, -1):
        spec, below, disc = (
            anatomy.vertebrae[index],
            anatomy.vertebrae[index + 1],
            anatomy.discs[index],
        )
        rise = disc.height_mm + 2 * ENDPLATE_GAP_MM
        between = _rotation(tilt - disc.wedge_deg / 2, *_curve(anatomy, above))
        # Back walls in line, then the slip.
        forward = (spec.depth_mm - below.depth_mm) / 2 + disc.listhesis_mm
        position = position + between @ np.array([0.0, -forward, rise])
        tilt -= disc.wedge_deg
        above += rise + spec.height_mm
        frame = _rotation(tilt - spec.wedge_deg / 2, *_curve(anatomy, above))
        placed.append(PlacedVertebra(spec, position + frame[:, 2] * spec.height_mm / 2, frame))
        position = position + frame[:, 2] * spec.height_mm
        tilt -= spec.wedge_deg
    return placed


def _downward(anatomy: Anatomy, sacral: int) -> list[PlacedVertebra]:
    """S1 … S5."""
    placed: list[PlacedVertebra] = []
    position, tilt = np.zeros(3), anatomy.sacral_slope_deg
    for index in range(sacral, len(anatomy.vertebrae)):
        spec = anatomy.vertebrae[index]
        frame = _rotation(tilt + spec.wedge_deg / 2, 0.0, 0.0)
        placed.append(PlacedVertebra(spec, position - frame[:, 2] * spec.height_mm / 2, frame))
        tilt += spec.wedge_deg
        gap = 2 * ENDPLATE_GAP_MM
        if index < len(anatomy.discs):
            gap += anatomy.discs[index].height_mm
        if index + 1 == len(anatomy.vertebrae):
            break
        thinner = (spec.depth_mm - anatomy.vertebrae[index + 1].depth_mm) / 2
        position = position - frame[:, 2] * (spec.height_mm + gap) + frame[:, 1] * thinner
    return placed


def _along(z: NDArray, points: NDArray, values: NDArray) -> NDArray[np.float64]:
    """A smooth curve over height through ``(points, values)``, straight beyond the ends."""
    order = np.argsort(points)
    points, values = points[order], values[order]
    keep = np.concatenate([[True], np.diff(np.maximum.accumulate(points)) > 0.5])
    points, values = points[keep], values[keep]
    inside = PchipInterpolator(points, values)(np.clip(z, points[0], points[-1]))
    for end, other in ((0, 3), (-1, -4)):
        slope = (values[end] - values[other]) / (points[end] - points[other])
        beyond = z < points[0] if end == 0 else z > points[-1]
        inside = inside + np.where(beyond, (z - points[end]) * slope, 0.0)
    return gaussian_filter1d(inside, 4.0 / PROFILE_STEP_MM, mode="nearest")


def _sac_size(anatomy: Anatomy, vertebrae: tuple[PlacedVertebra, ...]) -> NDArray[np.float64]:
    """Half depth and half width of the sac at each vertebra: ``[vertebra, 2]``."""
    factors = {
        "S1": (0.72, 0.72),
        "S2": (0.5, 0.5),
        "S3": (0.1, 0.1),
        "S4": (0.05, 0.05),
        "S5": (0.05, 0.05),
    }
    last = THORACIC[-1]
    sizes = []
    for placed in vertebrae:
        name = placed.spec.name
        thoracic = (0.92, 0.86) if name != last else (0.98, 0.95)
        depth, width = factors.get(name, thoracic if name.startswith("T") else (1.0, 1.0))
        sizes.append((anatomy.sac_depth_mm / 2 * depth, anatomy.sac_width_mm / 2 * width))
    return np.array(sizes)


def _wall_points(
    vertebrae: tuple[PlacedVertebra, ...], offsets: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points ``offsets[v]`` behind each body's centre, at three heights: ``[3 v, 3]``."""
    return np.array(
        [
            placed.to_patient((0.0, float(offset), part * placed.spec.height_mm))
            for placed, offset in zip(vertebrae, offsets, strict=True)
            for part in (-0.45, 0.0, 0.45)
        ]
    )


def _narrowing(z: NDArray, discs: tuple[PlacedDisc, ...]) -> NDArray[np.float64]:
    """Part of the sac's depth that is left at each height."""
    left = np.ones_like(z)
    for disc in discs:
        back = disc.lower.to_patient(
            (0.0, disc.lower.spec.depth_mm / 2, disc.lower.spec.height_mm / 2)
        )
        bump = np.exp(-(((z - back[2] - 3.0) / 5.0) ** 2))
        left *= 1 - disc.spec.stenosis * bump
    return left


def _skin(
    z: NDArray, anatomy: Anatomy, vertebrae: tuple[PlacedVertebra, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Back of the muscles and of the skin in the midline."""
    tips = np.array(
        [
            placed.to_patient(
                (
                    0.0,
                    arch_of(placed.spec).back_y + placed.spec.spinous_mm + 5.0,
                    -0.5 * placed.spec.height_mm,
                )
            )
            for placed in vertebrae
        ]
    )
    fascia = _along(z, tips[:, 2], tips[:, 1])
    fascia = gaussian_filter1d(fascia, 12 / PROFILE_STEP_MM, mode="nearest")
    # Fat fills the hollow of the back, so that the skin is straighter than the spine.
    reach = int(150 / PROFILE_STEP_MM)
    hull = gaussian_filter1d(maximum_filter1d(fascia, reach), 45 / PROFILE_STEP_MM, mode="nearest")
    thickness = anatomy.subcutaneous_mm * (1 + 0.35 * np.clip(-z / 60, -0.6, 1.0))
    return fascia, fascia + 0.7 * np.maximum(hull - fascia, 0) + np.maximum(thickness, 3.0)


def _profile(
    anatomy: Anatomy, vertebrae: tuple[PlacedVertebra, ...], discs: tuple[PlacedDisc, ...]
) -> Profile:
    heights = [placed.centre[2] for placed in vertebrae]
    z0, z1 = min(heights) - 80.0, max(heights) + 80.0
    z = np.arange(z0, z1, PROFILE_STEP_MM)
    sizes = _sac_size(anatomy, vertebrae)
    fat = np.array(
        [
            {"S1": 3.0 + anatomy.epidural_fat_mm, "S2": 4.0}.get(placed.spec.name, 1.2)
            for placed in vertebrae
        ]
    )
    fat[[placed.spec.name for placed in vertebrae].index("S1") - 1] += 0.5 * anatomy.epidural_fat_mm
    backs = np.array([placed.spec.depth_mm / 2 for placed in vertebrae])
    points = _wall_points(vertebrae, backs + fat + sizes[:, 0])
    half_depth = _along(z, points[:, 2], np.repeat(sizes[:, 0], 3))
    left = _narrowing(z, discs)
    sac_y = _along(z, points[:, 2], points[:, 1]) + 0.6 * half_depth * (1 - left)
    fronts = _wall_points(vertebrae, -backs)
    fascia, skin = _skin(z, anatomy, vertebrae)
    slope = np.gradient(gaussian_filter1d(sac_y, 5 / PROFILE_STEP_MM), PROFILE_STEP_MM)
    end = vertebrae[[p.spec.name for p in vertebrae].index("S2")].centre[2]
    taper = np.clip((z - end + 6) / 14, 0, 1) ** 0.5
    tables = (
        _along(z, points[:, 2], points[:, 0]),
        sac_y,
        1 / np.sqrt(1 + slope**2),
        half_depth * left * taper,
        _along(z, points[:, 2], np.repeat(sizes[:, 1], 3)) * (0.4 + 0.6 * left) * taper,
        _along(z, fronts[:, 2], fronts[:, 1]),
        skin,
        fascia,
    )
    return Profile(float(z0), *(table.astype(np.float32) for table in tables))


def place(anatomy: Anatomy) -> Spine:
    """Stack an anatomy's vertebrae and discs upon the sacrum."""
    names = [spec.name for spec in anatomy.vertebrae]
    sacral = names.index("S1")
    vertebrae = (*reversed(_upward(anatomy, sacral)), *_downward(anatomy, sacral))
    discs = tuple(
        PlacedDisc(spec, vertebrae[index], vertebrae[index + 1])
        for index, spec in enumerate(anatomy.discs)
    )
    first = vertebrae[names.index("L1")]
    above = vertebrae[names.index("L1") - 1]
    pitch = above.centre[2] - first.centre[2]
    fourth = vertebrae[min(names.index("L1") + 3, sacral - 1)]
    return Spine(
        anatomy=anatomy,
        vertebrae=vertebrae,
        discs=discs,
        profile=_profile(anatomy, vertebrae, discs),
        conus_z=float(first.centre[2] + anatomy.conus * pitch),
        bifurcation_z=float(fourth.centre[2] - 10.0),
    )
