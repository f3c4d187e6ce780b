"""Headers that contradict themselves about left and right, or other directions.

Left and right cannot be told from a picture of a spine, so the header is trusted: Image
Position and Orientation (Patient), or the affine of a volume. What else a header says of
directions is never used, but where it says the opposite, somebody has turned the picture
and left half of the header behind, and a person must be told.

Not looked at, because they say nothing about the patient's directions: Patient Position
(of the patient on the table), the sign of Slice Location (each vendor has its own), the
order of instances, frames and dimension indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.exam import Block, Series
from openlumbar.core.plane import Plane
from openlumbar.io.dicom_header import Frame
from openlumbar.io.directions import SIDES_CONTRADICT, agrees, is_direction, word, words

#: Slice Locations that span as much as the slices do, to within this part, are places in
#: millimetres and not running numbers …
_SAME_SPAN = 0.05
#: … and must then go with the places along the normal, up or down.
_IN_ORDER = 0.99
_MIN_SLICES = 3


def direction_warnings(frames: Sequence[Frame], plane: Plane) -> list[str]:
    """Say where the headers of one series contradict themselves about directions.

    Parameters
    ----------
    frames
        Of one series.
    plane
        Of the series.

    Returns
    -------
    list of str
        A sentence a kind of contradiction.
    """
    found = (
        _letters_warning(frames),
        _side_warning(frames),
        _location_warning(frames) if plane is Plane.SAGITTAL else "",
        _quadruped_warning(frames),
    )
    return [sentence for sentence in found if sentence]


def _letters_warning(frames: Sequence[Frame]) -> str:
    """Compare Patient Orientation, which "shall be consistent" (PS3.3 C.7.6.1.1.1)."""
    wrong = [pair for frame in frames for pair in _contradictions(frame)]
    if not wrong:
        return ""
    name, letters, direction = wrong[0]
    sideways = any(_is_sideways(pair) for pair in wrong)
    begin = SIDES_CONTRADICT if sideways else "its header contradicts itself about directions"
    return (
        f"{begin}: by Patient Orientation its {name} run to the {words(letters)}, by Image "
        f"Orientation (Patient), which is used, to the {word(direction)}"
    )


_Contradiction = tuple[str, str, tuple[float, float, float]]


def _contradictions(frame: Frame) -> list[_Contradiction]:
    """The directions of a frame that letters and numbers name differently."""
    letters = frame.stated.patient_orientation
    if len(letters) != 2 or frame.stated.quadruped or not all(map(is_direction, letters)):
        return []
    place = frame.placement
    # Rows run along the row axis, and columns along the column axis.
    pairs = zip(("rows", "columns"), letters, (place.row, place.column), strict=True)
    return [pair for pair in pairs if not agrees(pair[1], pair[2])]


def _is_sideways(pair: _Contradiction) -> bool:
    _, letters, direction = pair
    return letters[0] in "LR" or word(direction) in ("left", "right")


def _side_warning(frames: Sequence[Frame]) -> str:
    """Laterality, Image Laterality and Frame Laterality of one picture name one side."""
    if any({"L", "R"} <= set(frame.stated.lateralities) for frame in frames):
        return (
            f"{SIDES_CONTRADICT}: it names both sides as that of one picture (Laterality); Image "
            "Position (Patient) is used"
        )
    return ""


def _location_warning(frames: Sequence[Frame]) -> str:
    """Compare the order of sagittal slices by Slice Location, either way, with their places."""
    places = [frame.placement for frame in frames]
    normal = places[0].normal
    heights = np.array([np.dot(place.position, normal) for place in places])
    given = [frame.stated.location_mm for frame in frames]
    locations = np.array([value for value in given if value is not None])
    if len(locations) != len(heights) or len(heights) < _MIN_SLICES:
        return ""
    span, named = np.ptp(heights), np.ptp(locations)
    if not span or abs(named / span - 1) > _SAME_SPAN:
        return ""
    if abs(np.corrcoef(heights, locations)[0, 1]) > _IN_ORDER:
        return ""
    return (
        f"{SIDES_CONTRADICT}: Slice Location puts its slices in another order than Image Position "
        "(Patient), which is used"
    )


def _quadruped_warning(frames: Sequence[Frame]) -> str:
    if not any(frame.stated.quadruped for frame in frames):
        return ""
    return "its header says that the patient is a quadruped; it is read as a person's all the same"


def mark_apart(series: Sequence[Series]) -> tuple[tuple[Series, ...], tuple[str, ...]]:
    """Say which sagittal and axial series lie apart in left and right, and flag them.

    The sagittal slices are planned about the spine and the axial pictures around it, so
    that the middle of the narrower lies within the wider. Where it does not, one of the
    two headers has left and right, or the place of the patient, wrong. DICOM series of
    different frames of reference are not compared.

    Parameters
    ----------
    series
        Of one exam.

    Returns
    -------
    series
        The same, in order; both of a pair that lies apart are ``left-right-doubtful``.
    warnings
        Sentences about the exam.
    """
    pairs = [
        (one, other)
        for one, other in combinations(series, 2)
        if {one.plane, other.plane} == {Plane.SAGITTAL, Plane.AXIAL}
        and _frame_of_reference(one) == _frame_of_reference(other)
        and _are_apart(_extent(one), _extent(other))
    ]
    doubted = {entry.name for pair in pairs for entry in pair}
    warnings = (
        f"{one.name} and {other.name} lie apart in left and right: the header of one of them "
        "may have the sides exchanged; both are used as their headers say"
        for one, other in pairs
    )
    marked = (_doubted(entry) if entry.name in doubted else entry for entry in series)
    return tuple(marked), tuple(warnings)


def _doubted(series: Series) -> Series:
    flags = dict.fromkeys((*series.flags, "left-right-doubtful"))
    return replace(series, flags=tuple(flags))


def _frame_of_reference(series: Series) -> tuple[str, object]:
    return series.source, series.facts.get("frame_of_reference_uid")


def _are_apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    narrow, wide = sorted((one, other), key=lambda extent: extent[1] - extent[0])
    return not wide[0] <= (narrow[0] + narrow[1]) / 2 <= wide[1]


def _extent(series: Series) -> tuple[float, float]:
    """Lowest and highest x of the voxels' centres."""
    x = np.concatenate([_corners_x(block) for block in series.blocks])
    return float(x.min()), float(x.max())


def _corners_x(block: Block) -> NDArray[np.float64]:
    last = np.subtract(block.volume.shape, 1)
    corners = np.array(list(np.ndindex(2, 2, 2))) * last
    return np.asarray(block.volume.to_patient(corners)[:, 0])
