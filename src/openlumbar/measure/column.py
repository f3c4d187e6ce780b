"""The spine as a chain: which structures are there, which neighbour which, and its course."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from openlumbar.core import anatomy
from openlumbar.measure.view import BlockView, Part

_ORDER = {anatomy.vertebra_code(name): 2 * n for n, name in enumerate(anatomy.VERTEBRAE)}
S1, S2 = anatomy.vertebra_code("S1"), anatomy.vertebra_code("S2")
L1 = anatomy.vertebra_code("L1")
LAST_DISC = anatomy.disc_code("L5-S1")
_BELOW_S1 = anatomy.disc_code("S1-S2")


@dataclass(frozen=True)
class Segment:
    """A disc's place between two vertebrae.

    Attributes
    ----------
    level
        ``L4-L5``.
    disc, above, below
        Codes; ``above`` and ``below`` are None, and ``disc`` is no key of the parts, where
        the mask has none.
    """

    level: str
    disc: int
    above: int | None
    below: int | None


def vertebrae_of(view: BlockView) -> list[int]:
    """Codes of the named vertebrae from head to foot, S1 and S2 included."""
    return sorted((code for code in view.parts if code in _ORDER), key=_ORDER.__getitem__)


def segments_of(view: BlockView) -> list[Segment]:
    """Places of discs from head to foot: between neighbours, and where a disc was found."""
    names = [anatomy.BY_CODE[code].name for code in vertebrae_of(view)]
    found: dict[int, Segment] = {}
    for above, below in pairwise(names):
        code = _disc_between(above, below, view)
        if code is not None:
            codes = anatomy.vertebra_code(above), anatomy.vertebra_code(below)
            found[code] = Segment(f"{above}-{below}", code, *codes)
    for code in view.parts:
        named = anatomy.BY_CODE[code].kind == "disc" and code not in (90, _BELOW_S1)
        if named and code not in found:
            found[code] = _alone(code, names)
    return sorted(found.values(), key=lambda segment: segment.disc)


def _disc_between(above: str, below: str, view: BlockView) -> int | None:
    if below == "S2":
        return None
    if below == "S1":
        beside = above in ("L5", "L6") or (above == "L4" and LAST_DISC in view.parts)
        return LAST_DISC if beside else None
    if (above, below) == ("T13", "L1"):
        return anatomy.disc_code("T12-L1")
    try:
        return anatomy.disc_code(f"{above}-{below}")
    except KeyError:
        return None


def _alone(code: int, names: list[str]) -> Segment:
    """A disc with a vertebra on one side or on none."""
    above, below = anatomy.BY_CODE[code].name.split("-")
    if code == LAST_DISC:
        above = next((name for name in reversed(names) if name.startswith("L")), above)
    codes = [anatomy.vertebra_code(name) if name in names else None for name in (above, below)]
    return Segment(f"{above}-{below}", code, codes[0], codes[1])


def course_axes(view: BlockView) -> dict[int, NDArray[np.float64]]:
    """By code: the unit vector (y, x), backward, square to the spine's course.

    The course runs through the centres of bodies and discs. S2 and what lies below is left
    out of it: the sacrum turns away from the endplate of S1.
    """
    chain = chain_of(view)
    axes = {}
    for number, part in enumerate(chain):
        above = chain[max(number - 1, 0)]
        below = chain[min(number + 1, len(chain) - 1)]
        down = below.place_mm - above.place_mm
        length = np.linalg.norm(down)
        along = down / length if length > 0 else np.array([1.0, 0.0])
        axes[part.code] = np.array([-along[1], along[0]])
    return axes


def chain_of(view: BlockView) -> list[Part]:
    """Vertebrae and discs in the order of their names, from head to foot; S2 left out."""
    place = dict(_ORDER)
    for segment in segments_of(view):
        # By its name: the vertebra above may be missing.
        above = anatomy.vertebra_code(segment.level.split("-")[0])
        place[segment.disc] = place[above] + 1
    codes = [code for code in view.parts if code in place and code != S2]
    return [view.parts[code] for code in sorted(codes, key=place.__getitem__)]
