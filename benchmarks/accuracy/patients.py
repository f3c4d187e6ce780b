"""Patients: what is measured on predicted masks beside the same rules on SPIDER's masks.

SPIDER's masks (here) are semantic: vertebra with its posterior elements, disc, canal. They
are parted into instances, and an instance takes the name of the predicted structure that it
overlaps most, so that a number is compared with that of the same piece of anatomy.

Which bodies are compared is a choice. ``as shipped`` measures what a user gets: the bodies
that the network was taught to paint, beside bodies cut from SPIDER's whole vertebrae by
:func:`openlumbar.measure.body.split_bodies`, which no prediction has touched. Where the two
draw the back wall differently, that counts as error, as it would for a user. ``cut alike``
cuts the predicted whole vertebrae by the same function, and tells how much of the error is
the cut's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from accuracy.pairs import Key, Pair, by_key, pair_up
from accuracy.predicted import predict
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL
from openlumbar.core.masks import SeriesMasks
from openlumbar.core.measurement import Measurement
from openlumbar.core.volume import Volume
from openlumbar.measure import measure_sagittal
from openlumbar.measure.body import split_bodies
from openlumbar.models import Predictor
from openlumbar.train.spider import read_sagittal_array, sagittal_series, split_body

_VERTEBRA, _DISC, _CANAL = 1, 2, 3
#: Pieces below these volumes are specks, mm³.
LEAST_BODY_MM3, LEAST_DISC_MM3 = 1500.0, 400.0
#: A piece has the name of a predicted structure that covers this part of it, or none.
LEAST_OVERLAP = 0.3


@dataclass(frozen=True, eq=False)
class PatientPairs:
    """Pairs of one patient.

    ``unnamed``: annotated bodies and discs that no predicted structure covers.
    ``centroids``: distance of each centroid from the annotated one, mm.
    """

    shipped: list[Pair]
    alike: list[Pair]
    centroids: dict[tuple[str, str], float]
    unnamed: int
    seconds: float


def patient_pairs(path: Path, predictor: Predictor) -> PatientPairs:
    """Compare one volume of ``spider_space``."""
    name = path.name.removesuffix(".nii.gz")
    image, spacing = read_sagittal_array(path)
    semantic, _ = read_sagittal_array(path.with_name(f"{name}_dseg.nii.gz"))
    series = sagittal_series(name, image, spacing)
    predicted = predict(series, predictor)
    reference, unnamed = reference_masks(semantic, predicted.masks)
    truth = by_key(measure_sagittal(series, reference))
    cut = replace(predicted.masks, bodies=(split_bodies(predicted.masks.labels[0]),))
    alike = by_key(measure_sagittal(series, cut, predicted.rows))
    asked = {key: m.value for key, m in truth.items() if _is_comparable(key)}
    case = name[4:7].lstrip("0")
    return PatientPairs(
        shipped=pair_up(case, asked, predicted.numbers),
        alike=pair_up(case, asked, alike),
        centroids=_distances(truth, predicted.numbers),
        unnamed=unnamed,
        seconds=predicted.seconds,
    )


def _is_comparable(key: Key) -> bool:
    """SPIDER has no sacrum: what needs the endplate of S1 has another definition there."""
    _, level, metric = key
    return not (level.endswith("-S1") and metric in ("segmental_angle_deg", "lordosis_deg"))


def _distances(
    truth: dict[Key, Measurement], found: dict[Key, Measurement]
) -> dict[tuple[str, str], float]:
    distances = {}
    for structure, level in {key[:2] for key in truth}:
        keys = [(structure, level, f"centroid_{axis}_mm") for axis in "xyz"]
        values = [[side[key].value for key in keys if key in side] for side in (truth, found)]
        if all(len(v) == 3 and None not in v for v in values):
            distances[structure, level] = float(np.linalg.norm(np.subtract(*values)))
    return distances


# -- the reference ------------------------------------------------------------------------


def reference_masks(semantic: NDArray, predicted: SeriesMasks) -> tuple[SeriesMasks, int]:
    """SPIDER's classes as named instances on the grid of the prediction.

    Parameters
    ----------
    semantic
        ``[slice, row, column]`` of SPIDER's classes.
    predicted
        Gives names and grid, and no shape.

    Returns
    -------
    masks, unnamed
        ``unnamed``: pieces of bone or disc that have no name, and are left out.
    """
    grid = predicted.labels[0]
    vertebra, disc, canal = (semantic == code for code in (_VERTEBRA, _DISC, _CANAL))
    seeds, no_body = _named(
        split_body(vertebra, canal), predicted.bodies[0], "vertebra", LEAST_BODY_MM3
    )
    discs, no_disc = _named(disc, grid, "disc", LEAST_DISC_MM3)
    labels = np.where(vertebra, _nearest(seeds, grid.spacing_mm), discs)
    labels[canal] = SPINAL_CANAL
    volume = grid.with_array(labels.astype(np.uint16))
    bodies = split_bodies(volume)
    return SeriesMasks(predicted.series, (volume,), (bodies,)), no_body + no_disc


def _named(
    mask: NDArray[np.bool_], predicted: Volume, kind: str, least_mm3: float
) -> tuple[NDArray[np.uint16], int]:
    """Codes on the pieces of a mask, and how many pieces found none."""
    pieces, count = ndimage.label(mask)
    voxel = float(np.prod(predicted.spacing_mm))
    codes = np.array([c for c, s in BY_CODE.items() if s.kind == kind])
    named = np.zeros(mask.shape, np.uint16)
    unnamed = 0
    # The largest first: a code is given once.
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    free = set(codes.tolist())
    for piece in np.argsort(-sizes, kind="stable") + 1:
        if sizes[piece - 1] * voxel < least_mm3:
            break
        own = predicted.array[pieces == piece]
        shares = {code: float((own == code).mean()) for code in np.unique(own) if code in free}
        best = max(shares, key=shares.__getitem__, default=0)
        if best and shares[best] >= LEAST_OVERLAP:
            named[pieces == piece] = best
            free.discard(int(best))
        else:
            unnamed += 1
    return named, unnamed


def _nearest(seeds: NDArray[np.uint16], spacing_mm: tuple[float, float, float]) -> NDArray:
    """Code of the nearest seed at every voxel: parts posterior elements roughly."""
    places = ndimage.distance_transform_edt(
        seeds == 0, sampling=spacing_mm, return_distances=False, return_indices=True
    )
    return seeds[tuple(places)]
