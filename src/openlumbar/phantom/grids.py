"""Where a technician would put the slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from openlumbar.core.volume import Volume
from openlumbar.phantom.discs import disc_frame
from openlumbar.phantom.geometry import PlacedDisc, Spine

#: How far the planes of an axial slice are spread (:meth:`Scene.sample`), in pixels.
AXIAL_SPREAD = 0.33


@dataclass(frozen=True)
class SagittalFrame:
    """A stack of sagittal slices about L3.

    Attributes
    ----------
    shift_mm
        Of the stack's centre, LPS, from its usual place.
    turn_deg
        Rotation of the stack about the head-foot axis.
    """

    pixel_mm: float = 0.9
    slice_mm: float = 4.4
    slices: int = 15
    height_mm: float = 300.0
    width_mm: float = 300.0
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn_deg: float = 0.0


@dataclass(frozen=True)
class AxialFrame:
    """Blocks of axial slices, one a disc and parallel to it, or one contiguous stack.

    Attributes
    ----------
    slices
        Of a block.
    blocks
        The lowest discs that get one.
    stack
        One stack from the upper border of L1 to that of S2 in place of the blocks;
        ``slices`` and ``blocks`` then mean nothing.
    tilt_deg
        Of the stack, in the sense of :class:`SliceFrame`.
    """

    pixel_mm: float = 0.7
    slice_mm: float = 4.4
    slices: int = 4
    width_mm: float = 200.0
    blocks: int = 5
    stack: bool = False
    tilt_deg: float = 0.0


def _grid(
    centre: NDArray[np.float64],
    axes: NDArray[np.float64],
    spacing: tuple[float, float, float],
    shape: tuple[int, int, int],
) -> Volume:
    """A grid about its centre; ``axes`` holds the i, j and k directions as columns."""
    affine = np.eye(4)
    affine[:3, :3] = axes * np.array(spacing[::-1])
    last = np.array(shape[::-1]) - 1
    affine[:3, 3] = centre - affine[:3, :3] @ (last / 2)
    return Volume(np.broadcast_to(np.uint8(0), shape), affine)


def sagittal_grid(spine: Spine, frame: SagittalFrame) -> Volume:
    """Slices from the patient's left to the right, rows downward, columns backward.

    Returns
    -------
    Volume
        Only its geometry means something.
    """
    third = spine.vertebra("L3").centre
    # The spine lies behind the middle of the picture, L3 a little above it.
    centre = third + np.array([0.0, -0.5 * frame.width_mm + 130.0 * frame.width_mm / 300, -12.0])
    turn = np.radians(frame.turn_deg)
    cos, sin = np.cos(turn), np.sin(turn)
    axes = np.array([[-sin, 0.0, -cos], [cos, 0.0, -sin], [0.0, -1.0, 0.0]])
    rows = max(round(frame.height_mm / frame.pixel_mm), 8)
    columns = max(round(frame.width_mm / frame.pixel_mm), 8)
    return _grid(
        centre + np.array(frame.shift_mm),
        axes,
        (frame.slice_mm, frame.pixel_mm, frame.pixel_mm),
        (frame.slices, rows, columns),
    )


def _block(disc: PlacedDisc, frame: AxialFrame) -> Volume:
    """Slices parallel to a disc, tilted in the sagittal plane only."""
    place = disc_frame(disc)
    backward = place.rotation[:, 1] * np.array([0.0, 1.0, 1.0])
    backward /= np.linalg.norm(backward)
    left = np.array([1.0, 0.0, 0.0])
    axes = np.stack([left, backward, np.cross(left, backward)], axis=1)
    size = max(round(frame.width_mm / frame.pixel_mm), 8)
    return _grid(
        place.centre + 0.12 * frame.width_mm * backward,
        axes,
        (frame.slice_mm, frame.pixel_mm, frame.pixel_mm),
        (frame.slices, size, size),
    )


def _stack(spine: Spine, frame: AxialFrame) -> Volume:
    """Equal slices from the upper border of L1 to the upper border of S2."""
    ends = [
        placed.to_patient((0.0, 0.0, placed.spec.height_mm / 2))
        for placed in (spine.vertebra("S2"), spine.vertebra("L1"))
    ]
    axes = _axes(frame.tilt_deg, 0.0, 0.0)
    length = float(axes[:, 2] @ (ends[1] - ends[0]))
    size = max(round(frame.width_mm / frame.pixel_mm), 8)
    return _grid(
        (ends[0] + ends[1]) / 2 + 0.12 * frame.width_mm * axes[:, 1],
        axes,
        (frame.slice_mm, frame.pixel_mm, frame.pixel_mm),
        (max(round(length / frame.slice_mm), 1), size, size),
    )


def axial_blocks(spine: Spine, frame: AxialFrame) -> tuple[Volume, ...]:
    """One grid for each of the lowest discs above the sacrum, from the foot upward.

    Columns run to the patient's left, rows backward, slices upward. A single grid where
    the frame asks for a stack.
    """
    if frame.stack:
        return (_stack(spine, frame),)
    names = [disc.spec.name for disc in spine.discs]
    last = next(n for n, name in enumerate(names) if name.endswith("-S1"))
    chosen = spine.discs[max(last + 1 - frame.blocks, 0) : last + 1]
    return tuple(_block(disc, frame) for disc in reversed(chosen))


@dataclass(frozen=True)
class SliceFrame:
    """One axial slice, in whatever direction.

    Attributes
    ----------
    pixel_mm
        Of the square pixels.
    shape
        Rows and columns.
    tilt_deg
        Of the slice in the sagittal plane; positive when its front lies lower than its back.
    lean_deg
        Of the slice in the coronal plane; positive when its left lies lower than its right.
    turn_deg
        Of the picture about the slice's normal.
    shift_mm
        Of the picture's centre, along its rows and along its columns.
    """

    pixel_mm: float = 0.7
    shape: tuple[int, int] = (280, 280)
    tilt_deg: float = 0.0
    lean_deg: float = 0.0
    turn_deg: float = 0.0
    shift_mm: tuple[float, float] = (0.0, 0.0)


def _axes(tilt_deg: float, lean_deg: float, turn_deg: float) -> NDArray[np.float64]:
    """Directions of columns, rows and slices (LPS) as columns of a rotation."""
    angles = (tilt_deg, lean_deg, turn_deg)
    return np.asarray(Rotation.from_euler("XYZ", angles, degrees=True).as_matrix(), np.float64)


def slice_grid(point: NDArray[np.float64], frame: SliceFrame, slice_mm: float) -> Volume:
    """A grid of one slice whose plane goes through a point (LPS)."""
    axes = _axes(frame.tilt_deg, frame.lean_deg, frame.turn_deg)
    centre = point + axes[:, :2] @ np.array(frame.shift_mm)
    spacing = (slice_mm, frame.pixel_mm, frame.pixel_mm)
    return _grid(centre, axes, spacing, (1, *frame.shape))


@dataclass(frozen=True, eq=False)
class DiscCurve:
    """The curve through the middles of the discs.

    Attributes
    ----------
    names
        From the head downward.
    centres
        ``[n, 3]``, LPS.
    tilts_deg
        Of each disc in the sagittal plane, in the sense of :class:`SliceFrame`.
    """

    names: tuple[str, ...]
    centres: NDArray[np.float64]
    tilts_deg: NDArray[np.float64]

    def at(self, place: float) -> NDArray[np.float64]:
        """The point so many discs below the first, fractions allowed (LPS)."""
        index = np.arange(len(self.names))
        return np.array([np.interp(place, index, axis) for axis in self.centres.T])


def disc_curve(spine: Spine) -> DiscCurve:
    """The discs of a spine in their places."""
    frames = [disc_frame(disc) for disc in spine.discs]
    up = np.array([frame.rotation[:, 2] for frame in frames])
    return DiscCurve(
        names=tuple(disc.spec.name for disc in spine.discs),
        centres=np.array([frame.centre for frame in frames]),
        tilts_deg=np.degrees(np.arctan2(-up[:, 1], up[:, 2])),
    )
