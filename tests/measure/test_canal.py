"""Diameter of the canal: a tilted tube of known width, the phantom finely drawn, and gaps."""

from __future__ import annotations

import numpy as np
import pytest

from openlumbar.core.anatomy import SPINAL_CANAL, SPINAL_CORD, disc_code, vertebra_code
from openlumbar.core.masks import Tissue
from openlumbar.core.volume import Volume
from openlumbar.measure.canal import canal_readings
from openlumbar.measure.view import BlockView, view_of
from openlumbar.phantom import sample_anatomy
from openlumbar.phantom.grids import SagittalFrame, sagittal_grid
from openlumbar.phantom.scene import Scene

BODIES = (Tissue.BODY, Tissue.S1, Tissue.S2)


def _volume(array: np.ndarray, spacing_mm: tuple[float, float, float]) -> Volume:
    """Slices leftward, rows downward, columns backward."""
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2] = spacing_mm[2], -spacing_mm[1], spacing_mm[0]
    affine[3, 3] = 1
    return Volume(array, affine)


def _tube(
    tilt_deg: float,
    depth_mm: float = 14.0,
    spacing_mm: tuple[float, float, float] = (3.0, 0.6, 0.6),
    slices: int = 13,
) -> BlockView:
    """An elliptic tube, 20 mm wide, that leans backward, with a body in front of its middle."""
    shape = (slices, round(120 / spacing_mm[1]), round(120 / spacing_mm[2]))
    s, r, c = (
        (index - (size - 1) / 2) * step
        for index, size, step in zip(np.indices(shape), shape, spacing_mm, strict=True)
    )
    tilt = np.radians(tilt_deg)
    behind = c * np.cos(tilt) - r * np.sin(tilt)
    along = c * np.sin(tilt) + r * np.cos(tilt)
    labels = np.zeros(shape, np.uint16)
    labels[(behind / (depth_mm / 2)) ** 2 + (s / 10) ** 2 < 1] = SPINAL_CANAL
    labels[(np.abs(behind + 27) < 16) & (np.abs(along) < 13) & (np.abs(s) < 20)] = vertebra_code(
        "L4"
    )
    bodies = np.where(labels == vertebra_code("L4"), labels, 0)
    volume = _volume(labels, spacing_mm)
    return view_of(("made", 0), volume, volume.with_array(bodies))


@pytest.mark.parametrize("tilt_deg", [-35.0, -10.0, 0.0, 12.0, 40.0])
@pytest.mark.parametrize("spacing_mm", [(3.0, 0.6, 0.6), (4.0, 0.5, 0.9)])
def test_diameter_is_square_to_the_course_whatever_its_tilt(tilt_deg, spacing_mm):
    (reading,) = canal_readings(_tube(tilt_deg, spacing_mm=spacing_mm))
    # An upright edge falls between two columns: up to a pixel is lost or won.
    assert reading.value == pytest.approx(14.0, abs=0.7 * spacing_mm[2])
    front, back = reading.strokes[0].points_mm
    away = back - front
    assert np.degrees(np.arctan2(-away[0], away[1])) == pytest.approx(tilt_deg, abs=2.0)
    assert reading.slice == 6
    assert reading.flags == ()


def _scene(seed: int) -> Scene:
    rng = np.random.default_rng(seed)
    return Scene(sample_anatomy(rng), rng)


def _view(scene: Scene, grid: Volume) -> BlockView:
    sample = scene.sample(grid, 1.0, planes=1)
    labels = Volume(sample.spine, grid.affine)
    bodies = np.where(np.isin(sample.regions, BODIES), labels.array, 0).astype(np.uint16)
    return view_of(("phantom", 0), labels, labels.with_array(bodies))


def _fine_slice(grid: Volume, index: int) -> Volume:
    """The plane of one slice in pixels of a 0.15 mm."""
    _, height, width = grid.spacing_mm
    affine = np.array(grid.affine)
    affine[:3, 3] += index * affine[:3, 2]
    affine[:3, 0] *= 0.15 / width
    affine[:3, 1] *= 0.15 / height
    rows, columns = (
        int((n - 1) * step / 0.15) + 1
        for n, step in zip(grid.shape[1:], (height, width), strict=True)
    )
    return Volume(np.broadcast_to(np.uint8(0), (1, rows, columns)), affine)


def test_phantom_diameters_agree_with_the_same_plane_finely_drawn():
    errors = []
    for seed in (11, 12):
        scene = _scene(seed)
        grid = sagittal_grid(
            scene.spine,
            SagittalFrame(pixel_mm=0.6, slices=9, height_mm=190, width_mm=100),
        )
        view = _view(scene, grid)
        found = [r for r in canal_readings(view) if r.value is not None]
        for slice_ in {r.slice for r in found}:
            fine = _view(scene, _fine_slice(grid, view.original_slice(slice_)))
            truth = {r.level: r.value for r in canal_readings(fine)}
            errors += [
                abs(r.value - truth[r.level])
                for r in found
                if r.slice == slice_ and truth.get(r.level) is not None
            ]
    assert len(errors) > 10
    assert np.mean(errors) <= 0.2
    assert np.max(errors) <= 0.8


def test_a_canal_without_length_or_absent_gives_no_number():
    view = _tube(0.0)
    for kept in (0, 3):
        labels = view.volume.array.copy()
        rows = np.flatnonzero((labels == SPINAL_CANAL).any((0, 2)))
        gone = np.setdiff1d(rows, rows[len(rows) // 2 :][:kept])
        labels[:, gone] = np.where(labels[:, gone] == SPINAL_CANAL, 0, labels[:, gone])
        volume = view.volume.with_array(labels)
        (reading,) = canal_readings(view_of(("made", 0), volume, volume.with_array(view.bodies)))
        assert reading.value is None
        assert reading.flags == ("no-canal",)


def test_a_level_beyond_the_end_of_the_canal_is_withheld():
    view = _tube(0.0)
    labels = view.volume.array.copy()
    labels[:, :110][labels[:, :110] == SPINAL_CANAL] = 0
    volume = view.volume.with_array(labels)
    (reading,) = canal_readings(view_of(("made", 0), volume, volume.with_array(view.bodies)))
    assert reading.value is None
    assert reading.flags == ("no-canal",)


def test_a_canal_whose_middle_is_not_imaged_is_withheld():
    view = _tube(0.0)
    volume = Volume(view.volume.array[:5], view.volume.affine)  # ends 4.5 mm before the middle
    (reading,) = canal_readings(view_of(("made", 0), volume, volume.with_array(view.bodies[:5])))
    assert reading.value is None
    assert reading.flags == ("off-midline",)


@pytest.mark.parametrize(("spinous_mm", "flags"), [(28.0, ()), (9.0, ("off-midline",))])
def test_a_single_slice_is_of_the_midline_where_it_shows_spinous_processes(spinous_mm, flags):
    view = _tube(0.0)
    view.volume.array[6, 90:110, 115 : 115 + round(spinous_mm / 0.6)] = vertebra_code("L4")
    volume = Volume(view.volume.array[6:7], view.volume.affine)
    (reading,) = canal_readings(view_of(("made", 0), volume, volume.with_array(view.bodies[6:7])))
    assert reading.value == pytest.approx(14.0, abs=0.45)
    assert reading.flags == flags


def test_a_cord_with_a_code_of_its_own_belongs_to_the_canal():
    view = _tube(0.0)
    labels = view.volume.array.copy()
    labels[5:8, :, 96:107] = np.where(labels[5:8, :, 96:107] == SPINAL_CANAL, SPINAL_CORD, 0)
    volume = view.volume.with_array(labels)
    (reading,) = canal_readings(view_of(("made", 0), volume, volume.with_array(view.bodies)))
    assert reading.value == pytest.approx(14.0, abs=0.45)


def test_beside_a_disc_it_is_the_disc_s_back_end_that_counts():
    view = _tube(0.0)
    labels = view.volume.array.copy()
    labels[labels == vertebra_code("L4")] = 0
    # Tilted by 30 degrees: the back end of its long axis lies 10 mm above its centre.
    r, c = np.indices(labels.shape[1:]) * 0.6 - 60.0
    tilt = np.radians(30.0)
    along = (c + 27) * np.cos(tilt) - r * np.sin(tilt)
    across = (c + 27) * np.sin(tilt) + r * np.cos(tilt)
    labels[3:10, (np.abs(along) < 19) & (np.abs(across) < 4)] = disc_code("L5-S1")
    volume = view.volume.with_array(labels)
    (reading,) = canal_readings(view_of(("made", 0), volume, volume.with_array(view.bodies * 0)))
    height = reading.strokes[0].points_mm[:, 0].mean() - 60.0
    assert height == pytest.approx(-19 * np.sin(tilt), abs=2.5)
