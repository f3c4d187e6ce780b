"""Antero-posterior diameter of the spinal canal on its midline (design.md, section 4).

The canal is a bent tube. At each level its diameter is taken square to its own course, not
along the rows of the picture, on the slice that lies nearest its middle at that height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core import anatomy
from openlumbar.core.measurement import RULER
from openlumbar.imaging.masks import largest_component
from openlumbar.measure.outline import Outline, outline_of
from openlumbar.measure.reading import Reading, Stroke
from openlumbar.measure.view import BORDER_MM, BlockView, Part

#: The canal's course is smoothed over this length (standard deviation), mm.
COURSE_MM = 4.0
#: Its direction at a level is fitted over this length to either side (same), mm.
DIRECTION_MM = 8.0
#: Its middle, from side to side, is smoothed over this length, mm.
MIDDLE_MM = 10.0
#: A level may lie this far beyond the end of the canal's mask, mm.
BEYOND_MM = 1.0
#: Where the canal leaves the slices its mask tapers over about this length, mm. Generic, ours.
TAPER_MM = 5.0
#: A canal that leaves the slices must be seen over at least this width for its middle to
#: lie within: a little over half of a narrow sac. Generic, ours.
HALF_WIDTH_MM = 9.0
#: A slice that shows so much of the arches from front to back is one of the midline, mm.
#: Set on single slices out of 22 patients' volumes, none of them one that figures are
#: reported on: from here up a higher limit doubts more true diameters, and finds no more
#: that are far off.
SPINOUS_MM = 16.0
#: Shorter canals than this have no course.
LEAST_MM = 8.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Course:
    """The canal seen from the side, row by row from its upper to its lower end.

    Attributes
    ----------
    mask
        ``bool[slice, row, column]``, canonical, of the whole block.
    rows
        Canonical rows, without gaps.
    slices
        The slice nearest the canal's middle at each of them.
    points_mm
        ``[n, 2]`` of (y, x): middle from front to back.
    cut
        Of each row: whether the canal leaves the slices sideways and little of it is seen,
        as on a single slice: then only spinous processes can tell that this is the middle.
    seen
        Of each row: whether its middle may lie within the slices all the same.
    """

    mask: NDArray[np.bool_]
    rows: NDArray[np.intp]
    slices: NDArray[np.intp]
    points_mm: Floats
    cut: NDArray[np.bool_]
    seen: NDArray[np.bool_]

    def nearest(self, point_mm: Floats) -> int:
        """Place in ``rows`` of the course's nearest point."""
        return int(np.linalg.norm(self.points_mm - point_mm, axis=1).argmin())

    def direction(self, place: int) -> Floats:
        """Unit vector (y, x) of the course toward the foot, about one of its rows."""
        away = self.points_mm[:, 0] - self.points_mm[place, 0]
        weight = np.exp(-0.5 * (away / DIRECTION_MM) ** 2)
        slope = np.polyfit(self.points_mm[:, 0], self.points_mm[:, 1], 1, w=np.sqrt(weight))[0]
        return np.asarray(np.array([1.0, slope]) / np.hypot(1.0, slope), np.float64)


def canal_readings(view: BlockView) -> list[Reading]:
    """Diameter of the canal beside each disc, and at mid-height of each vertebra above S1.

    Parameters
    ----------
    view
        The block; its canal is taken with the cord that some masks tell from it.

    Returns
    -------
    list of Reading
        From head to foot. Beside a disc, the diameter at the disc's posterior margin;
        beside a vertebra, at its centre.
    """
    course = course_of(view)
    levels = [part for part in view.parts.values() if _is_level(part.code)]
    levels.sort(key=lambda part: part.place_mm[0])
    outlines = {} if course is None else _outlines(course, view.pixel_mm)
    return [_reading(view, course, outlines, part) for part in levels]


def _outlines(course: Course, pixel_mm: tuple[float, float]) -> dict[int, Outline | None]:
    """Of the canal on each slice that its middle lies on."""
    columns = np.flatnonzero(course.mask.any((0, 1)))
    box = np.s_[course.rows[0] : course.rows[-1] + 1, columns[0] : columns[-1] + 1]
    origin = (float(course.rows[0]), float(columns[0]))
    return {
        int(slice_): outline_of(course.mask[slice_][box], pixel_mm, origin)
        for slice_ in np.unique(course.slices)
    }


def _is_level(code: int) -> bool:
    structure = anatomy.BY_CODE[code]
    name = structure.name
    return structure.kind in ("vertebra", "disc") and name[0] in "TL"


def course_of(view: BlockView) -> Course | None:
    """The canal's course; None without a canal of some length."""
    labels = view.labels
    if not (labels == anatomy.SPINAL_CANAL).any():
        return None
    whole = (labels == anatomy.SPINAL_CANAL) | (labels == anatomy.SPINAL_CORD)
    mask = largest_component(whole)
    rows = np.flatnonzero(mask.any((0, 2)))
    rows = np.arange(rows[0], rows[-1] + 1)
    height, width = view.pixel_mm
    if len(rows) * height < LEAST_MM:
        return None
    middle, cut, seen = _middles(mask[:, rows], view.spacing_mm)
    slices = np.clip(np.rint(middle), 0, len(mask) - 1).astype(np.intp)
    columns = _centres(mask, rows, slices)
    columns = ndimage.gaussian_filter1d(columns, COURSE_MM / height, mode="nearest")
    points = np.stack([rows * height, columns * width], -1)
    return Course(mask, rows, slices, points, cut, seen)


def shows_spinous(view: BlockView, slice_: int, part: Part) -> bool:
    """Whether a slice shows the length of a spinous process beside a level.

    They are a few millimetres thick and lie in the midline; the laminae beside them are half
    as deep from front to back. On one or two slices nothing else tells where the middle is.
    Processes hang: beside a vertebra lie its own and that of the one above, beside a disc
    those of its two vertebrae.
    """
    codes = [anatomy.vertebra_code(name) for name in anatomy.BY_CODE[part.code].name.split("-")]
    if len(codes) == 1:
        order = [anatomy.vertebra_code(name) for name in anatomy.VERTEBRAE]
        above = [code for code in order[: order.index(codes[0])] if code in view.parts]
        codes += above[-1:]
    return any(_arch_depth_mm(view, slice_, code) >= SPINOUS_MM for code in codes)


def _arch_depth_mm(view: BlockView, slice_: int, code: int) -> float:
    arch = (view.labels[slice_] == code) & (view.bodies[slice_] != code)
    columns = np.flatnonzero(arch.any(0))
    return float(np.ptp(columns) + 1) * view.pixel_mm[1] if len(columns) else 0.0


def _middles(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Middle from side to side of each row, and ``cut`` and ``seen`` of :class:`Course`.

    A canal that leaves the slices has its middle where it is deepest.
    """
    wide = np.asarray(mask.any(2), bool)
    cut = wide[0] | wide[-1]
    middle = np.where(cut, _weighted(mask, 4), _weighted(mask, 2))
    middle = ndimage.median_filter(middle, 5, mode="nearest")
    middle = ndimage.gaussian_filter1d(middle, MIDDLE_MM / spacing_mm[1], mode="nearest")
    cut &= wide.sum(0) * spacing_mm[0] < HALF_WIDTH_MM
    return middle, cut, ~(cut & (wide[0] ^ wide[-1]))


def _weighted(mask: NDArray[np.bool_], power: int) -> Floats:
    """Centre of the slices weighted by a power of the canal's depth on them, of each row.

    A slice that the canal's side merely grazes should not pull its middle half a slice over.
    """
    weight = mask.sum(2).astype(float) ** power
    slices = np.arange(len(mask))[:, None]
    total = weight.sum(0)
    known = np.flatnonzero(total)
    centres = (weight * slices).sum(0)[known] / total[known]
    return np.interp(np.arange(mask.shape[1]), known, centres)


def _centres(mask: NDArray[np.bool_], rows: NDArray[np.intp], slices: NDArray[np.intp]) -> Floats:
    """Column midway between front and back on the chosen slice of each row."""
    lines = mask[slices, rows]
    front = lines.argmax(1)
    back = mask.shape[2] - 1 - lines[:, ::-1].argmax(1)
    known = np.flatnonzero(lines.any(1))
    if not len(known):  # a canal in a ring: no slice of its middle shows it
        return np.full(len(rows), np.argwhere(mask)[:, 2].mean())
    return np.interp(np.arange(len(rows)), known, ((front + back) / 2)[known])


def _reading(
    view: BlockView, course: Course | None, outlines: dict[int, Outline | None], part: Part
) -> Reading:
    if course is None:
        return _withheld(part, "no-canal")
    point = _beside(view, part)
    place = course.nearest(point)
    flag = _absent(view, course, place, point)
    if flag:
        return _withheld(part, flag)
    slice_ = int(course.slices[place])
    unsure = course.cut[place] and not shows_spinous(view, slice_, part)
    outline = outlines[slice_]
    ends = None if outline is None else _across(outline, course, place)
    if ends is None:
        return _withheld(part, "not-measurable")
    return Reading(
        structure="canal",
        level=anatomy.BY_CODE[part.code].name,
        metric="ap_diameter_mm",
        value=float(np.linalg.norm(ends[1] - ends[0])),
        codes=(anatomy.SPINAL_CANAL,),
        slice=slice_,
        strokes=(Stroke(RULER, slice_, ends),),
        flags=("off-midline",) if unsure else (),
    )


def _withheld(part: Part, flag: str) -> Reading:
    name = anatomy.BY_CODE[part.code].name
    codes = (anatomy.SPINAL_CANAL,)
    return Reading("canal", name, "ap_diameter_mm", None, codes, flags=(flag,))


def _beside(view: BlockView, part: Part) -> Floats:
    """The point (y, x) that the canal is looked for behind.

    A vertebra's centre; the back end of a disc's long axis, since a tilted disc meets the
    canal elsewhere than its centre says.
    """
    if anatomy.BY_CODE[part.code].kind == "vertebra":
        return part.place_mm
    outline = outline_of(part.on(round(part.centroid[0])), view.pixel_mm, part.origin[1:])
    if outline is None:
        return part.place_mm
    reach = ((outline.points - outline.centroid) @ outline.axis).max()
    return np.asarray(outline.centroid + reach * outline.axis, np.float64)


def _absent(view: BlockView, course: Course, place: int, point: Floats) -> str:
    """Why there is no diameter at a place of the course; empty where there is one."""
    if not course.mask[course.slices[place], course.rows[place]].any():
        return "no-canal"
    if not course.seen[place]:
        return "off-midline"
    height = view.pixel_mm[0]
    row, first, last = course.rows[place], course.rows[0], course.rows[-1]
    to_end = min(row - first, last - row) * height
    if to_end > TAPER_MM:
        return ""
    end = first if row - first < last - row else last
    if not _at_border(view, end):
        return "no-canal"
    along = float((point - course.points_mm[place]) @ course.direction(place))
    beyond = along > BEYOND_MM if end == last else -along > BEYOND_MM
    return "partly-in-view" if row == end and beyond else ""


def _at_border(view: BlockView, row: int) -> bool:
    margin = BORDER_MM / view.pixel_mm[0]
    return bool(row <= margin or row >= view.labels.shape[1] - 1 - margin)


def _across(outline: Outline, course: Course, place: int) -> Floats | None:
    """``[2, 2]``: front and back end of the diameter; None where the line misses."""
    down = course.direction(place)
    back = np.array([-down[1], down[0]])
    centre = course.points_mm[place]
    crossings = outline.crossings(centre, back)
    front, behind = crossings[crossings < 0], crossings[crossings > 0]
    if not len(front) or not len(behind):
        return None
    return np.asarray(centre + np.array([front[-1], behind[0]])[:, None] * back, np.float64)
