"""Label maps → DICOM Segmentation (PS3.3 A.51), BINARY, a segment a structure.

Segments of one object never overlap here, because some viewers cannot show those that
do: whole vertebrae and vertebral bodies are therefore two objects. Blocks of a series
are objects of one series, because an object has one orientation and pixel spacing for
all of its frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentationTypeValues, SegmentDescription
from highdicom.seg import Segmentation as HighdicomSegmentation
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from openlumbar.core.anatomy import BY_CODE, STRUCTURES, Structure
from openlumbar.core.palette import colour_of
from openlumbar.core.run import Run
from openlumbar.core.snomed import (
    ANATOMICAL_STRUCTURE,
    PRIVATE,
    body_concept,
    side_concept,
    structure_concept,
)
from openlumbar.io.dicom_result import (
    MANUFACTURER,
    MODEL,
    SERIAL_NUMBER,
    ResultSeries,
    algorithm,
    as_single_frame,
    coded,
    private_scheme,
)
from openlumbar.io.dicom_source import CHARACTER_SET, Source, SourceImage, derived_uid, new_uid


@dataclass(frozen=True, eq=False)
class LabelMap:
    """What is segmented in one block.

    Attributes
    ----------
    codes
        ``uint16[k, j, i]``, codes of :mod:`openlumbar.core.anatomy`.
    slices
        The source of each ``codes[k]``, by name as in ``Source.images``.
    bodies
        The codes stand for the bodies of vertebrae alone.
    """

    codes: NDArray
    slices: Sequence[str]
    bodies: bool = False


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A DICOM Segmentation and where its structures are in it.

    Attributes
    ----------
    dataset
        Ready to be saved.
    segments
        Segment Number by code of :mod:`openlumbar.core.anatomy`.
    frames
        Frame Number by code and slice ``k``; a slice without the structure has none.
    """

    dataset: Dataset
    segments: dict[int, int]
    frames: dict[tuple[int, int], int]


def make_segmentation(
    labels: LabelMap, source: Source, series: ResultSeries, run: Run, instance_number: int = 1
) -> Segmentation:
    """Make a segmentation of one block.

    Parameters
    ----------
    labels
        At least one voxel has a code.
    source
        Of the series; has all of the block's slices.
    series
        The series to put it into; blocks of one series share it.
    run
        What made the labels.
    instance_number
        In the series, from 1.

    Raises
    ------
    KeyError
        A code is not in the table of structures.
    ValueError
        There is nothing but background.

    Notes
    -----
    Frames lie where the source frames lie, in their rows and columns; a segment has
    frames only where it has pixels.
    """
    found = [code for code in _in_order(labels.codes) if code]
    if not found:
        raise ValueError("a segmentation needs at least one structure")
    segments = {code: number for number, code in enumerate(found, 1)}
    images = [source.images[name] for name in labels.slices]
    stand_ins = {_stand_in(image): image for image in images}
    numbers = np.zeros(max(found) + 1, np.uint8)
    numbers[found] = range(1, len(found) + 1)
    descriptions = [
        _description(code, number, labels.bodies, source, run) for code, number in segments.items()
    ]
    dataset = HighdicomSegmentation(
        source_images=[
            as_single_frame(source, image, uid, images[0]) for uid, image in stand_ins.items()
        ],
        pixel_array=numbers[labels.codes],
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=series.uid,
        series_number=series.number,
        sop_instance_uid=new_uid(),
        instance_number=instance_number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=run.version,
        device_serial_number=SERIAL_NUMBER,
        content_label="BODIES" if labels.bodies else "ANATOMY",
        content_description=series.description,
        content_creator_name="",
        series_description=series.description,
        coding_schemes=private_scheme() if _has_private(descriptions) else None,
        specific_character_set=CHARACTER_SET,
    )
    frames = _frames(dataset, segments, {uid: k for k, uid in enumerate(stand_ins)})
    _refer_to(dataset, stand_ins, source)
    return Segmentation(dataset, segments, frames)


def segment_label(structure: Structure, bodies: bool = False) -> str:
    """Name of a segment, as a viewer lists it.

    Examples
    --------
    >>> segment_label(BY_CODE[44]), segment_label(BY_CODE[44], bodies=True)
    ('L4 vertebra', 'L4 body')
    >>> segment_label(BY_CODE[95]), segment_label(BY_CODE[2]), segment_label(BY_CODE[5121])
    ('L4-L5 disc', 'Spinal canal', 'Psoas, left')
    """
    name = structure.name[0].upper() + structure.name[1:]
    if structure.kind in ("vertebra", "disc") and "unknown" not in name:
        return f"{name} {'body' if bodies else structure.kind}"
    return f"{name}, {structure.side}" if structure.side else name


def tracking_uid(source: Source, label: str) -> str:
    """Tracking UID of a structure of a source series: the same whenever it is analysed."""
    return derived_uid("tracking", source.series_uid, label)


def _in_order(codes: NDArray) -> list[int]:
    """Codes that occur, as the table of structures lists them."""
    present = set(np.unique(codes).tolist())
    unknown = present - {0, *BY_CODE}
    if unknown:
        raise KeyError(f"codes {sorted(unknown)} are not in the table of structures")
    return [structure.code for structure in STRUCTURES if structure.code in present]


def _description(
    code: int, number: int, bodies: bool, source: Source, run: Run
) -> SegmentDescription:
    structure = BY_CODE[code]
    label = segment_label(structure, bodies)
    colour = colour_of(code).lstrip("#")
    description = SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=coded(ANATOMICAL_STRUCTURE),
        segmented_property_type=coded(body_concept(code) if bodies else structure_concept(code)),
        algorithm_type=_algorithm_type(run),
        algorithm_identification=algorithm(run),
        tracking_uid=tracking_uid(source, label),
        tracking_id=label,
        display_color=CIELabColor.from_rgb(*bytes.fromhex(colour)),
    )
    side = side_concept(structure)
    if side is not None:  # PS3.3 table C.8.20-4: a modifier stands inside the type
        kind = description.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [coded(side)]
    return description


def _algorithm_type(run: Run) -> SegmentAlgorithmTypeValues:
    """Masks that were given may have been corrected by hand, or drawn by it."""
    given = "codes" in run.options
    kinds = SegmentAlgorithmTypeValues
    return kinds.SEMIAUTOMATIC if given else kinds.AUTOMATIC


def _has_private(descriptions: Sequence[SegmentDescription]) -> bool:
    kinds = (entry.segmented_property_type for entry in descriptions)
    return any(kind.scheme_designator == PRIVATE for kind in kinds)


def _stand_in(image: SourceImage) -> str:
    """UID under which highdicom knows a picture; see ``as_single_frame``."""
    return image.uid if image.frame is None else derived_uid(image.uid, str(image.frame))


def _frames(
    dataset: Dataset, segments: dict[int, int], slices: dict[str, int]
) -> dict[tuple[int, int], int]:
    """Frame Number by code and slice, where ``slices`` has those of the stand-ins' UIDs."""
    codes = {number: code for code, number in segments.items()}
    shared = dataset.SharedFunctionalGroupsSequence[0]
    found = {}
    for frame, group in enumerate(dataset.PerFrameFunctionalGroupsSequence, 1):
        home = group if "SegmentIdentificationSequence" in group else shared  # of one segment
        code = codes[home.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        item = group.DerivationImageSequence[0].SourceImageSequence[0]
        found[code, slices[item.ReferencedSOPInstanceUID]] = frame
    return found


def _refer_to(dataset: Dataset, stand_ins: dict[str, SourceImage], source: Source) -> None:
    """Put the true class, instance and frame in the place of each stand-in."""
    for group in dataset.PerFrameFunctionalGroupsSequence:
        for derivation in group.DerivationImageSequence:
            for item in derivation.SourceImageSequence:
                image = stand_ins.get(item.ReferencedSOPInstanceUID)
                if image is not None:  # segments of one plane share the item
                    _point_to(item, image, with_frame=True)
    images = {image.uid: image for image in stand_ins.values()}
    dataset.SourceImageSequence = [_point_to(Dataset(), image) for image in images.values()]
    series = Dataset()
    series.SeriesInstanceUID = source.series_uid
    series.ReferencedInstanceSequence = [_point_to(Dataset(), image) for image in images.values()]
    dataset.ReferencedSeriesSequence = [series]


def _point_to(item: Dataset, image: SourceImage, with_frame: bool = False) -> Dataset:
    item.ReferencedSOPClassUID = image.sop_class
    item.ReferencedSOPInstanceUID = image.uid
    if with_frame and image.frame is not None:
        item.ReferencedFrameNumber = image.frame
    return item
