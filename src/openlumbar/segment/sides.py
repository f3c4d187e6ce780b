"""Left and right of a slice: the midline through body, sac and spinous process.

The network tells muscles apart, not sides. Columns run toward the patient's left, so that
the side of a pixel follows from the side of the midline it lies on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.segment.landmarks import Landmarks, PlaneGrid, aside_mm

#: A part of a muscle with this share on one side is that side's as a whole: the midline is
#: known to a millimetre or two only, and a muscle does not cross it.
WHOLE_SHARE = 0.85


def left_of_midline_mm(landmarks: Landmarks, grid: PlaneGrid) -> NDArray[np.float64]:
    """How far each pixel ``[row, column]`` lies to the patient's left of the midline.

    Parameters
    ----------
    landmarks
        Of the slice.
    grid
        Of the pixels asked for.

    Returns
    -------
    ndarray
        Millimetres, negative on the right. The midline runs from the body's centre forward
        along ``landmarks.front``, from the body to the sac, and from the sac to the spinous
        process (along ``landmarks.front`` without one) and on: in a scoliosis the process
        may lean away.
    """
    front, left = landmarks.front, landmarks.left
    ahead = aside_mm(grid, landmarks.sac, front)
    beside = aside_mm(grid, landmarks.sac, left)
    nodes = [np.zeros(2), _along(landmarks.body - landmarks.sac, front, left)]
    if landmarks.spinous is not None:
        nodes.insert(0, _along(landmarks.spinous - landmarks.sac, front, left))
        # Behind the process's centre the line goes on as it runs from the sac.
        nodes.insert(0, 4 * nodes[0])
    at, shift = np.array(nodes).T
    return np.asarray(beside - np.interp(ahead, at, shift))


def _along(
    vector: NDArray[np.float64], front: NDArray[np.float64], left: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.array([vector @ front, vector @ left])


def split_sides(
    mask: NDArray[np.bool_], left_mm: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Part a muscle into the patient's left and right.

    Parameters
    ----------
    mask
        ``bool[row, column]`` of one muscle on both sides.
    left_mm
        As :func:`left_of_midline_mm` gives it.

    Returns
    -------
    left, right : ndarray
        A connected part goes to one side as a whole where nearly all of it lies there; one
        that straddles the midline is cut along it.
    """
    on_left = left_mm > 0
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    share = np.bincount(labels.ravel(), on_left.ravel(), count + 1) / np.maximum(sizes, 1)
    whole = np.abs(share - 0.5) >= WHOLE_SHARE - 0.5
    side = np.where(whole[labels], (share > 0.5)[labels], on_left)
    return mask & side, mask & ~side
