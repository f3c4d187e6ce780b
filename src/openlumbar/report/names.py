"""Where the names of vertebrae and discs stand in a sagittal picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.anatomy import BY_CODE, vertebra_code
from openlumbar.report.view import SliceView

#: A name is looked a place for this far from its body's centre, and stands this far off.
_REACH_MM, _GAP_MM = 40.0, 3.0
#: A name below its body (front of a steep sacrum) hangs from its place.
_DOWNWARD = 0.6


@dataclass(frozen=True)
class NamePlace:
    """Right end of a name, ``(y, x)`` in millimetres from the upper left corner.

    ``below`` is true where the name hangs below its body rather than stands beside it.
    """

    yx_mm: tuple[float, float]
    below: bool


def name_places(view: SliceView) -> dict[int, NamePlace]:
    """Where the name of each vertebra and disc goes: in front of it, clear of all anatomy."""
    regions = _regions(view)
    centres = {code: _centre_mm(region, view.spacing_mm) for code, region in regions.items()}
    return {
        code: NamePlace(_in_front_of(view, centres[code], forward), bool(forward[0] > _DOWNWARD))
        for code, forward in _forward(centres).items()
    }


def _regions(view: SliceView) -> dict[int, NDArray[np.bool_]]:
    """What gets a name: the discs, S2, and the bodies (the whole where none is told apart).

    A vertebra of which the slice shows posterior elements alone stands out of line, and
    gets no name.
    """
    found = {}
    for code in np.unique(view.labels[view.labels > 0]):
        kind = BY_CODE[int(code)].kind
        if kind not in ("vertebra", "disc"):
            continue
        body = view.bodies == code
        whole = kind == "disc" or code == vertebra_code("S2") or not view.bodies.any()
        region = view.labels == code if whole else body
        if region.any():
            found[int(code)] = region
    return found


def _centre_mm(region: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Centre (y, x) of a region, millimetres in the picture."""
    return (np.argwhere(region).mean(axis=0) + 0.5) * spacing_mm


def _forward(centres: dict[int, NDArray[np.float64]]) -> dict[int, NDArray[np.float64]]:
    """For each centre, from the head down, the direction (y, x) square to the column."""
    codes = sorted(centres, key=lambda code: float(centres[code][0]))
    directions = {}
    for place, code in enumerate(codes):
        upper, lower = codes[max(place - 1, 0)], codes[min(place + 1, len(codes) - 1)]
        along = centres[lower] - centres[upper] if upper != lower else np.array([1.0, 0.0])
        down, back = along / np.linalg.norm(along)
        directions[code] = np.array([back, -down])
    return directions


def _in_front_of(
    view: SliceView, centre: NDArray[np.float64], forward: NDArray[np.float64]
) -> tuple[float, float]:
    """Where (y, x) a name stands clear of all anatomy, millimetres in the picture."""
    clear = centre
    for distance in np.arange(0.0, _REACH_MM, 0.5):
        point = centre + distance * forward
        row, column = np.floor(point / view.spacing_mm).astype(int)
        inside = 0 <= row < view.labels.shape[0] and 0 <= column < view.labels.shape[1]
        if inside and view.labels[row, column]:
            clear = point
    y, x = clear + _GAP_MM * forward
    return float(y), float(x)
