"""Outlines of the paraspinal muscles from T12-L1 to S1-S2: a table for a reference person.

The outlines were fitted to the mean of four people: the MuscleMap template and three more
label maps (MIT licence), each level found by where the quadratus ends below and the psoas
above, and by the template of muscle configuration in Cho et al. 2022 (CAM evaluation). They
were then rounded, and enlarged where the phantom's bones and fat planes take a part of them
away. ``benchmarks/phantom_muscles.py`` prints how near areas and places come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Outline(NamedTuple):
    """One muscle's outline in a horizontal plane; mm, for a reference person.

    Attributes
    ----------
    centre_mm
        To the side, and backward, of the axis of the spinal canal.
    half_mm
        Half axes of the ellipse that the radii are relative to.
    turn_deg
        Of the first half axis, from the lateral direction toward the back.
    radii
        Percent of the ellipse, every 30 degrees from the first axis toward the second.
    """

    centre_mm: tuple[float, float]
    half_mm: tuple[float, float]
    turn_deg: float
    radii: tuple[int, ...]


@dataclass(frozen=True)
class MuscleTable:
    """A muscle from its upper to its lower end.

    Attributes
    ----------
    outlines
        By level: 0 is disc T12-L1, 5 L5-S1, 6 S1-S2. Those of the back muscles stand
        where a horizontal slice through a disc meets them: its level is lower there, because
        surfaces of equal level lean with the spine.
    upper, lower
        Levels where the muscle has (no, its full) size at its upper end, and (its full, no)
        size at its lower end.
    """

    outlines: dict[float, Outline]
    upper: tuple[float, float]
    lower: tuple[float, float]


_MULTIFIDUS = {
    0.0: Outline(
        (9.9, 19.9), (12.1, 9.9), 107, (105, 97, 92, 103, 107, 97, 94, 102, 107, 95, 93, 105)
    ),
    1.0: Outline(
        (11.2, 21.0), (15.8, 11.1), 116, (101, 92, 97, 106, 102, 91, 98, 106, 103, 92, 94, 108)
    ),
    2.0: Outline(
        (12.4, 22.9), (18.4, 13.0), 108, (101, 96, 95, 105, 104, 91, 100, 105, 99, 97, 98, 104)
    ),
    3.05: Outline(
        (14.0, 23.8), (21.5, 15.5), 101, (101, 99, 96, 101, 106, 93, 97, 106, 98, 96, 100, 102)
    ),
    4.15: Outline(
        (16.4, 26.6), (25.3, 18.0), 90, (93, 95, 102, 99, 104, 99, 96, 107, 95, 91, 107, 107)
    ),
    5.4: Outline(
        (19.1, 23.3), (22.4, 20.5), 70, (93, 92, 101, 105, 96, 102, 98, 104, 97, 84, 110, 108)
    ),
    6.4: Outline(
        (18.0, 23.1), (21.8, 18.6), 75, (88, 93, 106, 104, 94, 94, 98, 111, 94, 80, 110, 106)
    ),
}
_ERECTOR = {
    0.0: Outline(
        (42.1, 25.7), (37.5, 16.4), 3, (109, 95, 82, 87, 112, 103, 76, 81, 119, 92, 64, 104)
    ),
    1.0: Outline(
        (42.6, 25.6), (35.6, 19.3), 0, (108, 100, 89, 87, 104, 112, 78, 79, 117, 97, 76, 96)
    ),
    2.0: Outline(
        (42.6, 26.2), (32.7, 22.4), 0, (107, 99, 91, 86, 105, 112, 72, 83, 118, 94, 79, 98)
    ),
    3.05: Outline(
        (42.2, 24.4), (29.6, 24.3), -2, (107, 102, 88, 76, 108, 110, 64, 83, 116, 96, 76, 92)
    ),
    4.15: Outline(
        (44.1, 20.0), (24.8, 26.1), -12, (108, 101, 87, 84, 108, 106, 67, 89, 116, 94, 79, 93)
    ),
    5.4: Outline(
        (38.6, 11.5), (10.9, 22.1), -16, (93, 86, 105, 105, 99, 85, 104, 107, 94, 95, 95, 112)
    ),
    6.4: Outline(
        (33.8, 18.4), (3.9, 15.2), -17, (95, 84, 101, 108, 99, 78, 95, 114, 100, 83, 91, 114)
    ),
}
_PSOAS = {
    1.0: Outline(
        (29.5, -13.2), (11.7, 6.8), 75, (87, 92, 109, 106, 86, 91, 110, 103, 88, 92, 110, 105)
    ),
    2.0: Outline(
        (35.6, -18.0), (19.0, 11.4), 73, (81, 92, 116, 95, 77, 101, 109, 98, 88, 92, 110, 102)
    ),
    3.0: Outline(
        (39.8, -22.5), (22.3, 16.0), 65, (91, 97, 110, 100, 83, 104, 108, 94, 95, 98, 107, 100)
    ),
    4.0: Outline(
        (44.7, -28.9), (23.0, 21.2), 61, (95, 98, 108, 99, 87, 104, 106, 95, 95, 101, 105, 98)
    ),
    5.0: Outline(
        (48.7, -43.6), (20.6, 20.9), 61, (97, 106, 106, 99, 94, 97, 102, 102, 104, 100, 96, 96)
    ),
    6.0: Outline(
        (48.5, -49.5), (17.4, 19.0), 61, (94, 105, 108, 100, 90, 96, 101, 104, 106, 95, 98, 98)
    ),
}
_QUADRATUS = {
    0.0: Outline(
        (35.5, 4.2), (8.8, 3.5), 31, (96, 99, 98, 102, 99, 98, 101, 101, 101, 94, 103, 105)
    ),
    1.0: Outline(
        (45.2, 4.7), (15.8, 5.2), 21, (102, 106, 91, 93, 111, 100, 91, 96, 107, 101, 92, 98)
    ),
    2.0: Outline(
        (56.1, 5.9), (19.2, 6.2), 19, (94, 109, 102, 87, 101, 107, 97, 93, 102, 103, 100, 98)
    ),
    3.0: Outline(
        (65.7, 5.7), (19.0, 8.5), 12, (88, 96, 112, 98, 79, 100, 113, 92, 87, 103, 107, 97)
    ),
    4.0: Outline(
        (74.3, -0.5), (23.3, 7.6), -6, (108, 72, 80, 116, 103, 88, 102, 102, 83, 94, 103, 107)
    ),
}

#: By name, in the order in which the muscles lie from the midline outward.
MUSCLE_TABLES: dict[str, MuscleTable] = {
    "multifidus": MuscleTable(_MULTIFIDUS, (-20.0, -19.0), (6.6, 8.0)),
    "erector spinae": MuscleTable(_ERECTOR, (-20.0, -19.0), (6.0, 6.7)),
    "psoas": MuscleTable(_PSOAS, (0.2, 1.0), (6.9, 7.4)),
    "quadratus lumborum": MuscleTable(_QUADRATUS, (-0.6, -0.1), (4.1, 4.38)),
}
