"""A slice as it is looked at, and its place in the patient.

Sagittal: head up, face to the left. Axial: face up, the patient's right at the left, as seen
from the feet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openlumbar.core.anatomy import SPINAL_CANAL
from openlumbar.core.errors import StageError
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.imaging.frame import Frame, axial_frame_of, frame_of

Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Place:
    """Where a picture lies in the patient.

    Attributes
    ----------
    corner_mm
        LPS of the upper left corner of the upper left pixel.
    axes
        ``[3, 3]``, unit vectors in rows, LPS: out of the picture (leftward; of an axial one
        upward), down (axial: backward), and to the right of the picture (backward; axial:
        to the patient's left).
    """

    corner_mm: NDArray[np.float64]
    axes: NDArray[np.float64]

    def project(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Lay points onto the picture.

        Parameters
        ----------
        points_mm
            ``[..., 3]``, LPS.

        Returns
        -------
        ndarray
            ``[..., 3]``: millimetres that the point lies out of the picture, along the first
            of the axes, and its (y, x) from the picture's upper left corner. Distances
            between points of one slice are kept, whichever slice of the block that is.
        """
        return np.asarray((np.asarray(points_mm, float) - self.corner_mm) @ self.axes.T, np.float64)


@dataclass(frozen=True, eq=False)
class SliceView:
    """One slice as it is looked at.

    Attributes
    ----------
    image, labels, bodies
        ``[row, column]``: intensities, codes, codes of the bodies alone.
    spacing_mm
        Distance between rows and between columns.
    slice
        Index ``k`` in its block.
    place
        In the patient.
    """

    image: NDArray
    labels: NDArray
    bodies: NDArray
    spacing_mm: tuple[float, float]
    slice: int
    place: Place

    def crop(self, window: Window) -> SliceView:
        """The part of the picture in a window of rows and columns."""
        rows, columns = window
        corner = (0.0, (rows.start or 0), (columns.start or 0)) * np.array((1.0, *self.spacing_mm))
        place = replace(self.place, corner_mm=self.place.corner_mm + corner @ self.place.axes)
        return replace(
            self,
            image=self.image[window],
            labels=self.labels[window],
            bodies=self.bodies[window],
            place=place,
        )


def middle_slice(labels: NDArray) -> int:
    """The slice that shows most of the spine's middle.

    The canal is widest where a sagittal slice is nearest to the midline; without a
    canal, the slice with most named voxels is taken.

    Parameters
    ----------
    labels
        Codes, ``[slice, row, column]``.

    Raises
    ------
    StageError
        There is no label at all.
    """
    canal = (labels == SPINAL_CANAL).sum(axis=(1, 2))
    # Half weight: a slice through canal and bodies beats one through either alone.
    spine = (labels > 0).sum(axis=(1, 2))
    if not spine.any():
        raise StageError("no anatomy was found in this series, so there is no picture of it")
    return int((canal / max(canal.max(), 1) + 0.5 * spine / spine.max()).argmax())


def sagittal_view(
    image: Volume, labels: Volume, bodies: Volume | None, shown: int | None = None
) -> SliceView:
    """Cut a slice out of a sagittal block and turn it upright.

    Parameters
    ----------
    image, labels, bodies
        On one grid.
    shown
        The slice, counted from the patient's right; the one that shows most of the
        spine's middle when None.

    Raises
    ------
    StageError
        There is no label at all.
    """
    frame = frame_of(labels)
    if shown is None:
        shown = middle_slice(frame.canonical(labels.array))
    return _cut(image, labels, labels if bodies is None else bodies, frame, shown)


def _cut(image: Volume, labels: Volume, bodies: Volume, frame: Frame, shown: int) -> SliceView:
    ends = np.array([[shown, 0, 0], [shown + 1, 0, 0], [shown, 1, 0], [shown, 0, 1]], float)
    centre, *ahead = labels.to_patient(frame.to_original(ends, labels.shape))
    axes = (ahead - centre) / np.array(frame.spacing_mm)[:, None]
    half_pixel = (0.0, *frame.spacing_mm[1:]) @ axes / 2
    return SliceView(
        image=frame.canonical(image.array)[shown],
        labels=frame.canonical(labels.array)[shown],
        bodies=frame.canonical(bodies.array)[shown],
        spacing_mm=frame.spacing_mm[1:],
        slice=round(float(frame.to_original(ends[0], labels.shape)[frame.order[0]])),
        place=Place(centre - half_pixel, axes),
    )


_FRAMES = {Plane.SAGITTAL: frame_of, Plane.AXIAL: axial_frame_of}


@dataclass(frozen=True, eq=False)
class Slab:
    """All slices of a block, each as it is looked at, cut to one window.

    Attributes
    ----------
    image, labels, bodies
        On one grid.
    window
        Of rows and columns of every picture.
    plane
        Which way it is looked at. Slices are counted from the patient's right; those of an
        axial block from the feet.
    """

    image: Volume
    labels: Volume
    bodies: Volume
    window: Window = (slice(None), slice(None))
    plane: Plane = Plane.SAGITTAL

    @cached_property
    def frame(self) -> Frame:
        """How the grid lies."""
        return _FRAMES[self.plane](self.labels)

    @property
    def count(self) -> int:
        """Of slices."""
        return self.labels.shape[self.frame.order[0]]

    def view(self, shown: int) -> SliceView:
        """The slice ``shown``, as the plane counts them."""
        view = _cut(self.image, self.labels, self.bodies, self.frame, shown)
        return view.crop(self.window)

    def middle(self) -> int:
        """The sagittal slice, from the right, that shows most of the spine's middle."""
        return middle_slice(self.frame.canonical(self.labels.array))

    def number(self, shown: int) -> int:
        """Index in the block of a slice that is counted as the plane does."""
        index = self.frame.to_original(np.array([shown, 0.0, 0.0]), self.labels.shape)
        return round(float(index[self.frame.order[0]]))

    def slices_of(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """On which slice, as the plane counts them, points ``[..., 3]`` of LPS lie."""
        out_mm = self.view(0).place.project(points_mm)
        return np.asarray(out_mm[..., 0] / self.frame.spacing_mm[0], np.float64)


def window_around(
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    margins_mm: tuple[float, float, float, float],
) -> Window:
    """The rows and columns that hold a region and a margin around it.

    Parameters
    ----------
    mask
        ``[row, column]``, not empty.
    margins_mm
        Above, below, in front, behind; cut at the picture's border.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    above, below, front, behind = margins_mm
    y_mm, x_mm = spacing_mm
    return (
        slice(int(max(0, rows[0] - round(above / y_mm))), int(rows[-1] + 1 + round(below / y_mm))),
        slice(
            int(max(0, columns[0] - round(front / x_mm))),
            int(columns[-1] + 1 + round(behind / x_mm)),
        ),
    )
