"""The one vocabulary of flags; a flag never stands for a sentence of its own making."""

from __future__ import annotations

FLAGS: dict[str, str] = {
    "numbering-uncertain": "the names may be off by one level",
    "sacrum-out-of-view": "no sacrum in the picture to count from",
    "possible-l6": "a sixth lumbar-type vertebra may stand above the sacrum",
    "possible-sacralised-l5": "the lowest lumbar vertebra may be fused to the sacrum",
    "possible-lumbarised-s1": "the first sacral segment has a well-formed disc below it",
    "fused": "two vertebrae touch without a disc between them",
    "collapsed": "the body is much lower than its neighbours",
    "partly-in-view": "the structure is cut by the border of the picture",
    "leaves-slices": "the spine leaves the imaged slices (scoliosis or a narrow slab)",
    "missing-disc": "no disc was found where one was expected",
    "low-certainty": "the segmentation is unsure of this structure",
    "no-canal": "no spinal canal was found beside this structure",
    "not-a-lumbar-spine": "the picture does not look like a sagittal lumbar spine",
    "not-measurable": "the outline is too small or too irregular to be measured",
    "irregular-outline": "the outline fits the shape that is measured on it badly",
    "neighbour-missing": "a neighbour that this number needs was not found or not measured",
    "off-midline": "no slice lies near the middle of the structure",
    "oblique-slices": "the slices lie oblique to the structure",
    "coarse-pixels": "the pixels are too large for this number",
    "not-an-axial-lumbar-slice": "no axial lumbar slice with its muscles was recognised",
    "muscle-missing": "a muscle that its neighbours or its other side show was not found",
    "dark-band": "a saturation or cross-talk band darkens the structure",
    "motion": "ghosts of motion lie over the structure",
    "fat-not-separated": "fat and muscle cannot be told apart by their brightness here",
    "left-right-doubtful": "the header contradicts itself on left and right",
    "level-conflict": "sagittal names and the looks of the axial slices differ by a level",
    "level-uncertain": "the level of the slice is not sure",
    "patient-moved": "the patient moved between the sagittal and the axial series",
    "outside-the-spine": "the slice lies beyond the discs that the sagittal series shows",
    "transitional": "the vertebra at the lumbosacral border has traits of both sides",
    "sex-unknown": "no sex was given; the loads rest on a male base model",
    "height-unknown": "no body height was given; the base model's was taken",
    "mass-unknown": "no body mass was given; the base model's was taken",
    "curvature-generic": "no vertebrae were measured; the spine's shape is the base model's",
    "curvature-partly-generic": "some vertebrae were not measured and follow from the others",
    "muscles-generic": "no muscle was measured; sizes and places are the base model's",
    "muscles-partly-generic": "some muscles were not measured and follow from others",
    "reserve-in-use": "the modelled muscles do not suffice for this task",
    "upside-down": "the anatomy runs against the header: head and foot, or front and back, swapped",
}


def join(flags: tuple[str, ...]) -> str:
    """Write flags as the outputs do: words joined by semicolons.

    Raises
    ------
    KeyError
        A word is not in :data:`FLAGS`.
    """
    for flag in flags:
        FLAGS[flag]
    return ";".join(flags)
