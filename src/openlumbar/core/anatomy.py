"""The one table of structures: integer codes, names, order along the spine.

Codes follow TotalSpineSeg where it has one and MuscleMap for muscles; those that
neither has are ours (design.md, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Structure:
    """One anatomical structure.

    Attributes
    ----------
    code
        Integer in label maps.
    name
        Level or structure in the field's terms: ``L4``, ``L4-L5``, ``spinal canal``.
    kind
        ``vertebra``, ``disc``, ``canal``, ``cord``, ``sacrum`` or ``muscle``.
    side
        ``left``, ``right`` or None.
    """

    code: int
    name: str
    kind: str
    side: str | None = None


#: Vertebrae from the top of the thoracic spine to the second sacral segment.
VERTEBRAE: tuple[str, ...] = (
    *(f"T{n}" for n in range(1, 13)),
    "T13",
    *(f"L{n}" for n in range(1, 7)),
    "S1",
    "S2",
)

SPINAL_CORD = 1
SPINAL_CANAL = 2
SACRUM = 50
UNKNOWN_VERTEBRA = 40
UNKNOWN_DISC = 90

_VERTEBRA_CODES = {
    **{f"T{n}": 20 + n for n in range(1, 14)},
    **{f"L{n}": 40 + n for n in range(1, 7)},
    "S1": 51,
    "S2": 52,
}
_DISC_CODES = {
    **{f"T{n}-T{n + 1}": 71 + n for n in range(1, 12)},
    "T12-L1": 91,
    "L1-L2": 92,
    "L2-L3": 93,
    "L3-L4": 94,
    "L4-L5": 95,
    "L5-L6": 96,
    "L5-S1": 100,
    "S1-S2": 101,
}
_MUSCLES = {
    "multifidus": 5101,
    "erector spinae": 5111,
    "psoas": 5121,
    "quadratus lumborum": 5131,
}

STRUCTURES: tuple[Structure, ...] = (
    Structure(SPINAL_CORD, "spinal cord", "cord"),
    Structure(SPINAL_CANAL, "spinal canal", "canal"),
    *(Structure(code, name, "vertebra") for name, code in _VERTEBRA_CODES.items()),
    Structure(UNKNOWN_VERTEBRA, "vertebra of unknown level", "vertebra"),
    Structure(SACRUM, "sacrum", "sacrum"),
    *(Structure(code, name, "disc") for name, code in _DISC_CODES.items()),
    Structure(UNKNOWN_DISC, "disc of unknown level", "disc"),
    *(
        Structure(code + offset, name, "muscle", side)
        for name, code in _MUSCLES.items()
        for offset, side in ((0, "left"), (1, "right"))
    ),
)

BY_CODE: dict[int, Structure] = {structure.code: structure for structure in STRUCTURES}


def vertebra_code(name: str) -> int:
    """Code of a vertebra.

    Parameters
    ----------
    name
        ``T1`` … ``T13``, ``L1`` … ``L6``, ``S1`` or ``S2``.

    Raises
    ------
    KeyError
        There is no such vertebra in the table.

    Examples
    --------
    >>> vertebra_code("L4")
    44
    """
    return _VERTEBRA_CODES[name]


def disc_code(name: str) -> int:
    """Code of a disc; the disc above S1 is 100 whatever stands on it.

    Parameters
    ----------
    name
        The vertebra above and the one below: ``L4-L5``.

    Raises
    ------
    KeyError
        There is no such disc in the table.

    Examples
    --------
    >>> disc_code("L4-L5"), disc_code("L4-S1")
    (95, 100)
    """
    return _DISC_CODES["L5-S1"] if name.endswith("-S1") else _DISC_CODES[name]
