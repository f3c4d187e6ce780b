"""Placing on phantoms' spines: bodies, discs and sac painted from their exact shapes."""

import numpy as np
import pytest

from openlumbar.core.anatomy import SPINAL_CANAL, disc_code, vertebra_code
from openlumbar.level.geometry import place_slices
from openlumbar.phantom.anatomy import AnatomyRanges, sample_anatomy
from openlumbar.phantom.discs import disc_frame, disc_gaps, disc_inside
from openlumbar.phantom.geometry import place
from openlumbar.phantom.grids import (
    AxialFrame,
    SagittalFrame,
    axial_blocks,
)
from openlumbar.phantom.grids import sagittal_grid as phantom_grid
from openlumbar.phantom.shapes import body
from support_levels import axial_series, levels_of

RANGES = {
    1: AnatomyRanges(lumbar_count=5),
    2: AnatomyRanges(lumbar_count=6),
    3: AnatomyRanges(lumbar_count=5, p_scoliosis=1.0),
}
UNSHOWN = ("S3", "S4", "S5")


def codes_of(spine, points):
    """Codes at ``[..., 3]`` LPS mm, and the same of the bodies alone."""
    x, y, z = np.moveaxis(points, -1, 0).astype(np.float32)
    codes, bodies = np.zeros(x.shape, np.uint16), np.zeros(x.shape, np.uint16)
    profile, rows = spine.profile, spine.profile.rows(z)
    depth, width = profile.sac_half_depth[rows], profile.sac_half_width[rows]
    aside = (x - profile.sac_x[rows]) / np.maximum(width, 0.1)
    back = (y - profile.sac_y[rows]) * profile.sac_cos[rows] / np.maximum(depth, 0.1)
    codes[(aside**2 + back**2 < 1) & (depth > 0.3)] = SPINAL_CANAL
    for disc in spine.discs:
        frame = disc_frame(disc)
        near = np.linalg.norm(points - frame.centre, axis=-1) < 34
        at = (x[near], y[near], z[near])
        inside = disc_inside(disc, frame, frame.to_local(at), disc_gaps(disc, at))
        codes[near] = np.where(inside, disc_code(disc.spec.name), codes[near])
    for bone in spine.vertebrae:
        if bone.spec.name not in UNSHOWN:
            near = np.linalg.norm(points - bone.centre, axis=-1) < 38
            inside = body(bone.spec, *bone.to_local((x[near], y[near], z[near]))).whole < 0
            for map_ in (codes, bodies):
                map_[near] = np.where(inside, vertebra_code(bone.spec.name), map_[near])
    return codes, bodies


@pytest.fixture(scope="module", params=RANGES)
def phantom(request):
    """A spine and its sagittal series."""
    spine = place(sample_anatomy(np.random.default_rng(request.param), RANGES[request.param]))
    frame = SagittalFrame(pixel_mm=1.4, slices=11, height_mm=240, width_mm=130, turn_deg=4.0)
    grid = phantom_grid(spine, frame)
    codes, bodies = codes_of(spine, points_of(grid))
    names = [one.spec.name for one in (*spine.vertebrae, *spine.discs)]
    shown = [name for name in names if not {*name.split("-")} & {*UNSHOWN}]
    return spine, levels_of(grid.with_array(codes), grid.with_array(bodies), shown)


def points_of(grid):
    return grid.to_patient(np.moveaxis(np.indices(grid.shape), 0, -1))


def blocks_of(spine, shift=(0.0, 0.0, 0.0)):
    grids = axial_blocks(spine, AxialFrame(pixel_mm=2.0, slices=3, width_mm=110))
    moved = []
    for grid in grids:
        affine = grid.affine.copy()
        affine[:3, 3] += shift
        moved.append(type(grid)(np.zeros(grid.shape, np.uint16), affine))
    return axial_series(moved, lambda points: codes_of(spine, points), shift)


def discs_upward(spine):
    names = [disc.spec.name for disc in spine.discs]
    last = next(n for n, name in enumerate(names) if name.endswith("-S1"))
    return list(reversed(names[last - 4 : last + 1]))


@pytest.mark.parametrize("shift", [(0, 0, 0), (2, -5, 16)])
def test_blocks_along_the_discs_lie_in_them(phantom, shift):
    spine, levels = phantom
    series, found = blocks_of(spine, shift)
    placing = place_slices(series, found, [levels])
    assert placing.flags == (("patient-moved",) if any(shift) else ())
    assert placing.moved_mm == pytest.approx(shift, abs=1.5)
    middles = [placing.places[3 * n + 1] for n in range(5)]
    assert [place.level for place in middles] == discs_upward(spine)
    assert all(place.distance_mm < 1.5 for place in middles)
    assert placing.best == {3 * n + 1 for n in range(5)}


def test_a_stack_of_horizontal_slices_has_one_best_slice_a_disc(phantom):
    spine, levels = phantom
    frame = AxialFrame(pixel_mm=2.0, slice_mm=3.0, width_mm=110, stack=True)
    series, found = axial_series(axial_blocks(spine, frame), lambda p: codes_of(spine, p))
    placing = place_slices(series, found, [levels])
    # The stack covers these five; it ends where T12-L1 begins.
    best = [placing.places[n] for n in placing.best]
    within = [one for one in best if one.disc_level in discs_upward(spine)]
    assert {one.disc_level for one in within} == {*discs_upward(spine)}
    assert len(within) == 5
    for one in within:
        assert one.level == one.disc_level
        # Half a step at most, and what a tilted plane adds to it.
        assert one.distance_mm < 2.5
