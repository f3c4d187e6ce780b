"""Label maps: codes put on a cropped canonical grid, then cleaned edge by edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core import anatomy
from openlumbar.core.masks import Tissue
from openlumbar.imaging.masks import drop_small, fill_holes, main_components, smooth_edges
from openlumbar.level.chain import Chain
from openlumbar.level.numbering import name_above
from openlumbar.level.pieces import Grid, Piece
from openlumbar.level.posterior import Levels, assign

#: Edges are rounded off by this much, mm: below the size of a clinical pixel.
SIGMA_MM = 0.6
#: The canal lies between these offsets behind the bodies' axis, mm.
_CANAL_MM = (0.0, 70.0)
#: Canal and rest of the sacrum below this area on their best slice are specks, mm².
_STRIP_MM2 = 25.0
_REST_MM2 = 50.0


class Painter:
    """Collects the codes of one block.

    Parameters
    ----------
    tissue
        Cropped canonical tissue map.
    grid
        Its extent.
    """

    def __init__(self, tissue: NDArray[np.uint8], grid: Grid):
        self._tissue = tissue
        self._grid = grid
        self._labels = np.zeros(tissue.shape, np.uint16)
        self._bodies = np.zeros(tissue.shape, np.uint16)
        self._posterior = np.zeros(tissue.shape, np.uint16)

    def body(self, piece: Piece, code: int) -> None:
        """Put a vertebra's code on its body."""
        self._bodies[tuple(piece.voxels.T)] = code

    def disc(self, piece: Piece, code: int) -> None:
        """Put a disc's code."""
        self._labels[tuple(piece.voxels.T)] = code

    def sacrum(self, piece: Piece) -> None:
        """Put the code of the rest of the sacrum, unless the network took it for a body."""
        if piece.share(Tissue.BODY) < 0.5:
            self._labels[tuple(piece.voxels.T)] = anatomy.SACRUM

    def loose_canal(self) -> None:
        """Put the canal's code wherever the network saw a piece of canal of some size."""
        canal = drop_small(self._tissue == Tissue.CANAL, self._grid.spacing_mm, _STRIP_MM2)
        self._labels[canal] = anatomy.SPINAL_CANAL

    def rest(self, chain: Chain, names: Sequence[str], sacral: int) -> None:
        """Put canal, rest of the sacrum and posterior elements beside a named chain."""
        spacing = self._grid.spacing_mm
        along, offset = chain.curve.maps(self._grid.shape[1:], spacing[1:])
        beside = (offset > _CANAL_MM[0]) & (offset < _CANAL_MM[1])
        canal = drop_small((self._tissue == Tissue.CANAL) & beside, spacing, _STRIP_MM2)
        self._labels[canal] = anatomy.SPINAL_CANAL
        lowest = chain.links[min(sacral, len(chain.links) - 1)].along_mm
        sacrum = (self._tissue == Tissue.SACRUM) & (along > lowest)
        self._labels[drop_small(sacrum, spacing, _REST_MM2)] = anatomy.SACRUM
        posterior = self._tissue == Tissue.POSTERIOR
        for piece in chain.astray:
            if self._behind(piece, offset):
                posterior[tuple(piece.voxels.T)] = True
        levels = _levels(chain, names)
        self._posterior = assign(posterior, self._bodies, offset, levels, self._grid)

    def _behind(self, piece: Piece, offset: NDArray[np.float32]) -> bool:
        return bool(np.median(offset[piece.voxels[:, 1], piece.voxels[:, 2]]) > 25.0)

    def finished(self) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """Labels and bodies with their edges smoothed and holes filled; no code overlaps."""
        free = (self._bodies == 0) & (self._labels == 0)
        posterior = np.where(free, self._posterior, 0).astype(np.uint16)
        labels = np.where(self._bodies > 0, self._bodies, self._labels)
        _tidy(labels, self._grid, posterior > 0)
        kept = np.zeros(int(labels.max()) + 1, np.uint16)
        codes = [c for c in np.unique(self._bodies[self._bodies > 0]) if c < len(kept)]
        kept[codes] = codes
        kept[anatomy.vertebra_code("S2") :] = 0
        bodies = kept[labels]
        posterior[labels > 0] = 0
        _tidy(posterior, self._grid, labels > 0, whole=False)
        labels = np.where(labels > 0, labels, posterior)
        return labels, bodies


def _levels(chain: Chain, names: Sequence[str]) -> Levels:
    """Codes that posterior elements take beside each link, and one level above the first."""
    named = [(link, name) for link, name in zip(chain.links, names, strict=True) if name]
    if not named:
        return Levels(np.empty((0, 2)), np.empty(0), np.empty(0, np.int32))
    tangents = [chain.curve.tangent_at(link.along_mm) for link, _ in named]
    places = [link.piece.place for link, _ in named]
    codes = [
        anatomy.SACRUM if name in ("S1", "S2") else anatomy.vertebra_code(name) for _, name in named
    ]
    above = name_above(named[0][1])
    if above:
        places.insert(0, places[0] - 1.28 * chain.typical_mm * tangents[0])
        tangents.insert(0, tangents[0])
        codes.insert(0, anatomy.vertebra_code(above))
    along = np.array(tangents)
    return Levels(np.array(places), np.arctan2(along[:, 1], along[:, 0]), np.array(codes))


def _tidy(
    labels: NDArray[np.uint16], grid: Grid, taken: NDArray[np.bool_], *, whole: bool = True
) -> None:
    """Clean every code in place; a code grows only where nothing else stands."""
    boxes = ndimage.find_objects(labels)
    for code, box in enumerate(boxes, start=1):
        if box is None:
            continue
        wide = tuple(
            slice(max(0, b.start - 3), min(n, b.stop + 3))
            for b, n in zip(box, labels.shape, strict=True)
        )
        local, others = labels[wide], taken[wide]
        before = local == code
        after = smooth_edges(fill_holes(before), grid.spacing_mm, SIGMA_MM)
        if whole and code != anatomy.SPINAL_CANAL:
            after = main_components(after, 0.1)
        local[before & ~after] = 0
        local[after & (local == 0) & ~others] = code
