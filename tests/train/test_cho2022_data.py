"""A user's slices with their levels: read as they lie, refused with one sentence, parted."""

from dataclasses import replace

import nibabel
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

import torch

from openlumbar.core.errors import InputError
from openlumbar.phantom.axial_training import AxialTrainingOptions
from openlumbar.recipes import read_recipe
from openlumbar.train.cho2022_data import part, phantom_levels
from openlumbar.train.level_batches import LevelBatches, moved, random_moves
from openlumbar.train.own_levels import DISC_LEVELS, LevelPicture, read_own_levels

HEAD = "patient,file,slice,level"


def write_table(folder, *rows, head=HEAD):
    (folder / "levels.csv").write_text("\n".join((head, *rows)) + "\n", "utf-8")


def write_png(folder, name="a.png"):
    """A picture 60 x 80 with one bright square near its upper left corner."""
    picture = np.zeros((60, 80), np.uint8)
    picture[10:20, 10:20] = 200
    Image.fromarray(picture).save(folder / name)


def write_nifti(folder, name="sub-1_T2w.nii.gz"):
    """Three axial slices, head-first, each with a bright square at its own distance backward.

    The first axis runs to the patient's right in LPS, so columns must be turned.
    """
    array = np.full((40, 50, 3), 10, np.int16)  # i to the right, j to the front, k upward
    for k in range(3):
        array[2:8, 30 - 10 * k : 36 - 10 * k, k] = 200
    image = nibabel.Nifti1Image(array, np.diag([1.0, 1.0, 4.0, 1.0]))  # RAS
    nibabel.save(image, folder / name)


def centre_of_bright(picture):
    return np.argwhere(picture > 200).mean(0)


def test_the_levels_of_the_paper_are_the_five_discs():
    assert DISC_LEVELS == ("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")


def test_a_picture_is_read_as_it_is_looked_at(tmp_path):
    write_png(tmp_path)
    write_table(tmp_path, "p1,a.png,,L4-L5")
    (found,) = read_own_levels(tmp_path)
    assert (found.patient, found.level) == ("p1", "L4-L5")
    assert found.picture.shape == (512, 512)
    # 80 columns fill 512, so a pixel becomes 6.4; 64 rows of black lie above the 60.
    assert centre_of_bright(found.picture) == pytest.approx((64 + 15 * 6.4, 15 * 6.4), abs=2)


def test_a_slice_of_a_volume_is_turned_front_up_and_left_to_the_right(tmp_path):
    write_nifti(tmp_path)
    write_table(tmp_path, "p1,sub-1_T2w.nii.gz,0,L4-L5", "p1,sub-1_T2w.nii.gz,2,L3-L4")
    lower, upper = read_own_levels(tmp_path)
    # In RAS the square lies at x = 4.5 of 39 (so at the left, as +x is right): the picture's
    # right side; y = 32.5 of 49 is in front, so in the upper half.
    row, column = centre_of_bright(lower.picture)
    assert column > 256
    assert row < 256
    # Each slice upward it lies 10 mm further back; 50 rows fill the 512.
    assert centre_of_bright(upper.picture)[0] - row == pytest.approx(20 * 512 / 50, abs=3)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["p1,a.png,,L6-S1"], "line 2: level is 'L6-S1'; it must be one of L1-L2"),
        (["p1,a.png,,l4-l5"], "line 2: level"),
        ([",a.png,,L4-L5"], "line 2: patient is empty"),
        (["p1,,,L4-L5"], "line 2: file is empty"),
        (["p1,b.png,,L4-L5"], "line 2: b.png is not in"),
        (["p1,a.png,-1,L4-L5"], "line 2: slice is '-1'; a whole number from 0"),
        (["p1,a.png,2,L4-L5"], "line 2: slice is 2, but a.png is a single picture"),
        (["p1,a.png,L4-L5"], "line 2: it has more or fewer cells"),
        (["p1,a.png,,L4-L5,x"], "line 2: it has more or fewer cells"),
        (["p1,a.png,,L4-L5", "p1,a.png,0,L4-L5"], "line 3: the same slice stands in line 2"),
        (["p1,v.nii.gz,0,L4-L5", "p2,v.nii.gz,1,L4-L5"], "line 3: v.nii.gz is of patient 'p2'"),
        (["p1,v.nii.gz,,L4-L5"], "line 2: slice is empty, but v.nii.gz has slices 0 to 2"),
        (["p1,v.nii.gz,3,L4-L5"], "line 2: slice is 3, but v.nii.gz has slices 0 to 2"),
        (["p1,text.png,,L4-L5"], "line 2: text.png cannot be read"),
        (["p1,text.nii.gz,0,L4-L5"], "line 2: .*no series that can be used"),
        ([], "it names no slice"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, rows, said):
    write_png(tmp_path)
    write_nifti(tmp_path, "v.nii.gz")
    for name in ("text.png", "text.nii.gz"):
        (tmp_path / name).write_text("not an image", "utf-8")
    write_table(tmp_path, *rows)
    with pytest.raises(InputError, match=said):
        read_own_levels(tmp_path)


@pytest.mark.parametrize("head", ["patient,file,level", f"{HEAD},sex", f"{HEAD},slice", ""])
def test_other_columns_are_an_error_that_says_which_are_expected(tmp_path, head):
    write_table(tmp_path, "p1,a.png,,L4-L5", head=head)
    with pytest.raises(InputError, match="expected patient, file, slice, level"):
        read_own_levels(tmp_path)


def test_a_folder_without_the_table_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"there is no levels\.csv"):
        read_own_levels(tmp_path)


def test_a_series_or_block_that_is_not_there_is_named(tmp_path):
    write_nifti(tmp_path, "v_T2w.nii.gz")
    head = f"{HEAD},series,block"
    write_table(tmp_path, "p1,v_T2w.nii.gz,0,L4-L5,other,", head=head)
    with pytest.raises(InputError, match="no axial series 'other' but: v_T2w"):
        read_own_levels(tmp_path)
    write_table(tmp_path, "p1,v_T2w.nii.gz,0,L4-L5,v_T2w,1", head=head)
    with pytest.raises(InputError, match=r"block is 1, but v_T2w has 1 \(from 0\)"):
        read_own_levels(tmp_path)


# -- parts -----------------------------------------------------------------------------------


def many(patients=20, each=5):
    nothing = np.zeros((512, 512), np.uint8)
    return [
        LevelPicture(f"p{p}", nothing, DISC_LEVELS[n % 5])
        for p in range(patients)
        for n in range(each)
    ]


def test_nobody_is_in_two_parts_and_parts_have_their_share():
    pictures = many()
    parts = part(pictures, read_recipe("cho2022").split, seed=1)
    people = [{pictures[n].patient for n in one} for one in (parts.train, parts.tune, parts.test)]
    assert [len(one) for one in people] == [14, 2, 4]
    assert len(set.union(*people)) == 20
    assert sorted((*parts.train, *parts.tune, *parts.test)) == list(range(100))


def test_the_split_of_the_paper_is_of_slices():
    split = read_recipe("cho2022").split.model_copy(update={"by": "slice"})
    pictures = many()
    parts = part(pictures, split, seed=1)
    assert [len(one) for one in (parts.train, parts.tune, parts.test)] == [70, 10, 20]
    assert {pictures[n].patient for n in parts.train} & {pictures[n].patient for n in parts.test}


def test_another_seed_parts_otherwise_and_the_same_seed_alike():
    split = read_recipe("cho2022").split
    assert part(many(), split, 1) == part(many(), split, 1) != part(many(), split, 2)


def test_every_part_of_three_patients_has_one():
    parts = part(many(3), read_recipe("cho2022").split, seed=1)
    assert all((parts.train, parts.tune, parts.test))
    with pytest.raises(InputError, match="at least 3"):
        part(many(2), read_recipe("cho2022").split, seed=1)


# -- phantoms and moves ----------------------------------------------------------------------


def test_phantom_slices_show_a_lumbar_disc():
    options = AxialTrainingOptions(slices=3, pixel_mm=(1.2, 1.2), planes=1)
    found = list(phantom_levels(2, options))
    assert found
    assert {one.level for one in found} <= set(DISC_LEVELS)
    assert all(one.picture.shape == (512, 512) and one.picture.max() > 0 for one in found)


def dot(row, column):
    """A picture with one bright spot, as a batch of one."""
    image = torch.zeros(1, 1, 101, 101)
    image[0, 0, row - 1 : row + 2, column - 1 : column + 2] = 1
    return image


def spot(image):
    """Row and column of the centre of brightness."""
    at = torch.arange(101.0)
    total = image.sum()
    return float((image[0, 0].sum(1) * at).sum() / total), float(
        (image[0, 0].sum(0) * at).sum() / total
    )


def ranges(**given):
    nothing = {"zoom": (1.0, 1.0), "rotation_deg": 0.0, "shift": 0.0}
    return read_recipe("cho2022").augmentation.model_copy(update=nothing | given)


def test_without_ranges_nothing_moves():
    move = random_moves(1, torch.Generator().manual_seed(1), ranges())
    assert torch.allclose(moved(dot(30, 60), move), dot(30, 60), atol=1e-4)


def test_zoom_rotation_and_shift_move_a_spot_as_far_as_they_say():
    rng = torch.Generator().manual_seed(1)
    zoomed = spot(moved(dot(50, 70), random_moves(1, rng, ranges(zoom=(1.5, 1.5)))))
    assert zoomed == pytest.approx((50, 80), abs=0.2)
    turns, shifts = [], []
    for _ in range(30):
        row, column = spot(moved(dot(50, 90), random_moves(1, rng, ranges(rotation_deg=10.0))))
        assert np.hypot(row - 50, column - 50) == pytest.approx(40, abs=0.3)
        turns.append(np.degrees(np.arctan2(row - 50, column - 50)))
        row, column = spot(moved(dot(50, 50), random_moves(1, rng, ranges(shift=0.1))))
        shifts += [row - 50, column - 50]
    assert min(turns) < -5 < 5 < max(turns)
    assert max(map(abs, turns)) <= 10.2
    assert min(shifts) < -5 < 5 < max(shifts)
    assert max(map(abs, shifts)) <= 10.2


def test_an_epoch_shows_every_slice_once_in_an_order_of_its_own():
    pictures = [replace(one, picture=one.picture + n) for n, one in enumerate(many(2, 4))]
    batches = LevelBatches(pictures, range(8), DISC_LEVELS, 3)
    plain = [(int(image[n, 0].max() * 255 + 0.5), int(true[n])) for image, true in
             batches.in_order() for n in range(len(true))]  # fmt: skip
    assert plain == [(n, n % 4) for n in range(8)]
    still = ranges()
    seen = [[int(n) for _, true in batches.shuffled(seed, still) for n in true] for seed in (1, 2)]
    assert sorted(seen[0]) == sorted(n % 4 for n in range(8))
    assert seen[0] != seen[1]


def test_a_last_batch_of_one_slice_is_left_out():
    batches = LevelBatches(many(1, 4), range(4), DISC_LEVELS, 3)
    assert [len(true) for _, true in batches.shuffled(1, ranges())] == [3]
