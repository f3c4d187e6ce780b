"""Axial pictures with painted anatomy: no two pieces alike when mirrored."""

from __future__ import annotations

import numpy as np

from openlumbar.core.anatomy import SPINAL_CANAL, UNKNOWN_DISC, UNKNOWN_VERTEBRA
from openlumbar.core.masks import AxialMask
from openlumbar.core.volume import Volume
from support_dicom import AXIAL, stack, tilted_axial
from support_results import COMPLETE

MULTIFIDUS, ERECTOR, PSOAS, QUADRATUS = (5101, 5102), (5111, 5112), (5121, 5122), (5131, 5132)
#: Pixels of 2 x 2 mm, 96 x 96 mm in all, from (-48, -40).
SHAPE, SPACING = (48, 48), [2.0, 2.0]
ORIGIN = (-47.0, -39.0, 0.0)

#: Ellipses: code, centre (x, y) and radii, LPS mm; the left ones are larger.
_PIECES = (
    (UNKNOWN_VERTEBRA, 0, 0, 18, 14),
    (SPINAL_CANAL, 0, 22, 7, 6),
    (PSOAS[0], 30, 2, 11, 13),
    (PSOAS[1], -30, 2, 8, 10),
    (MULTIFIDUS[0], 10, 40, 7, 7),
    (MULTIFIDUS[1], -10, 40, 5, 7),
    (ERECTOR[0], 29, 36, 9, 11),
    (ERECTOR[1], -29, 36, 7, 11),
    (QUADRATUS[0], 40, 17, 5, 6),
    (QUADRATUS[1], -40, 17, 4, 6),
)


def axial_code_at(points):
    """What is at ``[..., 3]`` LPS mm: the same on every slice; a disc above z = 30."""
    x, y, z = np.moveaxis(np.asarray(points), -1, 0)
    codes = np.zeros(x.shape, np.uint16)
    for code, centre_x, centre_y, reach_x, reach_y in _PIECES:
        codes[((x - centre_x) / reach_x) ** 2 + ((y - centre_y) / reach_y) ** 2 <= 1] = code
    codes[(codes == UNKNOWN_VERTEBRA) & (z > 30)] = UNKNOWN_DISC
    return codes


def axial_pictures(count=4, orientation=AXIAL, origin=ORIGIN, step=5.0, **elements):
    """Axial T2 slices that what is at :func:`axial_code_at` lies in."""
    given = {**COMPLETE, "PixelSpacing": SPACING, **elements}
    return stack(count, orientation, origin, step, shape=SHAPE, **given)


def two_blocks(**elements):
    """Two angled blocks of one series: the second leans 20 degrees."""
    lower = axial_pictures(3, **elements)
    upper = axial_pictures(3, tilted_axial(20), (-47.0, -39.0, 24.0), seed=40, **{**elements})
    return [*lower, *upper]


def axial_mask(labels: Volume, flags=None) -> AxialMask:
    """A mask that came from elsewhere."""
    slices = labels.shape[0]
    bodies = np.where(labels.array == UNKNOWN_VERTEBRA, labels.array, 0).astype(np.uint16)
    certainty = np.full(labels.shape, 255, np.uint8)
    return AxialMask(labels, labels.with_array(bodies), certainty, flags or ((),) * slices)
