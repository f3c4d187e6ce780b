"""An axial series is segmented on its own grid, whatever its axes, tilt, pixels or content."""

import itertools

import numpy as np
import pytest
from skimage.feature import match_template

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import AxialTissue
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.segment import AxialOptions, segment_axial
from openlumbar.segment.axial_align import FRAME_SHAPE
from support_axial_sections import Section, SectionPredictor, series, volume_of

#: The painted intensities are the classes: nothing may be corrected away.
PAINTED = AxialOptions(bias=False)
LAYOUTS = list(itertools.product([False, True], repeat=4))


def segmented(*sections: Section, options: AxialOptions = PAINTED):
    volume = volume_of([one.picture() for one in sections], sections[0].spacing_mm)
    return segment_axial(series(volume), SectionPredictor(), options=options)[0]


def dice(found: np.ndarray, true: np.ndarray) -> dict[int, float]:
    codes = [int(code) for code in np.unique(true) if code]
    return {
        code: 2
        * ((found == code) & (true == code)).sum()
        / ((found == code).sum() + (true == code).sum())
        for code in codes
    }


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize(
    "section",
    [
        Section(),
        Section(turn_deg=22, sac_mm=(14, -12)),
        Section(turn_deg=-15, shape=(300, 330), spacing_mm=(0.6, 0.6)),
        Section(shape=(180, 200), spacing_mm=(1.2, 1.1)),
        Section(shape=(480, 480), spacing_mm=(0.8, 0.8), sac_mm=(60, 0), turn_deg=5),
    ],
)
def test_every_structure_is_found_on_the_slices_own_pixels(section, align):
    mask = segmented(section, options=AxialOptions(bias=False, align=align))
    true = section.codes()
    overlap = dice(mask.labels.array[0], true)
    # The painted values blur into others at a resampled border, which no network's classes do.
    assert min(overlap.values()) > 0.85, overlap
    body = mask.bodies.array[0]
    assert set(np.unique(body)) == {0, 40}
    assert (mask.labels.array[0][body > 0] == 40).all()
    assert mask.flags == ((),)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_masks_lie_on_the_picture_for_every_axis_order(layout):
    transpose, *flips = layout
    sections = (
        Section(spacing_mm=(1.2, 1.2), shape=(160, 160)),
        Section(spacing_mm=(1.2, 1.2), shape=(160, 160), turn_deg=100),
    )
    array = np.stack([section.picture() for section in sections])
    axes = [np.array([0, 0, 4.0]), np.array([0, 1.2, 0]), np.array([1.2, 0, 0])]
    true = sections[0].codes()[None]
    for axis, flip in enumerate(flips):
        if flip:
            array, axes[axis] = np.flip(array, axis), -axes[axis]
            true = np.flip(true, axis)
    if transpose:
        array, true, axes[1:] = array.swapaxes(1, 2), true.swapaxes(1, 2), axes[:0:-1]
    affine = np.eye(4)
    affine[:3, :3] = np.stack(axes[::-1], 1)
    volume = Volume(np.ascontiguousarray(array), affine)
    mask = segment_axial(series(volume), SectionPredictor(1.2), options=PAINTED)[0]
    lumbar = 1 if flips[0] else 0
    assert min(dice(mask.labels.array[lumbar], true[0]).values()) > 0.85
    assert not mask.labels.array[1 - lumbar].any()
    assert mask.flags[lumbar] == ()
    assert mask.flags[1 - lumbar] == ("not-an-axial-lumbar-slice",)
    assert np.array_equal(mask.labels.affine, volume.affine)
    assert mask.certainty.shape == mask.bodies.array.shape == volume.shape


def test_a_tilted_slice_keeps_left_and_right():
    section = Section()
    angle = np.radians(35)
    affine = np.eye(4)
    affine[:3, :3] = [
        [0.8, 0, 0],
        [0, 0.8 * np.cos(angle), -4 * np.sin(angle)],
        [0, 0.8 * np.sin(angle), 4 * np.cos(angle)],
    ]
    volume = Volume(section.picture()[None], affine)
    mask = segment_axial(series(volume), SectionPredictor(), options=PAINTED)[0]
    assert min(dice(mask.labels.array[0], section.codes()).values()) > 0.85


def test_the_second_pass_sees_the_slice_upright():
    section, predictor = Section(turn_deg=25, sac_mm=(10, 10)), SectionPredictor()
    volume = volume_of([section.picture()], section.spacing_mm)
    segment_axial(series(volume), predictor, options=PAINTED)
    second = predictor.seen[1]
    # It sees what the first look named and a margin, in whole steps of the network.
    assert not any(n % 32 for n in second.shape)
    assert second.size < 0.8 * np.prod(FRAME_SHAPE)
    upright = (Section(sac_mm=(-12.4, 0.4)).picture() / 900).astype(np.float32)
    match = match_template(upright, second)
    row, column = np.unravel_index(match.argmax(), match.shape)
    part = upright[row:, column:][: second.shape[0], : second.shape[1]]
    # Away from the borders of structures, of the fat and of the picture it is the same.
    away = np.indices(second.shape) - np.array([112 - row, 144 - column])[:, None, None]
    inside = np.hypot(*away) < 70
    assert np.median(np.abs(second - part)[inside]) < 0.01
    assert (np.abs(second - part)[inside] > 0.05).mean() < 0.12


def test_another_network_may_look_first():
    section, first, second = Section(), SectionPredictor(1.6), SectionPredictor()
    volume = volume_of([section.picture()], section.spacing_mm)
    mask = segment_axial(series(volume), second, options=PAINTED, overview=first)[0]
    assert min(dice(mask.labels.array[0], section.codes()).values()) > 0.85
    assert len(first.seen) == len(second.seen) == 1
    assert first.seen[0].size < 0.4 * second.seen[0].size


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("black", np.zeros((256, 256))),
        ("even", np.full((256, 256), 300.0)),
        ("noise", np.random.default_rng(1).rayleigh(100, (256, 256))),
        ("on its side", Section(shape=(288, 288)).picture().T),
        ("a half", Section().picture()[:, 150:]),
        ("a strip", Section().picture()[:, 120:160]),
    ],
)
@pytest.mark.parametrize("bias", [False, True])
def test_what_is_no_lumbar_slice_stays_empty_and_says_so(name, picture, bias):
    volume = volume_of([picture.astype(np.float32)], (0.8, 0.8))
    mask = segment_axial(series(volume), SectionPredictor(), options=AxialOptions(bias=bias))[0]
    assert mask.flags == (("not-an-axial-lumbar-slice",),), name
    assert not mask.labels.array.any()
    assert not mask.bodies.array.any()


def test_a_picture_stored_front_for_back_is_called_upside_down():
    volume = volume_of([Section().picture()[::-1]], (0.8, 0.8))
    mask = segment_axial(series(volume), SectionPredictor(), options=PAINTED)[0]
    assert mask.flags == (("upside-down",),)
    assert not mask.labels.array.any()


def test_a_strip_is_labelled_when_recognition_is_switched_off():
    strip = Section().picture()[:, 120:168]
    volume = volume_of([strip], (0.8, 0.8))
    options = AxialOptions(bias=False, align=False, recognise=False)
    mask = segment_axial(series(volume), SectionPredictor(), options=options)[0]
    assert (mask.labels.array[0] == 2).sum() * 0.64 == pytest.approx(np.pi * 7 * 9, rel=0.05)


def test_blocks_are_segmented_each_on_its_own_grid_and_progress_counts_all_slices():
    coarse = Section(shape=(180, 200), spacing_mm=(1.2, 1.2))
    blocks = tuple(
        Block(volume_of([one.picture()] * count, one.spacing_mm), ("a", "b")[:count])
        for one, count in ((Section(), 2), (coarse, 1))
    )
    seen = []
    masks = segment_axial(
        Series("s", Plane.AXIAL, Weighting.T1, blocks, "dicom"),
        SectionPredictor(),
        lambda done, total: seen.append((done, total)),
        PAINTED,
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert [mask.labels.shape for mask in masks] == [(2, 256, 288), (1, 180, 200)]
    assert [len(mask.flags) for mask in masks] == [2, 1]
    assert np.array_equal(masks[0].labels.array[0], masks[0].labels.array[1])


@pytest.mark.parametrize("shape", [(12, 300), (300, 12), (40, 40)])
def test_a_picture_too_small_to_show_a_section_is_refused(shape):
    step = 0.25 if shape == (40, 40) else 0.8
    volume = volume_of([np.ones(shape, np.float32)], (step, step))
    with pytest.raises(StageError, match="too small"):
        segment_axial(series(volume), SectionPredictor())


def test_slices_that_are_not_axial_are_refused():
    affine = np.eye(4)[[2, 0, 1, 3]]
    with pytest.raises(StageError, match="not axial"):
        segment_axial(series(Volume(np.ones((40, 40, 40)), affine)), SectionPredictor())


def test_a_sac_that_is_hardly_seen_is_found_and_doubted():
    class Unsure(SectionPredictor):
        """Says posterior elements, rather than sac, by two to one."""

        def predict(self, images):
            probability = super().predict(images)
            sac = probability[:, AxialTissue.SAC].copy()
            probability[:, AxialTissue.SAC] = sac / 3
            probability[:, AxialTissue.POSTERIOR] += sac * 2 / 3
            return probability

    volume = volume_of([Section().picture()], (0.8, 0.8))
    mask = segment_axial(series(volume), Unsure(), options=PAINTED)[0]
    assert (mask.labels.array == 2).sum() * 0.64 == pytest.approx(np.pi * 7 * 9, rel=0.1)
    assert mask.flags == (("low-certainty",),)
