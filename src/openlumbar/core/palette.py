"""One colour a structure, the same in every picture and label table.

Neighbouring vertebrae differ clearly in hue and lightness, and a disc takes a paler
tint of the vertebra above it, so that a picture can be read without its legend. Muscles,
which stand beside vertebrae of unknown level, have hues of their own. The
eight hues are those of Okabe and Ito's palette for colour-blind readers, black
replaced by a light grey that shows on an image.
"""

from __future__ import annotations

from openlumbar.core.anatomy import BY_CODE, VERTEBRAE, vertebra_code

_SKY, _ORANGE, _GREEN, _YELLOW = "#56B4E9", "#E69F00", "#009E73", "#F0E442"
_BLUE, _VERMILION, _PURPLE, _GREY = "#3A8FD6", "#D55E00", "#CC79A7", "#C8C8C8"

#: Hue of a vertebra by name; T1 … T6 repeat what T7 … T12 have.
VERTEBRA_COLOURS: dict[str, str] = {
    "T1": _GREEN,
    "T2": _YELLOW,
    "T3": _PURPLE,
    "T4": _SKY,
    "T5": _ORANGE,
    "T6": _BLUE,
    "T7": _GREEN,
    "T8": _YELLOW,
    "T9": _PURPLE,
    "T10": _SKY,
    "T11": _ORANGE,
    "T12": _BLUE,
    "T13": _GREY,
    "L1": _GREEN,
    "L2": _YELLOW,
    "L3": _PURPLE,
    "L4": _SKY,
    "L5": _ORANGE,
    "L6": _GREY,
    "S1": _VERMILION,
    "S2": _BLUE,
}

#: Hue of a muscle; its right side has a paler tint, so that exchanged sides are seen.
MUSCLE_COLOURS: dict[str, str] = {
    "multifidus": _VERMILION,
    "erector spinae": _ORANGE,
    "psoas": _GREEN,
    "quadratus lumborum": _PURPLE,
}
_RIGHT = 0.35

_KIND_COLOURS: dict[str, str] = {
    "canal": "#7FE3E0",
    "cord": "#F7F7A8",
    "sacrum": "#A0785A",
    "vertebra": _GREY,
    "disc": "#EDEDED",
}


def tint(colour: str, amount: float) -> str:
    """Mix ``#rrggbb`` with white; ``amount`` 0 leaves it, 1 is white."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * amount):02X}" for part in parts)


_BY_CODE: dict[int, str] = {vertebra_code(name): VERTEBRA_COLOURS[name] for name in VERTEBRAE}


def colour_of(code: int) -> str:
    """Colour ``#rrggbb`` of a code of :mod:`openlumbar.core.anatomy`.

    Raises
    ------
    KeyError
        The code is not in the table.
    """
    structure = BY_CODE[code]
    upper = structure.name.split("-")[0]
    if structure.kind == "disc" and upper in VERTEBRA_COLOURS:
        return tint(VERTEBRA_COLOURS[upper], 0.5)
    if structure.kind == "muscle":
        return tint(MUSCLE_COLOURS[structure.name], _RIGHT if structure.side == "right" else 0)
    return _BY_CODE.get(code, _KIND_COLOURS[structure.kind])
