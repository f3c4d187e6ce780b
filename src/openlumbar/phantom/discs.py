"""Where a disc lies between its two bodies, and which points belong to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openlumbar.phantom import shapes
from openlumbar.phantom.anatomy import ENDPLATE_GAP_MM
from openlumbar.phantom.geometry import Coordinates, PlacedDisc, PlacedVertebra

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]


def disc_frame(disc: PlacedDisc) -> PlacedVertebra:
    """A frame midway between the bodies; its spec's width and depth are the disc's."""
    upper, lower = disc.upper, disc.lower
    # Polar decomposition: the rotation nearest to the mean of the two.
    u, _, vt = np.linalg.svd(upper.rotation + lower.rotation)
    thinner = min(upper.spec, lower.spec, key=lambda spec: spec.width_mm)
    return PlacedVertebra(thinner, disc.middle, u @ vt)


def disc_gaps(disc: PlacedDisc, points: Coordinates) -> tuple[Floats, Floats]:
    """How far LPS points lie above the lower, and below the upper, face of a disc, mm."""
    lower, upper = (
        shapes.body(placed.spec, *placed.to_local(points)) for placed in (disc.lower, disc.upper)
    )
    gap = np.float32(ENDPLATE_GAP_MM)
    return lower.top - gap, upper.bottom - gap


def disc_inside(
    disc: PlacedDisc,
    frame: PlacedVertebra,
    local: Coordinates,
    gaps: tuple[Floats, Floats],
) -> Mask:
    """Which points belong to a disc.

    Parameters
    ----------
    frame
        From :func:`disc_frame`.
    local
        The points in that frame.
    gaps
        From :func:`disc_gaps`.
    """
    x, y, z = local
    side, _ = shapes.wall((frame.spec.width_mm, frame.spec.depth_mm), x, y, 1.0)
    between = (gaps[0] > 0) & (gaps[1] > 0) & (side < disc.spec.bulge_mm)
    # The endplates are continued outward; far off they may part again.
    return between & (np.abs(z) < 0.5 * disc.spec.height_mm + 8)
