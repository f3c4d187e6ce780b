"""How numbers, units, flags and levels are written wherever a person reads them."""

from __future__ import annotations

from openlumbar.core.anatomy import VERTEBRAE
from openlumbar.core.flags import FLAGS
from openlumbar.core.measurement import Measurement

WITHHELD = "–"

#: By UCUM unit: how it is printed, and with how many decimals.
UNITS: dict[str, tuple[str, int]] = {
    "mm": ("mm", 1),
    "mm2": ("mm²", 0),
    "cm2": ("cm²", 1),
    "deg": ("°", 1),
    "%": ("%", 0),
    "N": ("N", 0),
    "N.m": ("N·m", 1),
    "1": ("", 2),
}
_ROMAN = ("0", "I", "II", "III", "IV", "V")

#: What casts doubt on most numbers comes first; the rest follow in the order of FLAGS.
_GRAVEST: tuple[str, ...] = (
    "not-a-lumbar-spine",
    "not-an-axial-lumbar-slice",
    "upside-down",
    "left-right-doubtful",
    "numbering-uncertain",
    "possible-l6",
    "possible-sacralised-l5",
    "possible-lumbarised-s1",
    "sacrum-out-of-view",
    "leaves-slices",
    "fused",
    "missing-disc",
    "collapsed",
)
GRAVITY: tuple[str, ...] = (*_GRAVEST, *(flag for flag in FLAGS if flag not in _GRAVEST))


def number_text(value: float, unit: str) -> str:
    """A value as it is printed, without its unit, with a true minus sign.

    Parameters
    ----------
    value
        Finite.
    unit
        UCUM, of :class:`openlumbar.core.metrics.Metric`.

    Examples
    --------
    >>> number_text(-3.14159, "mm"), number_text(0.8512, "1")
    ('−3.1', '0.85')
    """
    text = f"{value:.{UNITS[unit][1]}f}"
    without_sign = text.lstrip("-")
    negative = text.startswith("-") and float(text) != 0
    return f"−{without_sign}" if negative else without_sign


def uncertainty_text(uncertainty: float, unit: str) -> str:
    """One standard deviation as it is printed: never below the last decimal that is shown."""
    least = 10.0 ** -UNITS[unit][1]
    return number_text(max(uncertainty, least), unit)


def value_text(measurement: Measurement) -> str:
    """The value of a measurement as it is printed; a dash where it is withheld."""
    if measurement.value is None:
        return WITHHELD
    if measurement.metric == "meyerding_grade":
        return _ROMAN[round(measurement.value)]
    return number_text(measurement.value, measurement.unit)


def with_unit(text: str, unit: str) -> str:
    """A printed number and its printed unit: ``27.4 mm``, ``48.2°``, ``0.85``."""
    return f"{text} {unit}" if unit and unit != "°" else f"{text}{unit}"


def confidence_text(confidence: float) -> str:
    """A confidence as it is printed: ``0.95``, never as per cent, since it is no probability."""
    return f"{confidence:.2f}"


def flag_text(flag: str) -> str:
    """A flag as a sentence begins: ``The body is …``."""
    text = FLAGS[flag]
    return text[0].upper() + text[1:]


def rank(level: str) -> float:
    """Place of a vertebra or disc from head to foot; what has no name comes last.

    >>> sorted(("S1", "L5-S1", "T12-L1", "L5", "L1"), key=rank)
    ['T12-L1', 'L1', 'L5', 'L5-S1', 'S1']
    """
    upper, _, lower = level.partition("-")
    if upper not in VERTEBRAE:
        return float(len(VERTEBRAE))
    return VERTEBRAE.index(upper) + (0.5 if lower else 0.0)
