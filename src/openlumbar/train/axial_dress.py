"""Label maps of muscles, put into made-up pictures.

Three label maps and an average template carry the shapes of real muscles, but no picture. Here
each gets one: textures and brightness by chance for every tissue, bone and sac drawn roughly
where the muscles leave room for them (and left out of the loss), fat and bowel around.
Everything is ours; nothing needs to look real, only to be unlike anything that gives the
muscles away but their shape and place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_dilation,
    distance_transform_edt,
    gaussian_filter,
    map_coordinates,
    zoom,
)
from skimage.morphology import convex_hull_image

from openlumbar.core.masks import AxialTissue
from openlumbar.train.losses import IGNORE

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Brightness of tissues: T1-like, T2-like.
_CONTRASTS: tuple[dict[str, float], ...] = (
    {"fat": 0.9, "muscle": 0.3, "marrow": 0.5, "cortex": 0.06, "sac": 0.2, "disc": 0.3},
    {"fat": 0.8, "muscle": 0.16, "marrow": 0.4, "cortex": 0.05, "sac": 0.95, "disc": 0.25},
)
_TISSUES = tuple(_CONTRASTS[0])


@dataclass(frozen=True)
class _Room:
    """Where the muscles leave room for the spine, in pixels: middle, half width, borders."""

    column: float
    half_width: float
    front: float
    back: float


def dress(
    label: NDArray[np.uint8], spacing_mm: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Make a picture for a label map.

    Parameters
    ----------
    label
        ``uint8[row, column]``: muscles of :class:`~openlumbar.core.masks.AxialTissue`.
    spacing_mm
        Of rows and columns.

    Returns
    -------
    image, target : ndarray or None
        ``uint8``, a margin wider and deeper than ``label``; None where the muscles of the
        back are not on both sides.
    """
    margin = round(45 / spacing_mm)
    label = _deform(np.pad(label, margin), spacing_mm, rng)
    room = _room(label, spacing_mm)
    if room is None:
        return None
    level = _levels(rng)
    body = _person(label, spacing_mm, rng)
    image = _surroundings(label.shape, body, level, rng)
    target = label.copy()
    muscle = label > 0
    _paint_spine(image, target, room, level, (spacing_mm, rng))
    _paint_muscles(image, label, level, rng)
    seam = binary_dilation(muscle, iterations=1) & ~muscle
    image[seam & body] = level["fat"] * rng.uniform(0.7, 1.0)
    target[muscle] = label[muscle]
    image = gaussian_filter(image, rng.uniform(0.4, 1.0))
    return (image.clip(0, 1.1) * 230).astype(np.uint8), target


def _deform(
    label: NDArray[np.uint8], spacing_mm: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Shift points smoothly, by some millimetres over some centimetres."""
    reach = rng.uniform(0, 3.5) / spacing_mm
    cells = 6
    shifts = [
        zoom(rng.standard_normal((cells, cells)), [n / cells for n in label.shape], order=3)
        for _ in range(2)
    ]
    rows, columns = np.indices(label.shape, np.float32)
    points = [rows + reach * shifts[0], columns + reach * shifts[1]]
    moved: NDArray[np.uint8] = map_coordinates(label, points, order=0)
    return moved


def _levels(rng: np.random.Generator) -> dict[str, float]:
    """Brightness of each tissue: T1, T2, or anything."""
    if rng.random() < 0.3:
        return {name: float(rng.uniform(0.05, 1.0)) for name in _TISSUES}
    chosen = _CONTRASTS[rng.integers(len(_CONTRASTS))]
    return {name: float(value * rng.uniform(0.7, 1.35)) for name, value in chosen.items()}


def _noise(
    shape: tuple[int, ...], sigma: float | tuple[float, float], rng: np.random.Generator
) -> Floats:
    field = gaussian_filter(rng.standard_normal(shape).astype(np.float32), sigma)
    scaled: Floats = field / max(float(field.std()), 1e-6)
    return scaled


def _room(label: NDArray[np.uint8], spacing_mm: float) -> _Room | None:
    rows, columns = np.nonzero(label == AxialTissue.MULTIFIDUS)
    if len(rows) < 40:
        return None
    middle = float(np.median(columns))
    if abs((columns < middle).mean() - 0.5) > 0.2 or np.ptp(columns) * spacing_mm < 28:
        return None
    psoas = np.nonzero(label == AxialTissue.PSOAS)[1]
    gap = np.abs(psoas - middle).min() * spacing_mm - 1.5 if len(psoas) else 25.0
    half = float(np.clip(gap, 17.0, 28.0)) / spacing_mm
    # The lamina lies in front of multifidus.
    back = float(np.percentile(rows, 4))
    return _Room(middle, half, back - 58 / spacing_mm, back)


def _person(label: NDArray[np.uint8], spacing_mm: float, rng: np.random.Generator) -> Mask:
    """Everything inside the skin."""
    muscle = label > 0
    hull = convex_hull_image(muscle)
    behind = rng.uniform(6, 55) / spacing_mm
    around = rng.uniform(10, 60) / spacing_mm
    rows = np.arange(label.shape[0])[:, None]
    last = np.nonzero(muscle.any(1))[0][-1]
    grown: Mask = distance_transform_edt(~hull) < around
    return np.asarray(grown & (rows < last + behind))


def _surroundings(
    shape: tuple[int, ...], body: Mask, level: dict[str, float], rng: np.random.Generator
) -> Floats:
    """Fat with septa, bowel, vessels, organs: blobs of any brightness."""
    image = np.full(shape, level["fat"], np.float32) * (1 + 0.06 * _noise(shape, 1.2, rng))
    loops = _noise(shape, rng.uniform(3, 9), rng)
    kinds = np.digitize(loops, np.sort(rng.normal(1.0, 0.8, 4)))
    for kind in range(1, 5):
        chosen = kinds == kind
        grain = 1 + 0.15 * _noise(shape, rng.uniform(0.6, 3), rng)
        value = level[str(rng.choice(_TISSUES))] * rng.uniform(0.5, 1.2)
        image[chosen] = (value * grain)[chosen]
    image[~body] = 0.0
    return image


def _ellipse(
    shape: tuple[int, ...], centre: tuple[float, float], half: tuple[float, float]
) -> Floats:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    u, v = (rows - centre[0]) / half[0], (columns - centre[1]) / half[1]
    return np.asarray(np.sqrt(u**2 + v**2), np.float32)


def _paint_spine(
    image: Floats,
    target: NDArray[np.uint8],
    room: _Room,
    level: dict[str, float],
    scale: tuple[float, np.random.Generator],
) -> None:
    """Body or disc, arch, spinous process and sac, none of them in the loss."""
    spacing, rng = scale
    mm = 1 / spacing
    shape = image.shape
    sac_half = (rng.uniform(5, 9) * mm, rng.uniform(7, 11) * mm)
    sac_row = room.back - rng.uniform(4, 8) * mm - sac_half[0]
    depth = rng.uniform(15, 19) * mm
    body = _ellipse(shape, (sac_row - sac_half[0] - depth, room.column), (depth, room.half_width))
    canal = _ellipse(shape, (sac_row, room.column), (sac_half[0] + 3 * mm, sac_half[1] + 4 * mm))
    arch = _ellipse(shape, (sac_row, room.column), (sac_half[0] + 9 * mm, sac_half[1] + 12 * mm))
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    spinous = (np.abs(columns - room.column) < 3 * mm) & (rows > sac_row)
    spinous = spinous & (rows < room.back + rng.uniform(5, 35) * mm)
    core = level["disc"] if rng.random() < 0.5 else level["marrow"]
    grain = 1 + 0.08 * _noise(shape, 1.0, rng)
    layers = (
        ((arch < 1) | spinous, level["cortex"] if rng.random() < 0.5 else level["marrow"]),
        (canal < 1, level["fat"]),
        (body < 1.05, level["cortex"]),
        (body < 1, core),
        (_ellipse(shape, (sac_row, room.column), sac_half) < 1, level["sac"]),
    )
    for mask, value in layers:
        image[mask] = (value * grain)[mask]
        target[mask] = IGNORE
    # The drawn bone is a guess: about it nothing is known either.
    doubt = binary_dilation(target == IGNORE, iterations=max(1, round(3 * mm)))
    target[doubt & (target == 0)] = IGNORE


def _paint_muscles(
    image: Floats, label: NDArray[np.uint8], level: dict[str, float], rng: np.random.Generator
) -> None:
    """Muscle with streaks of fat, more of it toward the back and the midline."""
    shape = image.shape
    fatty = float(np.clip(rng.normal(0.15, 0.18), 0.0, 0.65))
    streaks = _noise(shape, (rng.uniform(0.8, 2.0), rng.uniform(0.8, 2.0)), rng)
    clouds = _noise(shape, 6.0, rng)
    for kind in range(1, 5):
        mask = label == kind
        if not mask.any():
            continue
        share = fatty * (0.35 if kind > AxialTissue.ERECTOR_SPINAE else 1.0)
        infiltrated = streaks + 0.8 * clouds
        limit = np.quantile(infiltrated[mask], 1 - share) if share > 0 else np.inf
        part = np.clip((infiltrated - limit) * 1.5 + 0.5, 0, 1) * rng.uniform(0.5, 1.0)
        value = level["muscle"] * rng.uniform(0.93, 1.07) * (1 + 0.06 * _noise(shape, 0.8, rng))
        image[mask] = (value + part * (level["fat"] - value))[mask]
        edge = mask & ~(distance_transform_edt(mask) > 1.0)
        image[edge] += (level["fat"] - image[edge]) * rng.uniform(0, 0.6)
