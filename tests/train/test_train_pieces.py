"""The parts of training: losses that skip the unknown, geometry that moves both alike."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from openlumbar.core.errors import InputError  # noqa: E402  (torch is optional)
from openlumbar.core.masks import Tissue  # noqa: E402
from openlumbar.train.augment import (  # noqa: E402
    Augmentation,
    randomise_contrast,
    sample_grid,
    warp,
)
from openlumbar.train.loop import Schedule, fit  # noqa: E402
from openlumbar.train.losses import IGNORE, dice_cross_entropy  # noqa: E402
from openlumbar.train.network import FoldedUNet  # noqa: E402
from openlumbar.train.own import at_spacing, read_own, tissues_of_codes  # noqa: E402
from openlumbar.train.sampling import SagittalSampler  # noqa: E402
from openlumbar.train.spider import (  # noqa: E402
    anterior_canal_border,
    read_spider_space,
    split_body,
)
from support_training import codes, spine, write, write_pair  # noqa: E402


def test_unknown_pixels_carry_no_loss():
    logits = torch.randn(1, 4, 8, 8, requires_grad=True)
    target = torch.randint(0, 4, (1, 8, 8), dtype=torch.uint8)
    target[:, :4] = IGNORE
    dice_cross_entropy(logits, target).backward()
    assert not logits.grad[:, :, :4].any()
    assert logits.grad[:, :, 4:].abs().sum() > 0


def test_the_loss_of_a_perfect_answer_is_nearly_zero_and_of_a_wrong_one_is_not():
    target = torch.randint(0, 4, (1, 8, 8), dtype=torch.uint8)
    perfect = torch.nn.functional.one_hot(target.long(), 4).movedim(-1, 1) * 50.0
    assert dice_cross_entropy(perfect, target) < 1e-3
    assert dice_cross_entropy(perfect.roll(1, 1), target) > 1


def test_warping_by_the_identity_cuts_out_the_centre():
    images = torch.rand(1, 3, 40, 60)
    labels = torch.randint(0, 8, (1, 40, 60), dtype=torch.uint8)
    centre = torch.tensor([[29.5, 19.5]])
    image, label = warp(images, labels, centre, torch.eye(2)[None], (20, 30))
    assert torch.allclose(image, images[:, :, 10:30, 15:45], atol=1e-4)
    assert torch.equal(label, labels[:, 10:30, 15:45])


def test_outside_the_picture_is_background():
    ones = torch.ones(1, 1, 8, 8)
    labels = torch.full((1, 8, 8), 3, dtype=torch.uint8)
    image, label = warp(ones, labels, torch.tensor([[-40.0, 3.5]]), torch.eye(2)[None], (8, 8))
    assert not image.any()
    assert not label.any()


def test_random_maps_turn_and_scale_within_their_ranges():
    ranges = Augmentation(aspect=0.0, shear=0.0)
    maps = sample_grid(200, torch.Generator().manual_seed(0), ranges)
    scale = torch.linalg.det(maps).rsqrt()
    assert scale.min() >= ranges.scale[0] - 1e-4
    assert scale.max() <= ranges.scale[1] + 1e-4
    angle = torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0])).abs()
    assert 5 < angle.max() <= ranges.rotation_deg + 1e-3


def test_contrast_changes_without_moving_anything_out_of_range():
    volume = spine()
    images = torch.from_numpy(np.stack([volume.image[:3]] * 4) / 255).float()
    labels = torch.from_numpy(np.stack([volume.label[0]] * 4))
    rng = torch.Generator().manual_seed(1)
    changed = randomise_contrast(images, labels, rng, Augmentation())
    assert changed.shape == images.shape
    assert changed.isfinite().all()
    assert changed.min() >= 0
    assert changed.max() <= 1.2
    assert (changed - images).abs().mean() > 0.01


def test_the_same_seed_draws_the_same_batch():
    sampler = SagittalSampler([spine()], [1.0], size=(96, 64), batch=2)
    first = sampler.draw(torch.Generator().manual_seed(4))
    second = sampler.draw(torch.Generator().manual_seed(4))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert first[0].shape == (2, 3, 96, 64)


def test_the_canal_border_goes_on_sideways_and_beyond_its_ends():
    canal = np.zeros((3, 100, 50), bool)
    canal[1, 20:80, 30:36] = True
    border = anterior_canal_border(canal)
    assert np.allclose(border, 30)


def test_bodies_lie_in_front_of_the_canal_and_posterior_elements_behind():
    volume = spine()
    vertebra = np.isin(volume.label, [Tissue.BODY, Tissue.POSTERIOR])
    body = split_body(vertebra, volume.label == Tissue.CANAL)
    assert np.array_equal(body, volume.label == Tissue.BODY)


def test_training_goes_on_where_it_was_cut_off(tmp_path):
    sampler = SagittalSampler([spine()], [1.0], size=(64, 32), batch=2)
    schedule = Schedule(iterations=6, warm_up=1, checkpoint_every=3, report_every=3)

    def network() -> FoldedUNet:
        torch.manual_seed(0)
        return FoldedUNet(3, 8, (8, 8, 8, 8, 8))

    checkpoint = tmp_path / "state.pt"
    fit(network(), sampler.draw, schedule, checkpoint, until=3)
    assert torch.load(checkpoint, weights_only=True)["iteration"] == 3
    half = torch.load(checkpoint, weights_only=True)["network"]["head.weight"]
    fit(network(), sampler.draw, schedule, checkpoint)
    whole = torch.load(checkpoint, weights_only=True)
    assert whole["iteration"] == 6
    assert not torch.equal(half, whole["network"]["head.weight"])


def test_own_label_maps_become_network_classes(tmp_path):
    write_pair(tmp_path, "sub-1_T2w")
    volume = read_own(tmp_path, (0.625, 0.625))[0]
    assert volume.patient == "sub-1"
    assert np.array_equal(volume.label, spine().label)


def test_own_label_maps_of_another_shape_are_refused(tmp_path):
    write(tmp_path / "sub-1_T2w.nii.gz", spine().image)
    write(tmp_path / "sub-1_T2w_dseg.nii.gz", codes()[:, :-4])
    with pytest.raises(InputError, match="shape"):
        read_own(tmp_path, (0.625, 0.625))


def test_own_label_maps_of_another_spacing_are_refused(tmp_path):
    write(tmp_path / "sub-1_T2w.nii.gz", spine().image)
    write(tmp_path / "sub-1_T2w_dseg.nii.gz", codes(), (3.0, 0.625, 0.7))
    with pytest.raises(InputError, match="spacing"):
        read_own(tmp_path, (0.625, 0.625))


def test_own_files_that_are_no_volumes_are_refused(tmp_path):
    write_pair(tmp_path, "sub-1_T2w")
    (tmp_path / "sub-1_T2w_dseg.nii.gz").write_bytes(b"no NIfTI")
    with pytest.raises(InputError, match=r"sub-1_T2w_dseg\.nii\.gz: cannot be read"):
        read_own(tmp_path, (0.625, 0.625))


def test_codes_of_the_sacrum_and_of_the_unknown_are_kept():
    array = np.array([[[51, 52, 50, 255, 0]]])
    assert tissues_of_codes(array).ravel().tolist() == [5, 6, 7, IGNORE, 0]


def test_resampling_keeps_areas_in_millimetres():
    volume = spine()
    coarse = at_spacing(volume, (1.25, 1.25))
    before = (volume.label == Tissue.BODY).sum() * 0.625**2
    after = (coarse.label == Tissue.BODY).sum() * 1.25**2
    assert after == pytest.approx(before, rel=0.03)


def test_spider_masks_leave_the_sacrum_unknown_unless_it_is_outlined(tmp_path):
    label = spine().label
    mask = np.zeros(label.shape, np.uint8)
    mask[np.isin(label, [Tissue.BODY, Tissue.POSTERIOR])] = 1
    mask[label == Tissue.DISC] = 2
    mask[label == Tissue.CANAL] = 3
    mask[:, 100:] = 0
    path = tmp_path / "sub-009_T2w.nii.gz"
    write(path, spine().image)
    write(tmp_path / "sub-009_T2w_dseg.nii.gz", mask)
    plain = read_spider_space(path, {})
    assert (plain.label[:, 120:, 40:70] == IGNORE).all()
    outline = {"slice": 2, "S1": [[102, 40], [102, 70], [125, 70], [125, 40]]}
    outlined = read_spider_space(path, json.loads(json.dumps({"9": outline})))
    assert (outlined.label[:, 105:120, 45:65] == Tissue.S1).all()
    assert (outlined.label[2, 105:120, 10:30] == 0).all()
