import numpy as np
import pytest

from openlumbar.core.errors import GeometryError
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume

#: Sagittal: i runs to the back (0.5 mm), j to the feet (0.7 mm), k to the left (4 mm).
AFFINE = np.array([[0, 0, 4.0, -30], [0.5, 0, 0, -80], [0, -0.7, 0, 120], [0, 0, 0, 1]])


def volume(affine=AFFINE):
    return Volume(np.zeros((5, 6, 7), np.int16), affine)


def test_spacing_and_plane_are_read_off_the_affine():
    assert volume().spacing_mm == pytest.approx((4.0, 0.7, 0.5))
    assert volume().plane is Plane.SAGITTAL


def test_indices_map_to_patient_space_and_back():
    np.testing.assert_allclose(volume().to_patient((2, 10, 20)), (-22, -70, 113))
    points = np.random.default_rng(0).normal(size=(4, 3)) * 50
    np.testing.assert_allclose(volume().to_patient(volume().to_index(points)), points)


@pytest.mark.parametrize(
    "affine",
    [
        np.full((4, 4), np.nan),
        np.zeros((4, 4)),
        np.eye(3),
        AFFINE + np.array([[0.1, 0, 0, 0]] + [[0] * 4] * 3),  # sheared
    ],
)
def test_geometry_that_is_no_grid_is_refused(affine):
    with pytest.raises(GeometryError):
        volume(affine)


def test_an_array_needs_three_axes_and_its_grid():
    with pytest.raises(GeometryError, match="3 axes"):
        Volume(np.zeros((3, 3)), np.eye(4))
    with pytest.raises(GeometryError, match="does not fit"):
        volume().with_array(np.zeros((5, 6, 8)))


def test_the_affine_cannot_be_changed_behind_a_volume_s_back():
    with pytest.raises(ValueError, match="read-only"):
        volume().affine[0, 0] = 1
