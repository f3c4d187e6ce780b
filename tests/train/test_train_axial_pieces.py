"""The parts of axial training: pictures from every source, laid out alike."""

import nibabel
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from openlumbar.core.anatomy import SPINAL_CANAL, disc_code, vertebra_code  # noqa: E402
from openlumbar.core.errors import InputError, OptionError  # noqa: E402
from openlumbar.core.masks import AxialTissue, Tissue  # noqa: E402
from openlumbar.recipes import AxialRecipe, read_recipe  # noqa: E402
from openlumbar.train.augment import AXIAL, Augmentation, randomise_contrast  # noqa: E402
from openlumbar.train.axial_dress import dress  # noqa: E402
from openlumbar.train.axial_pictures import (  # noqa: E402
    AxialPicture,
    classes_of_codes,
    cut_axially,
    muscle_classes,
    read_axial_array,
    read_own_axial,
    read_shapes,
    widen,
)
from openlumbar.train.axial_sampling import AxialSampler  # noqa: E402
from openlumbar.train.losses import IGNORE  # noqa: E402
from support_training import spine  # noqa: E402

RIGHT_TO_LEFT = np.diag([-1.0, -1.0, 2.0, 1.0])  # RAS affine: columns left, rows backward


def muscles(size: int = 120) -> np.ndarray:
    """Both multifidi, erectors and psoas of one slice, rows front to back, at 1 mm."""
    label = np.zeros((size, size), np.uint8)
    middle = size // 2
    for sign in (-1, 1):
        for kind, row, column, half in (
            (AxialTissue.PSOAS, 35, 32, 13),
            (AxialTissue.ERECTOR_SPINAE, 85, 36, 15),
            (AxialTissue.MULTIFIDUS, 85, 12, 9),
        ):
            at = middle + sign * column
            label[row - half : row + half, at - half : at + half] = kind
    return label


def write_nifti(path, array, affine=RIGHT_TO_LEFT):
    """Write ``[slice, row, column]``."""
    nibabel.save(nibabel.Nifti1Image(array.transpose(2, 1, 0), affine), path)


def test_a_file_is_read_front_to_back_and_right_to_left_however_it_lies(tmp_path):
    array = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    write_nifti(tmp_path / "a.nii.gz", array)
    write_nifti(tmp_path / "b.nii.gz", array[:, ::-1, ::-1], np.diag([1.0, 1.0, 2.0, 1.0]))
    for name in ("a.nii.gz", "b.nii.gz"):
        read, spacing = read_axial_array(tmp_path / name)
        assert np.array_equal(read, array)
        assert spacing == (2.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("codes", "kind"),
    [((1, 2), "MULTIFIDUS"), ((3, 4), "ERECTOR_SPINAE"), ((5, 6), "PSOAS"),
     ((7, 8), "QUADRATUS_LUMBORUM"), ((5101, 5102), "MULTIFIDUS"), ((5131, 5132),
     "QUADRATUS_LUMBORUM")],
)  # fmt: skip
def test_either_side_of_a_muscle_is_one_class(codes, kind):
    found = muscle_classes(np.array([[0, *codes]], np.uint16))
    assert found.tolist() == [[0, *[getattr(AxialTissue, kind)] * 2]]


def test_slices_with_debris_alone_give_no_shape(tmp_path):
    stack = np.zeros((3, 120, 120), np.int16)
    stack[0, 5:8, 5:8] = 1
    stack[1] = muscles()
    write_nifti(tmp_path / "x_dseg.nii.gz", stack)
    shapes = read_shapes(tmp_path / "x_dseg.nii.gz", 0.8)
    assert len(shapes) == 1
    assert shapes[0].shape == (150, 150)


def test_a_dressed_label_map_keeps_its_muscles_and_leaves_the_drawn_spine_open():
    label = muscles()
    image, target = dress(label, 1.0, np.random.default_rng(3))
    assert image.shape == target.shape == (210, 210)
    assert set(np.unique(target)) == {0, 1, 2, 3, IGNORE}
    for kind in (1, 2, 3):  # deformed by some millimetres, no more
        assert (target == kind).sum() == pytest.approx((label == kind).sum(), rel=0.25)
        moved = np.argwhere(target == kind).mean(0) - 45 - np.argwhere(label == kind).mean(0)
        assert np.abs(moved).max() < 6
    assert (target[:, 100:110] == IGNORE).sum() > 200
    assert image[target == AxialTissue.PSOAS].std() > 0


def test_muscles_of_one_side_alone_are_not_dressed():
    label = muscles()
    label[:, 60:] = 0
    assert dress(label, 1.0, np.random.default_rng(0)) is None


def test_a_cut_through_a_sagittal_volume_shows_it_front_to_back():
    volume = spine()
    cuts = list(cut_axially(volume, np.random.default_rng(0), 6, 1.0))
    assert cuts
    for cut in cuts:
        body, sac = (
            np.nonzero(cut.label == kind)[0] for kind in (AxialTissue.BODY, AxialTissue.SAC)
        )
        assert len(sac)
        assert not len(body) or body.mean() < sac.mean()
        # Just behind the sac it ends; farther behind nobody annotated the muscles.
        assert not (cut.label[sac.max() + 5 :] == AxialTissue.BACKGROUND).any()
        assert (cut.label[sac.max() + 1 : sac.max() + 4, 6:-6] == AxialTissue.BACKGROUND).any()
        assert (cut.label[:, [0, -1]] == IGNORE).all()


def test_a_widened_cut_carries_no_loss_beside_itself():
    cut = AxialPicture("a", "a", np.full((8, 4), 9, np.uint8), np.zeros((8, 4), np.uint8))
    wide = widen(cut, 10, np.random.default_rng(0))
    assert wide.image.shape == (8, 10)
    assert (wide.label[:, :3] == IGNORE).all()
    assert not wide.label[:, 3:7].any()


def test_a_vertebra_is_parted_at_the_front_of_the_canal():
    codes = np.zeros((40, 20), np.uint16)
    codes[5:35, 5:15] = vertebra_code("L4")
    codes[20:26, 8:12] = SPINAL_CANAL
    codes[0:5, 5:15] = disc_code("L3-L4")
    codes[30, 0] = 5102
    label = classes_of_codes(codes, 1.0)
    assert (label[5:20, 5:15] == AxialTissue.BODY).all()
    assert label[30, 6] == AxialTissue.POSTERIOR
    assert label[22, 9] == AxialTissue.SAC
    assert label[2, 9] == AxialTissue.DISC
    assert label[30, 0] == AxialTissue.MULTIFIDUS


def test_around_a_map_of_muscles_alone_everything_is_open():
    codes = np.zeros((200, 200), np.uint16)
    codes[90:110, 90:110] = 1
    label = classes_of_codes(codes, 1.0)
    assert label[100, 100] == AxialTissue.MULTIFIDUS
    assert label[100, 130] == IGNORE
    assert label[0, 0] == 0


def test_own_pairs_are_read_slice_by_slice_and_must_match(tmp_path):
    stack = np.zeros((3, 120, 120), np.int16)
    stack[1] = muscles()
    write_nifti(tmp_path / "p1_ax.nii.gz", np.random.default_rng(0).random((3, 120, 120)))
    write_nifti(tmp_path / "p1_ax_dseg.nii.gz", stack)
    pictures = read_own_axial(tmp_path, 0.8)
    assert [(picture.name, picture.patient) for picture in pictures] == [("p1_ax-1", "p1")]
    write_nifti(tmp_path / "p1_ax_dseg.nii.gz", stack[:, :60])
    with pytest.raises(InputError, match="p1_ax_dseg"):
        read_own_axial(tmp_path, 0.8)


def test_a_batch_is_drawn_from_the_seed_alone_and_mirrors_half_of_the_pictures():
    label = muscles()
    label[:, 60:] = 0
    picture = AxialPicture("a", "a", label * 60, label)
    sampler = AxialSampler([picture], [1.0], size=(96, 96), batch=16)
    first = sampler.draw(torch.Generator().manual_seed(4))
    second = sampler.draw(torch.Generator().manual_seed(4))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    psoas = first[1] == AxialTissue.PSOAS
    erector = first[1] == AxialTissue.MULTIFIDUS
    columns = torch.arange(96.0)
    centre = [(mask * columns).sum((1, 2)) / mask.sum((1, 2)) for mask in (psoas, erector)]
    leftward = (centre[0] < centre[1]).float().mean()
    assert 0.2 < leftward < 0.8


def test_a_saturation_band_lies_in_front_and_the_coil_behind():
    always = Augmentation(
        p_contrast=0, p_invert=0, p_bias=0, p_blur=0, p_noise=0, p_coarse=0, p_ghost=0,
        p_band=1, p_coil=1, front_axis=2,
    )  # fmt: skip
    images = torch.ones(8, 1, 64, 64)
    changed = randomise_contrast(
        images, torch.zeros(8, 64, 64, dtype=torch.uint8), torch.Generator().manual_seed(0), always
    )
    assert (changed[:, :, -8:].mean((1, 2, 3)) > changed[:, :, :8].mean((1, 2, 3))).all()
    assert torch.allclose(changed[:, :, :, 0], changed[:, :, :, -1], atol=1e-5)
    assert AXIAL.front_axis == 2


def test_the_shipped_recipe_holds_out_the_annotated_exam_and_report_patients():
    recipe = read_recipe("axial")
    assert isinstance(recipe, AxialRecipe)
    assert "78" in recipe.held_out.report


def test_an_unknown_task_is_named(tmp_path):
    broken = tmp_path / "coronal.toml"
    broken.write_text('task = "coronal"\nname = "x"\n')
    with pytest.raises(OptionError, match="coronal"):
        read_recipe(broken)


def test_a_cut_of_a_sacrum_is_body_in_front_and_the_rest_behind():
    volume = spine()
    kinds = set(np.unique(volume.label))
    cuts = list(cut_axially(volume, np.random.default_rng(1), 12, 1.0))
    found = set(np.unique(np.concatenate([cut.label.ravel() for cut in cuts])))
    assert Tissue.BODY in kinds
    assert AxialTissue.BODY in found
    assert not found & {AxialTissue.MULTIFIDUS, AxialTissue.PSOAS}
