"""The curve along the vertebral bodies, seen from the side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import KDTree

#: Distance between samples of the curve, mm.
STEP_MM = 1.0
#: How far the curve goes on straight beyond its end nodes, mm.
TAIL_MM = 120.0


@dataclass(frozen=True, eq=False)
class SpineCurve:
    """A smooth curve from head to foot in the sagittal plane.

    Attributes
    ----------
    points
        ``[n, 2]`` of (row, column) in mm, downward, :data:`STEP_MM` apart.
    tangents
        ``[n, 2]``, unit length, pointing to the foot.
    start_mm
        Arc length of the first point; the uppermost node has arc length 0.
    """

    points: NDArray[np.float64]
    tangents: NDArray[np.float64]
    start_mm: float

    def project(self, points: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Arc length (downward) and offset (backward positive), mm, of ``[n, 2]`` points."""
        points = np.asarray(points, float).reshape(-1, 2)
        _, nearest = KDTree(self.points).query(points)
        tangent = self.tangents[nearest]
        away = points - self.points[nearest]
        along = (away * tangent).sum(1)
        # The normal (−t_column, t_row) points backward where the tangent points down.
        offset = away[:, 1] * tangent[:, 0] - away[:, 0] * tangent[:, 1]
        return self.start_mm + nearest * STEP_MM + along, offset

    def maps(
        self, shape: tuple[int, int], spacing_mm: tuple[float, float]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Arc length and offset of every pixel centre of a ``[row, column]`` grid.

        Projected on a grid of about 2 mm and interpolated between: both are smooth.
        """
        step = [max(1, round(2.0 / s)) for s in spacing_mm]
        rows = np.arange(0, shape[0] + step[0], step[0])
        columns = np.arange(0, shape[1] + step[1], step[1])
        grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1)
        coarse = self.project(grid.reshape(-1, 2) * np.asarray(spacing_mm))
        along, offset = (_enlarge(c.reshape(grid.shape[:2]), step, shape) for c in coarse)
        return along, offset

    def tangent_at(self, along_mm: float) -> NDArray[np.float64]:
        """Direction toward the foot at an arc length."""
        index = round((along_mm - self.start_mm) / STEP_MM)
        return self.tangents[int(np.clip(index, 0, len(self.tangents) - 1))]


def _enlarge(
    coarse: NDArray[np.float64], step: list[int], shape: tuple[int, int]
) -> NDArray[np.float32]:
    result = coarse.astype(np.float32)
    for axis in (0, 1):
        place = np.arange(shape[axis]) / step[axis]
        lower = place.astype(int)
        part = (place - lower).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
        low, high = np.take(result, lower, axis), np.take(result, lower + 1, axis)
        result = low + part * (high - low)
    return result


def curve_through(nodes: ArrayLike) -> SpineCurve:
    """The curve through nodes in order from head to foot.

    Parameters
    ----------
    nodes
        ``[n, 2]`` of (row, column) in mm; one node gives a vertical line.
    """
    nodes = np.asarray(nodes, float).reshape(-1, 2)
    if len(nodes) < 2:
        nodes = np.array([nodes[0] - [10.0, 0.0], nodes[0]])
    chord = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(nodes, axis=0), axis=1))])
    spline = CubicSpline(chord, nodes, bc_type="natural")
    inner = spline(np.linspace(0, chord[-1], max(2, round(chord[-1] / 0.25)) + 1))
    first = _unit(spline(0, 1) + spline(min(15.0, chord[-1]), 1))
    last = _unit(spline(chord[-1], 1) + spline(max(0.0, chord[-1] - 15.0), 1))
    tail = np.arange(0.25, TAIL_MM, 0.25)[:, None]
    line = np.concatenate([inner[0] - tail[::-1] * first, inner, inner[-1] + tail * last])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.arange(0.0, length[-1], STEP_MM)
    points = np.stack([np.interp(at, length, line[:, axis]) for axis in (0, 1)], 1)
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    return SpineCurve(points, tangents, -float(length[len(tail)]))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
