"""What a classifier is shown of a slice, and where in the slice its answer comes from."""

import itertools

import numpy as np
import pytest

from openlumbar.core.errors import ModelError, StageError
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import AxialMask, AxialTissue
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.level.looks import (
    STANDARD_CHANNELS,
    STANDARD_MM,
    STANDARD_SAC,
    STANDARD_TISSUES,
    axial_tissue,
    look_at_slices,
    spine_pose,
    standard_picture,
    whole_picture,
)
from openlumbar.models import Classified
from support_axial import axial_code_at, axial_mask
from support_models import classifier_card

SPACING = (0.9, 0.7)
SHAPE, CENTRE = (230, 300), (120.0, 140.0)
LAYOUTS = list(itertools.product((False, True), repeat=4))


class SeesBrightness:
    """Its one feature is the mean of channel 0 in each cell; it asks what speaks for a class."""

    def __init__(self, preprocessing="standard_picture", cell=4, **card):
        self.card = classifier_card(preprocessing=preprocessing, **card)
        self.cell, self.batches = cell, []

    def classify(self, images):
        self.batches.append(len(images))
        n, _, rows, columns = images.shape
        shape = (n, rows // self.cell, self.cell, columns // self.cell, self.cell)
        feature = images[:, 0].reshape(shape).mean((2, 4))
        activation = np.stack([-feature, feature, 0 * feature], axis=1)
        odds = np.exp(activation.mean((2, 3)))
        signs = np.stack([feature.max((1, 2)), images[:, 1:].max((1, 2, 3))], axis=1)
        return Classified(odds / odds.sum(1, keepdims=True), signs, activation)


def whole_sight(**card):
    return SeesBrightness("whole_picture", cell=16, channels=3, pixels=(512, 512), **card)


def places_mm(shape=SHAPE, spacing=SPACING, centre=CENTRE, turn=0.0):
    """(backward, leftward) from the sac of every pixel, for a patient so turned."""
    rows, columns = np.indices(shape)
    down, right = (rows - centre[0]) * spacing[0], (columns - centre[1]) * spacing[1]
    cos, sin = np.cos(turn), np.sin(turn)
    return down * cos + right * sin, right * cos - down * sin


def disc_at(place, back, left, radius):
    return (back - place[0]) ** 2 + (left - place[1]) ** 2 < radius**2


# -- the standard picture ------------------------------------------------------------------


@pytest.mark.parametrize("turn", [0.0, 0.3, -0.2])
def test_what_lies_in_front_and_aside_of_the_sac_lies_so_in_the_standard_picture(turn):
    """A bright spot 45 mm in front and 60 mm to the left, in a turned patient."""
    back, left = places_mm(turn=turn)
    picture = 10 + 90 * disc_at((-45, 60), back, left, 15).astype(np.float32)
    nothing = np.zeros(SHAPE, np.uint8)
    seen = standard_picture(picture, nothing, SPACING, CENTRE, turn)
    assert seen.shape == (8, 128, 192)
    assert seen.dtype == np.float32
    assert not seen[1:].any()
    bright = np.argwhere(seen[0] > 0.6)
    np.testing.assert_allclose((bright.mean(0) - STANDARD_SAC) * STANDARD_MM, (-45, 60), atol=0.3)
    assert len(bright) * STANDARD_MM**2 == pytest.approx(np.pi * 15**2, rel=0.1)


def test_every_tissue_has_its_channel_and_keeps_its_area_and_place():
    back, left = places_mm()
    tissue = np.zeros(SHAPE, np.uint8)
    spots = {value: (-75 + 17 * value, 8 * value - 40) for value in range(1, 9)}
    for value, place in spots.items():
        tissue[disc_at(place, back, left, 8)] = value
    tissue[:5] = 255  # of no known class
    channels = standard_picture(tissue, tissue, SPACING, CENTRE, 0.0)[1:]
    assert STANDARD_CHANNELS[1:] == tuple(STANDARD_TISSUES)
    for channel, values in zip(channels, STANDARD_TISSUES.values(), strict=True):
        drawn = np.isin(tissue, values)
        area = drawn.sum() * np.prod(SPACING)
        # Samples of 0.8 mm, each of the nearest pixel: 1 % of such a spot, one with another.
        assert channel.sum() * STANDARD_MM**2 == pytest.approx(area, rel=0.04)
        centre = (np.argwhere(drawn).mean(0) - CENTRE) * SPACING
        weight = channel / channel.sum()
        found = [(weight * index).sum() for index in np.indices(channel.shape)]
        np.testing.assert_allclose((np.array(found) - STANDARD_SAC) * STANDARD_MM, centre, atol=0.2)
    assert channels.sum(0).max() <= 1


def test_stripes_finer_than_its_pixels_leave_no_pattern():
    columns = np.arange(1000)
    stripes = np.where(columns < 500, 100.0 * (columns % 4 < 2), 50.0)
    picture = np.tile(stripes, (600, 1))
    picture[:100], picture[100:200] = 0, 100
    seen = standard_picture(picture, np.zeros((600, 1000), np.uint8), (0.3, 0.3), (300, 500), 0.0)
    striped = seen[0, 50:80, 20:80]
    assert np.ptp(striped) < 0.08  # of 1 in the picture
    assert striped.mean() == pytest.approx(seen[0, 50:80, 110:170].mean(), abs=0.02)


def test_brightness_and_what_lies_out_of_view_do_not_change_it():
    rng = np.random.default_rng(0)
    back, left = places_mm()
    picture = 200 * disc_at((0, 0), back, left, 60) + 20 * rng.random(SHAPE)
    tissue = np.zeros(SHAPE, np.uint8)
    seen = standard_picture(picture, tissue, SPACING, CENTRE, 0.0)
    brighter = standard_picture(7 * picture + 100, tissue, SPACING, CENTRE, 0.0)
    np.testing.assert_allclose(seen, brighter, atol=1e-4)
    # The standard picture ends 115 mm behind the sac.
    to_there = np.vstack([picture, np.full((30, SHAPE[1]), 10)])
    beyond = np.vstack([to_there, np.full((50, SHAPE[1]), 5000)])
    shorter, longer = (
        standard_picture(shown, np.zeros(shown.shape, np.uint8), SPACING, CENTRE, 0.0)
        for shown in (to_there, beyond)
    )
    np.testing.assert_allclose(shorter, longer, atol=0.01)


# -- how the patient lies ------------------------------------------------------------------


def tissue_of_patient(turn, pieces=None):
    back, left = places_mm(turn=turn)
    codes = axial_code_at(np.stack([left, back + 22, 0 * back], axis=-1))
    tissue = axial_tissue(codes, np.where(codes == 40, codes, 0).astype(np.uint16))
    return tissue if pieces is None else np.where(np.isin(tissue, pieces), tissue, 0)


def test_codes_become_the_classes_of_the_axial_network():
    codes = np.array([0, 5101, 5112, 5121, 5132, 40, 40, 90, 2, 50, 1, 44, 95, 7], np.uint16)
    bodies = np.zeros_like(codes)
    bodies[5] = 40
    assert axial_tissue(codes, bodies).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 6, 8, 6, 7, 0]


@pytest.mark.parametrize("turn", [0.25, -0.4])
def test_a_turned_patient_is_found_turned(turn):
    straight = spine_pose(tissue_of_patient(0.0), SPACING)
    turned = spine_pose(tissue_of_patient(turn), SPACING)
    np.testing.assert_allclose([straight[0], turned[0]], [CENTRE] * 2, atol=0.7)
    assert abs(straight[1]) < 0.06  # the left muscles were drawn larger
    assert turned[1] - straight[1] == pytest.approx(turn, abs=0.02)


def test_without_muscles_the_body_alone_says_how_the_patient_is_turned():
    spine = (AxialTissue.BODY, AxialTissue.SAC)
    assert spine_pose(tissue_of_patient(0.3, spine), SPACING)[1] == pytest.approx(0.3, abs=0.02)
    assert spine_pose(tissue_of_patient(0.3, (AxialTissue.SAC,)), SPACING)[1] == 0
    assert spine_pose(tissue_of_patient(1.2, spine), SPACING)[1] == 0  # nobody lies so


def test_an_empty_slice_is_looked_at_about_its_centre():
    assert spine_pose(np.zeros((11, 21), np.uint8), SPACING) == ((5.0, 10.0), 0.0)


# -- the whole picture ---------------------------------------------------------------------


def test_the_whole_picture_keeps_its_proportions_between_black_margins():
    picture = np.full((200, 300), 40.0)
    picture[:, 150:] = 90
    picture[:20] = 0
    seen = whole_picture(picture, (0.8, 0.8))
    assert (seen.shape, seen.dtype) == ((3, 512, 512), np.float32)
    assert (seen[0] == seen[1]).all()
    assert (seen[0] == seen[2]).all()
    assert 0 <= seen.min() < seen.max() <= 1
    rows = np.flatnonzero(seen[0].any(1))
    # 160 of 240 mm; a tenth of it is black.
    assert (rows[0], rows[-1]) == pytest.approx((85 + 34, 426), abs=2)
    assert seen[0, 256, :250].max() < seen[0, 256, 262:].min()


def test_pixels_that_are_not_square_are_made_so():
    tall = whole_picture(np.random.default_rng(0).random((100, 100)) + 1, (2.0, 1.0))
    columns = np.flatnonzero(tall[0].any(0))
    assert len(columns) == pytest.approx(256, abs=3)


# -- slices of a series --------------------------------------------------------------------


def laid_out(volume, codes, layout):
    """The same slices, with axes reversed and rows exchanged with columns."""
    affine, arrays = volume.affine.copy(), [volume.array, codes]
    for axis, flip in enumerate(layout[:3]):
        if flip:
            arrays = [np.flip(array, axis) for array in arrays]
            affine[:3, 3] += affine[:3, 2 - axis] * (volume.shape[axis] - 1)
            affine[:3, 2 - axis] *= -1
    if layout[3]:
        arrays = [array.transpose(0, 2, 1) for array in arrays]
        affine[:, [0, 1]] = affine[:, [1, 0]]
    return Volume(arrays[0], affine), arrays[1]


def series_of(*pairs):
    """An axial series and its masks, a block a pair of volume and codes."""
    blocks = tuple(Block(volume, ("",) * volume.shape[0]) for volume, _ in pairs)
    masks = tuple(axial_mask(volume.with_array(codes)) for volume, codes in pairs)
    return Series("axial", Plane.AXIAL, Weighting.T2, blocks, "dicom"), masks


def painted(slices=2, spot=(-30, 45)):
    """Slices of a patient with a bright spot, nearer to the front from slice to slice."""
    affine = np.diag([SPACING[1], SPACING[0], 5.0, 1.0])
    affine[:3, 3] = (-CENTRE[1] * SPACING[1], -CENTRE[0] * SPACING[0], 0)
    back, left = places_mm()
    codes = np.stack([axial_code_at(np.stack([left, back + 22, 0 * back], -1))] * slices)
    picture = [20 + 80 * disc_at((spot[0] - 6 * k, spot[1]), back, left, 16) for k in range(slices)]
    return Volume(np.stack(picture).astype(np.int16), affine), codes


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_order_and_directions_of_the_axes_make_no_difference(layout):
    expected = look_at_slices(*series_of(painted()), SeesBrightness())
    given = look_at_slices(*series_of(laid_out(*painted(), layout)), SeesBrightness())
    given = given[::-1] if layout[0] else given
    for one, other in zip(expected, given, strict=True):
        assert one.probability == other.probability
        assert one.signs == other.signs
        assert one.signs.keys() == {"kidney", "ilium"}
        activation = np.array(other.activation)
        activation = activation.T if layout[3] else activation
        activation = np.flip(activation, [axis for axis in (0, 1) if layout[1 + axis]])
        assert np.array_equal(activation, one.activation)


@pytest.mark.parametrize("sight", [SeesBrightness, whole_sight])
@pytest.mark.parametrize("layout", [LAYOUTS[0], LAYOUTS[5], LAYOUTS[11], LAYOUTS[15]])
def test_the_activation_is_greatest_where_the_bright_spot_lies(sight, layout):
    volume, codes = laid_out(*painted(), layout)
    for looks in look_at_slices(*series_of((volume, codes)), sight()):
        assert looks.classes[int(np.argmax(looks.probability))] == "L4-L5"
        values = np.array(looks.activation)
        assert values.max() == 100
        assert values.min() >= 0
        assert sorted(values.shape) <= [32, 48]
        top, first, bottom, last = looks.box
        assert 0 <= top < bottom <= volume.shape[1]
        assert 0 <= first < last <= volume.shape[2]
        row, column = np.argwhere(values > 70).mean(0)
        index = (
            looks.slice,
            top + (row + 0.5) * (bottom - top) / values.shape[0] - 0.5,
            first + (column + 0.5) * (last - first) / values.shape[1] - 0.5,
        )
        spot = np.argwhere(volume.array[looks.slice] == 100).mean(0)
        away = volume.to_patient(index) - volume.to_patient((looks.slice, *spot))
        assert np.linalg.norm(away) < 4


def test_the_box_ends_where_the_standard_picture_does():
    """A patient far aside in a large field of view: the frame covers a part of it."""
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    points = np.stack(np.meshgrid(np.arange(300), np.arange(200), indexing="xy"), -1) * 2.0
    at = np.concatenate([points - (200, 150 - 22), np.zeros((200, 300, 1))], -1)
    codes = axial_code_at(at)[None]
    volume = Volume(np.where(codes == 2, 100, 30).astype(np.int16), affine)
    sac = np.argwhere(codes[0] == 2).mean(0)
    upright = np.where(np.isin(codes, (2, 40)), codes, 0)
    (looks,) = look_at_slices(*series_of((volume, upright)), SeesBrightness())
    before = (np.array(STANDARD_SAC) + 0.5) * STANDARD_MM / 2
    after = (np.array((128, 192)) - STANDARD_SAC - 0.5) * STANDARD_MM / 2
    expected = (*(sac + 0.5 - before), *(sac + 0.5 + after))
    np.testing.assert_allclose(looks.box, expected, atol=1.5)


def test_slices_that_were_not_recognised_are_looked_at_too():
    volume, codes = painted(3)
    codes[1] = 0
    series, masks = series_of((volume, codes))
    sight = SeesBrightness()
    looks = look_at_slices(series, masks, sight)
    assert [one.slice for one in looks] == [0, 1, 2]
    assert [one.signs["ilium"] for one in looks] == [1, 0, 1]  # its tissues' channels are empty
    assert looks[1].box[3] > looks[1].box[1]
    assert max(map(max, looks[1].activation)) == 100


def test_blocks_follow_each_other_and_progress_reaches_the_end():
    told = []
    series, masks = series_of(painted(15), painted(13))
    sight = SeesBrightness()
    looks = look_at_slices(series, masks, sight, lambda done, total: told.append((done, total)))
    assert [(one.series, one.block, one.slice) for one in looks] == [
        ("axial", block, k) for block, slices in ((0, 15), (1, 13)) for k in range(slices)
    ]
    assert len(sight.batches) < 4
    assert told[-1] == (28, 28)
    assert sum(sight.batches) == 28


def test_a_series_without_slices_is_looked_at_in_no_time():
    series = Series("axial", Plane.AXIAL, Weighting.T2, (), "dicom")
    assert look_at_slices(series, (), SeesBrightness()) == ()


# -- errors --------------------------------------------------------------------------------


def test_a_card_with_unknown_preprocessing_is_told_which_there_are():
    with pytest.raises(ModelError, match=r"half_picture; .*standard_picture and .*whole_picture"):
        look_at_slices(*series_of(painted(1)), SeesBrightness("half_picture"))


@pytest.mark.parametrize("card", [{"channels": 3}, {"pixels": (128, 128)}, {"pixels": None}])
def test_a_card_that_asks_for_pictures_of_another_shape_is_refused(card):
    with pytest.raises(ModelError, match=r"makes 8 of \(128, 192\)"):
        look_at_slices(*series_of(painted(1)), SeesBrightness(**card))


def test_masks_of_another_series_are_refused():
    series, masks = series_of(painted(2))
    with pytest.raises(StageError, match="one mask a block"):
        look_at_slices(series, (*masks, *masks), SeesBrightness())


def test_a_block_that_is_not_axial_is_refused():
    volume = Volume(np.zeros((4, 5, 6), np.int16), np.eye(4)[[2, 1, 0, 3]])
    empty = np.zeros(volume.shape, np.uint16)
    mask = AxialMask(
        volume.with_array(empty), volume.with_array(empty), empty.astype(np.uint8), ((),) * 4
    )
    series = Series("axial", Plane.AXIAL, Weighting.T2, (Block(volume, ("",) * 4),), "nifti")
    with pytest.raises(StageError, match="not axial"):
        look_at_slices(series, (mask,), SeesBrightness())
