import numpy as np
import pytest

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.level import name_slices
from support_axial import axial_code_at, axial_mask
from support_results import grid_points


@pytest.fixture
def series():
    """Two blocks of 2 mm pixels; the second leans about the left-right axis."""
    lean = np.array([[2, 0, 0, -47], [0, 1.9, -1.5, -39], [0, 0.6247, 4.7697, 40], [0, 0, 0, 1.0]])
    upright = np.diag([2.0, 2, 5, 1])
    upright[:3, 3] = (-47, -39, 0)
    lean[:3, 1] *= 2 / np.linalg.norm(lean[:3, 1])
    lean[:3, 2] = np.cross(lean[:3, 0], lean[:3, 1]) * 5 / 4
    blocks = tuple(
        Block(Volume(np.zeros((3, 48, 48)), affine), tuple(f"{n}.{k}" for k in range(3)))
        for n, affine in enumerate((upright, lean))
    )
    return Series("axial", Plane.AXIAL, Weighting.T2, blocks, "dicom")


def masks_of(series, flags=None):
    volumes = [block.volume for block in series.blocks]
    return [axial_mask(v.with_array(axial_code_at(grid_points(v))), flags) for v in volumes]


def test_each_slice_has_a_row_where_its_sac_is(series):
    names = name_slices(series, masks_of(series))
    assert names.numbering is None
    rows = names.rows
    assert [(row.block, row.slice, row.instance) for row in rows] == [
        (block, k, f"{block}.{k}") for block in (0, 1) for k in range(3)
    ]
    for row in rows:
        assert (row.structure, row.label, row.level, row.disc_level) == ("slice", 0, "", "")
        assert (row.level_confidence, row.source, row.flags) == (0.0, "none", ())
        volume = series.blocks[row.block].volume
        k, _, _ = volume.to_index((row.x_mm, row.y_mm, row.z_mm))
        assert k == pytest.approx(row.slice, abs=1e-3)
        # The sac is an ellipse about (0, 22), drawn in pixels of 2 mm.
        assert (row.x_mm, row.y_mm) == pytest.approx((0, 22), abs=0.5)


def test_a_slice_without_a_sac_lies_at_the_middle_of_its_picture_and_says_why(series):
    (first, *_) = series.blocks
    empty = axial_mask(
        first.volume.with_array(np.zeros(first.volume.shape, np.uint16)),
        (("not-an-axial-lumbar-slice",), (), ("motion", "dark-band")),
    )
    rows = name_slices(series, [empty, masks_of(series)[1]]).rows
    assert [row.flags for row in rows[:3]] == list(empty.flags)
    assert (rows[1].x_mm, rows[1].y_mm, rows[1].z_mm) == (0.0, 8.0, 5.0)


def test_masks_of_another_series_are_refused(series):
    masks = masks_of(series)
    with pytest.raises(StageError, match="one mask a block"):
        name_slices(series, masks[:1])
    with pytest.raises(StageError, match="flags a slice"):
        name_slices(series, [masks[0], axial_mask(masks[1].labels, ((),))])
