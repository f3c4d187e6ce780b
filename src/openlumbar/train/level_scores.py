"""How well a classifier names levels: accuracy, confusion, ROC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_auc_score


@dataclass(frozen=True)
class LevelScores:
    """Figures of some slices.

    Attributes
    ----------
    slices
        Their number.
    accuracy
        Part that is named right.
    confusion
        Slices by true class (row) and named class (column).
    auc
        Area under the ROC curve of each class against all others; None for a class that
        none, or all, of the slices show.
    macro_auc
        Mean of those that there are; None without any.
    """

    slices: int
    accuracy: float
    confusion: tuple[tuple[int, ...], ...]
    auc: tuple[float | None, ...]
    macro_auc: float | None


def level_scores(probability: NDArray[np.float32], true: Sequence[int]) -> LevelScores:
    """Score what a classifier says.

    Parameters
    ----------
    probability
        ``[n, classes]``, at least one slice.
    true
        The right class of each slice.

    Notes
    -----
    Accuracy, confusion matrix and ROC as in Cho et al. 2022, Statistical Analysis.
    """
    right = np.asarray(true)
    named = probability.argmax(1)
    classes = range(probability.shape[1])
    auc = tuple(_auc(right == n, probability[:, n]) for n in classes)
    known = [value for value in auc if value is not None]
    return LevelScores(
        slices=len(right),
        accuracy=float((named == right).mean()),
        confusion=tuple(
            tuple(int(count) for count in row)
            for row in confusion_matrix(right, named, labels=list(classes))
        ),
        auc=auc,
        macro_auc=float(np.mean(known)) if known else None,
    )


def _auc(is_it: NDArray[np.bool_], probability: NDArray[np.float32]) -> float | None:
    if is_it.all() or not is_it.any():
        return None
    return float(roc_auc_score(is_it, probability))
