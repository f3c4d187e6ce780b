"""Random training pictures of the level classifier.

What varies from patient to patient and from scanner to scanner is drawn before the picture is
made by the function that inference uses: field of view, where the sac was found, how the
patient lies, size. Contrast, and the mistakes of the network that finds the tissues, come
after it. All ranges are generic and ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from openlumbar.core.levels import LEVEL_CLASSES, POSITIONS
from openlumbar.level.looks import (
    STANDARD_CHANNELS,
    STANDARD_MM,
    STANDARD_SAC,
    STANDARD_SHAPE,
    spine_pose,
    standard_picture,
)
from openlumbar.phantom.axial_training import SIGN_MM2
from openlumbar.phantom.canvas import Landmark
from openlumbar.train.augment import AXIAL, Augmentation, randomise_contrast

#: What else is learnt of a picture, and the landmark that it stands for.
SIGNS: dict[str, Landmark] = {"kidney": Landmark.KIDNEY, "ilium": Landmark.ILIUM}

_BONE, _DISC = STANDARD_CHANNELS.index("bone") - 1, STANDARD_CHANNELS.index("disc") - 1
#: Channels of tissues that come in pairs.
_PAIRED = range(4)
_ANCHORS = np.array(list(POSITIONS.values()))
_FIRST = len(LEVEL_CLASSES) - len(_ANCHORS)


@dataclass(frozen=True, eq=False)
class LevelSlice:
    """An axial slice ready for sampling.

    Attributes
    ----------
    name, patient
        Of the slice; the unit of every split.
    image
        ``[row, column]``: rows from front to back, columns toward the patient's left.
    tissue
        ``uint8`` of the same shape, classes of :class:`openlumbar.core.masks.AxialTissue`.
    spacing_mm
        Between rows and between columns.
    target
        Probability of each of :data:`~openlumbar.core.levels.LEVEL_CLASSES`; nan throughout
        where the level is not to be learnt.
    landmarks
        ``uint8`` of the same shape, :class:`openlumbar.phantom.canvas.Landmark`; None where
        nobody knows.
    """

    name: str
    patient: str
    image: NDArray
    tissue: NDArray[np.uint8]
    spacing_mm: tuple[float, float]
    target: NDArray[np.float32]
    landmarks: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class LevelAugmentation:
    """Chances and ranges of the random changes.

    Attributes
    ----------
    p_narrow, narrow
        Chance of a smaller field of view, and the least part of the picture that is left.
    scale, aspect
        Of the patient: uniform on a logarithmic scale, and by how much rows and columns
        differ.
    turn_deg, shift_mm
        Error of the pose (standard deviation).
    p_unseen
        Chance that no tissue was recognised, so that the picture lies about its own centre.
    p_blank
        Chance that the tissues alone are there.
    p_nothing
        Chance of noise, an empty picture or one upside down, which is "other".
    contrast
        Of the intensities.
    """

    p_narrow: float = 0.5
    narrow: float = 0.5
    scale: tuple[float, float] = (0.85, 1.2)
    aspect: float = 0.06
    turn_deg: float = 4.0
    shift_mm: float = 3.0
    p_unseen: float = 0.15
    p_blank: float = 0.2
    p_nothing: float = 0.05
    contrast: Augmentation = field(default_factory=lambda: replace(AXIAL, p_coarse=0.15))


def target_of(position: float) -> NDArray[np.float32]:
    """Probability of each class at a place along the spine: of the two on either side of it.

    Parameters
    ----------
    position
        On the scale of :data:`~openlumbar.core.levels.POSITIONS`, whose ends are open; nan
        for what is no slice of a lumbar spine.

    Returns
    -------
    numpy.ndarray
        ``float32``, one for each of :data:`~openlumbar.core.levels.LEVEL_CLASSES`.
    """
    target = np.zeros(len(LEVEL_CLASSES), np.float32)
    if np.isnan(position):
        target[LEVEL_CLASSES.index("other")] = 1
        return target
    at = np.interp(position, _ANCHORS, np.arange(len(_ANCHORS)))
    lower = min(int(at), len(_ANCHORS) - 2)
    target[_FIRST + lower] = lower + 1 - at
    target[_FIRST + lower + 1] = at - lower
    return target


def expected_position(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean place along the spine by probabilities ``[n, classes]``, "other" left out."""
    known = np.asarray(probability, np.float64)[:, _FIRST:]
    return np.asarray(known @ _ANCHORS / np.maximum(known.sum(1), 1e-9))


@dataclass(frozen=True, eq=False)
class _Made:
    """A picture before contrast and mistakes, in bytes: hundreds of them are remembered."""

    values: NDArray[np.uint8]
    target: NDArray[np.float32]


@dataclass(eq=False)
class LevelSampler:
    """Draws augmented pictures with their targets.

    Attributes
    ----------
    slices
        To draw from.
    weights
        How often each is drawn, relative to the others.
    size, fresh, remembered
        As in :class:`openlumbar.recipes.schema.LevelBatchRecipe`.
    augmentation
        Ranges of chance.
    """

    slices: Sequence[LevelSlice]
    weights: Sequence[float]
    size: int = 24
    fresh: int = 8
    remembered: int = 1200
    augmentation: LevelAugmentation = field(default_factory=LevelAugmentation)
    _memory: list[_Made] = field(default_factory=list, repr=False)

    def draw(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images and what is to be learnt of them.

        Returns
        -------
        images : Tensor
            ``float32[batch, 8, 128, 192]`` as
            :func:`openlumbar.level.looks.standard_picture` makes them.
        targets : Tensor
            ``float32[batch, classes + signs]``; nan where nothing is known.
        """
        chance = np.random.default_rng(int(torch.randint(2**31, (), generator=rng)))
        made = self._made(chance)
        values = torch.from_numpy(np.stack([one.values for one in made])).float() / 255
        targets = torch.from_numpy(np.stack([one.target for one in made]))
        mirrored = torch.rand(len(values), generator=rng) < 0.5
        values[mirrored] = values[mirrored].flip(-1)
        numbers = torch.arange(1, values.shape[1], dtype=torch.uint8).reshape(1, -1, 1, 1)
        kinds = ((values[:, 1:] >= 0.5) * numbers).amax(1)
        ranges = self.augmentation
        image = randomise_contrast(values[:, :1] * _BYTE_TOP, kinds, rng, ranges.contrast)
        tissue = mistaken(values[:, 1:], rng)
        seen = tissue.flatten(1).amax(1) > 0
        blank = (torch.rand(len(values), generator=rng) < ranges.p_blank) & seen
        image[blank] = 0
        return torch.cat([image, tissue], 1), targets

    def _made(self, chance: np.random.Generator) -> list[_Made]:
        """Some pictures made anew, the others from memory; all anew until it is worth it."""
        full = len(self._memory) >= min(self.remembered, 4 * self.size)
        count = self.fresh if full else self.size
        share = np.asarray(self.weights) / np.sum(self.weights)
        chosen = chance.choice(len(self.slices), count, p=share)
        made = [self._make(self.slices[n], chance) for n in chosen]
        old = chance.integers(max(1, len(self._memory)), size=self.size - count)
        batch = made + [self._memory[n] for n in old]
        for one in made:
            if len(self._memory) < self.remembered:
                self._memory.append(one)
            else:
                self._memory[int(chance.integers(self.remembered))] = one
        return batch

    def _make(self, one: LevelSlice, chance: np.random.Generator) -> _Made:
        ranges = self.augmentation
        if chance.random() < ranges.p_nothing:
            one = _nothing(one, chance)
        if chance.random() < ranges.p_narrow:
            one = _narrowed(one, chance, ranges.narrow)
        if chance.random() < ranges.p_unseen:
            one = replace(one, tissue=np.zeros_like(one.tissue))
        one = _rescaled(one, chance, ranges)
        (row, column), turn = spine_pose(one.tissue, one.spacing_mm)
        wrong = chance.normal(0, ranges.shift_mm, 2) / one.spacing_mm
        centre = (row + wrong[0], column + wrong[1])
        turn += float(np.radians(chance.normal(0, ranges.turn_deg)))
        picture = standard_picture(one.image, one.tissue, one.spacing_mm, centre, turn)
        picture[0] /= _BYTE_TOP
        return _Made(
            np.rint(picture.clip(0, 1) * 255).astype(np.uint8),
            np.concatenate([one.target, signs_of(one, centre)]),
        )


#: Intensities are cut off here by the preprocessing (imaging.intensity.INTENSITY_CEILING).
_BYTE_TOP = 1.2


def plain_picture(one: LevelSlice) -> NDArray[np.float32]:
    """A slice as inference sees it, without any change: ``float32[8, 128, 192]``."""
    centre, turn = spine_pose(one.tissue, one.spacing_mm)
    return standard_picture(one.image, one.tissue, one.spacing_mm, centre, turn)


def signs_of(one: LevelSlice, centre: tuple[float, float]) -> NDArray[np.float32]:
    """How surely each sign is in the standard picture about a centre; nan if unknown.

    1 from :data:`openlumbar.phantom.axial_training.SIGN_MM2` on, and less below.
    """
    if one.landmarks is None:
        return np.full(len(SIGNS), np.nan, np.float32)
    window = []
    for at, before, count, step in zip(
        centre, STANDARD_SAC, STANDARD_SHAPE, one.spacing_mm, strict=True
    ):
        first = at - before * STANDARD_MM / step
        window.append(
            slice(max(0, round(first)), max(0, round(first + count * STANDARD_MM / step)))
        )
    view = one.landmarks[tuple(window)]
    pixel = float(np.prod(one.spacing_mm))
    areas = np.array([(view == landmark).sum() * pixel for landmark in SIGNS.values()])
    return np.minimum(1, areas / SIGN_MM2).astype(np.float32)


# -- before the picture is made ------------------------------------------------------------


def _nothing(one: LevelSlice, chance: np.random.Generator) -> LevelSlice:
    """Noise, an empty picture, or the slice upside down: none of them a lumbar slice."""
    kind = chance.integers(3)
    image, tissue = one.image, np.zeros_like(one.tissue)
    if kind == 0:
        image = np.abs(chance.normal(0, 60, image.shape)).clip(0, 255).astype(np.float32)
    elif kind == 1:
        image = np.zeros_like(image)
    else:
        image, tissue = image[::-1], one.tissue[::-1]
    landmarks = None if kind == 2 else np.zeros_like(one.tissue)
    nowhere = target_of(float("nan"))
    return replace(one, image=image, tissue=tissue, target=nowhere, landmarks=landmarks)


def _narrowed(one: LevelSlice, chance: np.random.Generator, least: float) -> LevelSlice:
    """A part of the picture that has the middle of the sac in it."""
    (row, column), _ = spine_pose(one.tissue, one.spacing_mm)
    cut = []
    for at, count in zip((row, column), one.image.shape, strict=True):
        size = max(16, round(count * chance.uniform(least, 1)))
        low, high = max(0, int(at) + 8 - size), max(0, min(int(at) - 8, count - size))
        first = int(chance.integers(min(low, high), max(low, high) + 1))
        cut.append(slice(first, first + size))
    part = tuple(cut)
    landmarks = None if one.landmarks is None else one.landmarks[part]
    return replace(one, image=one.image[part], tissue=one.tissue[part], landmarks=landmarks)


def _rescaled(
    one: LevelSlice, chance: np.random.Generator, ranges: LevelAugmentation
) -> LevelSlice:
    """A smaller or larger patient: the same pixels, of another size."""
    scale = float(np.exp(chance.uniform(*np.log(ranges.scale))))
    aspect = 1 + float(chance.uniform(-ranges.aspect, ranges.aspect))
    rows, columns = one.spacing_mm
    return replace(one, spacing_mm=(rows * scale * aspect, columns * scale / aspect))


# -- mistakes of the tissues ---------------------------------------------------------------


def mistaken(tissue: Tensor, rng: torch.Generator) -> Tensor:
    """Tissues as a network might find them: torn, thick, thin, swapped, in part not at all.

    Parameters
    ----------
    tissue
        ``[batch, 7, row, column]``, the channels of
        :data:`openlumbar.level.looks.STANDARD_TISSUES`, 0 … 1.

    Returns
    -------
    Tensor
        A new one of the same shape.
    """
    found = _moved_edges(_thick_or_thin(tissue, rng), rng)
    found = _swapped(found, rng)
    return _with_gaps(found, rng)


def _chance(shape: tuple[int, ...], probability: float, rng: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=rng) < probability


def _smooth(shape: tuple[int, int], cells: int, size: torch.Size, rng: torch.Generator) -> Tensor:
    coarse = torch.randn(*shape, cells, cells, generator=rng)
    return functional.interpolate(coarse, size=tuple(size), mode="bilinear", align_corners=True)


def _thick_or_thin(tissue: Tensor, rng: torch.Generator) -> Tensor:
    """Each structure a pixel thicker, thinner, or as it is."""
    kind = torch.rand(*tissue.shape[:2], 1, 1, generator=rng)
    thick = _grown(tissue, torch.maximum)
    thin = _grown(tissue, torch.minimum)
    return torch.where(kind < 0.2, thick, torch.where(kind < 0.45, thin, tissue))


def _grown(tissue: Tensor, choose: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Each pixel the greatest (or the least) of itself and its four neighbours."""
    grown = tissue.clone()
    for axis in (2, 3):
        size = tissue.shape[axis] - 1
        upper, lower = tissue.narrow(axis, 0, size), tissue.narrow(axis, 1, size)
        for part, other in (
            (grown.narrow(axis, 0, size), lower),
            (grown.narrow(axis, 1, size), upper),
        ):
            part.copy_(choose(part, other))
    return grown


def _moved_edges(tissue: Tensor, rng: torch.Generator) -> Tensor:
    """Edges pushed about by up to some pixels, smoothly."""
    batch, _, rows, columns = tissue.shape
    most = torch.rand(batch, 1, 1, 1, generator=rng) * 2.0
    push = _smooth((batch, 2), 12, tissue.shape[2:], rng) * most
    push = push / torch.tensor([columns / 2, rows / 2]).reshape(1, 2, 1, 1)
    still = torch.eye(2, 3).expand(batch, 2, 3)
    grid = functional.affine_grid(still, list(tissue.shape), align_corners=False)
    return functional.grid_sample(
        tissue, grid + push.permute(0, 2, 3, 1), mode="bilinear", align_corners=False
    )


def _swapped(tissue: Tensor, rng: torch.Generator) -> Tensor:
    """Vertebral body taken for disc, disc for body, or a mixture of both, in some."""
    batch, _, rows, _ = tissue.shape
    front = (torch.arange(rows) < STANDARD_SAC[0] - 4).reshape(1, rows, 1)
    bone, disc = tissue[:, _BONE], tissue[:, _DISC]
    both = torch.maximum(bone * front, disc)
    kind = torch.rand(batch, 1, 1, generator=rng)
    edge = torch.sigmoid(4 * _smooth((batch, 1), 5, tissue.shape[2:], rng)[:, 0])
    part = torch.where(kind < 0.1, torch.ones(()), torch.where(kind < 0.2, 0.0, edge))
    changed = tissue.clone()
    some = (kind < 0.32)[:, 0, 0]
    changed[some, _DISC] = (both * part)[some]
    changed[some, _BONE] = torch.maximum(bone * ~front, both * (1 - part))[some]
    return changed


def _with_gaps(tissue: Tensor, rng: torch.Generator) -> Tensor:
    """Structures missed: whole ones, their left or right, or what lies in some region."""
    batch, channels, _, columns = tissue.shape
    kept = ~_chance((batch, channels, 1, 1), 0.06, rng)
    left = torch.arange(columns).reshape(1, 1, 1, columns) < STANDARD_SAC[1]
    one_side = _chance((batch, channels, 1, 1), 0.05, rng)
    one_side[:, [n for n in range(channels) if n not in _PAIRED]] = False
    side = _chance((batch, 1, 1, 1), 0.5, rng) == left
    kept = kept & ~(one_side & side)
    torn = _chance((batch, 1, 1, 1), 0.2, rng)
    holes = _smooth((batch, 1), 7, tissue.shape[2:], rng) > 1.0
    return tissue * (kept & ~(torn & holes))
