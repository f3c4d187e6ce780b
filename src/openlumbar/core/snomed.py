"""The one table of coded concepts: what DICOM objects call structures and numbers.

Nothing here is from memory. Where each code was read:

* Vertebrae T1 … L5, discs T1-T2 … L5-S1, sacrum, cord, canal, erector spinae, lumbar
  spine, Cobb angle, and the levels of discs: DICOM PS3.16, context groups 4, 218, 1003,
  6115, 6116, 7151, 7603 and 7604, as ``pydicom.sr.codedict`` of pydicom 3.0 has them (the
  tests hold this table against it).
* S1: the SNOMED table of TotalSegmentator (``totalsegmentator_snomed_mapping.csv``).
* S2 and the bodies of T1 … T13 and L1 … L5: the value set "Radiotherapy Treatment
  Location" of HL7's CodeX Radiation Therapy guide, after AAPM TG-263
  (``HL7/codex-radiation-therapy``). The body of a vertebra as such: there and in
  TotalSegmentator's table.
* An intervertebral disc as such, 360499006: an extension of TotalSegmentator's table.
* Multifidus and quadratus lumborum: the value set "SNOMED CT Body Structures" of HL7 FHIR
  (``body-site``), in copies of its expansion that two public projects keep.
* Area: DICOM PS3.16, context group 7469, likewise from pydicom.

What no source read has a code for (T13, L6, S1-S2, nearly all metrics) has a private one,
under the designator 99OPENLUMBAR. So has the psoas: the one source that named a code for it
(64038003) is contradicted by CodeX, where that is an intercostal lymph node. DICOM's "Fat
fraction" (129100) is that of proton-density maps, which ours is not. Private code values
are no longer than the 16 characters of a Code Value (PS3.3 section 8.8).
"""

from __future__ import annotations

from dataclasses import dataclass

from openlumbar.core.anatomy import BY_CODE, SACRUM, SPINAL_CANAL, SPINAL_CORD, Structure
from openlumbar.core.metrics import MUSCLES

#: Designator of the codes that are ours, and who is responsible for it (PS3.3 C.12.1).
PRIVATE = "99OPENLUMBAR"
PRIVATE_NAME = "OpenLumbar codes"


@dataclass(frozen=True)
class Concept:
    """A coded concept (PS3.3 section 8.8).

    Attributes
    ----------
    value
        Code Value, at most 16 characters.
    scheme
        ``SCT`` (SNOMED CT), ``DCM``, ``UCUM`` or :data:`PRIVATE`.
    meaning
        For a person, at most 64 characters.
    """

    value: str
    scheme: str
    meaning: str


def _sct(value: str, meaning: str) -> Concept:
    return Concept(value, "SCT", meaning)


def _private(value: str, meaning: str) -> Concept:
    return Concept(value, PRIVATE, meaning)


ANATOMICAL_STRUCTURE = _sct("91723000", "Anatomical Structure")
LUMBAR_SPINE = _sct("122496007", "Lumbar spine")
LEFT = _sct("7771000", "Left")
RIGHT = _sct("24028007", "Right")
SUPINE = _sct("40199007", "supine")
PRONE = _sct("1240000", "prone")

_WHOLE_VERTEBRA = {
    "T1": "64864005",
    "T2": "53733008",
    "T3": "1626008",
    "T4": "73071006",
    "T5": "56401006",
    "T6": "45296009",
    "T7": "62487009",
    "T8": "11068009",
    "T9": "82687006",
    "T10": "7610001",
    "T11": "12989004",
    "T12": "23215003",
    "L1": "66794005",
    "L2": "14293000",
    "L3": "36470004",
    "L4": "11994002",
    "L5": "49668003",
    "S1": "65985001",
    "S2": "11808007",
}
_BODY = {
    "T1": "56094003",
    "T2": "50060007",
    "T3": "73138009",
    "T4": "86197001",
    "T5": "6105006",
    "T6": "32430008",
    "T7": "71737002",
    "T8": "77435000",
    "T9": "33766003",
    "T10": "48405002",
    "T11": "52120002",
    "T12": "280849005",
    "T13": "1186895000",
    "L1": "61032001",
    "L2": "53983007",
    "L3": "55492004",
    "L4": "71996003",
    "L5": "21799000",
}
_DISC = {
    "T1-T2": "40908007",
    "T2-T3": "6004007",
    "T3-T4": "2620004",
    "T4-T5": "82965004",
    "T5-T6": "72692000",
    "T6-T7": "74401007",
    "T7-T8": "28693002",
    "T8-T9": "9188009",
    "T9-T10": "113209001",
    "T10-T11": "34959001",
    "T11-T12": "1537001",
    "T12-L1": "76206002",
    "L1-L2": "80064006",
    "L2-L3": "67459009",
    "L3-L4": "62551000",
    "L4-L5": "84020006",
    "L5-S1": "715056000",
}
_DISC_LEVEL = {
    "T1-T2": "243908006",
    "T2-T3": "243909003",
    "T3-T4": "243910008",
    "T4-T5": "243911007",
    "T5-T6": "243912000",
    "T6-T7": "243913005",
    "T7-T8": "243914004",
    "T8-T9": "243915003",
    "T9-T10": "243916002",
    "T10-T11": "243917006",
    "T11-T12": "243918001",
    "T12-L1": "243926009",
    "L1-L2": "243920003",
    "L2-L3": "243921004",
    "L3-L4": "243922006",
    "L4-L5": "243923001",
    "L5-S1": "243927000",
}
_ANY_VERTEBRA = _sct("51282000", "Vertebra")
_ANY_BODY = _sct("3572006", "Body of vertebra")
_ANY_DISC = _sct("360499006", "Intervertebral disc")
_OTHERS = {
    SPINAL_CORD: _sct("2748008", "Spinal cord"),
    SPINAL_CANAL: _sct("61853006", "Vertebral canal"),
    SACRUM: _sct("54735007", "Sacrum"),
}
_MUSCLES = {
    "multifidus": _sct("5709001", "Multifidus muscles"),
    "erector spinae": _sct("44947003", "Erector spinae muscle"),
    "psoas": _private("psoas", "Psoas muscle"),
    "quadratus lumborum": _sct("6001004", "Quadratus lumborum muscle"),
}


def structure_concept(code: int) -> Concept:
    """What a code of :mod:`openlumbar.core.anatomy` is called in DICOM.

    A muscle's side is not part of its concept: see :func:`side_concept`.

    Raises
    ------
    KeyError
        The code is not in the table of structures.

    Examples
    --------
    >>> structure_concept(44)
    Concept(value='11994002', scheme='SCT', meaning='L4 vertebra')
    >>> structure_concept(46)
    Concept(value='L6', scheme='99OPENLUMBAR', meaning='L6 vertebra')
    """
    structure = BY_CODE[code]
    if structure.kind == "vertebra":
        return _vertebra(structure.name)
    if structure.kind == "disc":
        return _disc(structure.name)
    return _MUSCLES[structure.name] if structure.kind == "muscle" else _OTHERS[code]


def body_concept(code: int) -> Concept:
    """What the body of a vertebra is called in DICOM; S1's and S2's are S1 and S2.

    Raises
    ------
    KeyError
        The code is not in the table of structures.

    Examples
    --------
    >>> body_concept(44).meaning
    'Body of L4 vertebra'
    """
    name = BY_CODE[code].name
    if name in _BODY:
        return _sct(_BODY[name], f"Body of {name} vertebra")
    if name in _WHOLE_VERTEBRA:
        return _vertebra(name)
    if name in _PRIVATE_VERTEBRAE:
        return _private(f"{name}_body", f"Body of {name} vertebra")
    return _ANY_BODY


def side_concept(structure: Structure) -> Concept | None:
    """Laterality (CID 244), for a structure that has a side."""
    return {"left": LEFT, "right": RIGHT}.get(structure.side or "")


def site_concept(level: str) -> Concept:
    """Where a number was taken: ``L4``, ``L4-L5``, or a stretch such as ``L1-S1``.

    A disc's name as a site is the level of the disc (CID 1003), not the disc itself.

    Examples
    --------
    >>> site_concept("L4-L5").meaning
    'Level of L4/L5 intervertebral disc'
    >>> site_concept("L1-S1").meaning
    'Lumbar spine'
    """
    if level in _DISC_LEVEL:
        meaning = f"Level of {level.replace('-', '/')} intervertebral disc"
        return _sct(_DISC_LEVEL[level], meaning)
    if level in _DISC or level in _PRIVATE_DISCS:
        return _disc(level)
    if level in _WHOLE_VERTEBRA or level in _PRIVATE_VERTEBRAE:
        return _vertebra(level)
    return LUMBAR_SPINE


_PRIVATE_VERTEBRAE = ("T13", "L6")
_PRIVATE_DISCS = ("L5-L6", "S1-S2")


def _vertebra(name: str) -> Concept:
    if name in _WHOLE_VERTEBRA:
        return _sct(_WHOLE_VERTEBRA[name], f"{name} vertebra")
    return _private(name, f"{name} vertebra") if name in _PRIVATE_VERTEBRAE else _ANY_VERTEBRA


def _disc(name: str) -> Concept:
    if name in _DISC:
        return _sct(_DISC[name], f"{name.replace('-', '/')} disc")
    return _private(name, f"{name.replace('-', '/')} disc") if name in _PRIVATE_DISCS else _ANY_DISC


_AREA = _sct("42798000", "Area")
#: What is measured of each muscle on an axial slice; which muscle, the finding says.
_OF_MUSCLE: dict[str, Concept] = {
    "csa_cm2": _AREA,
    "lean_csa_cm2": _private("lean_area", "Area less its fat by partial volume"),
    "fat_fraction_kmeans_percent": _private(
        "fat_kmeans", "Fat area fraction (no proton density), k-means"
    ),
    "fat_fraction_otsu_percent": _private(
        "fat_otsu", "Fat area fraction (no proton density), Otsu"
    ),
    "fat_fraction_mixture_percent": _private(
        "fat_mixture", "Fat area fraction (no proton density), mixture"
    ),
    "fat_fraction_partial_volume_percent": _private(
        "fat_partial_vol", "Fat area fraction (no proton density), partial volume"
    ),
    "asymmetry_percent": _private("asymmetry", "Smaller side against the larger, of the area"),
    "muscle_to_disc_ratio": _private("muscle_to_disc", "Area over that of the disc in the slice"),
}
_CENTROID = {
    f"centroid_{axis}_mm": _private(f"centroid_{axis}", f"Centroid, {axis} (LPS)") for axis in "xyz"
}

#: Metrics (:mod:`openlumbar.core.metrics`). The lordosis and the areas are exactly what a
#: standard code means. DICOM's "Height" and "Distance" would fit a dozen of the others at
#: once, and a reader could not tell those apart, so that they have codes of their own.
_METRICS: dict[tuple[str, str], Concept] = {
    ("vertebra", "anterior_height_mm"): _private("anterior_height", "Anterior vertebral height"),
    ("vertebra", "middle_height_mm"): _private("middle_height", "Middle vertebral height"),
    ("vertebra", "posterior_height_mm"): _private("posterior_height", "Posterior vertebral height"),
    ("vertebra", "rotation_deg"): _private("rotation", "Vertebral rotation in the sagittal plane"),
    ("vertebra", "wedge_ratio"): _private("wedge_ratio", "Anterior over posterior height"),
    ("vertebra", "biconcavity_ratio"): _private("biconcavity", "Middle over posterior height"),
    ("vertebra", "crush_ratio"): _private(
        "crush_ratio", "Posterior height over that of the neighbours"
    ),
    ("vertebra", "centroid_x_mm"): _private("body_centroid_x", "Centroid of the body, x (LPS)"),
    ("vertebra", "centroid_y_mm"): _private("body_centroid_y", "Centroid of the body, y (LPS)"),
    ("vertebra", "centroid_z_mm"): _private("body_centroid_z", "Centroid of the body, z (LPS)"),
    ("disc", "height_mm"): _private("disc_height", "Disc height, mean of the central 80 %"),
    ("disc", "bounding_height_mm"): _private(
        "disc_box_height", "Disc height, bounding rectangle (Hess)"
    ),
    ("disc", "anterior_distance_mm"): _private("anterior_gap", "Anterior intervertebral distance"),
    ("disc", "posterior_distance_mm"): _private(
        "posterior_gap", "Posterior intervertebral distance"
    ),
    ("disc", "disc_height_index"): _private("disc_height_idx", "Disc height index"),
    ("disc", "disc_angle_deg"): _private("disc_angle", "Disc angle"),
    ("disc", "segmental_angle_deg"): _private("segmental_angle", "Segmental angle"),
    ("disc", "listhesis_mm"): _private("listhesis", "Listhesis, positive forward"),
    ("disc", "listhesis_percent"): _private("listhesis_rel", "Listhesis over the lower endplate"),
    ("disc", "meyerding_grade"): _private("meyerding", "Meyerding grade"),
    ("disc", "centroid_x_mm"): _private("disc_centroid_x", "Centroid of the disc, x (LPS)"),
    ("disc", "centroid_y_mm"): _private("disc_centroid_y", "Centroid of the disc, y (LPS)"),
    ("disc", "centroid_z_mm"): _private("disc_centroid_z", "Centroid of the disc, z (LPS)"),
    ("canal", "ap_diameter_mm"): _private(
        "canal_ap_diam", "Antero-posterior diameter of the spinal canal"
    ),
    ("spine", "lordosis_deg"): _sct("285285000", "Cobb angle"),
    ("disc", "area_mm2"): _AREA,
    ("dural sac", "area_mm2"): _AREA,
    ("dural sac", "ap_diameter_mm"): _private(
        "sac_ap_diam", "Antero-posterior diameter of the dural sac"
    ),
    ("dural sac", "transverse_diameter_mm"): _private(
        "sac_trans_diam", "Transverse diameter of the dural sac"
    ),
    ("slice", "tilt_deg"): _private("slice_tilt", "Tilt of the slice, front down positive"),
    ("slice", "within_level"): _private("within_level", "Place from upper to lower endplate"),
    ("slice", "chosen_for_level"): _private("chosen_slice", "Slice chosen for its disc level"),
    ("slice", "kidney_in_view_probability"): _private("kidney_in_view", "Kidney in view"),
    ("slice", "ilium_in_view_probability"): _private("ilium_in_view", "Ilium in view"),
    ("quadratus lumborum", "beyond_erector_spinae_mm"): _private(
        "beyond_erector", "Lateral margin beyond that of erector spinae"
    ),
    ("psoas", "roundness"): _private("roundness", "4 pi area over perimeter squared"),
    ("multifidus", "back_muscle_share_percent"): _private(
        "back_share", "Share of multifidus and erector spinae"
    ),
    **{
        (muscle, metric): concept
        for muscle in MUSCLES
        for metric, concept in (_OF_MUSCLE | _CENTROID).items()
    },
    **{("dural sac", metric): concept for metric, concept in _CENTROID.items()},
}

#: Units of :mod:`openlumbar.core.metrics`, UCUM.
UNITS: dict[str, Concept] = {
    "mm": Concept("mm", "UCUM", "mm"),
    "mm2": Concept("mm2", "UCUM", "square millimeter"),
    "cm2": Concept("cm2", "UCUM", "square centimeter"),
    "deg": Concept("deg", "UCUM", "degree"),
    "%": Concept("%", "UCUM", "percent"),
    "1": Concept("1", "UCUM", "no units"),
}


def metric_concept(structure: str, metric: str) -> Concept:
    """What a metric is called in DICOM.

    Parameters
    ----------
    structure, metric
        A key of :data:`openlumbar.core.metrics.METRICS`.

    Raises
    ------
    KeyError
        The metric has no code: add one to the table here.

    Examples
    --------
    >>> metric_concept("spine", "lordosis_deg").meaning
    'Cobb angle'
    """
    return _METRICS[structure, metric]
