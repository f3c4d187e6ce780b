"""Training pictures of the level classifier: targets, signs, mistakes, batches."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from openlumbar.core.levels import LEVEL_CLASSES, POSITIONS  # noqa: E402  (torch is optional)
from openlumbar.core.masks import AxialTissue  # noqa: E402
from openlumbar.level.looks import STANDARD_CHANNELS, STANDARD_SHAPE  # noqa: E402
from openlumbar.phantom.canvas import Landmark  # noqa: E402
from openlumbar.train.level_sampling import (  # noqa: E402
    SIGNS,
    LevelAugmentation,
    LevelSampler,
    LevelSlice,
    expected_position,
    mistaken,
    plain_picture,
    signs_of,
    target_of,
)

NAN = float("nan")


def body(target=None, landmarks=None) -> LevelSlice:
    """A sac behind a body between two psoas muscles, 2 mm pixels."""
    tissue = np.zeros((90, 120), np.uint8)
    tissue[45:53, 55:65] = AxialTissue.SAC
    tissue[25:44, 48:72] = AxialTissue.BODY
    tissue[28:45, 28:44] = tissue[28:45, 76:92] = AxialTissue.PSOAS
    image = 20.0 * tissue + 10
    target = target_of(3.0) if target is None else target
    return LevelSlice("s", "p", image, tissue, (2.0, 2.0), target, landmarks)


def test_every_class_has_its_own_place():
    for name, position in POSITIONS.items():
        target = target_of(position)
        assert LEVEL_CLASSES[target.argmax()] == name
        assert target.max() == 1


@pytest.mark.parametrize("position", [0.1, 1.23, 3.75, 5.4])
def test_places_between_two_classes_are_shared_and_found_again(position):
    target = target_of(position)
    assert target.sum() == pytest.approx(1)
    assert (target > 0).sum() == 2
    assert expected_position(target[None])[0] == pytest.approx(position, abs=1e-6)


def test_ends_are_open_and_what_has_no_place_is_other():
    assert LEVEL_CLASSES[target_of(-2.0).argmax()] == "above L1"
    assert LEVEL_CLASSES[target_of(7.0).argmax()] == "S1 and below"
    assert LEVEL_CLASSES[target_of(NAN).argmax()] == "other"


def test_signs_count_what_the_standard_picture_shows():
    landmarks = np.zeros((90, 120), np.uint8)
    landmarks[40:50, 10:20] = Landmark.KIDNEY
    one = body(landmarks=landmarks)
    assert list(signs_of(one, (49.0, 60.0))) == [1.0, 0.0]
    # The picture begins 56 pixels of 1.6 mm in front of the centre: 45 rows of 2 mm.
    assert list(signs_of(one, (110.0, 60.0))) == [0.0, 0.0]
    # Five of ten rows in view, half of them kidney: 50 of 100 pixels of 4 mm2.
    landmarks[:] = 0
    landmarks[40:41, 10:20] = Landmark.ILIUM
    assert list(signs_of(body(landmarks=landmarks), (49.0, 60.0))) == pytest.approx([0.0, 0.4])
    assert np.isnan(signs_of(body(), (49.0, 60.0))).all()


def test_batches_look_like_what_inference_makes():
    sampler = LevelSampler([body(), body(target=target_of(NAN))], [1.0, 1.0], size=6, fresh=2)
    rng = torch.Generator().manual_seed(1)
    for _ in range(6):  # the last ones come from memory
        images, targets = sampler.draw(rng)
        assert images.shape == (6, len(STANDARD_CHANNELS), *STANDARD_SHAPE)
        assert targets.shape == (6, len(LEVEL_CLASSES) + len(SIGNS))
        assert float(images.min()) >= 0
        assert float(images[:, 0].max()) <= 1.2 + 1e-6
        assert float(images[:, 1:].max()) <= 1 + 1e-5
        level = targets[:, : len(LEVEL_CLASSES)]
        assert torch.allclose(level.sum(1), torch.ones(6))
        assert set(level.argmax(1).tolist()) <= {0, LEVEL_CLASSES.index("L3-L4")}


def test_the_same_state_gives_the_same_batch():
    drawn = []
    for _ in range(2):
        sampler = LevelSampler([body()], [1.0], size=3)
        drawn.append(sampler.draw(torch.Generator().manual_seed(4))[0])
    assert torch.equal(*drawn)


def test_without_chance_the_sac_stands_where_inference_puts_it():
    still = LevelAugmentation(
        p_narrow=0, scale=(1, 1), aspect=0, turn_deg=0, shift_mm=0, p_unseen=0, p_nothing=0
    )
    made = LevelSampler([body()], [1.0], augmentation=still)._make(body(), np.random.default_rng(0))
    plain = plain_picture(body())
    assert np.abs(made.values[1:] / 255 - plain[1:]).max() < 0.01
    assert np.abs(made.values[0] / 255 * 1.2 - plain[0]).max() < 0.01


def test_slices_that_show_nothing_are_other():
    nothing = LevelAugmentation(p_nothing=1.0)
    sampler = LevelSampler([body()], [1.0], size=8, augmentation=nothing)
    _, targets = sampler.draw(torch.Generator().manual_seed(0))
    assert (targets[:, 0] == 1).all()


def test_mistakes_change_tissues_but_invent_none():
    clean = torch.from_numpy(plain_picture(body())[1:])[None].repeat(8, 1, 1, 1)
    found = mistaken(clean, torch.Generator().manual_seed(2))
    assert found.shape == clean.shape
    assert not torch.equal(found, clean)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1 + 1e-5
    far = torch.nn.functional.max_pool2d(clean.amax(1, keepdim=True), 21, 1, 10) == 0
    assert float((found * far).abs().max()) == 0
    # Some lack a psoas altogether, most do not.
    psoas = found[:, STANDARD_CHANNELS.index("psoas") - 1].flatten(1).amax(1) > 0.5
    assert 0.5 < float(psoas.float().mean()) <= 1
