"""DICOM Segmentation (PS3.3 A.51) → label map: ours after somebody corrected it, or another's.

A segment is known by its Segmented Property Type and the side that modifies it (PS3.3
C.8.20.4.2), which are those that :mod:`openlumbar.io.dicom_seg` writes; else by its label.
"""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
from highdicom.seg import SegmentDescription
from pydicom.errors import InvalidDicomError

from openlumbar.core.anatomy import STRUCTURES, Structure
from openlumbar.core.errors import InputError, UnreadableError
from openlumbar.core.snomed import Concept, body_concept, side_concept, structure_concept
from openlumbar.core.volume import Volume
from openlumbar.io.dicom_seg import segment_label

#: What highdicom and pydicom raise for a file that is no segmentation, or a damaged one.
_READ_ERRORS = (
    InvalidDicomError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    IndexError,
    RuntimeError,
    NotImplementedError,
)

_Key = tuple[str, str, str]


def read_segmentation(path: Path) -> tuple[Volume, tuple[str, ...]]:
    """Read a DICOM Segmentation as a label map.

    Parameters
    ----------
    path
        One instance; its segments must not overlap, and its frames lie in one regular stack.

    Returns
    -------
    labels, notes
        ``uint16[k, j, i]`` of codes of :mod:`openlumbar.core.anatomy`, LPS, over the slices
        that have frames; and sentences about segments that were left out.

    Raises
    ------
    UnreadableError
        It is no DICOM Segmentation, or a damaged one.
    InputError
        Its segments overlap or are no regular stack, or none of them is a structure of ours.
    """
    try:
        found = highdicom.seg.segread(path)
        codes = {
            number: _code_of(found.get_segment_description(number))
            for number in found.segment_numbers
        }
        labels = {n: found.get_segment_description(n).segment_label for n in codes}
    except _READ_ERRORS as error:
        raise UnreadableError(f"{path.name}: not a DICOM segmentation, or a damaged one") from error
    unknown = [labels[number] for number, code in codes.items() if code is None]
    if len(unknown) == len(codes):
        raise InputError(f"{path.name}: none of its segments is known ({', '.join(unknown[:8])})")
    try:
        volume = found.get_volume(combine_segments=True, allow_missing_positions=True)
    except _READ_ERRORS as error:
        raise InputError(
            f"{path.name}: its segments overlap, or its frames are no regular stack of slices; "
            "give one object for each kind of segment and each stack"
        ) from error
    lookup = np.zeros(max(codes) + 1, np.uint16)
    lookup[list(codes)] = [code or 0 for code in codes.values()]
    notes = [f"left out: segments that have no code here ({', '.join(unknown)})"] if unknown else []
    # highdicom's affine takes (slice, row, column), also to LPS.
    return Volume(lookup[volume.array], volume.affine[:, [2, 1, 0, 3]]), tuple(notes)


def _code_of(segment: SegmentDescription) -> int | None:
    kind = segment.segmented_property_type
    sides = getattr(
        segment.SegmentedPropertyTypeCodeSequence[0],
        "SegmentedPropertyTypeModifierCodeSequence",
        [],
    )
    side = sides[0].CodeValue if sides else ""
    by_concept = _BY_CONCEPT.get((kind.value, kind.scheme_designator, side))
    return _BY_LABEL.get(segment.segment_label) if by_concept is None else by_concept


def _keys(structure: Structure) -> set[_Key]:
    """By what a structure, or the body of a vertebra, is coded; S1's body is coded as S1."""
    side = side_concept(structure)
    concepts: list[Concept] = [structure_concept(structure.code)]
    if structure.kind == "vertebra":
        concepts.append(body_concept(structure.code))
    return {(one.value, one.scheme, side.value if side else "") for one in concepts}


#: A concept that several structures share says nothing (a vertebra of unknown level).
_KEYS = [(key, structure.code) for structure in STRUCTURES for key in _keys(structure)]
_COUNTS = {key: sum(other == key for other, _ in _KEYS) for key, _ in _KEYS}
_BY_CONCEPT: dict[_Key, int] = {key: code for key, code in _KEYS if _COUNTS[key] == 1}
_BY_LABEL: dict[str, int] = {
    segment_label(structure, bodies): structure.code
    for structure in STRUCTURES
    for bodies in (False, True)
}
