from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from openlumbar.core.masks import Tissue as Region
from openlumbar.core.volume import Volume
from openlumbar.phantom.anatomy import AnatomyRanges, sample_anatomy
from openlumbar.phantom.scene import Scene
from openlumbar.phantom.tissue import Tissue
from openlumbar.phantom.truth import body_truth, disc_truth

STEP_MM = 1.6


def scene_of(seed=2, **changes):
    rng = np.random.default_rng(seed)
    anatomy = sample_anatomy(rng, AnatomyRanges(p_fracture=0, p_listhesis=0, p_schmorl=0))
    return Scene(replace(anatomy, **changes), rng)


def block_about(centre, size=(44, 76, 64)):
    """Axial slices upward, rows backward, columns to the left, about a point."""
    affine = np.diag([STEP_MM, STEP_MM, STEP_MM, 1.0])
    affine[:3, 3] = centre - STEP_MM * (np.array(size[::-1]) - 1) / 2
    return Volume(np.broadcast_to(np.uint8(0), size), affine)


@pytest.fixture(scope="module")
def scene():
    # Curved and turned, so that a mirrored axis cannot go unseen.
    return scene_of(scoliosis_deg=14.0, scoliosis_phase=0.3, rotation_deg=5.0)


@pytest.fixture(scope="module")
def sample(scene):
    centre = scene.spine.vertebra("L3").centre + np.array([0.0, 22.0, 0.0])
    return scene.sample(block_about(centre), STEP_MM, planes=1)


def centroid(sample, mask):
    return sample.grid.to_patient(np.argwhere(mask).mean(axis=0))


def test_a_rendered_body_has_the_centroid_and_volume_of_the_analytic_one(scene, sample):
    truth = body_truth(scene.spine.vertebra("L3"))
    mask = (sample.codes == 43) & (sample.regions == Region.BODY)
    assert np.linalg.norm(centroid(sample, mask) - truth.centroid_mm) < 0.5 * STEP_MM
    assert mask.sum() * STEP_MM**3 == pytest.approx(truth.volume_mm3, rel=0.02)


def test_a_rendered_disc_has_the_centroid_of_the_analytic_one(scene, sample):
    disc = next(disc for disc in scene.spine.discs if disc.spec.name == "L3-L4")
    mask = sample.codes == 94
    assert np.linalg.norm(centroid(sample, mask) - disc_truth(disc).centroid_mm) < STEP_MM


def test_each_label_is_one_piece(sample):
    for code in (43, 94, 2):
        mask = sample.codes == code
        pieces, _ = ndimage.label(mask, np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel())[1:]
        assert sizes.max() > 0.99 * mask.sum(), code


def test_the_canal_lies_behind_the_body_and_before_the_spinous_process(sample):
    y = {
        region: centroid(sample, sample.regions == region)[1]
        for region in (Region.BODY, Region.CANAL, Region.POSTERIOR)
    }
    assert y[Region.BODY] < y[Region.CANAL] < y[Region.POSTERIOR]


def test_a_dark_unlabelled_line_parts_every_disc_from_its_bodies(scene):
    disc = next(disc for disc in scene.spine.discs if disc.spec.name == "L3-L4")
    # A sagittal plane: columns backward, rows downward, 0.3 mm.
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]]) * 0.3
    affine[:3, 3] = np.add(disc_truth(disc).centroid_mm, [0.0, -21.0, 12.0])
    grid = Volume(np.broadcast_to(np.uint8(0), (1, 80, 140)), affine)
    sample = scene.sample(grid, 1.0, planes=1)
    body, inside = sample.codes[0] == 43, sample.codes[0] == 94
    assert inside.sum() > 500
    assert body.sum() > 500
    assert not (ndimage.binary_dilation(body) & inside).any()


def test_the_aorta_is_on_the_left_and_the_vena_cava_on_the_right():
    scene = scene_of(scoliosis_deg=0.0, rotation_deg=0.0)
    third = scene.spine.vertebra("L2")
    centre = third.centre - np.array([0.0, third.spec.depth_mm / 2 + 12.0, 0.0])
    sample = scene.sample(block_about(centre, (3, 20, 44)), STEP_MM, planes=1)
    tissue = sample.tissue[:, 0]
    lumen = {
        name: centroid(sample, tissue == name)[0] - third.centre[0]
        for name in (Tissue.VESSEL, Tissue.VEIN)
    }
    # LPS: x grows to the patient's left.
    assert lumen[Tissue.VESSEL] > 5
    assert lumen[Tissue.VEIN] < -8


def test_labels_do_not_depend_on_the_direction_of_the_grid(scene):
    centre = scene.spine.vertebra("L4").centre
    grid = block_about(centre, (8, 40, 40))
    flipped = np.array(grid.affine)
    flipped[:3, 3] += flipped[:3, 0] * 39
    flipped[:3, 0] *= -1
    one = scene.sample(grid, STEP_MM, planes=1).codes
    other = scene.sample(Volume(grid.array, flipped), STEP_MM, planes=1).codes
    assert (one == other[:, :, ::-1]).mean() > 0.999
