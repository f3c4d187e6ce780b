"""What flawless networks would find in a phantom: its truth in the form of their masks."""

from __future__ import annotations

import numpy as np

from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL, UNKNOWN_DISC, UNKNOWN_VERTEBRA
from openlumbar.core.masks import AxialMask, Tissue, TissueMask
from openlumbar.core.volume import Volume
from openlumbar.phantom.truth import SeriesTruth

_BODIES = (Tissue.BODY, Tissue.S1, Tissue.S2)
#: Codes of the axial network for what it does not name.
_UNNAMED = {
    "vertebra": UNKNOWN_VERTEBRA,
    "sacrum": UNKNOWN_VERTEBRA,
    "disc": UNKNOWN_DISC,
    "canal": SPINAL_CANAL,
    "cord": SPINAL_CANAL,
}


def flawless_tissue(truth: SeriesTruth) -> tuple[TissueMask, ...]:
    """The tissue of a sagittal series, a mask a block, as sure as can be."""
    return tuple(
        TissueMask(regions, np.full(regions.shape, 255, np.uint8)) for regions in truth.regions
    )


def flawless_axial(truth: SeriesTruth) -> tuple[AxialMask, ...]:
    """The masks of an axial series, a mask a block: muscles, bone and discs without names."""
    return tuple(
        _axial(codes, regions) for codes, regions in zip(truth.codes, truth.regions, strict=True)
    )


def _axial(codes: Volume, regions: Volume) -> AxialMask:
    labels = codes.array.astype(np.uint16)
    for code in np.unique(labels):
        structure = BY_CODE.get(int(code))
        if structure is not None and structure.kind in _UNNAMED:
            labels[labels == code] = _UNNAMED[structure.kind]
    bodies = np.where(np.isin(regions.array, _BODIES), labels, 0).astype(np.uint16)
    return AxialMask(
        labels=codes.with_array(labels),
        bodies=codes.with_array(bodies),
        certainty=np.full(labels.shape, 255, np.uint8),
        flags=((),) * len(labels),
    )
