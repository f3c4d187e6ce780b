"""How far the patient moved between a sagittal and an axial series.

Both show the dural sac and the column of bodies and discs. Of each axial slice the centres of
the two are taken; the spine of the sagittal series, moved by a guess, must cross the slice's
plane there. A shift forward or sideways is seen in every slice. One along the spine is seen
only where the spine is curved, and in which slices the axial masks call disc: all shifts along
the patient's axis are therefore tried, the best shift across is found for each, and the
estimate is their mean, weighted by how well they explain what is seen, with its deviation.

All constants are ours, set on phantom exams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import KDTree

from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL
from openlumbar.core.masks import AxialMask
from openlumbar.core.volume import Volume
from openlumbar.level.naming import SeriesLevels
from openlumbar.level.spine_axis import STEP_MM, Curve, SpineAxis, curve_through

#: Shifts along the patient's axis that are tried, mm.
TRIED_MM = np.arange(-45.0, 45.1, 1.5)
#: A shift counts as motion from this length on, mm, and from so many deviations.
LEAST_MM, LEAST_SD = 5.0, 3.0
#: An estimate whose deviation along the patient's axis is larger corrects nothing, mm.
RELIABLE_MM = 4.0
#: Fewer slices with a sac tell nothing.
LEAST_SLICES = 4

#: Deviation of a centre in its slice, mm, and its cost beyond which it counts as mistaken.
_CENTRE_SD_MM, _CENTRE_CAP = 2.0, 9.0
#: Deviation of a slice's part of disc from what the sagittal masks say.
_CALL_SD = 0.45
#: Neighbouring slices repeat each other's errors: so many count as one.
_ALIKE = 3.0
#: What no number of slices averages out: across and along the patient's axis, mm.
_FLOOR_MM = np.array([1.0, 1.0, 1.5])
#: Least area of a sac and of a column, mm².
_SAC_MM2, _COLUMN_MM2 = 30.0, 300.0
#: Pixels this near to the column's centre tell disc from body, mm.
_CORE_MM = 8.0
#: Length of canal whose voxels make a node of its curve, mm.
_NODE_MM = 6.0
#: A node's least part of the usual number of voxels; a canal of fewer nodes is no curve.
_FULL_NODE, _LEAST_NODES = 0.4, 6
#: About so many voxels of the canal are used.
_CANAL_VOXELS = 6000
#: Every so manieth sample of a curve is tried for the crossing.
_SPARSE = 4
#: A plane's crossing counts when a sample of the curve comes this near to it, mm.
_MEETS_MM = 2.0
#: Least cosine between a plane's normal and a curve that it crosses.
_LEAST_SLOPE = 0.2
#: Cost of a slice whose plane the moved curve does not cross.
_UNMET, _UNMET_CALL = 4.0, 0.25
#: Deviation of shifts along the patient's axis before anything is seen, mm.
_USUAL_MM = 20.0
#: A slice sees a disc blurred by its own thickness, mm.
_BLUR_MM = 1.5
#: Rounds of fitting the shift across.
_ROUNDS = 5


@dataclass(frozen=True, eq=False)
class Motion:
    """A shift of the patient from the sagittal to the axial series.

    Attributes
    ----------
    shift_mm
        ``[3]``, LPS: where the sagittal series shows a point, plus this, is where the axial
        series shows it.
    sd_mm
        ``[3]``: its standard deviation.
    """

    shift_mm: NDArray[np.float64]
    sd_mm: NDArray[np.float64]

    @property
    def is_significant(self) -> bool:
        """Whether some component is longer than what chance and segmentation make."""
        large = np.abs(self.shift_mm) > np.maximum(LEAST_MM, LEAST_SD * self.sd_mm)
        return bool(large.any())

    @property
    def is_reliable(self) -> bool:
        """Whether the shift along the patient's axis is known well enough to be corrected."""
        return bool(self.sd_mm[2] <= RELIABLE_MM)

    @property
    def correction_mm(self) -> NDArray[np.float64]:
        """What is taken off: nothing that is not reliable, and of small shifts what is likely.

        A component below its deviation counts as none; above it the estimate is drawn toward
        none by its variance, unless it is significant.
        """
        if not self.is_reliable:
            return np.zeros(3)
        if self.is_significant:
            return self.shift_mm
        square, noise = self.shift_mm**2, self.sd_mm**2
        return np.where(square > noise, self.shift_mm * square / (square + noise), 0.0)


@dataclass(frozen=True, eq=False)
class SliceView:
    """What an axial slice shows of the spine.

    Attributes
    ----------
    normal, origin
        Of its plane, LPS.
    sac, column
        Centres ``[3]``, LPS; not a number where there is none.
    disc_part
        Part of disc in the middle of the column, 0 … 1; not a number without a column.
    """

    normal: NDArray[np.float64]
    origin: NDArray[np.float64]
    sac: NDArray[np.float64]
    column: NDArray[np.float64]
    disc_part: float


_NOWHERE = np.full(3, np.nan)
_IS_DISC = np.zeros(2**16, bool)
_IS_DISC[[code for code, structure in BY_CODE.items() if structure.kind == "disc"]] = True


def views_of(found: Sequence[AxialMask]) -> list[SliceView]:
    """What each slice of a series shows of the spine, block by block."""
    return [_view(mask, k) for mask in found for k in range(mask.labels.shape[0])]


def _view(mask: AxialMask, k: int) -> SliceView:
    labels = mask.labels
    disc = _IS_DISC[labels.array[k]]
    column = disc | (mask.bodies.array[k] > 0)
    centre = _centre(labels, k, column, _COLUMN_MM2)
    return SliceView(
        normal=labels.affine[:3, 2] / labels.spacing_mm[0],
        origin=labels.to_patient((k, 0, 0)),
        sac=_centre(labels, k, labels.array[k] == SPINAL_CANAL, _SAC_MM2),
        column=centre,
        disc_part=_disc_part(labels, centre, disc, column),
    )


def _centre(labels: Volume, k: int, mask: NDArray[np.bool_], least_mm2: float) -> NDArray:
    """Centre (LPS) of what a slice shows; not a number where that is too small."""
    _, height, width = labels.spacing_mm
    by_row, by_column = mask.sum(1), mask.sum(0)
    count = by_row.sum()
    if count * height * width < least_mm2:
        return _NOWHERE
    row = (by_row * np.arange(len(by_row))).sum() / count
    column = (by_column * np.arange(len(by_column))).sum() / count
    return labels.to_patient((k, row, column))


def _disc_part(
    labels: Volume, centre: NDArray, disc: NDArray[np.bool_], column: NDArray[np.bool_]
) -> float:
    """Part of disc near the column's centre."""
    if np.isnan(centre).any():
        return float("nan")
    _, row, place = labels.to_index(centre)
    _, height, width = labels.spacing_mm
    rows, places = np.ogrid[: disc.shape[0], : disc.shape[1]]
    core = ((rows - row) * height) ** 2 + ((places - place) * width) ** 2 < _CORE_MM**2
    return float((disc & core).sum() / max(1, (column & core).sum()))


def canal_of(levels: SeriesLevels, axis: SpineAxis) -> Curve | None:
    """The curve through the middle of a sagittal series' canal; None where it is short."""
    points = np.concatenate([_canal_points(volume) for volume in levels.masks.labels])
    if len(points) < 2:
        return None
    _, nearest = KDTree(axis.curve.points).query(points)
    part = (nearest * STEP_MM / _NODE_MM).astype(int)
    counts = np.bincount(part)
    enough = counts >= max(3.0, _FULL_NODE * np.median(counts[counts > 0]))
    sums = np.stack([np.bincount(part, axis_points) for axis_points in points.T], 1)
    # The ends are cut by the picture or by the sac's own end.
    nodes = (sums[enough] / counts[enough, None])[1:-1]
    return curve_through(nodes) if len(nodes) >= _LEAST_NODES else None


def _canal_points(volume: Volume) -> NDArray[np.float64]:
    """Some of the canal's voxels (LPS), evenly chosen."""
    voxels = np.argwhere(volume.array == SPINAL_CANAL)
    return volume.to_patient(voxels[:: max(1, len(voxels) // _CANAL_VOXELS)])


@dataclass(frozen=True, eq=False)
class _Track:
    """A curve of the sagittal series, sampled, with the centres that slices show of it.

    ``curve`` and ``tangents`` are ``[j, 3]``, ``normals``, ``origins`` and ``centres``
    ``[k, 3]``; ``seen`` says which slices have a centre.
    """

    curve: NDArray[np.float64]
    tangents: NDArray[np.float64]
    normals: NDArray[np.float64]
    origins: NDArray[np.float64]
    centres: NDArray[np.float64]

    def crossings(self, shifts: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray]:
        """Where the curve, moved by each of ``[m, 3]``, crosses each slice.

        Returns
        -------
        index, points, met
            ``[m, k]`` of the sample, ``[m, k, 3]`` in LPS, and whether it crosses at all.
        """
        fixed = self.normals @ self.curve.T - (self.normals * self.origins).sum(1)[:, None]
        height = fixed + (shifts @ self.normals.T)[:, :, None]
        index = np.abs(height).argmin(2)
        left = np.take_along_axis(height, index[..., None], 2)[..., 0]
        tangent = self.tangents[index]
        slope = (tangent * self.normals).sum(2)
        slope = np.where(np.abs(slope) < _LEAST_SLOPE, _LEAST_SLOPE, slope)
        points = self.curve[index] - (left / slope)[..., None] * tangent + shifts[:, None]
        return index, points, np.abs(left) < _MEETS_MM

    def misses(self, shifts: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        """How far each slice's centre lies from the crossing.

        Returns
        -------
        residual, shown
            ``[m, k, 3]`` in the slices' planes, not a number where a slice shows nothing; and
            the part of a shift in x and y that each shows, ``[m, k, 3, 2]``.
        """
        index, points, met = self.crossings(shifts)
        tangent = self.tangents[index]
        slope = (tangent * self.normals).sum(2)
        slope = np.where(np.abs(slope) < _LEAST_SLOPE, _LEAST_SLOPE, slope)
        shown = (
            np.eye(3) - tangent[..., :, None] * self.normals[:, None, :] / slope[..., None, None]
        )
        residual = np.where(met[..., None], self.centres - points, np.nan)
        return residual, shown[..., :2]


def estimate_motion(
    axis: SpineAxis, canal: Curve | None, views: Sequence[SliceView]
) -> Motion | None:
    """Estimate the shift between a sagittal and an axial series.

    Parameters
    ----------
    axis, canal
        Of the sagittal series; without a canal the column alone is compared.
    views
        Of the axial slices.

    Returns
    -------
    Motion or None
        None where too little of the spine is seen to tell.
    """
    tracks = _tracks(axis, canal, views)
    if not tracks:
        return None
    shifts = np.zeros((len(TRIED_MM), 3))
    shifts[:, 2] = TRIED_MM
    for _ in range(_ROUNDS):
        shifts[:, :2] += _across(tracks, shifts)
    cost = _centre_cost(tracks, shifts) + _call_cost(axis, views, tracks[-1], shifts)
    cost = cost / _ALIKE + (TRIED_MM / _USUAL_MM) ** 2
    weight = np.exp((cost.min() - cost) / 2)
    weight /= weight.sum()
    mean = weight @ shifts
    spread = weight @ (shifts - mean) ** 2
    seen = sum(int(np.isfinite(track.centres[:, 0]).sum()) for track in tracks)
    noise = _FLOOR_MM**2 + np.array([1.0, 1.0, 0.0]) * _CENTRE_SD_MM**2 * _ALIKE / seen
    return Motion(mean, np.sqrt(spread + noise))


def _tracks(axis: SpineAxis, canal: Curve | None, views: Sequence[SliceView]) -> list[_Track]:
    """The canal with the sacs, and last the axis with the columns."""
    if not views:
        return []
    normals = np.array([view.normal for view in views])
    origins = np.array([view.origin for view in views])
    pairs = [(canal, [view.sac for view in views]), (axis.curve, [view.column for view in views])]
    tracks = []
    for curve, centres in pairs:
        enough = np.isfinite(np.array(centres)).all(1).sum() >= LEAST_SLICES
        if curve is None or not enough:
            continue
        points, tangents = curve.points[::_SPARSE], curve.tangents[::_SPARSE]
        tracks.append(_Track(points, tangents, normals, origins, np.array(centres)))
    return tracks


def _across(tracks: Sequence[_Track], shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The change of each shift in x and y that fits best, ``[m, 2]``, mistakes weighing less."""
    square, right = np.zeros((len(shifts), 2, 2)), np.zeros((len(shifts), 2))
    for track in tracks:
        residual, shown = track.misses(shifts)
        far = (residual**2).sum(2) / _CENTRE_SD_MM**2
        weight = np.nan_to_num(1 / (1 + far / _CENTRE_CAP) ** 2)
        residual = np.nan_to_num(residual)
        square += np.einsum("mk,mkai,mkaj->mij", weight, shown, shown)
        right += np.einsum("mk,mkai,mka->mi", weight, shown, residual)
    square += 1e-6 * np.eye(2)
    return np.asarray(np.linalg.solve(square, right[..., None])[..., 0])


def _centre_cost(tracks: Sequence[_Track], shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared residuals of the centres over their variance, capped: ``[m]``."""
    total = np.zeros(len(shifts))
    for track in tracks:
        seen = np.isfinite(track.centres).all(1)
        residual, _ = track.misses(shifts)
        far = (residual[:, seen] ** 2).sum(2) / _CENTRE_SD_MM**2
        total += np.minimum(np.where(np.isnan(far), _UNMET, far), _CENTRE_CAP).sum(1)
    return total


def _call_cost(
    axis: SpineAxis, views: Sequence[SliceView], track: _Track, shifts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared error of the slices' parts of disc over its variance: ``[m]``."""
    parts = np.array([view.disc_part for view in views])
    seen = np.isfinite(parts)
    along = axis.curve.along_mm
    disc = np.zeros(len(along))
    for one in axis.discs:
        disc[(along >= one.start_mm) & (along <= one.end_mm)] = 1.0
    disc = gaussian_filter1d(disc, _BLUR_MM / STEP_MM)[::_SPARSE]
    points, tangents = axis.curve.points[::_SPARSE], axis.curve.tangents[::_SPARSE]
    own = _Track(points, tangents, track.normals, track.origins, track.centres)
    index, _, met = own.crossings(shifts)
    error = np.where(met, (parts - disc[index]) ** 2, _UNMET_CALL)[:, seen]
    return np.asarray((error / _CALL_SD**2).sum(1))
