"""Axial phantom slices, beside real ones where there are some, in one picture to look at.

    python benchmarks/phantom_sheet.py sheet.png [--data ../shared/data] [--labels]

Even columns are phantoms, odd columns real slices; with ``--labels`` the classes are drawn
over every second row of the phantoms in place of real slices.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openlumbar.core.palette import colour_of
from openlumbar.phantom import AxialTrainingCase, AxialTrainingOptions, axial_training_cases

TILE = 320
#: Seeds that no training draws from.
FIRST_SEED = 80_000
#: Like the real slices: T1 or T2, in blocks along the discs, 0.7 mm a pixel.
LIKE_REAL = AxialTrainingOptions(
    pixel_mm=(0.65, 0.75),
    width_mm=(200.0, 240.0),
    p_parallel=0.9,
    p_plain=0.1,
    p_synthetic=0.0,
    contrasts={"T1w": 0.5, "T2w": 0.5},
)


def tile(picture: NDArray[np.uint8], method: Image.Resampling) -> NDArray[np.uint8]:
    """A picture in a square of its own, its proportions kept."""
    scale = TILE / max(picture.shape[:2])
    rows, columns = (max(1, round(size * scale)) for size in picture.shape[:2])
    square = np.zeros((TILE, TILE, *picture.shape[2:]), np.uint8)
    square[:rows, :columns] = np.asarray(
        Image.fromarray(picture).resize((columns, rows), method), np.uint8
    )
    return square


def labelled(case: AxialTrainingCase) -> NDArray[np.uint8]:
    """A phantom slice with its codes in colour: ``uint8[row, column, 3]``."""
    picture = np.repeat(case.image[..., None], 3, axis=2).astype(float)
    for code in np.unique(case.codes[case.codes > 0]):
        hue = colour_of(int(code)).lstrip("#")
        rgb = np.array([int(hue[n : n + 2], 16) for n in (0, 2, 4)])
        inside = case.codes == code
        picture[inside] = 0.55 * picture[inside] + 0.45 * rgb
    return picture.astype(np.uint8)


def phantoms(options: AxialTrainingOptions, seed: int) -> Iterator[AxialTrainingCase]:
    """Slices of ever new anatomies."""
    while True:
        yield from axial_training_cases(np.random.default_rng(seed), options)
        seed += 1


def real_slices(data: Path, count: int) -> list[NDArray[np.uint8]]:
    """Slices of ``sudirman_axial``, evenly spread."""
    paths = sorted((data / "sudirman_axial").glob("*.png"))
    chosen = np.linspace(0, len(paths) - 1, count).round().astype(int)
    return [np.asarray(Image.open(paths[n]).convert("L")) for n in chosen]


def sheet(given: argparse.Namespace) -> NDArray[np.uint8]:
    """All tiles, row by row: ``uint8[row, column, 3]``."""
    columns, count = given.columns, given.columns * given.rows
    options = LIKE_REAL if given.data else AxialTrainingOptions()
    made = phantoms(options, FIRST_SEED + given.seed)
    real = iter(real_slices(given.data, count // 2)) if given.data else iter(())
    tiles: list[NDArray[np.uint8]] = []
    last = None
    for n in range(count):
        second = n % 2 == 1
        if second and given.data:
            picture = np.repeat(next(real)[..., None], 3, axis=2)
        elif second and given.labels and last is not None:
            picture = labelled(last)
        else:
            last = next(made)
            picture = np.repeat(last.image[..., None], 3, axis=2)
        tiles.append(tile(picture, Image.Resampling.BILINEAR))
    rows = [np.hstack(tiles[first : first + columns]) for first in range(0, count, columns)]
    return np.vstack(rows)


def seconds_a_slice(slices: int = 12) -> float:
    """Processor time of one training slice of about 0.8 mm."""
    made = phantoms(AxialTrainingOptions(pixel_mm=(0.75, 0.85)), FIRST_SEED)
    start = time.process_time()
    for _ in range(slices):
        next(made)
    return (time.process_time() - start) / slices


def main() -> int:
    """Write the sheet and print what a slice costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, help="the folder that holds sudirman_axial")
    parser.add_argument("--labels", action="store_true", help="classes beside the pictures")
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    Image.fromarray(sheet(given)).save(given.out)
    print(f"{given.out}: {given.rows} x {given.columns}; {seconds_a_slice():.2f} s a slice")
    return 0


if __name__ == "__main__":
    sys.exit(main())
