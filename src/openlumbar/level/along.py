"""Where along the spine the slices of an axial series cross it, from the series alone.

The order of slices along z is not their order along the spine: blocks that are angled to the
discs overlap and cross each other behind it (design.md, section 9). So a smooth curve is laid
through what was found of the spine on all slices of all blocks, and each slice's place is the
arc length at which its plane cuts that curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray

from openlumbar.core.anatomy import SPINAL_CANAL, UNKNOWN_DISC, UNKNOWN_VERTEBRA
from openlumbar.core.exam import Series
from openlumbar.core.masks import AxialMask
from openlumbar.core.volume import Volume

#: From the sac's centre forward to the middle of the vertebral bodies, mm; generic, ours.
_SAC_TO_BODY_MM = 27.0
#: A centre this far off the curve counts half, mm: borders of masks are off by less.
_OFF_MM = 4.0
#: The curve bends once more with each such length of spine, mm, up to a cubic.
_BEND_MM = 50.0
#: Samples of the curve, mm, and how far it goes on straight beyond the outermost slices.
_STEP_MM, _TAIL_MM = 0.5, 80.0
#: A slice cuts the curve within this distance along z of where it shows the spine, mm.
_WINDOW_MM = 60.0


@dataclass(frozen=True, eq=False)
class _Curve:
    """Points ``[n, 3]`` (LPS, mm) from head to foot and the arc length of each, mm."""

    points: NDArray[np.float64]
    along_mm: NDArray[np.float64]


def along_spine(series: Series, found: Sequence[AxialMask]) -> NDArray[np.float64]:
    """Arc length at which each slice cuts the spine.

    Parameters
    ----------
    series
        For its blocks' geometry.
    found
        One a block. The curve runs through the centres of vertebral body and disc; on a
        slice without them, through a point in front of the dural sac; in a series without
        either, through the middles of the pictures.

    Returns
    -------
    ndarray
        ``[n]`` mm, greater toward the foot, from an arbitrary zero; block by block in the
        order of the slices.
    """
    volumes = [block.volume for block in series.blocks]
    middles = np.concatenate([_middles(volume) for volume in volumes])
    normals = np.concatenate([_normals(volume) for volume in volumes])
    centres = np.concatenate([_centres(mask) for mask in found])
    seen = np.isfinite(centres).all(axis=1)
    nodes = centres[seen] if seen.any() else middles
    curve = _fit(nodes, middles[:, 2])
    starts = np.where(seen, centres[:, 2], middles[:, 2])
    return np.array([_cut(curve, *slice_) for slice_ in zip(middles, normals, starts, strict=True)])


def disc_shares(found: Sequence[AxialMask]) -> NDArray[np.float64]:
    """Share of disc in disc and vertebral body on each slice ``[n]``; NaN without either."""
    shares: list[float] = []
    for mask in found:
        disc = (mask.labels.array == UNKNOWN_DISC).sum(axis=(1, 2))
        both = disc + _bone(mask).sum(axis=(1, 2))
        shares += [float(d / b) if b else float("nan") for d, b in zip(disc, both, strict=True)]
    return np.array(shares)


def _middles(volume: Volume) -> NDArray[np.float64]:
    slices, rows, columns = volume.shape
    return volume.to_patient([(k, (rows - 1) / 2, (columns - 1) / 2) for k in range(slices)])


def _normals(volume: Volume) -> NDArray[np.float64]:
    normal = np.asarray(volume.affine[:3, 2], float)
    return np.tile(normal / np.linalg.norm(normal), (volume.shape[0], 1))


def _bone(mask: AxialMask) -> NDArray[np.bool_]:
    """The vertebral bodies; whole vertebrae where bodies are not told apart."""
    bodies = mask.bodies.array > 0
    return bodies if bodies.any() else mask.labels.array == UNKNOWN_VERTEBRA


def _centres(mask: AxialMask) -> NDArray[np.float64]:
    """Middle of the vertebral column on each slice, ``[k, 3]`` LPS mm; NaN where unknown."""
    volume = mask.labels
    told = bool((mask.bodies.array > 0).any())
    column = _bone(mask) | (volume.array == UNKNOWN_DISC)
    forward = _forward(volume)
    centres = np.full((volume.shape[0], 3), np.nan)
    for k in range(volume.shape[0]):
        sac = volume.array[k] == SPINAL_CANAL
        # Whole vertebrae reach behind the sac, discs do not: their centres are no curve.
        if told and column[k].any():
            centres[k] = volume.to_patient((k, *np.argwhere(column[k]).mean(axis=0)))
        elif sac.any():
            centres[k] = volume.to_patient((k, *np.argwhere(sac).mean(axis=0))) + forward
    return centres


def _forward(volume: Volume) -> NDArray[np.float64]:
    """From sac to body: the patient's front as seen in the slice's plane, mm."""
    normal = _normals(volume)[0]
    front = np.array([0.0, -1.0, 0.0])
    front -= front @ normal * normal
    return np.asarray(_SAC_TO_BODY_MM * front / np.linalg.norm(front))


def _fit(nodes: NDArray[np.float64], reach: NDArray[np.float64]) -> _Curve:
    """A curve x(z), y(z) through nodes, robust against single ones; straight beyond them."""
    low, high = float(nodes[:, 2].min()), float(nodes[:, 2].max())
    middle, half = (low + high) / 2, max((high - low) / 2, 1.0)
    degree = min(3, 1 + int((high - low) // _BEND_MM), len(np.unique(nodes[:, 2].round(1))) - 1)
    t = (nodes[:, 2] - middle) / half
    weight = np.ones(len(nodes))
    for _ in range(5):
        sides = polynomial.polyfit(t, nodes[:, :2], degree, w=weight)
        off = np.linalg.norm(nodes[:, :2] - polynomial.polyval(t, sides).T, axis=1)
        weight = 1 / np.sqrt(1 + (off / _OFF_MM) ** 2)
    z = np.arange(max(high, reach.max()) + _TAIL_MM, min(low, reach.min()) - _TAIL_MM, -_STEP_MM)
    inside = np.clip(z, low, high)
    at = (inside - middle) / half
    slope = polynomial.polyval(at, polynomial.polyder(sides)) / half
    sideways = polynomial.polyval(at, sides) + slope * (z - inside)
    points = np.column_stack([*sideways, z])
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return _Curve(points, np.concatenate([[0.0], np.cumsum(steps)]))


def _cut(
    curve: _Curve, middle: NDArray[np.float64], normal: NDArray[np.float64], start: float
) -> float:
    """Arc length at which a plane cuts the curve, near the height ``start``."""
    near = np.flatnonzero(np.abs(curve.points[:, 2] - start) < _WINDOW_MM)
    above = (curve.points[near] - middle) @ normal
    best = int(np.abs(above).argmin())
    slope = np.gradient(above, curve.along_mm[near])[best]
    rest = above[best] / slope if abs(slope) > 0.1 else 0.0
    return float(curve.along_mm[near[best]] - np.clip(rest, -_STEP_MM, _STEP_MM))
