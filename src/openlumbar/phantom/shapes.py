"""Implicit functions: about the distance to a surface in mm, negative inside.

All take the coordinates of points as arrays of one shape, in a vertebra's own frame:
``x`` to the patient's left, ``y`` backward, ``z`` upward, origin in the body's centre.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openlumbar.phantom.anatomy import VertebraSpec

Array = NDArray[np.floating]
Point = tuple[float, float, float]

#: Radius of the edge between a body's wall and its endplates, mm.
RIM_RADIUS_MM = 2.0

#: How far the side parts of a body reach behind the middle of its back wall, mm.
BACK_HOLLOW_MM = 1.6

#: Between the bony surfaces of a facet joint, mm.
FACET_GAP_MM = 2.6

# Angle of a vertebra's facet joints against the sagittal plane.
_FACET_TURN_DEG = {"L1": 25.0, "L2": 28.0, "L3": 34.0, "L4": 42.0}


class BodyDistance(NamedTuple):
    """Parts of a body's implicit function, mm, negative inside.

    ``whole`` is the body with rounded edges, ``top`` and ``bottom`` are its endplates
    (continued outward).
    """

    whole: Array
    top: Array
    bottom: Array


def rounded_intersection(a: Array, b: Array, radius: float) -> Array:
    """Intersection of two shapes whose common edge is rounded off."""
    u, v = a + np.float32(radius), b + np.float32(radius)
    outer = np.sqrt(np.maximum(u, 0) ** 2 + np.maximum(v, 0) ** 2)
    return outer + np.minimum(np.maximum(u, v), 0) - np.float32(radius)


def outline(x: Array, y: Array, half_width: Array | float, half_depth: Array | float) -> Array:
    """Between an ellipse and a rectangle: 0 in the centre, 1 on the outline."""
    u, v = (x / half_width) ** 2, (y / half_depth) ** 2
    return np.sqrt(np.sqrt(u * u + v * v + 1.5 * u * v)) + np.float32(1e-4)


def wall(
    size_mm: tuple[float, float],
    x: Array,
    y: Array,
    scale: Array | float,
    front: Array | float = 1.0,
) -> tuple[Array, Array]:
    """Distance to a body's wall, and the radial coordinate.

    Parameters
    ----------
    size_mm
        Width and midline depth.
    scale
        Part of the full size (the waist).
    front
        Further factor on the reach in front of the axis (the taper of the sacrum).
    """
    half_width, half_depth = size_mm[0] / 2, size_mm[1] / 2
    back = half_depth + BACK_HOLLOW_MM
    depth = np.where(y > 0, np.float32(back), np.float32(half_depth) * front)
    radial = outline(x, y, half_width * scale, depth * scale)
    length = np.sqrt(x * x + y * y)
    side = np.where(radial < 0.02, -np.float32(half_depth), length * (1 - 1 / radial))
    hollow = np.minimum((x / (0.55 * half_width)) ** 2, 1) * np.float32(BACK_HOLLOW_MM)
    return np.maximum(side, y - half_depth * (1 + scale) / 2 - hollow), radial


def _schmorl(x: Array, y: Array, depth: float) -> Array | float:
    if depth == 0:
        return 0.0
    return depth * np.exp(-((x - 2) ** 2 + (y - 2) ** 2) / np.float32(2 * 3.2**2))


def body(spec: VertebraSpec, x: Array, y: Array, z: Array) -> BodyDistance:
    """A vertebral body: waisted, with concave, possibly wedged endplates."""
    half = spec.height_mm / 2
    level = np.minimum(np.abs(z) / np.float32(half), 1)
    scale = 1 - np.float32(spec.waist) * (1 - level * level)
    front = 1 + np.float32(2 * spec.taper) * np.clip(z / np.float32(2 * half), -0.6, 0.6)
    side, radial = wall((spec.width_mm, spec.depth_mm), x, y, scale, front)
    slope = np.float32(np.tan(np.radians(spec.wedge_deg) / 2))
    dish = np.float32(spec.concavity_mm) * (1 - np.minimum(radial, 1) ** 2)
    top = z - (half - slope * y) + dish + _schmorl(x, y, spec.schmorl_mm[0])
    bottom = -z - (half - slope * y) + dish + _schmorl(x, y, spec.schmorl_mm[1])
    whole = rounded_intersection(side, np.maximum(top, bottom), RIM_RADIUS_MM)
    return BodyDistance(whole, top, bottom)


def capsule(x: Array, y: Array, z: Array, ends: tuple[Point, Point], radius: float) -> Array:
    """Points within ``radius`` of the segment between two points."""
    a, b = np.asarray(ends, np.float32)
    d = b - a
    px, py, pz = x - a[0], y - a[1], z - a[2]
    t = np.clip((px * d[0] + py * d[1] + pz * d[2]) / np.float32(d @ d), 0, 1)
    px, py, pz = px - t * d[0], py - t * d[1], pz - t * d[2]
    return np.sqrt(px * px + py * py + pz * pz) - np.float32(radius)


def box(x: Array, y: Array, z: Array, half: tuple[Array | float, ...], radius: float) -> Array:
    """A box about the origin with rounded edges."""
    u = np.abs(x) - half[0] + radius
    v = np.abs(y) - half[1] + radius
    w = np.abs(z) - half[2] + radius
    outer = np.sqrt(np.maximum(u, 0) ** 2 + np.maximum(v, 0) ** 2 + np.maximum(w, 0) ** 2)
    return outer + np.minimum(np.maximum(np.maximum(u, v), w), 0) - np.float32(radius)


class Arch(NamedTuple):
    """Measures of a neural arch in its vertebra's frame, mm."""

    half_width: float
    half_depth: float
    centre_y: float
    back_y: float


def arch_of(spec: VertebraSpec) -> Arch:
    """Where the bony canal lies behind a body."""
    half_depth = spec.canal_depth_mm / 2
    centre = spec.depth_mm / 2 + half_depth
    return Arch(spec.canal_width_mm / 2, half_depth, centre, centre + half_depth)


def facet_joint(spec: VertebraSpec, x: Array, y: Array) -> Array:
    """Signed distance from the facet joints' surface, mm.

    Positive in front of and lateral to it, where the vertebra below has its process.
    Joints stand more sagittally above, more frontally below. ``x`` is positive.
    """
    arch = arch_of(spec)
    turn = np.radians(_FACET_TURN_DEG.get(spec.name, 48.0 if spec.name.startswith("L") else 60.0))
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    u = x - np.float32(_facet_x(spec))
    v = y - np.float32(arch.centre_y + 8.5)
    along = u * sin + v * cos
    # The lower vertebra's process is hollow and holds the other.
    return u * cos - v * sin + np.float32(0.025) * along * along


def _facet_x(spec: VertebraSpec) -> float:
    return 0.32 * spec.width_mm if spec.name.startswith("S") else spec.canal_width_mm / 2 + 4.5


def _laminae(spec: VertebraSpec, x: Array, y: Array, z: Array) -> Array:
    arch, height = arch_of(spec), spec.height_mm
    thickness = 3.0
    dy = y - arch.centre_y
    # A roof rather than an ellipse: the laminae meet in the spinous process.
    e = np.abs(x) / (arch.half_width + thickness) + np.maximum(dy, 0) / (arch.half_depth + 7.0)
    ring = np.abs(e - 1) * (arch.half_depth + 1.5) - thickness
    lean = z + np.float32(0.42) * dy + 0.12 * height
    return np.maximum(np.maximum(ring, np.abs(lean) - 0.36 * height), 1.0 - dy)


def _lumbar_spinous(spec: VertebraSpec, x: Array, y: Array, z: Array) -> Array:
    arch, height = arch_of(spec), spec.height_mm
    # It springs from the laminae, behind the fat that lies behind the sac.
    length = max(spec.spinous_mm - 3.5, 4.0)
    middle = arch.back_y + 4.5 + length / 2
    along = (y - middle) / np.float32(length / 2)
    half_height = height * (0.30 + 0.07 * np.clip(along, -1, 1))
    z0 = -0.44 * height - 0.05 * height * along
    half_width = 2.9 + 0.8 * np.clip(along, -1, 1)
    blade = box(np.zeros_like(x), y - middle, z - z0, (9.0, length / 2 + 1, half_height), 5.5)
    return rounded_intersection(blade, np.abs(x) - half_width, 2.5)


def _thoracic_spinous(spec: VertebraSpec, x: Array, y: Array, z: Array) -> Array:
    arch, height = arch_of(spec), spec.height_mm
    drop = spec.spinous_mm * {"T12": 0.5, "T11": 0.8}.get(spec.name, 1.25)
    ends = (
        (0.0, arch.back_y + 2.0, -0.15 * height),
        (0.0, arch.back_y + 0.8 * spec.spinous_mm, -0.25 * height - drop),
    )
    return capsule(x * np.float32(1.4), y, z * np.float32(0.9), ends, 4.6)


def _mirrored(spec: VertebraSpec, x: Array, y: Array, z: Array) -> Array:
    """Pedicles, articular and transverse processes; ``x`` is already positive."""
    arch, height = arch_of(spec), spec.height_mm
    cw, cy = arch.half_width, arch.centre_y
    thoracic = spec.name.startswith("T") and spec.name != "T12"
    front = spec.depth_mm / 2 - 4.0
    pedicle = capsule(
        x,
        y,
        z * np.float32(0.66),
        ((cw + 3.6, front, 0.12 * height), (cw + 4.0, cy + 3.0, 0.1 * height)),
        4.4,
    )
    joint, half_gap = facet_joint(spec, x, y), np.float32(FACET_GAP_MM / 2)
    upper = capsule(
        x, y, z, ((cw + 5.0, cy + 3.0, 0.1 * height), (cw + 6.5, cy + 7.0, 0.72 * height)), 6.0
    )
    upper = np.maximum(upper, half_gap - joint)
    lower = capsule(
        x,
        y,
        z,
        ((cw + 0.5, cy + 9.0, -0.05 * height), (cw + 2.0, cy + 11.5, -0.86 * height)),
        6.2,
    )
    lower = np.where(z < -0.3 * height, np.maximum(lower, joint + half_gap), lower)
    side = (
        (cw + 20.0, cy + 15.0, 0.25 * height) if thoracic else (cw + 29.0, cy + 7.0, 0.1 * height)
    )
    transverse = capsule(x, y, z, ((cw + 5.0, cy + 2.0, 0.1 * height), side), 3.6)
    return np.minimum(np.minimum(pedicle, upper), np.minimum(lower, transverse))


def posterior_elements(spec: VertebraSpec, x: Array, y: Array, z: Array) -> Array:
    """Pedicles, laminae and processes of a thoracic or lumbar vertebra."""
    thoracic = spec.name.startswith("T")
    spinous = (_thoracic_spinous if thoracic else _lumbar_spinous)(spec, x, y, z)
    arch = np.minimum(_laminae(spec, x, y, z), spinous)
    return np.minimum(arch, _mirrored(spec, np.abs(x), y, z))


def nerve_roots(spec: VertebraSpec, x: Array, y: Array, z: Array) -> Array:
    """The pair of roots that leave under the pedicles, ganglion included."""
    arch, height = arch_of(spec), spec.height_mm
    inner = (arch.half_width - 3.0, arch.centre_y - 2.0, -0.05 * height)
    ganglion = (arch.half_width + 7.0, arch.centre_y - 3.0, -0.38 * height)
    outer = (arch.half_width + 19.0, arch.centre_y - 9.0, -1.05 * height)
    x = np.abs(x)
    root = capsule(x, y, z, (inner, ganglion), 2.3)
    return np.minimum(root, capsule(x, y, z, (ganglion, outer), 2.7))


def sacral_arch(spec: VertebraSpec, x: Array, y: Array, z: Array) -> Array:
    """The bone about and beside the sacral canal of one segment, crest included."""
    arch, height = arch_of(spec), spec.height_mm
    dy = y - arch.centre_y
    e = np.sqrt((x / (arch.half_width + 4)) ** 2 + (dy / (arch.half_depth + 3)) ** 2)
    ring = np.abs(e - 1) * (arch.half_depth + 3) - 3.0
    roof = np.maximum(np.maximum(ring, -dy - 2), np.abs(z) - 0.56 * height)
    middle = arch.back_y + 3.0 + spec.spinous_mm / 2
    crest = box(
        x, y - middle, z + 0.1 * height, (3.0, spec.spinous_mm / 2 + 1.5, 0.42 * height), 2.5
    )
    bone = np.minimum(roof, crest)
    return np.minimum(bone, _sacral_facets(spec, np.abs(x), y, z)) if spec.name == "S1" else bone


def _sacral_facets(spec: VertebraSpec, x: Array, y: Array, z: Array) -> Array:
    """The upper articular processes of S1."""
    wide, deep, height = _facet_x(spec), arch_of(spec).centre_y, spec.height_mm
    ends = ((wide, deep + 2.0, 0.1 * height), (wide + 2.0, deep + 6.0, 0.68 * height))
    process = capsule(x, y, z, ends, 6.2)
    return np.maximum(process, FACET_GAP_MM / 2 - facet_joint(spec, x, y))


def sacral_wing(spec: VertebraSpec, x: Array, y: Array, z: Array) -> Array:
    """The lateral mass beside a sacral body."""
    reach = {"S1": 30.0, "S2": 26.0, "S3": 16.0}.get(spec.name, 6.0)
    inner, outer = 0.3 * spec.width_mm, 0.5 * spec.width_mm + reach
    u = np.abs(x) - (inner + outer) / 2
    # The wing turns backward on its way out, along the sacroiliac joint.
    v = y - 1.0 - 0.22 * (np.abs(x) - inner)
    half = ((outer - inner) / 2, 0.3 * spec.depth_mm + 2.5, 0.58 * spec.height_mm)
    wing = box(u, v, z + 0.06 * spec.height_mm + 0.12 * (np.abs(x) - inner), half, 7.0)
    # The side that faces the ilium runs inward on its way back.
    joint = (np.abs(x) - outer + 0.55 * v + 2.0) * np.float32(0.88)
    return rounded_intersection(wing, joint, 4.0)
