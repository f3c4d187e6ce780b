"""The loop by epochs keeps the best one, and goes on where it was cut off."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402  (torch is optional)

from openlumbar.train.epochs import Course, fit_epochs, probabilities  # noqa: E402


def network():
    """A linear classifier of two numbers, always with the same weights."""
    torch.manual_seed(1)
    return nn.Linear(2, 2)


POINTS = torch.tensor([[1.0, 0.2], [0.9, -0.1], [-1.0, 0.1], [-0.8, -0.3]])
SIDES = torch.tensor([0, 0, 1, 1])


def course(folder, epochs, rate=0.1, tune=SIDES):
    return Course(
        train=lambda epoch: [(POINTS, SIDES)],
        tune=lambda: [(POINTS, tune)],
        epochs=epochs,
        learning_rate=rate,
        checkpoint=folder / "state.pt",
    )


def test_two_sides_of_a_line_are_learnt(tmp_path):
    trained = network()
    epochs, best = fit_epochs(trained, course(tmp_path, 30))
    assert best == 29  # it gets better throughout
    assert epochs[-1].tune_accuracy == 1.0
    assert epochs[-1].tune_loss < 0.3 * epochs[0].tune_loss
    said, true = probabilities(trained, [(POINTS[:3], SIDES[:3]), (POINTS[3:], SIDES[3:])])
    assert said.argmax(1).tolist() == true.tolist() == SIDES.tolist()


def test_weights_of_the_best_epoch_are_kept_not_of_the_last(tmp_path):
    # The tuning part has the sides the other way round: every step makes it worse.
    after_one, after_many = network(), network()
    fit_epochs(after_one, course(tmp_path, 1, tune=1 - SIDES))
    (tmp_path / "state.pt").unlink()
    epochs, best = fit_epochs(after_many, course(tmp_path, 6, tune=1 - SIDES))
    assert best == 0
    assert epochs[5].tune_loss > epochs[0].tune_loss
    assert torch.equal(after_many.weight, after_one.weight)


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(tmp_path):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole, first, second = network(), network(), network()
    all_epochs, _ = fit_epochs(whole, course(tmp_path / "whole", 5))
    fit_epochs(first, course(tmp_path / "parts", 2))
    resumed, _ = fit_epochs(second, course(tmp_path / "parts", 5))
    assert resumed == all_epochs
    assert torch.equal(second.weight, whole.weight)
