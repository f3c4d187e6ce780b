"""What lies around the muscles: in its place, without a code, and harmless to what has one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from openlumbar.core import anatomy as codes
from openlumbar.phantom import shapes
from openlumbar.phantom.anatomy import AnatomyRanges, sample_anatomy
from openlumbar.phantom.canvas import Canvas
from openlumbar.phantom.frame import bounds
from openlumbar.phantom.scene import Scene
from openlumbar.phantom.tissue import Tissue

MARROW = (Tissue.RED_MARROW, Tissue.YELLOW_MARROW)
STRAIGHT = AnatomyRanges(
    p_scoliosis=0, p_fracture=0, p_listhesis=0, lumbar_count=5, transition="none"
)


def scene_of(seed=3, **changes):
    rng = np.random.default_rng(seed)
    anatomy = replace(sample_anatomy(rng, STRAIGHT), scoliosis_deg=0.0, rotation_deg=0.0)
    return Scene(replace(anatomy, **changes), rng)


def plane(scene, z, pixel=1.5, width=380.0):
    """A horizontal plane through all of the person: rows backward, columns to the left."""
    size = round(width / pixel)
    origin = np.array([-width / 2, -0.7 * width, z])
    canvas = Canvas(origin, np.array([pixel, 0, 0]), np.array([0, pixel, 0]), (size, size))
    scene.paint(canvas)
    return canvas


@pytest.fixture(scope="module")
def scene():
    return scene_of()


def middle_of(scene, name):
    return float(scene.spine.vertebra(name).centre[2])


def kidneys(canvas):
    """Kidney is the only organ with water in it."""
    mask = (canvas.tissue == Tissue.ORGAN) & (canvas.other == Tissue.FLUID)
    return mask & (canvas.mix > 0.2)


def test_a_window_holds_all_of_a_mask_and_no_more():
    mask = np.zeros((6, 8), bool)
    assert bounds(mask) is None
    mask[2, 3] = mask[4, 6] = True
    assert bounds(mask) == (slice(2, 5), slice(3, 7))


@pytest.mark.parametrize("seed", [3, 4])
def test_a_kidney_lies_on_each_side_at_the_upper_lumbar_spine_and_none_at_the_pelvis(seed):
    scene = scene_of(seed)
    x = scene.spine.vertebra("L2").centre[0]
    upper = plane(scene, middle_of(scene, "L2") + 8)
    found = kidneys(upper)
    for side in (-1, 1):
        offsets = side * (upper.x[found] - x)
        assert 45 < np.median(offsets[offsets > 0]) < 105
        assert (offsets > 0).sum() * 1.5**2 > 400
    assert not kidneys(plane(scene, middle_of(scene, "L5"))).any()


def test_the_aorta_forks(scene):
    def arteries(z):
        canvas = plane(scene, z, 1.0)
        flow = (canvas.tissue == Tissue.VESSEL) & (canvas.code == 0)
        ahead = scene.spine.profile.front_y[scene.spine.profile.rows(np.float32([z]))[0]]
        flow &= (canvas.y < ahead) & (np.abs(canvas.x) < 60)
        pieces, count = ndimage.label(flow)
        sizes = np.bincount(pieces.ravel())[1:]
        large = [n + 1 for n in range(count) if sizes[n] > 60]
        return [float(canvas.x[pieces == n].mean()) for n in large]

    fork = scene.spine.bifurcation_z
    trunk = arteries(fork + 40)
    assert len(trunk) == 1
    assert trunk[0] > 0
    branches = arteries(fork - 28)
    assert min(branches) < -5
    assert max(branches) > 5


def test_the_iliac_wings_stand_beside_the_sacrum_and_end_below_the_upper_lumbar_spine(scene):
    def wings(z):
        canvas = plane(scene, z)
        bone = np.isin(canvas.tissue, MARROW) & (canvas.code == 0) & (np.abs(canvas.x) > 48)
        return [int((bone & (side * canvas.x > 0)).sum() * 1.5**2) for side in (-1, 1)]

    right, left = wings(-5.0)
    assert min(right, left) > 300
    assert right == pytest.approx(left, rel=0.35)
    assert wings(middle_of(scene, "L3")) == [0, 0]


def test_organs_vessels_and_gut_carry_no_code(scene):
    for name in ("T12", "L2", "L4", "S1"):
        canvas = plane(scene, middle_of(scene, name))
        foreign = np.isin(canvas.tissue, (Tissue.ORGAN, Tissue.BOWEL, Tissue.SKIN, Tissue.AIR))
        assert foreign.sum() > 1000
        assert not canvas.code[foreign].any()


def test_every_code_lies_within_the_skin_of_the_lean():
    scene = scene_of(5, subcutaneous_mm=4.0)
    for name in ("L1", "L3", "L5"):
        canvas = plane(scene, middle_of(scene, name))
        outside = ndimage.binary_dilation(np.isin(canvas.tissue, (Tissue.AIR, Tissue.SKIN)))
        behind = canvas.y > scene.spine.vertebra(name).centre[1]
        assert not (outside & behind & (canvas.code > 0)).any(), name


def test_fat_behind_the_muscles_grows_with_the_person():
    def depth(mm):
        scene = scene_of(6, subcutaneous_mm=mm)
        canvas = plane(scene, middle_of(scene, "L3"))
        column = np.argmin(np.abs(canvas.x[0] - 40.0))
        muscle = np.flatnonzero(canvas.code[:, column] > 5000)[-1]
        return (np.flatnonzero(canvas.tissue[:, column] == Tissue.FAT)[-1] - muscle) * 1.5

    thin, thick = depth(5.0), depth(30.0)
    assert thin < 20
    assert thick > thin + 18


def test_a_joint_line_parts_the_facets_of_two_vertebrae(scene):
    disc = next(disc for disc in scene.spine.discs if disc.spec.name == "L3-L4")
    z = float(disc.lower.to_patient((0, 0, disc.lower.spec.height_mm / 2))[2]) + 2
    canvas = plane(scene, z, 0.6, 100.0)
    above, below = (canvas.code == codes.vertebra_code(name) for name in ("L3", "L4"))
    gap = canvas.tissue == Tissue.CARTILAGE
    for side in (-1, 1):
        half = side * canvas.x > 4
        assert (gap & half).sum() * 0.36 > 3
        touching = ndimage.binary_dilation(above & half) & below & half
        assert touching.sum() < 4


def test_the_surface_of_a_facet_joint_looks_forward_and_outward():
    spec = scene_of().spine.vertebra("L4").spec
    arch = shapes.arch_of(spec)
    x, y = arch.half_width + 4.5, arch.centre_y + 8.5
    points = np.array([[x, y], [x + 3, y - 3], [x - 3, y + 3]], np.float32)
    on, lateral, medial = shapes.facet_joint(spec, points[:, 0], points[:, 1])
    assert on == pytest.approx(0, abs=1e-4)
    assert lateral > 3
    assert medial < -3


def test_a_pear_shaped_sac_keeps_its_depth_and_nearly_its_area(scene):
    z = middle_of(scene, "L3")

    def sac(pear):
        scene.canal.pear = pear
        canvas = plane(scene, z, 0.25, 60.0)
        inside = canvas.code == codes.SPINAL_CANAL
        at = scene.spine.profile.rows(np.float32([z]))[0]
        middle = np.argmin(np.abs(canvas.x[0] - scene.spine.profile.sac_x[at]))
        rows = canvas.y[:, middle][inside[:, middle]]
        return inside.sum() * 0.25**2, rows.min(), rows.max()

    kept = scene.canal.pear
    (area, front, back), (other, *ends) = sac(0.0), sac(0.12)
    scene.canal.pear = kept
    assert other / area == pytest.approx(1 + 0.12**2 / 2, abs=0.01)
    assert ends == pytest.approx([front, back], abs=0.26)


def test_the_same_seed_gives_the_same_surroundings_and_another_other_ones():
    first, again, other = (plane(scene_of(seed), 60.0) for seed in (8, 8, 9))
    assert np.array_equal(first.tissue, again.tissue)
    assert (first.tissue != other.tissue).mean() > 0.05
