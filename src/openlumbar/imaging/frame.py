"""A grid as a picture is looked at, however its axes are stored.

Sagittal: slices leftward, rows downward, columns backward. Axial: slices upward, rows
backward, columns toward the patient's left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.volume import Volume

# Directions in LPS that the canonical axes run along.
#: Left, inferior, posterior.
_SAGITTAL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
#: Superior, posterior, left.
_AXIAL = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


@dataclass(frozen=True, eq=False)
class Frame:
    """How to turn a volume so that its axes run the canonical way.

    Attributes
    ----------
    order
        Axis of the volume's array that becomes axis 0, 1, 2.
    flip
        Whether that axis is then reversed.
    spacing_mm
        Spacing of the canonical axes.
    """

    order: tuple[int, int, int]
    flip: tuple[bool, bool, bool]
    spacing_mm: tuple[float, float, float]

    def canonical(self, array: NDArray) -> NDArray:
        """A view in canonical order of an array ``[k, j, i]`` of the volume's grid."""
        return self._turn(array.transpose(self.order))

    def original(self, array: NDArray) -> NDArray:
        """The canonical array back in the volume's own order (contiguous)."""
        return np.ascontiguousarray(self._turn(array).transpose(np.argsort(self.order)))

    def to_original(self, index: NDArray, shape: tuple[int, int, int]) -> NDArray[np.float64]:
        """Map canonical indices to those of the volume.

        Parameters
        ----------
        index
            ``[..., 3]``: canonical slice, row and column, fractions allowed.
        shape
            Of the volume's own array.

        Returns
        -------
        ndarray
            ``[..., 3]`` of (k, j, i).
        """
        index = np.asarray(index, float)
        result = np.empty_like(index)
        for axis, (source, flipped) in enumerate(zip(self.order, self.flip, strict=True)):
            value = index[..., axis]
            result[..., source] = shape[source] - 1 - value if flipped else value
        return result

    def _turn(self, array: NDArray) -> NDArray:
        return array[tuple(slice(None, None, -1 if f else 1) for f in self.flip)]


def frame_of(volume: Volume) -> Frame:
    """The sagittal frame: each grid axis goes to the anatomical axis it lies nearest to."""
    return _nearest(volume, _SAGITTAL)


def axial_frame_of(volume: Volume) -> Frame:
    """The axial frame: slices upward, rows from front to back, columns to the patient's left.

    The slices of an axial series stay slices up to a tilt of 60°, as a block along a steep
    L5-S1 disc may have, though beyond 45° its rows lie nearer to the vertical.
    """
    return _nearest(volume, _AXIAL, slices_to_deg=60.0)


def _nearest(volume: Volume, canonical: NDArray[np.float64], slices_to_deg: float = 0.0) -> Frame:
    """Give each row of ``canonical`` the grid axis that lies nearest to it.

    The first one keeps the grid's own slice axis within ``slices_to_deg``.
    """
    steps = volume.affine[:3, 2::-1]  # columns: k, j, i
    cosines = canonical @ (steps / np.linalg.norm(steps, axis=0))
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    if abs(cosines[0, 0]) >= np.cos(np.radians(slices_to_deg)) - 1e-9:
        orders = orders[:2]
    order = max(orders, key=lambda o: sum(abs(cosines[axis, o[axis]]) for axis in range(3)))
    flip = [bool(cosines[axis, order[axis]] < 0) for axis in range(3)]
    spacing = [volume.spacing_mm[axis] for axis in order]
    return Frame(order, (flip[0], flip[1], flip[2]), (spacing[0], spacing[1], spacing[2]))
