"""The one table of metrics: what each number is, in which unit, of which structure.

Names carry their unit (design.md, section 2); ``measurements.csv``, the report and the
DICOM SR all read this table, so that a metric is defined, written and shown in one way.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One kind of number.

    Attributes
    ----------
    name
        As in ``measurements.csv``; ends in its unit where it has one.
    structure
        ``vertebra``, ``disc``, ``canal``, ``spine``; on axial slices a muscle's name,
        ``dural sac`` or ``slice``.
    title
        What a report calls it.
    unit
        UCUM: ``mm``, ``mm2``, ``cm2``, ``deg``, ``%`` or ``1``.
    definition
        One sentence on how it is measured.
    source
        Where the definition comes from.
    """

    name: str
    structure: str
    title: str
    unit: str
    definition: str
    source: str


_SCHNEIDER = "Schneider et al. 2023, section 2.2"
_HESS = "Hess et al. 2023, Methods"
_CHO = "after the words of Cho et al. 2022, CAM evaluation; the number is OpenLumbar's"
_XIA = "Xia et al. 2019, section 2.6"
_OURS = "OpenLumbar"

#: Muscles measured on axial slices, as in :mod:`openlumbar.core.anatomy`.
MUSCLES: tuple[str, ...] = ("multifidus", "erector spinae", "psoas", "quadratus lumborum")

# How the fat area fraction is found: name, title, definition, source.
_FAT: tuple[tuple[str, str, str, str], ...] = (
    (
        "kmeans",
        "k-means",
        "voxels of the muscle that k-means, started from pure fat and clean muscle and held by "
        "both, puts with the fat, over all its voxels; after bias correction",
        _XIA,
    ),
    (
        "otsu",
        "Otsu",
        "voxels of the muscle brighter than Otsu's threshold over all its voxels; after bias "
        "correction",
        _OURS,
    ),
    (
        "mixture",
        "mixture",
        "weight of the brighter of two normal distributions of one width fitted to the muscle's "
        "voxels; after bias correction",
        _OURS,
    ),
    (
        "partial_volume",
        "partial volume",
        "mean of each voxel's place between the brightness of clean muscle and that of pure fat; "
        "after bias correction",
        _OURS,
    ),
)
_AREA = "not a proton-density fat fraction"

_TABLE: tuple[Metric, ...] = (
    Metric(
        "anterior_height_mm",
        "vertebra",
        "Anterior height",
        "mm",
        "between the outermost points of the body on a line square to the shorter of the "
        "bounding trapezoid's parallel sides, 10 % of that side behind its front corner; where "
        "the body leans, what both sides share stands for the shorter one",
        _SCHNEIDER,
    ),
    Metric(
        "middle_height_mm",
        "vertebra",
        "Middle height",
        "mm",
        "the same on the line midway between those of the anterior and posterior height",
        _SCHNEIDER,
    ),
    Metric(
        "posterior_height_mm",
        "vertebra",
        "Posterior height",
        "mm",
        "the same on the line 10 % of the side in front of its back corner",
        _SCHNEIDER,
    ),
    Metric(
        "rotation_deg",
        "vertebra",
        "Rotation",
        "deg",
        "angle of the bounding trapezoid's parallel sides to the horizontal of the patient in "
        "the sagittal plane, positive when the front is lower than the back",
        _SCHNEIDER,
    ),
    Metric(
        "wedge_ratio",
        "vertebra",
        "Wedge ratio",
        "1",
        "anterior height over posterior height",
        _OURS,
    ),
    Metric(
        "biconcavity_ratio",
        "vertebra",
        "Biconcavity ratio",
        "1",
        "middle height over posterior height",
        _OURS,
    ),
    Metric(
        "crush_ratio",
        "vertebra",
        "Crush ratio",
        "1",
        "posterior height over the mean posterior height of the vertebrae above and below, or "
        "that of the one there is",
        _OURS,
    ),
    Metric(
        "height_mm",
        "disc",
        "Height",
        "mm",
        "mean distance from endplate to endplate, square to the disc's midline, over the central "
        "80 % of its length in its most central slice; an endplate lies midway between the edges "
        "of disc and body",
        _OURS,
    ),
    Metric(
        "bounding_height_mm",
        "disc",
        "Bounding height (Hess)",
        "mm",
        "shorter side of the minimum-area rectangle around the disc in its most central slice",
        _HESS,
    ),
    Metric(
        "anterior_distance_mm",
        "disc",
        "Anterior distance",
        "mm",
        "between the facing anterior anchor points of the two vertebrae; those of S1 lie on its "
        "upper endplate, 10 % of it inward",
        _SCHNEIDER,
    ),
    Metric(
        "posterior_distance_mm",
        "disc",
        "Posterior distance",
        "mm",
        "between the facing posterior anchor points of the two vertebrae; those of S1 lie on its "
        "upper endplate, 10 % of it inward",
        _SCHNEIDER,
    ),
    Metric(
        "disc_height_index",
        "disc",
        "Disc height index",
        "1",
        "height of the disc over the mean middle height of the vertebrae above and below; above "
        "S1, which has no height, over that of the vertebra above",
        "SpineBase, Disc-Height Index (spinebase.org), with the mean height for its mean of three",
    ),
    Metric(
        "disc_angle_deg",
        "disc",
        "Disc angle",
        "deg",
        "between the two facing endplates, each a line through its central 80 %; positive when "
        "the disc is higher in front",
        _OURS,
    ),
    Metric(
        "segmental_angle_deg",
        "disc",
        "Segmental angle",
        "deg",
        "between the upper endplate of the vertebra above and that of the vertebra below; these "
        "add up to the lordosis; supine",
        _OURS,
    ),
    Metric(
        "listhesis_mm",
        "disc",
        "Listhesis",
        "mm",
        "shift of the vertebra above along the upper endplate of the one below, between its lower "
        "and the other's upper posterior corner; positive forward",
        _OURS,
    ),
    Metric(
        "listhesis_percent",
        "disc",
        "Listhesis, relative",
        "%",
        "listhesis over the length of the lower vertebra's upper endplate",
        _OURS,
    ),
    Metric(
        "meyerding_grade",
        "disc",
        "Meyerding grade",
        "1",
        "quarter of the lower endplate that the upper vertebra has slipped by, from a forward "
        "slip of 3 mm up, and 5 beyond its front; 0 below 3 mm",
        _OURS,
    ),
    Metric(
        "ap_diameter_mm",
        "canal",
        "Antero-posterior diameter",
        "mm",
        "of the spinal canal on the midline, square to its course, at the level's middle",
        _OURS,
    ),
    Metric(
        "lordosis_deg",
        "spine",
        "Lumbar lordosis",
        "deg",
        "Cobb angle between L1's upper and S1's upper endplate, each a line through its central "
        "80 %; where S1 has no mask, the lower border of disc L5-S1; supine",
        _OURS,
    ),
    *(
        metric
        for muscle in MUSCLES
        for metric in (
            Metric(
                "csa_cm2",
                muscle,
                "Cross-sectional area",
                "cm2",
                "pixels of the muscle in the slice times the area of a pixel of the stored image",
                _HESS,
            ),
            Metric(
                "lean_csa_cm2",
                muscle,
                "Lean area",
                "cm2",
                "cross-sectional area less its fat by partial volume",
                _OURS,
            ),
            *(
                Metric(
                    f"fat_fraction_{name}_percent",
                    muscle,
                    f"Fat area fraction, {title}",
                    "%",
                    f"{definition}; {_AREA}",
                    source,
                )
                for name, title, definition, source in _FAT
            ),
            Metric(
                "asymmetry_percent",
                muscle,
                "Asymmetry",
                "%",
                "larger side less the smaller over the larger, of the cross-sectional area",
                _OURS,
            ),
            Metric(
                "muscle_to_disc_ratio",
                muscle,
                "Muscle-to-disc ratio",
                "1",
                "cross-sectional area over the disc's area in the same slice",
                _OURS,
            ),
        )
    ),
    Metric(
        "beyond_erector_spinae_mm",
        "quadratus lumborum",
        "Lateral margin beyond that of erector spinae",
        "mm",
        "how much further outward the muscle reaches than erector spinae of the same side, along "
        "the body's own left-right axis, which is square to the line from the middle of body and "
        "disc to that of the sac; negative where erector spinae reaches further",
        _CHO,
    ),
    Metric(
        "roundness",
        "psoas",
        "Roundness",
        "1",
        "4 pi times area over perimeter squared, of the muscle's outline in the slice: 1 of a "
        "circle, 0.79 of a square, 0.60 of an equilateral triangle",
        _CHO,
    ),
    Metric(
        "back_muscle_share_percent",
        "multifidus",
        "Share of the back muscles",
        "%",
        "area of multifidus over that of multifidus and erector spinae of the same side",
        _OURS,
    ),
    Metric(
        "area_mm2",
        "disc",
        "Area in the axial slice",
        "mm2",
        "pixels of the disc in an axial slice times the area of a pixel",
        _OURS,
    ),
    Metric(
        "area_mm2",
        "dural sac",
        "Area",
        "mm2",
        "pixels of the dural sac in the slice times the area of a pixel",
        _OURS,
    ),
    Metric(
        "ap_diameter_mm",
        "dural sac",
        "Antero-posterior diameter",
        "mm",
        "extent of the dural sac in the slice on the line through its centre along the body's "
        "own front-to-back axis, which runs from the middle of body and disc to that of the sac",
        _OURS,
    ),
    Metric(
        "transverse_diameter_mm",
        "dural sac",
        "Transverse diameter",
        "mm",
        "longest line across the dural sac in the slice square to the front-to-back axis",
        _OURS,
    ),
    Metric(
        "tilt_deg",
        "slice",
        "Tilt of the slice",
        "deg",
        "angle between the slice's normal and the head-foot axis of the patient, in the sagittal "
        "plane; positive when the slice's front lies lower than its back",
        _OURS,
    ),
    Metric(
        "within_level",
        "slice",
        "Place within the level",
        "1",
        "where the slice cuts the axis of the vertebra or disc that it lies in, as a sagittal "
        "series shows it: 0 at the upper and 1 at the lower endplate",
        _OURS,
    ),
    Metric(
        "chosen_for_level",
        "slice",
        "Chosen for the level",
        "1",
        "1: the level's own numbers, those without a slice, are of this slice; of several the "
        "mean of theirs",
        _OURS,
    ),
    *(
        Metric(
            f"{sign}_in_view_probability",
            "slice",
            f"{sign.capitalize()} in view",
            "1",
            f"probability, by the level classifier, that the slice shows {article}",
            _CHO,
        )
        for sign, article in (("kidney", "a kidney"), ("ilium", "an ilium"))
    ),
    *(
        Metric(
            f"centroid_{axis}_mm",
            structure,
            f"Centroid {axis}",
            "mm",
            f"{axis} of the centre of mass in DICOM patient coordinates (LPS)"
            + (", of the body alone" if structure == "vertebra" else ""),
            _HESS,
        )
        for structure in ("vertebra", "disc", *MUSCLES, "dural sac")
        for axis in "xyz"
    ),
)

#: By structure and name: a name may be of several structures.
METRICS: dict[tuple[str, str], Metric] = {(m.structure, m.name): m for m in _TABLE}
