import numpy as np
import pytest

from openlumbar.core.plane import Plane, plane_of


@pytest.mark.parametrize(
    ("normal", "plane"),
    [
        ((1, 0, 0), Plane.SAGITTAL),
        ((0, -2, 0), Plane.CORONAL),
        ((0, 0, 1), Plane.AXIAL),
        # An L5-S1 block tilted by 40 degrees is still axial.
        ((0, np.sin(np.radians(40)), np.cos(np.radians(40))), Plane.AXIAL),
        ((1, 1, 1), Plane.OBLIQUE),
        ((0, 0, 0), Plane.OBLIQUE),
        ((np.nan, 0, 1), Plane.OBLIQUE),
    ],
)
def test_plane_of(normal, plane):
    assert plane_of(normal) is plane
