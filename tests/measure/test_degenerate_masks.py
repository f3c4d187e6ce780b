"""Masks that are wrong give flags or one clear error, never a number that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import ndimage

from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL, disc_code, vertebra_code
from openlumbar.core.errors import InputError, OpenLumbarError
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.flags import FLAGS
from openlumbar.core.masks import SeriesMasks, Tissue
from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import METRICS
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.imaging.frame import frame_of
from openlumbar.measure import measure_sagittal
from openlumbar.phantom import sample_anatomy
from openlumbar.phantom.anatomy import AnatomyRanges
from openlumbar.phantom.grids import SagittalFrame, sagittal_grid
from openlumbar.phantom.scene import Scene

BODIES = (Tissue.BODY, Tissue.S1, Tissue.S2)
#: A number further than this from that of the whole mask is wrong.
TOLERANCE = {"mm": 2.0, "deg": 5.0, "1": 0.16, "%": 7.0}
L3, L4, DISC = vertebra_code("L3"), vertebra_code("L4"), disc_code("L3-L4")
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Spine:
    """Label maps; both arrays are canonical: slices leftward, rows down, columns back."""

    labels: np.ndarray
    bodies: np.ndarray
    affine: np.ndarray

    def measured(self) -> dict[Key, Measurement]:
        labels, bodies = (Volume(a.copy(), self.affine) for a in (self.labels, self.bodies))
        block = Block(labels, tuple(f"slice-{k}" for k in range(len(self.labels))))
        series = Series("made", Plane.SAGITTAL, Weighting.T2, (block,), "nifti")
        found = measure_sagittal(series, SeriesMasks("made", (labels,), (bodies,)))
        return {(m.structure, m.level, m.metric): m for m in found}

    def without(self, gone: np.ndarray) -> Spine:
        return replace(
            self, labels=np.where(gone, 0, self.labels), bodies=np.where(gone, 0, self.bodies)
        )


def _spine(frame: SagittalFrame) -> Spine:
    rng = np.random.default_rng(5)
    healthy = AnatomyRanges(
        p_scoliosis=0, p_fracture=0, p_listhesis=0, p_schmorl=0, scoliosis_deg=(0.0, 0.5),
        lumbar_count=5, transition="none",
    )  # fmt: skip
    scene = Scene(sample_anatomy(rng, healthy), rng)
    grid = sagittal_grid(scene.spine, frame)
    sample = scene.sample(grid, 1.0, planes=1)
    turned = frame_of(grid)
    codes, regions = (turned.canonical(a) for a in (sample.spine, sample.regions))
    affine = np.eye(4)
    first = turned.to_original(np.zeros(3), grid.shape)
    affine[:3, 3] = grid.to_patient(first)
    for column, axis in enumerate((2, 1, 0)):
        step = np.eye(3)[axis]
        affine[:3, column] = grid.to_patient(turned.to_original(step, grid.shape)) - affine[:3, 3]
    bodies = np.where(np.isin(regions, BODIES), codes, 0)
    return Spine(codes.astype(np.uint16), bodies.astype(np.uint16), affine)


@pytest.fixture(scope="module")
def spine() -> Spine:
    return _spine(SagittalFrame(pixel_mm=1.0, height_mm=250, width_mm=150, slices=13))


@pytest.fixture(scope="module")
def truth(spine: Spine) -> dict[Key, Measurement]:
    return spine.measured()


def _wrong(found: dict[Key, Measurement], truth: dict[Key, Measurement]) -> list[str]:
    wrong = []
    for key, m in found.items():
        assert set(m.flags) <= set(FLAGS)
        if m.value is None:
            assert m.flags
            assert m.uncertainty is None
            continue
        assert np.isfinite(m.value)
        true = truth.get(key)
        limit = TOLERANCE[METRICS[m.structure, m.metric].unit]
        if true is None or true.value is None or abs(m.value - true.value) > limit:
            wrong.append(f"{key}: {m.value:.2f}, not {true.value if true else None} {m.flags}")
    return wrong


def test_the_whole_mask_gives_all_numbers_without_a_flag(truth):
    lumbar = [m for m in truth.values() if m.level.startswith("L")]
    assert len(lumbar) > 100
    assert [m for m in lumbar if m.value is None or m.flags] == []


def _numbers_of(found: dict[Key, Measurement], structure: str, level: str) -> list[float]:
    of = [m for (s, name, _), m in found.items() if (s, name) == (structure, level)]
    return [m.value for m in of if m.value is not None]


def _only(*codes: int) -> Callable[[Spine], Spine]:
    return lambda spine: spine.without(~np.isin(spine.labels, codes))


def _one_pixel(spine: Spine) -> Spine:
    gone = spine.bodies == L3
    gone[tuple(np.argwhere(gone)[len(np.argwhere(gone)) // 2])] = False
    return spine.without(gone | ((spine.labels == L3) & (spine.bodies != L3)))


def _fused(spine: Spine) -> Spine:
    """L3, the disc and L4 as one."""
    joined = np.isin(spine.labels, (L3, L4, DISC)) & (
        np.isin(spine.bodies, (L3, L4)) | (spine.labels == DISC)
    )
    # The endplates' dark lines too, so that nothing is left between.
    rows = np.flatnonzero(joined.any((0, 2)))
    for slice_ in range(len(joined)):
        for column in np.flatnonzero(joined[slice_].any(0)):
            hit = np.flatnonzero(joined[slice_, :, column])
            if len(hit) > 0.6 * len(rows):
                joined[slice_, hit[0] : hit[-1] + 1, column] = True
    labels, bodies = spine.labels.copy(), spine.bodies.copy()
    labels[joined] = bodies[joined] = L3
    labels[(labels == L4) & ~joined] = 0
    return replace(spine, labels=labels, bodies=bodies)


def _sliver(spine: Spine) -> Spine:
    body = spine.bodies == L3
    middle = round(np.argwhere(body)[:, 1].mean())
    gone = body.copy()
    gone[:, middle] = False
    return spine.without(gone | ((spine.labels == L3) & ~body))


def _upright_sliver(spine: Spine) -> Spine:
    body = spine.bodies == L3
    middle = round(np.argwhere(body)[:, 2].mean())
    gone = body.copy()
    gone[:, :, middle] = False
    return spine.without(gone | ((spine.labels == L3) & ~body))


def _specks(spine: Spine) -> Spine:
    keep = np.random.default_rng(3).random(spine.labels.shape) < 0.25
    return spine.without((spine.labels == L3) & ~keep)


def _half(spine: Spine) -> Spine:
    """The front half of a body is lost."""
    body = spine.bodies == L3
    middle = round(np.argwhere(body)[:, 2].mean())
    gone = body.copy()
    gone[:, :, middle:] = False
    return spine.without(gone)


def _holes(spine: Spine) -> Spine:
    body = np.argwhere(spine.bodies == L3).mean(0).round().astype(int)
    gone = np.zeros(spine.labels.shape, bool)
    gone[:, body[1] - 5 : body[1] + 5, body[2] - 5 : body[2] + 5] = True
    return spine.without(gone & (spine.bodies == L3))


def _missing_disc(spine: Spine) -> Spine:
    return spine.without(spine.labels == DISC)


def _touching(spine: Spine) -> Spine:
    """L3 and L4, each with a name of its own, share the disc's room between them."""
    room = ndimage.binary_dilation(spine.labels == DISC, np.ones((1, 5, 1)))
    room &= np.isin(spine.labels, (0, DISC))
    upper = np.indices(room.shape)[1] <= np.argwhere(spine.labels == DISC)[:, 1].mean()
    grown = np.where(upper, L3, L4)
    return replace(
        spine,
        labels=np.where(room, grown, spine.labels).astype(np.uint16),
        bodies=np.where(room, grown, spine.bodies).astype(np.uint16),
    )


def _moved_disc(spine: Spine) -> Spine:
    """The disc's code stands on the disc below, whose own is lost."""
    labels = np.where(spine.labels == DISC, 0, spine.labels)
    return replace(spine, labels=np.where(labels == disc_code("L4-L5"), DISC, labels))


def _twice(spine: Spine) -> Spine:
    """A second body with the same code, in front of the spine."""
    again = np.roll(spine.bodies == L3, -45, 2) & (spine.labels == 0)
    return replace(
        spine,
        labels=np.where(again, L3, spine.labels).astype(np.uint16),
        bodies=np.where(again, L3, spine.bodies).astype(np.uint16),
    )


def _exchanged(one: int, other: int) -> Callable[[Spine], Spine]:
    def exchange(codes: np.ndarray) -> np.ndarray:
        return np.where(codes == one, other, np.where(codes == other, one, codes))

    return lambda spine: replace(
        spine, labels=exchange(spine.labels), bodies=exchange(spine.bodies)
    )


def _shattered_canal(spine: Spine) -> Spine:
    gone = spine.labels == SPINAL_CANAL
    gone &= np.indices(gone.shape)[1] % 12 < 8
    return spine.without(gone)


CASES: dict[str, tuple[Callable[[Spine], Spine], str, str]] = {
    "empty": (_only(), "vertebra", "L3"),
    "one pixel": (_one_pixel, "vertebra", "L3"),
    "fused": (_fused, "vertebra", "L3"),
    "sliver": (_sliver, "vertebra", "L3"),
    "upright sliver": (_upright_sliver, "vertebra", "L3"),
    "specks": (_specks, "vertebra", "L3"),
    "only the canal": (_only(SPINAL_CANAL), "canal", "L3"),
    "missing disc": (_missing_disc, "disc", "L3-L4"),
    "touching": (_touching, "vertebra", "L3"),
    "two of one name": (_twice, "vertebra", "L3"),
    "disc of another level": (_moved_disc, "disc", "L3-L4"),
    "names exchanged": (_exchanged(L3, L4), "vertebra", "L3"),
    "names exchanged far apart": (_exchanged(vertebra_code("L1"), L4), "vertebra", "L4"),
    "discs exchanged": (_exchanged(DISC, disc_code("L4-L5")), "disc", "L3-L4"),
    "shattered canal": (_shattered_canal, "canal", "T12"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_mask_gives_no_wrong_number(spine, truth, case):
    change, structure, level = CASES[case]
    found = change(spine).measured()
    assert _wrong(found, truth) == []
    # Of the vertebrae beside a missing disc, not of the disc.
    between = {"listhesis_mm", "listhesis_percent", "meyerding_grade", "segmental_angle_deg"}
    of = [m for (s, name, _), m in found.items() if (s, name) == (structure, level)]
    assert {m.metric for m in of if m.value is not None} <= between


@pytest.mark.parametrize("kind", [np.uint8, np.int64])
def test_any_whole_numbers_are_codes(spine, truth, kind):
    same = replace(spine, labels=spine.labels.astype(kind), bodies=spine.bodies.astype(kind))
    assert [m.value for m in same.measured().values()] == [m.value for m in truth.values()]


@pytest.mark.parametrize("kind", [np.float32, bool])
def test_what_holds_no_codes_is_refused(spine, kind):
    with pytest.raises(InputError, match="whole numbers"):
        replace(spine, labels=spine.labels.astype(kind)).measured()


def test_holes_inside_a_body_change_nothing(spine, truth):
    found = _holes(spine).measured()
    assert _wrong(found, truth) == []
    assert _numbers_of(found, "vertebra", "L3")


def test_a_vertebra_alone_has_its_heights_and_nothing_that_needs_neighbours(spine, truth):
    found = _only(L3)(spine).measured()
    assert _wrong(found, truth) == []
    assert found["vertebra", "L3", "middle_height_mm"].value is not None
    assert found["vertebra", "L3", "crush_ratio"].flags == ("neighbour-missing",)
    assert found["canal", "L3", "ap_diameter_mm"].flags == ("no-canal",)
    assert not any(m.structure == "disc" and m.value is not None for m in found.values())


def _cropped(spine: Spine, side: str) -> Spine:
    """The picture ends in the middle of L3, on one side."""
    s, r, c = np.argwhere(spine.bodies == L3).mean(0).round().astype(int)
    box = {
        "top": np.s_[:, r:],
        "bottom": np.s_[:, :r],
        "front": np.s_[:, :, c:],
        "back": np.s_[:, :, :c],
        "left": np.s_[: s - 2],
        "right": np.s_[s + 3 :],
    }[side]
    start = (
        np.array([part.start or 0 for part in (*box, *([np.s_[:]] * 3))[:3]])
        if isinstance(box, tuple)
        else np.array([box.start or 0, 0, 0])
    )
    affine = spine.affine.copy()
    affine[:3, 3] += affine[:3, 2::-1] @ start
    return Spine(spine.labels[box], spine.bodies[box], affine)


@pytest.mark.parametrize("side", ["top", "bottom", "front", "back"])
def test_what_the_border_cuts_is_not_measured(spine, truth, side):
    found = _cropped(spine, side).measured()
    assert _wrong(found, truth) == []
    of = {m.metric: m for m in found.values() if (m.structure, m.level) == ("vertebra", "L3")}
    assert of["anterior_height_mm"].value is None
    assert "partly-in-view" in of["anterior_height_mm"].flags
    assert "partly-in-view" in of["centroid_z_mm"].flags


@pytest.mark.parametrize("side", ["left", "right"])
def test_slices_beside_the_midline_are_flagged(spine, side):
    found = _cropped(spine, side).measured()
    numbers = [m for m in found.values() if m.value is not None and m.level.startswith("L")]
    assert all("off-midline" in m.flags for m in numbers)
    assert all(m.value is None for m in found.values() if m.structure == "canal")


def _flipped(spine: Spine, axis: int) -> Spine:
    """The voxels turned over, the header as it was."""
    return replace(spine, labels=np.flip(spine.labels, axis), bodies=np.flip(spine.bodies, axis))


@pytest.mark.parametrize("axis", [1, 2])
def test_a_volume_that_runs_against_its_header_gives_no_number(spine, axis):
    found = _flipped(spine, axis).measured()
    assert found
    assert all(m.value is None and "upside-down" in m.flags for m in found.values())


def test_both_turned_over_gives_no_number(spine):
    found = _flipped(_flipped(spine, 1), 2).measured()
    assert all(m.value is None and "upside-down" in m.flags for m in found.values())


def test_left_and_right_turned_over_cannot_be_told_and_changes_no_length(spine, truth):
    found = _flipped(spine, 0).measured()
    assert [w for w in _wrong(found, truth) if "centroid" not in w] == []


def test_one_vertebra_upside_down_is_told_by_the_canal_in_front(spine):
    back_to_front = _flipped(_only(L3, SPINAL_CANAL)(spine), 2)
    found = back_to_front.measured()
    assert all(m.value is None for m in found.values())


def _single(spine: Spine, aside: int = 0) -> Spine:
    """One slice, some slices from the middle of L3."""
    k = round(np.argwhere(spine.bodies == L3)[:, 0].mean()) + aside
    affine = spine.affine.copy()
    affine[:3, 3] += k * affine[:3, 2]
    return Spine(spine.labels[k : k + 1], spine.bodies[k : k + 1], affine)


def test_a_single_slice_of_the_midline_is_measured_and_less_sure(spine, truth):
    single = _single(spine).measured()
    # Where the slice lies sideways is all that a centroid's x can say.
    assert [w for w in _wrong(single, truth) if "centroid_x" not in w] == []
    for key in (("vertebra", "L3", "middle_height_mm"), ("canal", "L3", "ap_diameter_mm")):
        assert single[key].value is not None
        assert single[key].flags == ()
        assert single[key].confidence < truth[key].confidence


def test_a_single_slice_beside_the_midline_has_no_canal_without_a_flag(spine):
    for aside in (-2, 2):
        canal = [m for m in _single(spine, aside).measured().values() if m.structure == "canal"]
        assert canal
        assert all(m.flags for m in canal)


def test_slices_turned_far_against_the_spine_give_no_number():
    oblique = _spine(
        SagittalFrame(pixel_mm=1.0, height_mm=250, width_mm=170, slices=19, turn_deg=30.0)
    )
    found = oblique.measured()
    numbers = [m for m in found.values() if m.value is not None and "centroid" not in m.metric]
    assert numbers == []
    assert any("oblique-slices" in m.flags for m in found.values())


def test_slices_turned_a_little_are_right(truth):
    turned = _spine(
        SagittalFrame(pixel_mm=1.0, height_mm=250, width_mm=150, slices=13, turn_deg=8.0)
    )
    # The slices differ, so what is measurable on them may differ too.
    known = {key for key, m in truth.items() if m.value is not None}
    found = {key: m for key, m in turned.measured().items() if key in known}
    assert _wrong(found, truth) == []


def test_an_image_of_nan_does_not_matter_to_masks(spine, truth):
    labels, bodies = (Volume(a, spine.affine) for a in (spine.labels, spine.bodies))
    image = Volume(np.full(spine.labels.shape, np.nan, np.float32), spine.affine)
    block = Block(image, tuple(f"slice-{k}" for k in range(len(spine.labels))))
    series = Series("made", Plane.SAGITTAL, Weighting.T2, (block,), "nifti")
    found = measure_sagittal(series, SeriesMasks("made", (labels,), (bodies,)))
    assert [m.value for m in found] == [m.value for m in truth.values()]


def test_a_torn_body_is_not_measured_as_a_smaller_one(spine, truth):
    """Half a body is a plausible body to any rule of shape: its neighbours tell."""
    found = _half(spine).measured()
    assert _wrong(found, truth) == []


@pytest.mark.parametrize("seed", range(12))
def test_noise_gives_nothing_without_sense(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers([1, 6, 6], [8, 80, 80]))
    codes = np.array([0, *BY_CODE], np.uint16)
    coarse = rng.choice(codes, size=tuple(-(-n // rng.integers(1, 30)) for n in shape))
    labels = np.stack([np.resize(coarse, shape), rng.choice(codes, size=shape)][seed % 2 :])[0]
    if seed % 3 == 0:  # blobs rather than a repeated pattern
        index = np.indices(shape)
        labels = codes[(index[1] // 7 + 3 * (index[2] // 9)) % len(codes)]
    affine = np.diag([1.0, 1.0, 3.0, 1.0])[[2, 0, 1, 3]]
    affine[2] *= -1
    noise = Spine(labels, np.where(rng.random(shape) < 0.8, labels, 0).astype(np.uint16), affine)
    try:
        found = noise.measured()
    except OpenLumbarError:
        return
    for (_, _, metric), m in found.items():
        if m.value is not None and metric.endswith(("height_mm", "diameter_mm")):
            assert 0 < m.value < 80
            assert 0 <= m.confidence <= 1
