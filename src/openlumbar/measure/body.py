"""Vertebral bodies out of masks of whole vertebrae (design.md, section 4).

A body is the part of its vertebra in front of the canal's anterior border, that border
extended sideways. The border is known only where the canal was seen, so it is held as a
depth behind the front of the spine, which every vertebra and disc shows: over gaps of the
canal the depth is interpolated, beyond its ends kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL, SPINAL_CORD
from openlumbar.core.errors import StageError
from openlumbar.core.volume import Volume
from openlumbar.imaging.frame import frame_of
from openlumbar.imaging.masks import largest_component

#: Length over which the front of the spine and the canal's border are smoothed, mm
#: (standard deviation). About a sixth of a vertebra: follows the course, not the pixels.
SMOOTH_MM = 5.0
#: A canal seen over less than this length says nothing about a spine's course, mm.
LEAST_CANAL_MM = 10.0
#: The canal's tilt in the axial plane is fitted over this length (standard deviation), mm.
TURN_MM = 20.0
#: Greatest tilt believed: beyond it the canal's mask is cut or wrong.
GREATEST_TURN = float(np.tan(np.radians(25.0)))
#: Depth of the gap between bodies and arches that may stand for a canal, mm.
GAP_MM = (8.0, 35.0)
#: More than this between a body and the canal is not taken for epidural fat, mm.
BARE_MM = 5.0
#: Part of the spine's length beside which that gap is seen where there are arches, and where
#: there are none: a row may cross two tilted bodies and what lies between.
LEAST_GAP, NO_GAP = 0.5, 0.25

Floats = NDArray[np.float64]


def split_bodies(labels: Volume) -> Volume:
    """Cut the posterior elements off whole vertebrae.

    Parameters
    ----------
    labels
        ``[k, j, i]`` of codes of :mod:`openlumbar.core.anatomy`, whole vertebrae, with the
        spinal canal (or cord) on the same grid; any order of axes, slices of any distance.

    Returns
    -------
    Volume
        ``uint16`` of the same grid: the vertebral bodies alone, the largest
        face-connected component of each; a mask without vertebrae gives an empty one.

    Raises
    ------
    StageError
        There is no canal, and only some vertebrae have arches apart from their bodies.

    Notes
    -----
    Where the canal runs, its front on the middle half of its width is the border, less half
    of the epidural fat in front of it, beside which pedicles begin; its tilt in the axial
    plane (a rotated vertebra, slices turned against the spine) is followed sideways. A mask
    without canal is cut at the gap that the canal leaves between bodies and arches; one
    without such gaps either holds bodies alone, which stay as they are. The rest of the
    sacrum (code 50) has no body of its own and is left out.
    """
    frame = frame_of(labels)
    codes = frame.canonical(labels.array)
    vertebrae = [int(code) for code in np.unique(codes) if _is_vertebra(int(code))]
    bodies = np.zeros(codes.shape, np.uint16)
    if vertebrae:
        border = _border(codes, frame.spacing_mm)
        for code in vertebrae:
            _put_body(bodies, codes, code, border)
    return labels.with_array(frame.original(bodies))


def _is_vertebra(code: int) -> bool:
    return code in BY_CODE and BY_CODE[code].kind == "vertebra"


def _put_body(
    bodies: NDArray[np.uint16], codes: NDArray, code: int, border: NDArray[np.float64]
) -> None:
    """Paint the largest part of one vertebra in front of the border."""
    mask = codes == code
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    columns = np.arange(codes.shape[2])[box[2]]
    ahead = mask[box] & (columns <= border[box[:2]][..., None])
    bodies[box][largest_component(ahead)] = code


@dataclass(frozen=True, eq=False)
class _Border:
    """The canal's front at each row where it was seen.

    Nan where it was not, but for ``turn``: columns further back from slice to slice, about
    slice ``middle``.
    """

    column: Floats
    middle: Floats
    turn: Floats


def _border(codes: NDArray, spacing_mm: tuple[float, float, float]) -> Floats:
    """Last column in front of the canal, of each ``[slice, row]``; fractions of a pixel."""
    step = spacing_mm[1]
    spine = np.isin(codes, [c for c, s in BY_CODE.items() if s.kind in ("vertebra", "disc")])
    canal = _canal(codes, spine, spacing_mm)
    if canal is None:
        return np.full(codes.shape[:2], float(codes.shape[2]))
    seen = canal.any((0, 2))
    front = _spine_front(spine, step)
    rows = np.arange(codes.shape[1])
    found = _canal_front(canal, _bare(canal, spine, spacing_mm[2]), spacing_mm)
    depth = np.interp(rows, rows[seen], _smooth((found.column - front)[seen], SMOOTH_MM / step))
    middle = np.interp(rows, rows[seen], found.middle[seen])
    turn = np.interp(rows, rows[seen], found.turn[seen])
    slices = np.arange(codes.shape[0])[:, None]
    return np.asarray(front + depth + turn * (slices - middle) - 1.0, np.float64)


def _canal(
    codes: NDArray, spine: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_] | None:
    """The canal as labelled, else the gap that it leaves behind bodies; None without arches."""
    labelled = (codes == SPINAL_CANAL) | (codes == SPINAL_CORD)
    if labelled.any((0, 2)).sum() * spacing_mm[1] >= LEAST_CANAL_MM:
        return labelled
    gap = _gap(spine, spacing_mm[2])
    share = gap.any((0, 2)).sum() / spine.any((0, 2)).sum()
    if share >= LEAST_GAP:
        return gap
    if share < NO_GAP:
        return None
    raise StageError(
        "the mask holds vertebrae but no spinal canal, and a gap behind only some of their bodies "
        "to tell these from arches; give whole vertebrae with the canal (or cord), or bodies alone"
    )


def _gap(spine: NDArray[np.bool_], column_mm: float) -> NDArray[np.bool_]:
    """Background behind the first run of the spine in each row, if as deep as a canal."""
    ahead = np.maximum.accumulate(spine, axis=2)
    behind = np.maximum.accumulate(spine[..., ::-1], axis=2)[..., ::-1]
    start = np.array(spine)
    start[..., 1:] &= ~spine[..., :-1]
    runs = np.cumsum(start, axis=2)
    gap = ahead & behind & ~spine & (runs == 1)
    depth = gap.sum(2, keepdims=True) * column_mm
    return np.asarray(gap & (depth >= GAP_MM[0]) & (depth <= GAP_MM[1]), bool)


def _spine_front(spine: NDArray[np.bool_], step_mm: float) -> Floats:
    """Front of vertebrae and discs, column of each row, smoothed; every row has one."""
    first = np.where(spine.any(2), spine.argmax(2), spine.shape[2]).astype(float)
    rows = np.arange(spine.shape[1])
    seen = np.flatnonzero(spine.any((0, 2)))
    # A tenth of the slices may reach further forward: osteophytes, specks.
    front = np.array(
        [np.percentile(column[column < spine.shape[2]], 10) for column in first.T[seen]]
    )
    return _smooth(np.interp(rows, seen, front), SMOOTH_MM / step_mm)


def _bare(canal: NDArray[np.bool_], spine: NDArray[np.bool_], column_mm: float) -> Floats:
    """Columns of ``[slice, row]`` between the canal's front and the spine; 0 where far apart."""
    columns = np.arange(canal.shape[2])
    first = canal.argmax(2)
    ahead = np.where(spine & (columns < first[..., None]), columns, -1).max(2)
    gap = np.maximum(first - ahead - 1, 0)
    return np.where((ahead >= 0) & (gap * column_mm <= BARE_MM), gap, 0).astype(float)


def _canal_front(
    canal: NDArray[np.bool_], bare: Floats, spacing_mm: tuple[float, float, float]
) -> _Border:
    """The canal's front on its middle half, row by row (nan where there is no canal).

    Brought forward by half of what is bare in front of it: epidural fat and ligament,
    beside which pedicles begin.
    """
    rows = canal.shape[1]
    seen = np.asarray(canal.any(2), bool)
    first = canal.argmax(2).astype(float)
    column, middle = np.full(rows, np.nan), np.full(rows, np.nan)
    for row in np.flatnonzero(seen.any(0)):
        slices = np.flatnonzero(seen[:, row])
        middle[row] = slices.mean()
        aside = np.abs(slices - middle[row])
        near = slices[aside <= max(aside.min(), (len(slices) - 1) / 4)]
        column[row] = np.median((first - bare / 2)[near, row])
    offset = np.where(seen, np.arange(len(first))[:, None] - middle, 0.0)
    behind = np.where(seen, first - column, 0.0)
    most = GREATEST_TURN * spacing_mm[0] / spacing_mm[2]
    turn = np.clip(_slope(offset, behind, TURN_MM / spacing_mm[1]), -most, most)
    return _Border(column, middle, turn)


def _slope(aside: Floats, behind: Floats, sigma: float) -> Floats:
    """Of ``behind`` on ``aside`` at each row, fitted over neighbouring rows."""
    product, square = (
        ndimage.gaussian_filter1d((aside * other).sum(0), sigma, mode="constant")
        for other in (behind, aside)
    )
    return np.asarray(product / np.maximum(square, 1e-9), np.float64)


def _smooth(values: Floats, sigma: float) -> Floats:
    """Without the median's outliers, then by a Gaussian; the ends go on as they are."""
    size = max(3, 2 * round(sigma) + 1)
    steady = ndimage.median_filter(values, size, mode="nearest")
    return np.asarray(ndimage.gaussian_filter1d(steady, sigma, mode="nearest"), np.float64)
