"""The classifier beside a non-expert's reading of real slices, and a picture of each quarrel."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import openlumbar
from openlumbar import read_exam
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.levels import POSITIONS, LevelRow, SliceLooks
from openlumbar.core.masks import AxialMask
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.level import name_slices
from openlumbar.level.spine_names import SpineNames

READING = Path(openlumbar.__file__).parent / "recipes" / "axial_level_reading.toml"
#: Spacing that the pictures of ``sudirman_axial`` are taken to have; theirs is lost.
PIXEL_MM = 0.7
_NAMES = SpineNames()

Segment = Callable[[Series], tuple[AxialMask, ...]]
Look = Callable[[Series, Sequence[AxialMask]], tuple[SliceLooks, ...]]


@dataclass(frozen=True)
class Reading:
    """One line of the reading."""

    slice: int
    level: str
    second: str
    sure: int
    kidney: bool
    ilium: bool
    kind: str


@dataclass(frozen=True, eq=False)
class Compared:
    """One real slice: what was read, and what the software says."""

    name: str
    reading: Reading
    picture: NDArray
    looks: SliceLooks
    row: LevelRow

    @property
    def best(self) -> str:
        return max(zip(self.looks.probability, self.looks.classes, strict=True))[1]

    def off(self, name: str) -> float:
        """Levels between a name and the reading; of no place, infinite."""
        here, there = place_of(name), place_of(self.reading.level)
        return abs(here - there) if here is not None and there is not None else float("inf")


def place_of(name: str) -> float | None:
    """Of a class, a vertebra or a disc, on the scale of positions; its ends are open."""
    if name in POSITIONS:
        return POSITIONS[name]
    place = _NAMES.position(name)
    return None if place is None else float(np.clip(place, 0.0, 5.5))


def read_reading(table: str) -> list[Reading]:
    """The lines of one table of the reading."""
    with READING.open("rb") as file:
        return [Reading(*line) for line in tomllib.load(file)[table]["slices"]]


def single(path: Path) -> Series:
    """A picture as an axial series of one slice: rows front to back, columns leftward."""
    picture = np.asarray(Image.open(path).convert("L"), np.float32)
    affine = np.diag([PIXEL_MM, PIXEL_MM, 4.0, 1.0])
    block = Block(Volume(picture[None], affine), (path.name,))
    return Series(path.stem, Plane.AXIAL, Weighting.UNKNOWN, (block,), "array")


def singles(data: Path, segment: Segment, look: Look) -> list[Compared]:
    """The slices of ``sudirman_axial``, each by itself."""
    compared = []
    for reading in read_reading("sudirman_axial"):
        series = single(data / "sudirman_axial" / f"slice_{reading.slice:02d}.png")
        compared += _compare([reading], series, segment, look)
    return compared


def stack(data: Path, segment: Segment, look: Look) -> list[Compared]:
    """The annotated exam as one stack."""
    (series,) = read_exam([data / "musclemap" / "sub-01_axial.nii.gz"]).series
    return _compare(read_reading("musclemap_sub-01_axial"), series, segment, look)


def _compare(
    readings: Sequence[Reading], series: Series, segment: Segment, look: Look
) -> list[Compared]:
    found = segment(series)
    looks = look(series, found)
    rows = name_slices(series, found, (), looks).rows
    volume = series.blocks[0].volume
    order = _upward(volume)
    return [
        Compared(
            name=series.name if len(rows) == 1 else f"{series.name} {reading.slice}",
            reading=reading,
            picture=_displayed(volume, k),
            looks=looks[k],
            row=rows[k],
        )
        for reading, k in zip(readings, order, strict=True)
    ]


def _upward(volume: Volume) -> list[int]:
    """Slices from the foot upward."""
    slices = range(volume.shape[0])
    return list(slices) if volume.affine[2, 2] >= 0 else list(reversed(slices))


def _displayed(volume: Volume, k: int) -> NDArray:
    """Rows from front to back, columns toward the patient's left."""
    picture = volume.array[k]
    axes = volume.affine[:3, :2]
    if abs(axes[0, 0]) < abs(axes[0, 1]):
        picture, axes = picture.T, axes[:, ::-1]
    return picture[:: 1 if axes[1, 1] > 0 else -1, :: 1 if axes[0, 0] > 0 else -1]


def figures(compared: Sequence[Compared]) -> dict[str, float | int]:
    """How often reading and software agree; by slice, and by stack."""
    n = len(compared)
    return {
        "slices": n,
        "same_class": sum(one.best == one.reading.level for one in compared) / n,
        "within_half_level": sum(one.off(one.best) <= 0.5 for one in compared) / n,
        "either_guess": sum(one.best in (one.reading.level, one.reading.second) for one in compared)
        / n,
        "a_level_or_more_off": sum(one.off(one.best) >= 1 for one in compared) / n,
        "named_row": sum(bool(one.row.level) for one in compared) / n,
        "row_within_half_level": sum(one.off(one.row.level) <= 0.5 for one in compared) / n,
        "row_a_level_or_more_off": sum(
            1 <= one.off(one.row.level) < float("inf") for one in compared
        )
        / n,
        "kidney": _sign_agreement(compared, "kidney"),
        "ilium": _sign_agreement(compared, "ilium"),
    }


def _sign_agreement(compared: Sequence[Compared], sign: str) -> float:
    said = [one.looks.signs.get(sign, 0.0) > 0.5 for one in compared]
    read = [getattr(one.reading, sign) for one in compared]
    return float(np.mean([a == b for a, b in zip(said, read, strict=True)]))


def quarrels(compared: Sequence[Compared]) -> list[Compared]:
    """Where the software's most probable class lies a level or more from the reading."""
    return [one for one in compared if one.off(one.best) >= 1]


def line_of(one: Compared) -> str:
    """A line of the list of slices."""
    p = max(one.looks.probability)
    return (
        f"{one.name:24} read {one.reading.level:12} ({one.reading.second}; sure "
        f"{one.reading.sure})  looks {one.best:12} {p:.2f}  row {one.row.level or '–':12} "
        f"{one.row.level_confidence:.2f} {';'.join(one.row.flags)}"
    )


def draw(compared: Sequence[Compared], path: Path, columns: int = 4) -> None:
    """Slices side by side, each with what was read and what the software says."""
    tiles = [_tile(one) for one in compared]
    width, height = max(t.width for t in tiles), max(t.height for t in tiles)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("L", (width * min(columns, len(tiles)), height * rows))
    for n, tile in enumerate(tiles):
        sheet.paste(tile, (n % columns * width, n // columns * height))
    sheet.save(path)


def _tile(one: Compared) -> Image.Image:
    low, high = np.percentile(one.picture, (1, 98))
    grey = np.clip((one.picture - low) / max(high - low, 1e-6), 0, 1) ** 0.7 * 255
    tile = Image.fromarray(grey.astype(np.uint8))
    tile = tile.resize((400, round(400 * tile.height / tile.width)), Image.Resampling.LANCZOS)
    text = (
        f"{one.name}\nread: {one.reading.level} (or {one.reading.second})\n"
        f"looks: {one.best} {max(one.looks.probability):.2f}\nrow: {one.row.level or 'none'}"
    )
    ImageDraw.Draw(tile).multiline_text((4, 2), text, fill=255, font_size=15)
    return tile
