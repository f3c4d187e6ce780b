"""Phantoms: what is measured on pixels beside the same rule on the analytic contour."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from accuracy.pairs import Key, Pair, by_key, pair_up
from accuracy.predicted import predict
from numpy.typing import NDArray

from openlumbar.core.anatomy import BY_CODE
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import SeriesMasks
from openlumbar.core.masks import Tissue as Region
from openlumbar.core.measurement import Measurement
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.measure import measure_sagittal
from openlumbar.models import Predictor
from openlumbar.phantom.anatomy import ENDPLATE_GAP_MM
from openlumbar.phantom.canvas import Canvas
from openlumbar.phantom.grids import SagittalFrame
from openlumbar.phantom.make import Phantom, PhantomOptions, make_phantom
from openlumbar.phantom.scene import Scene

#: Seeds that no training draws from.
FIRST_SEED = 70_000
#: Pixel of the plane that stands for the analytic contour.
FINE_MM = 0.1
SLICE_MM = 4.0
CONTRASTS = (Weighting.T2, Weighting.T1)
#: Metrics that also rest on neighbours, each in a slice of its own.
_OF_SEVERAL = ("crush_ratio", "disc_height_index")
_BODIES = (Region.BODY, Region.S1, Region.S2)


def phantom_of(seed: int, pixel_mm: float) -> Phantom:
    """One sagittal series; T2 and T1 take turns."""
    return make_phantom(
        FIRST_SEED + seed,
        PhantomOptions(
            sagittal=SagittalFrame(pixel_mm=pixel_mm, slice_mm=SLICE_MM),
            contrasts=(CONTRASTS[seed % len(CONTRASTS)],),
            axial_contrasts=(),
        ),
    )


def true_masks(series: str, codes: Volume, regions: NDArray[np.uint8]) -> SeriesMasks:
    """Masks without a fault; a muscle has a code, but no region of the sagittal network."""
    bodies = np.where(np.isin(regions, _BODIES), codes.array, 0).astype(np.uint16)
    labels = codes.with_array(np.where(regions, codes.array, 0).astype(np.uint16))
    return SeriesMasks(series, (labels,), (codes.with_array(bodies),))


@dataclass(frozen=True, eq=False)
class Contours:
    """The rules on the phantom itself: its planes painted at :data:`FINE_MM`.

    Attributes
    ----------
    phantom
        Of one sagittal series.
    """

    phantom: Phantom

    @cached_property
    def _scene(self) -> Scene:
        # Chance gives textures alone; shapes come from the anatomy.
        return Scene(self.phantom.anatomy, np.random.default_rng(0))

    @cached_property
    def _painted(self) -> dict[int, Canvas]:
        return {}

    @cached_property
    def _measured(self) -> dict[int, dict[Key, Measurement]]:
        return {}

    @cached_property
    def _window(self) -> tuple[slice, slice]:
        """Rows and columns that hold bodies, discs and canal, with some margin."""
        regions = self.phantom.truth.series[0].regions[0].array
        shown = np.isin(regions, (*_BODIES, Region.DISC, Region.CANAL)).any(0)
        margin = 10
        ends = [np.flatnonzero(shown.any(1 - axis))[[0, -1]] for axis in (0, 1)]
        rows, columns = (slice(max(a - margin, 0), b + margin + 1) for a, b in ends)
        return rows, columns

    @cached_property
    def _coarse(self) -> tuple[Volume, NDArray[np.uint8]]:
        """Codes and regions of the series' own pixels within the window."""
        truth = self.phantom.truth.series[0]
        rows, columns = self._window
        whole = truth.codes[0]
        affine = whole.affine.copy()
        affine[:3, 3] = whole.to_patient((0, rows.start, columns.start))
        codes = Volume(whole.array[:, rows, columns], affine)
        return codes, truth.regions[0].array[:, rows, columns]

    @cached_property
    def _parts(self) -> tuple[int, int]:
        """Into how many rows and columns a pixel is cut."""
        _, row, column = self._coarse[0].spacing_mm
        return max(1, round(row / FINE_MM)), max(1, round(column / FINE_MM))

    def _fine(self, first: int, count: int) -> Volume:
        """Slices of the window in small pixels that fill its pixels; only a grid."""
        coarse, _ = self._coarse
        rows, columns = self._parts
        affine = coarse.affine.copy()
        affine[:3, 3] += first * affine[:3, 2]
        for axis, part in ((0, columns), (1, rows)):
            affine[:3, 3] -= affine[:3, axis] * (0.5 - 0.5 / part)
            affine[:3, axis] /= part
        shape = (count, coarse.shape[1] * rows, coarse.shape[2] * columns)
        return Volume(np.broadcast_to(np.uint8(0), shape), affine)

    def _paint(self, slice_: int) -> Canvas:
        if slice_ not in self._painted:
            grid = self._fine(slice_, 1)
            axes = grid.affine[:3]
            canvas = Canvas(axes[:, 3], axes[:, 0], axes[:, 1], grid.shape[1:])
            self._scene.paint(canvas)
            self._painted[slice_] = canvas
        return self._painted[slice_]

    def paint(self, slices: Iterable[int | None]) -> None:
        """Paint the planes of some slices before :attr:`across` is asked for."""
        for slice_ in slices:
            if slice_ is not None:
                self._paint(slice_)

    def on(self, slice_: int) -> dict[Key, Measurement]:
        """What the rules give on the plane in the middle of one slice of the series."""
        if slice_ not in self._measured:
            canvas, grid = self._paint(slice_), self._fine(slice_, 1)
            self._measured[slice_] = _measured(grid, canvas.code[None], canvas.region[None])
        return self._measured[slice_]

    @cached_property
    def across(self) -> dict[Key, Measurement]:
        """What the rules give where a number joins several slices.

        The planes that were asked for are fine, the others stand for the choice of slices
        alone: their pixels are those of the series.
        """
        coarse, regions = self._coarse
        rows, columns = self._parts
        codes, areas = (
            np.repeat(np.repeat(array, rows, axis=1), columns, axis=2)
            for array in (coarse.array, regions)
        )
        for slice_, canvas in self._painted.items():
            codes[slice_], areas[slice_] = canvas.code, canvas.region
        return _measured(self._fine(0, len(codes)), codes, areas)

    def truth(self, key: Key, slice_: int | None) -> float | None:
        """What a number should be, on the very slice it was measured in."""
        several = slice_ is None or key[2] in _OF_SEVERAL
        place = self.across if several else self.on(slice_)
        return place[key].value if key in place else None


def _measured(
    grid: Volume, codes: NDArray[np.uint16], regions: NDArray[np.uint8]
) -> dict[Key, Measurement]:
    labels = grid.with_array(codes)
    series = sagittal(labels.with_array(regions))
    return by_key(measure_sagittal(series, true_masks(series.name, labels, regions)))


def sagittal(image: Volume) -> Series:
    """A series of one block."""
    block = Block(image, tuple(f"plane#{k}" for k in range(image.shape[0])))
    return Series("phantom", Plane.SAGITTAL, Weighting.UNKNOWN, (block,), "array")


# -- generating parameters ----------------------------------------------------------------


def expected(phantom: Phantom) -> dict[Key, float]:
    """What the parameters say, by another way than any mask: a check of rules and contours.

    Endplates are parabolic dishes of known depth c between rims of known distance: the
    middle of a body loses 2 c, and over the central 80 % of its depth a disc gains
    (1 - 0.8²/3) c of each. Angles are sums of wedges. Bodies and discs at Schmorl nodes are
    left out. The slices must be those of the spine's own plane of symmetry for it to hold.
    """
    anatomy, truth = phantom.anatomy, phantom.truth
    values: dict[Key, float] = {}
    for level in truth.levels:
        for axis, place in zip("xyz", level.centroid_mm, strict=True):
            values[level.kind, level.name, f"centroid_{axis}_mm"] = place
    for spec in anatomy.vertebrae:
        if not any(spec.schmorl_mm):
            values["vertebra", spec.name, "middle_height_mm"] = (
                spec.height_mm - 2 * spec.concavity_mm
            )
    bodies = {spec.name: spec for spec in anatomy.vertebrae}
    for disc in anatomy.discs:
        above, below = (bodies[name] for name in disc.name.split("-"))
        values["disc", disc.name, "listhesis_mm"] = disc.listhesis_mm
        values["disc", disc.name, "disc_angle_deg"] = disc.wedge_deg
        values["disc", disc.name, "segmental_angle_deg"] = disc.wedge_deg + above.wedge_deg
        if not (any(above.schmorl_mm) or any(below.schmorl_mm)):
            dishes = above.concavity_mm + below.concavity_mm
            # The gap on either side counts half: an endplate lies midway in it.
            plates = disc.height_mm + ENDPLATE_GAP_MM
            values["disc", disc.name, "height_mm"] = plates + (1 - 0.64 / 3) * dishes
    values["spine", "L1-S1", "lordosis_deg"] = truth.lordosis_deg
    return values


# -- names --------------------------------------------------------------------------------


def names_by_place(true: SeriesMasks, predicted: SeriesMasks) -> dict[str, str]:
    """True name of each predicted vertebra: that of the body it covers most of."""
    found, exact = predicted.bodies[0].array, true.bodies[0].array
    names = {}
    for code in np.unique(found[found > 0]):
        beneath = exact[(found == code) & (exact > 0)]
        if len(beneath):
            names[BY_CODE[int(code)].name] = BY_CODE[int(np.bincount(beneath).argmax())].name
    return names


def renamed(numbers: Mapping[Key, Measurement], names: Mapping[str, str]) -> dict[Key, Measurement]:
    """Numbers under the names of what they were measured on; the lordosis keeps its own.

    A phantom with four or six lumbar vertebrae, or a transitional one, may be named one
    level off: what is tabled here is how well it is measured.
    """
    result = {}
    for (structure, level, metric), number in numbers.items():
        parts = [level] if structure == "spine" else [names.get(n, "?") for n in level.split("-")]
        result[structure, "-".join(parts), metric] = number
    return result


# -- pairs --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PhantomPairs:
    """Pairs of one phantom, by what was measured on; seconds of each measuring.

    ``misnamed``: a predicted vertebra has another name than the true one in its place.
    """

    true: list[Pair]
    predicted: list[Pair]
    parameters: list[Pair]
    seconds: list[float]
    misnamed: bool


def phantom_pairs(seed: int, pixel_mm: float, predictor: Predictor | None) -> PhantomPairs:
    """Measure one phantom on true masks, on predicted ones, and on its contours.

    Parameters
    ----------
    predictor
        None to leave out predicted masks.
    """
    phantom = phantom_of(seed, pixel_mm)
    contours = Contours(phantom)
    series = phantom.exam.series[0]
    truth = phantom.truth.series[0]
    start = time.perf_counter()
    masks = true_masks(series.name, truth.codes[0], truth.regions[0].array)
    found = by_key(measure_sagittal(series, masks))
    seconds = [time.perf_counter() - start]
    guess: dict[Key, Measurement] = {}
    names: dict[str, str] = {}
    if predictor is not None:
        outcome = predict(series, predictor)
        names = names_by_place(masks, outcome.masks)
        guess = renamed(outcome.numbers, names)
        seconds.append(outcome.seconds)
    contours.paint(m.slice for m in (*found.values(), *guess.values()))
    case = f"{FIRST_SEED + seed}"
    parameters = expected(phantom)
    exact = {key: _reference(contours, parameters, key, m) for key, m in found.items()}
    asked = {key: value for key, value in exact.items() if value is not None}
    for_guess = {
        key: _reference(contours, parameters, key, guess[key]) if key in guess else value
        for key, value in asked.items()
    }
    return PhantomPairs(
        true=pair_up(case, asked, found),
        predicted=pair_up(case, for_guess, guess) if predictor else [],
        parameters=pair_up(case, {k: v for k, v in parameters.items() if k in found}, found),
        seconds=seconds,
        misnamed=any(name != true for name, true in names.items()),
    )


def _reference(
    contours: Contours, parameters: Mapping[Key, float], key: Key, found: Measurement
) -> float | None:
    """The contour's number; of a centroid, which has no contour, the phantom's own."""
    return parameters.get(key) if "centroid" in found.metric else contours.truth(key, found.slice)
