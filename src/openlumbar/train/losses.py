"""Losses that leave out what nobody annotated."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

#: Label of pixels whose class is unknown; they carry no loss.
IGNORE = 255


def dice_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Sum of cross-entropy and soft Dice over the annotated pixels.

    Parameters
    ----------
    logits
        ``[batch, classes, rows, columns]``.
    target
        ``[batch, rows, columns]`` of class indices; :data:`IGNORE` where unknown.

    Notes
    -----
    Dice is taken over the whole batch, for the classes present in it, without
    background: a class absent from a batch would otherwise ask for emptiness only.
    """
    logits = logits.float()
    known = target != IGNORE
    safe = torch.where(known, target, torch.zeros_like(target)).long()
    entropy = functional.cross_entropy(logits, safe, reduction="none")
    cross_entropy = (entropy * known).sum() / known.sum().clamp(min=1)
    probability = logits.softmax(1) * known[:, None]
    truth = functional.one_hot(safe, logits.shape[1]).movedim(-1, 1) * known[:, None]
    overlap = (probability * truth).sum((0, 2, 3))[1:]
    size = (probability.sum((0, 2, 3)) + truth.sum((0, 2, 3)))[1:]
    present = truth.sum((0, 2, 3))[1:] > 0
    dice = (2 * overlap + 1.0) / (size + 1.0)
    dice_loss = 1 - dice[present].mean() if present.any() else logits.new_zeros(())
    return cross_entropy + dice_loss
