"""A plane's points as the soft parts of the phantom see them: relative to the spine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openlumbar.phantom.canvas import Canvas, Floats, Mask, Window
from openlumbar.phantom.geometry import Spine


class Where(NamedTuple):
    """A plane's points relative to the spine.

    Attributes
    ----------
    row
        Of :class:`openlumbar.phantom.geometry.Profile`.
    dx, dy
        To the patient's left of, and behind, the middle of the dural sac, mm.
    ahead
        In front of the bodies, mm.
    """

    row: NDArray[np.int32]
    dx: Floats
    dy: Floats
    ahead: Floats

    def cut(self, window: Window) -> Where:
        """The same of a part of the plane."""
        return Where(self.row[window], self.dx[window], self.dy[window], self.ahead[window])


def where(canvas: Canvas, spine: Spine) -> Where:
    """Coordinates of a canvas relative to the spine."""
    profile = spine.profile
    row = profile.rows(canvas.z)
    cos = profile.sac_cos[row]
    return Where(
        row,
        canvas.x - profile.sac_x[row],
        (canvas.y - profile.sac_y[row]) * cos,
        (profile.front_y[row] - canvas.y) * cos,
    )


def bounds(mask: Mask) -> Window | None:
    """The smallest part of a plane that holds all of a mask, if it holds anything."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
