import numpy as np
import pytest

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.levels import POSITIONS
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.level import name_slices
from support_axial import axial_code_at, axial_mask
from support_levels import BentSpine, axial_grid, axial_series, sagittal_grid, sagittal_levels
from support_results import grid_points
from support_stacks import looks_at, probabilities


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


def test_names_come_from_geometry_and_looks_together():
    spine = BentSpine(radius_mm=220.0)
    grid = sagittal_grid(slices=15, size=(180, 90), middle=(5.0, 15.0, 0.0))
    levels = sagittal_levels(spine, grid)
    discs = ["L5-S1", "L3-L4", "L4-L5"]
    cuts = [spine.at(spine.middle(name)) for name in discs]
    series, found = axial_series([axial_grid(*cut, slices=3) for cut in cuts])
    where = np.repeat([POSITIONS[name] for name in discs], 3)

    def named(seen, spines=(levels,)):
        return name_slices(series, found, spines, looks_at(series, probabilities(seen)))

    agreed = named(where)
    assert [row.disc_level for row in agreed.rows] == list(np.repeat(discs, 3))
    assert {(row.source, row.flags) for row in agreed.rows} == {("both", ())}
    assert [row.slice for row in agreed.rows if row.best] == [1, 1, 1]
    geometry = name_slices(series, found, (levels,))
    assert geometry.numbering.confidence < agreed.numbering.confidence
    assert {row.source for row in geometry.rows} == {"geometry"}
    assert [row.disc_level for row in named(where, ()).rows[1::3]] == discs
    assert "level-conflict" in named(where - 1).numbering.flags
