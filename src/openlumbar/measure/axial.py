"""Masks of an axial series → measurements, slice by slice and level by level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from openlumbar.core.errors import GeometryError, InputError
from openlumbar.core.exam import Series
from openlumbar.core.levels import LevelRow, SliceLooks
from openlumbar.core.masks import AxialMask
from openlumbar.core.measurement import Measurement
from openlumbar.imaging.bias import bias_field
from openlumbar.imaging.frame import axial_frame_of
from openlumbar.measure.artefacts import GHOST_PART, MUCH_GHOST, band_of, ghost_part, in_band
from openlumbar.measure.axial_levels import at_levels
from openlumbar.measure.axial_reading import AxialReading, Named
from openlumbar.measure.axial_slice import AxialSlice, Mask, seen_of
from openlumbar.measure.brightness import Scale, body_of, muscles_of, scales_of
from openlumbar.measure.configuration import configuration_readings
from openlumbar.measure.fat_readings import FAT_IS_BRIGHT, fat_readings
from openlumbar.measure.muscle import (
    CODES,
    asymmetry,
    disc_readings,
    muscle_readings,
    named_muscle,
    present,
    vertebra_readings,
)
from openlumbar.measure.sac import sac_readings

#: Flags of a slice that are told by what is missing, and not on every number.
OF_ABSENCE = frozenset(("muscle-missing", "not-an-axial-lumbar-slice"))
#: Flags that withhold every number of their slice.
WITHHOLD = frozenset(("upside-down",))
#: Flags of areas and diameters that say nothing of a fraction.
OF_AREAS = frozenset(("oblique-slices",))
#: Flags that concern numbers with a side alone.
OF_SIDES = frozenset(("left-right-doubtful",))

#: Of a classifier's signs, those that are told.
SIGNS = ("kidney", "ilium")

#: Of N4, whose field is where the fit of the sensitivity starts: more of them changed the fat
#: of phantoms by less than 0.1 percentage points.
N4_ROUNDS = 6


def measure_axial(
    series: Series,
    found: Sequence[AxialMask],
    rows: Sequence[LevelRow] = (),
    looks: Sequence[SliceLooks] = (),
) -> tuple[Measurement, ...]:
    """Measure muscles, their fat and how they lie, disc and dural sac of an axial series.

    Parameters
    ----------
    series
        The series that the masks are of: its pictures tell the fat.
    found
        One a block, on the block's own grid, codes of :mod:`openlumbar.core.anatomy`.
    rows
        Names found of slices (``structure`` is ``slice``); rows of other series, and those
        without a level, are left aside.
    looks
        What a level classifier saw in slices: whether kidney or ilium is in view. Those of
        other series are left aside.

    Returns
    -------
    tuple of Measurement
        Block by block and slice by slice; a slice without anything gives no number. Then,
        for each disc that slices lie in, the numbers of the slice that lies best in it,
        ``slice`` None, and ``chosen_for_level`` of that slice. A number that cannot be
        trusted is withheld, with a flag that says why.

    Raises
    ------
    InputError
        Masks, certainties or flags do not go with the series' blocks, or hold no codes.
    GeometryError
        The slices of a block are not axial.

    Notes
    -----
    Definitions and sources: :mod:`openlumbar.core.metrics`.
    """
    _check(series, found)
    named = {
        (row.block, row.slice): row
        for row in rows
        if row.series == series.name and row.structure == "slice" and row.disc_level
    }
    signs = {(look.block, look.slice): look.signs for look in looks if look.series == series.name}
    measurements: list[Measurement] = []
    for shown in _shown(series, found):
        place = shown.block, shown.slice.number
        row = named.get(place)
        readings = chain(_of_slice(row, signs.get(place, {})), _readings(shown))
        measurements += [_measurement(series, shown, row, reading) for reading in readings]
    return (*measurements, *at_levels(measurements, named))


@dataclass(frozen=True, eq=False)
class _Shown:
    """A slice that holds anything, and what brightness says of it."""

    block: int
    slice: AxialSlice
    scale: Scale | None
    body: Mask
    band: Mask
    flags: tuple[str, ...]


# -- what goes in --------------------------------------------------------------------------


def _check(series: Series, found: Sequence[AxialMask]) -> None:
    if len(found) != len(series.blocks):
        raise InputError(
            f"series {series.name} has {len(series.blocks)} blocks, but {len(found)} masks; "
            "give one a block"
        )
    for number, (block, mask) in enumerate(zip(series.blocks, found, strict=True)):
        shapes = {
            "labels": mask.labels.shape,
            "bodies": mask.bodies.shape,
            "certainty": mask.certainty.shape,
            "flags": (len(mask.flags), *block.volume.shape[1:]),
        }
        for name, shape in shapes.items():
            if shape != block.volume.shape:
                raise InputError(
                    f"block {number} of series {series.name} has shape {block.volume.shape}, "
                    f"but its {name} {shape}; they must lie on one grid"
                )
        for name, volume in (("labels", mask.labels), ("bodies", mask.bodies)):
            if not np.issubdtype(volume.array.dtype, np.integer):
                raise InputError(
                    f"block {number} of series {series.name} has {name} of {volume.array.dtype}; "
                    "they hold codes, so give whole numbers (array.astype('uint16'))"
                )
        if axial_frame_of(block.volume).order[0] != 0:
            raise GeometryError(
                f"block {number} of series {series.name} is {block.volume.plane}; only axial "
                "slices are measured here"
            )


def _shown(series: Series, found: Sequence[AxialMask]) -> list[_Shown]:
    """Slices that hold anything, with their scales: those rest on the series as a whole."""
    places, slices = [], []
    for number, (block, mask) in enumerate(zip(series.blocks, found, strict=True)):
        for k in np.flatnonzero(mask.labels.array.any((1, 2))):
            places.append((number, int(k)))
            slices.append(_slice(block.volume.array[k], mask, int(k)))
    bodies = [body_of(slice_.picture, slice_.seen) for slice_ in slices]
    bands = [band_of(*of) for of in zip(slices, bodies, strict=True)]
    lit = [body & ~band for body, band in zip(bodies, bands, strict=True)]
    scales: list[Scale | None] = [None] * len(slices)
    if series.weighting in FAT_IS_BRIGHT:
        scales = scales_of(slices, lit, [_field(*of) for of in zip(slices, lit, strict=True)])
    words = [tuple(dict.fromkeys((*series.flags, *found[b].flags[k]))) for b, k in places]
    blocks = [block for block, _ in places]
    parts = zip(blocks, slices, scales, bodies, bands, words, strict=True)
    return [_Shown(*of) for of in parts]


def _slice(picture: np.ndarray, mask: AxialMask, k: int) -> AxialSlice:
    given = np.asarray(picture, np.float32)
    # What came from elsewhere has full certainty throughout, which is none.
    certainty = None if (mask.certainty == 255).all() else mask.certainty[k]
    return AxialSlice(
        number=k,
        labels=np.asarray(mask.labels.array[k]),
        bodies=np.asarray(mask.bodies.array[k]),
        certainty=certainty,
        picture=np.where(np.isfinite(given), given, np.float32(0)),
        seen=seen_of(given),
        volume=mask.labels,
    )


def _field(slice_: AxialSlice, body: Mask) -> np.ndarray:
    """Sensitivity as N4 finds it outside of the muscles, whose fat it would even out."""
    outside = body & ~muscles_of(slice_.labels)
    spacing_mm = slice_.volume.spacing_mm
    return bias_field(slice_.picture[None], spacing_mm, outside[None], N4_ROUNDS)[0]


# -- what comes out ------------------------------------------------------------------------


def _of_slice(row: LevelRow | None, signs: Mapping[str, float]) -> Iterator[AxialReading]:
    """What others say of the slice as a whole."""
    if row is not None and row.within is not None:
        yield AxialReading("slice", "", "within_level", row.within, None, 1.0)
    for sign in SIGNS:
        if sign in signs:
            yield AxialReading("slice", "", f"{sign}_in_view_probability", signs[sign], None, 1.0)


def _readings(shown: _Shown) -> Iterator[AxialReading]:
    slice_ = shown.slice
    yield _tilt(slice_)
    ghosts = _ghosts(shown)
    doubts: dict[tuple[str, str], Named] = {}
    for muscle, sides in present(slice_).items():
        for side in sides:
            dark = _is_dark(shown, muscle, side)
            of = named_muscle(slice_, muscle, side, ("dark-band",) if dark else ())
            doubts[muscle, side] = of
            yield from muscle_readings(slice_, muscle, side, of)
            yield from _fat(shown, of, dark, ghosts)
        yield from asymmetry(slice_, muscle, {side: doubts[muscle, side] for side in sides})
    yield from configuration_readings(slice_, doubts)
    yield from disc_readings(slice_)
    yield from sac_readings(slice_)
    yield from vertebra_readings(slice_)


def _is_dark(shown: _Shown, muscle: str, side: str) -> bool:
    region = shown.slice.regions[CODES[muscle, side]]
    return shown.scale is not None and in_band(region, shown.band)


def _fat(
    shown: _Shown, of: Named, dark: bool, ghosts: tuple[tuple[str, ...], tuple[str, ...]]
) -> Iterator[AxialReading]:
    """Of one muscle; ``of`` is what is doubted of its outline."""
    flags, holding = ghosts
    region = shown.slice.regions[CODES[of.structure, of.side]]
    kept = (*(word for word in of.kept if word not in OF_AREAS), *flags)
    of_fat = Named(of.structure, of.side, of.certainty, kept, of.holding)
    doubts = (*holding, "dark-band") if dark else holding
    yield from fat_readings(shown.slice, region, shown.scale, of_fat, doubts)


def _ghosts(shown: _Shown) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Flags that ghosts put on the fat, and those by which they withhold it."""
    if shown.scale is None:
        return (), ()
    ghost = ghost_part(shown.slice, shown.body, shown.scale)
    return (
        ("motion",) if GHOST_PART < ghost <= MUCH_GHOST else (),
        ("motion",) if ghost > MUCH_GHOST else (),
    )


def _tilt(slice_: AxialSlice) -> AxialReading:
    """Positive when the front of the slice lies lower than its back."""
    _, y, z = slice_.normal
    tilt = float(np.degrees(np.arctan2(-y, z)))
    return AxialReading("slice", "", "tilt_deg", tilt, None, 1.0)


def _measurement(
    series: Series, shown: _Shown, row: LevelRow | None, reading: AxialReading
) -> Measurement:
    words = [
        word
        for word in shown.flags
        if word not in OF_ABSENCE and (reading.side or word not in OF_SIDES)
    ]
    held = reading.value is None or bool(WITHHOLD.intersection(words))
    certainty = reading.certainty * (1.0 if row is None else row.level_confidence)
    return Measurement(
        series=series.name,
        block=shown.block,
        structure=reading.structure,
        level="" if row is None else row.disc_level,
        metric=reading.metric,
        value=None if held else reading.value,
        uncertainty=None if held else reading.sd,
        confidence=0.0 if held else round(certainty, 3),
        slice=shown.slice.number,
        side=reading.side,
        flags=tuple(dict.fromkeys((*reading.flags, *words))),
        lines=() if held else reading.lines,
    )
