"""A small vector drawing, in millimetres of paper: paths, dots and text, written as SVG.

Typst sets it as it sets its own text, so that lines stay sharp and numbers can be searched
and copied; a panel takes milliseconds, where a plotting library takes half a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

from numpy.typing import NDArray

_MM_PER_POINT = 25.4 / 72
#: Half the height of a capital of our typeface, of its size: from a line's middle to its foot.
_HALF_CAPITAL = 0.33
_ANCHORS = {"left": "start", "middle": "middle", "right": "end"}


@dataclass(frozen=True)
class Pen:
    """How a path is drawn.

    Attributes
    ----------
    colour
        ``#rrggbb``.
    width_pt
        Of the line.
    opacity, fill
        Of the line and of what it encloses, 0 … 1.
    dashed
        A broken line.
    """

    colour: str
    width_pt: float
    opacity: float = 1.0
    fill: float = 0.0
    dashed: bool = False


@dataclass(frozen=True)
class Type:
    """How words are written; ``anchor`` is which end stands at the place given."""

    family: str
    size_pt: float
    colour: str
    bold: bool = False
    anchor: str = "left"


class Drawing:
    """Lines and words on a sheet.

    Parameters
    ----------
    width_mm, height_mm
        Of the sheet; places are (y, x) from its upper left corner.
    """

    def __init__(self, width_mm: float, height_mm: float) -> None:
        self.width_mm, self.height_mm = width_mm, height_mm
        self._root = ElementTree.Element(
            "svg",
            xmlns="http://www.w3.org/2000/svg",
            width=f"{width_mm:.3f}mm",
            height=f"{height_mm:.3f}mm",
            viewBox=f"0 0 {width_mm:.3f} {height_mm:.3f}",
        )

    def path(self, pieces: Iterable[NDArray], pen: Pen, closed: bool = False) -> None:
        """Draw lines ``[n, 2]`` as one path: what several closed ones enclose may have holes."""
        end = "Z" if closed else ""
        data = " ".join(
            "M" + "L".join(f"{x:.3f} {y:.3f}" for y, x in piece) + end for piece in pieces
        )
        ElementTree.SubElement(self._root, "path", {"d": data} | _pen(pen))

    def dot(
        self, place: NDArray, radius_pt: float, colour: str, rim: Pen, filled: bool = True
    ) -> None:
        """Draw a circle, filled or as a ring."""
        y, x = place
        shape = {"cx": f"{x:.3f}", "cy": f"{y:.3f}", "r": f"{radius_pt * _MM_PER_POINT:.3f}"}
        ElementTree.SubElement(
            self._root,
            "circle",
            shape | _pen(rim) | {"fill": colour, "fill-opacity": "1" if filled else "0"},
        )

    def text(self, place: tuple[float, float], words: str, kind: Type) -> None:
        """Write words whose capitals are centred on the place's height."""
        y, x = place
        size = kind.size_pt * _MM_PER_POINT
        style = {
            "x": f"{x:.3f}",
            "y": f"{y + _HALF_CAPITAL * size:.3f}",
            "font-family": kind.family,
            "font-size": f"{size:.3f}",
            "font-weight": "600" if kind.bold else "400",
            "text-anchor": _ANCHORS[kind.anchor],
            "fill": kind.colour,
        }
        ElementTree.SubElement(self._root, "text", style).text = words

    def bytes(self) -> bytes:
        """The drawing as an SVG file."""
        return ElementTree.tostring(self._root)

    def inline(self) -> str:
        """The drawing as an element of a page, which has a size and a typeface of its own."""
        box = self._root.get("viewBox", "")
        element = ElementTree.Element("svg", {"viewBox": box, "aria-hidden": "true"})
        element.extend(self._root)
        return ElementTree.tostring(element, encoding="unicode")


def _pen(pen: Pen) -> dict[str, str]:
    width = pen.width_pt * _MM_PER_POINT
    style = {
        "stroke": pen.colour,
        "stroke-width": f"{width:.3f}",
        "stroke-opacity": f"{pen.opacity:g}",
        "stroke-linejoin": "round",
        "stroke-linecap": "butt" if pen.dashed else "round",
        "fill": pen.colour if pen.fill else "none",
        "fill-opacity": f"{pen.fill:g}",
        "fill-rule": "evenodd",
    }
    return style | ({"stroke-dasharray": "0.85 0.55"} if pen.dashed else {})
