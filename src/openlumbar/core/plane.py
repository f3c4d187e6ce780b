"""Anatomical planes, told from geometry."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike


class Plane(StrEnum):
    """The plane a slice lies nearest to, and ``oblique`` beyond 45 degrees of any."""

    SAGITTAL = "sagittal"
    CORONAL = "coronal"
    AXIAL = "axial"
    OBLIQUE = "oblique"


_PLANES = (Plane.SAGITTAL, Plane.CORONAL, Plane.AXIAL)

#: A slice belongs to a plane when its normal lies within this angle of the axis.
#: Lumbosacral axial blocks are tilted by up to 40 degrees (design.md, section 9).
PLANE_TOLERANCE_DEG = 45.0


def plane_of(normal: ArrayLike) -> Plane:
    """Name the plane whose normal is given.

    Parameters
    ----------
    normal
        Three numbers, LPS, of any length and sign.

    Returns
    -------
    Plane
        ``oblique`` also where the normal has no direction (zero, NaN or infinite).
    """
    direction = np.abs(np.asarray(normal, float))
    length = np.linalg.norm(direction)
    if not np.isfinite(length) or length == 0:
        return Plane.OBLIQUE
    axis = int(direction.argmax())
    inside = direction[axis] / length >= np.cos(np.radians(PLANE_TOLERANCE_DEG))
    return _PLANES[axis] if inside else Plane.OBLIQUE
