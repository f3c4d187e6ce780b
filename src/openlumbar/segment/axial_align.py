"""The standard frame: every slice with its sac at one place and upright, in its own size.

Xia et al. 2019 align each slice to an atlas by an affine before the network sees it. Here the
network of the first look, over the whole picture, says where body, sac and muscles lie; a
rigid map brings them to a standard frame, and the second look is at that. Areas stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.segment.landmarks import Floats, Landmarks, PlaneGrid, affine_index

#: Rows and columns of the standard frame, and the pixels that it has so many of. A
#: cross-section of the muscles of the back and the psoas fits in, with 30 mm to spare.
FRAME_SHAPE = (256, 288)
FRAME_MM = 0.8
#: Row and column of the sac's centre in it.
FRAME_SAC = (112.0, 144.0)
#: No slice is turned further: nobody lies so, and what looks so was misread.
MOST_TURN_RAD = np.radians(35.0)


@dataclass(frozen=True, eq=False)
class Pose:
    """How a slice lies: a rigid map from the standard frame to the picture.

    Attributes
    ----------
    sac_mm
        Place of the sac in the picture, mm (backward, leftward).
    turn_rad
        Of the patient in the picture, positive when the front points to the picture's left.
    pixel_mm
        Of the frame, which in other pixels than :data:`FRAME_MM` has as many more or fewer.
    """

    sac_mm: Floats
    turn_rad: float = 0.0
    pixel_mm: float = FRAME_MM

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the frame."""
        rows, columns = (round(n * FRAME_MM / self.pixel_mm) for n in FRAME_SHAPE)
        return rows, columns

    @property
    def _sac(self) -> Floats:
        """Row and column of the sac's centre in the frame."""
        return np.array(FRAME_SAC) * FRAME_MM / self.pixel_mm

    def to_standard(
        self, picture: NDArray, grid: PlaneGrid, outside: float = 0.0
    ) -> NDArray[np.float32]:
        """Resample a picture to the standard frame, linearly.

        Parameters
        ----------
        picture
            ``[row, column]`` of ``grid``.
        outside
            Value beyond the picture.

        Returns
        -------
        ndarray
            ``float32[row, column]`` of :attr:`shape`.
        """
        matrix, offset = self._matrix(grid)
        return np.asarray(
            ndimage.affine_transform(
                picture.astype(np.float32, copy=False),
                matrix,
                offset,
                output_shape=self.shape,
                order=1,
                cval=outside,
            )
        )

    def place_mm(self, index: NDArray) -> Floats:
        """Place in the picture of pixels ``[..., 2]`` (row, column) of the standard frame."""
        away = (np.asarray(index) - self._sac) * self.pixel_mm
        return np.asarray(self.sac_mm + away @ self._turn().T, np.float64)

    def index_at(self, places_mm: Floats) -> Floats:
        """Row and column in the standard frame of places ``[..., 2]`` in the picture."""
        away = (places_mm - self.sac_mm) @ np.linalg.inv(self._turn()).T
        return np.asarray(away / self.pixel_mm + self._sac, np.float64)

    def index_of(self, grid: PlaneGrid) -> NDArray[np.float32]:
        """Row and column in the standard frame of every pixel: ``[2, rows, columns]``."""
        matrix, offset = self._matrix(grid)
        back = np.asarray(np.linalg.inv(matrix), np.float64)
        return affine_index(back, -back @ offset, grid.shape)

    def _matrix(self, grid: PlaneGrid) -> tuple[Floats, Floats]:
        """Matrix and offset from indices of the standard frame to those of a grid."""
        to_index = 1 / np.array(grid.spacing_mm)
        matrix = to_index[:, None] * self._turn() * self.pixel_mm
        place = to_index * (self.sac_mm - grid.origin_mm)
        return matrix, place - matrix @ self._sac

    def _turn(self) -> Floats:
        """Matrix from millimetres of the standard frame to those of the picture."""
        cos, sin = np.cos(self.turn_rad), np.sin(self.turn_rad)
        return np.array([[cos, -sin], [sin, cos]])


def pose_of(landmarks: Landmarks, pixel_mm: float = FRAME_MM) -> Pose | None:
    """The pose that stands body, sac and muscles upright; None beyond :data:`MOST_TURN_RAD`."""
    turn = landmarks.turn_rad
    return Pose(landmarks.sac, turn, pixel_mm) if abs(turn) <= MOST_TURN_RAD else None


def interpolate(values: NDArray[np.float32], index: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities at places between pixels, linearly.

    Parameters
    ----------
    values
        ``float32[class, row, column]``.
    index
        ``float32[2, n]``: row and column of each place asked for; beyond the picture its
        nearest pixel counts.

    Returns
    -------
    ndarray
        ``float32[n, class]``.
    """
    count, rows, columns = values.shape
    last = np.array([[rows - 1], [columns - 1]], np.float32)
    at = index.clip(0, last)
    low = np.minimum(at.astype(np.intp), (last - 1).astype(np.intp))
    down, right = (at - low).astype(np.float32)[:, :, None]
    first = low[0] * columns + low[1]
    table = np.ascontiguousarray(values.reshape(count, -1).T)
    upper = table[first] * (1 - right) + table[first + 1] * right
    lower = table[first + columns] * (1 - right) + table[first + columns + 1] * right
    return np.asarray(upper + (lower - upper) * down, np.float32)
