"""One plane of points, and what has been painted there."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from openlumbar.phantom.geometry import Coordinates, PlacedVertebra
from openlumbar.phantom.tissue import Tissue

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
Window = tuple[slice, slice]


class Landmark(IntEnum):
    """What has no code of its own but tells the level of a slice."""

    NONE = 0
    KIDNEY = 1
    ILIUM = 2


class Canvas:
    """One plane of points and what has been painted there.

    Parameters
    ----------
    origin, across, down
        LPS of pixel (0, 0), and the steps along a row and along a column, mm.
    shape
        Rows and columns.

    Attributes
    ----------
    tissue, other, mix
        A point is ``1 - mix`` parts of ``tissue`` and ``mix`` parts of ``other``.
    code
        Codes of :mod:`openlumbar.core.anatomy`.
    region
        Classes of :class:`openlumbar.core.masks.Tissue`.
    landmark
        :class:`Landmark` last noted, whether or not painted over since.
    """

    def __init__(
        self,
        origin: NDArray[np.float64],
        across: NDArray[np.float64],
        down: NDArray[np.float64],
        shape: tuple[int, int],
    ) -> None:
        rows = np.arange(shape[0], dtype=np.float32)[:, None]
        columns = np.arange(shape[1], dtype=np.float32)[None, :]
        steps = float(np.linalg.norm(across)), float(np.linalg.norm(down))
        self._origin, self._steps = np.asarray(origin, float), steps
        # Directions along a row, along a column and out of the plane, as rows.
        self._axes = np.array([across / steps[0], down / steps[1], np.zeros(3)])
        self._axes[2] = np.cross(self._axes[0], self._axes[1])
        self.x, self.y, self.z = (
            np.float32(origin[axis])
            + np.float32(across[axis]) * columns
            + np.float32(down[axis]) * rows
            for axis in range(3)
        )
        self.tissue = np.zeros(shape, np.uint8)
        self.other = np.zeros(shape, np.uint8)
        self.mix = np.zeros(shape, np.float32)
        self.code = np.zeros(shape, np.uint16)
        self.region = np.zeros(shape, np.uint8)
        self.landmark = np.zeros(shape, np.uint8)

    def near(self, centre: NDArray[np.float64], radius: float) -> Window | None:
        """The part of the plane inside a ball, if any."""
        i, j, off = self._axes @ (centre - self._origin)
        reach = radius**2 - off**2
        if reach <= 0:
            return None
        reach = math.sqrt(reach)
        window = []
        for middle, step, size in zip((j, i), self._steps[::-1], self.code.shape, strict=True):
            low, high = int((middle - reach) / step), int((middle + reach) / step) + 2
            if high <= 0 or low >= size:
                return None
            window.append(slice(max(low, 0), min(high, size)))
        return window[0], window[1]

    def points(self, window: Window) -> Coordinates:
        """LPS coordinates of a part of the plane."""
        return self.x[window], self.y[window], self.z[window]

    def local(self, window: Window, placed: PlacedVertebra) -> Coordinates:
        """Coordinates of a part of the plane in a vertebra's frame."""
        return placed.to_local(self.points(window))

    def put(
        self,
        mask: Mask,
        tissue: Tissue,
        mixed: tuple[Tissue, Floats | float] | None = None,
        window: Window = (slice(None), slice(None)),
        label: tuple[int, int] = (0, 0),
    ) -> None:
        """Paint where ``mask`` holds.

        Parameters
        ----------
        mixed
            A second tissue and its part, 0 … 1.
        label
            Code and region.
        """
        self.tissue[window][mask] = tissue
        self.code[window][mask] = label[0]
        self.region[window][mask] = label[1]
        if mixed is None:
            self.mix[window][mask] = 0
            return
        second, part = mixed
        self.other[window][mask] = second
        self.mix[window][mask] = part[mask] if isinstance(part, np.ndarray) else part

    def note(self, mask: Mask, landmark: Landmark, window: Window) -> None:
        """Say that what was just painted is a landmark."""
        self.landmark[window][mask] = landmark

    def landmarks(self) -> NDArray[np.uint8]:
        """The noted landmarks that nothing was painted over: :class:`Landmark` of each point."""
        kidney = (self.landmark == Landmark.KIDNEY) & (self.tissue == Tissue.ORGAN)
        bone = (self.tissue == Tissue.CORTEX) | (self.tissue == Tissue.RED_MARROW)
        ilium = (self.landmark == Landmark.ILIUM) & bone & (self.code == 0)
        return np.where(kidney | ilium, self.landmark, np.uint8(Landmark.NONE))
