"""A measurement as it is printed, and which part of the report it belongs to."""

from __future__ import annotations

from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import METRICS, MUSCLES
from openlumbar.report.parts import Cell
from openlumbar.report.wording import flag_text, uncertainty_text, value_text

#: By metric; of a muscle, what is not here is its fat.
_GROUP_OF: dict[str, str] = {
    "anterior_height_mm": "heights",
    "middle_height_mm": "heights",
    "posterior_height_mm": "heights",
    "wedge_ratio": "heights",
    "biconcavity_ratio": "heights",
    "crush_ratio": "heights",
    "height_mm": "discs",
    "bounding_height_mm": "discs",
    "anterior_distance_mm": "discs",
    "posterior_distance_mm": "discs",
    "disc_height_index": "discs",
    "area_mm2": "discs",
    "rotation_deg": "angles",
    "disc_angle_deg": "angles",
    "segmental_angle_deg": "angles",
    "lordosis_deg": "angles",
    "listhesis_mm": "listhesis",
    "listhesis_percent": "listhesis",
    "meyerding_grade": "listhesis",
    "ap_diameter_mm": "canal",
    "csa_cm2": "muscles",
    "lean_csa_cm2": "muscles",
    "asymmetry_percent": "muscles",
    "muscle_to_disc_ratio": "muscles",
    "beyond_erector_spinae_mm": "muscles",
    "roundness": "muscles",
    "back_muscle_share_percent": "muscles",
}
_OF_STRUCTURE = dict.fromkeys(MUSCLES, "fat") | {"dural sac": "sac", "slice": "slices"}


def group_of(structure: str, metric: str) -> str:
    """The key of :data:`openlumbar.report.parts.GROUPS` that a metric belongs to.

    Raises
    ------
    KeyError
        The structure has no such metric.

    Examples
    --------
    >>> group_of("canal", "ap_diameter_mm"), group_of("dural sac", "ap_diameter_mm")
    ('canal', 'sac')
    """
    METRICS[structure, metric]
    if metric.startswith("centroid_"):
        return "position"
    if structure in ("dural sac", "slice"):
        return _OF_STRUCTURE[structure]
    return _GROUP_OF.get(metric) or _OF_STRUCTURE[structure]


def cell_of(number: int, measurement: Measurement, column: str) -> Cell:
    """Put a number into print.

    Parameters
    ----------
    number
        Place in ``Analysis.measurements``, which gives the cell its key.
    column
        Key of the column or section that it stands in.
    """
    uncertain = measurement.value is not None and measurement.uncertainty is not None
    return Cell(
        key=f"m{number}",
        column=column,
        value=value_text(measurement),
        uncertainty=uncertainty_text(measurement.uncertainty or 0.0, measurement.unit)
        if uncertain and measurement.metric != "meyerding_grade"
        else "",
        number=measurement.value,
        confidence=measurement.confidence,
        slice=measurement.slice,
        flags=measurement.flags,
        reasons=tuple(flag_text(flag) for flag in measurement.flags),
        withheld=measurement.value is None,
        lines=measurement.lines,
    )
