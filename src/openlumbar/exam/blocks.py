"""Slices of one series → regular grids, by geometry alone.

The order in which slices were acquired or numbered is never used: it reverses between
blocks, and copies renumber it. What is not regular is split, and what contradicts
itself is refused; nothing is resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import GeometryError
from openlumbar.core.exam import Block
from openlumbar.core.plane import Plane, plane_of
from openlumbar.core.volume import Volume
from openlumbar.io.dicom_header import Placement
from openlumbar.io.dicom_pixels import Slice

#: Slices share an orientation when rows and columns agree within this angle.
ORIENTATION_TOLERANCE_DEG = 0.1
#: … and one grid when their first pixels line up along the normal this well.
IN_PLANE_TOLERANCE_MM = 0.25
#: A stack is regular when no slice lies further from the grid than this part of a step.
STEP_TOLERANCE = 0.1
#: A step this much longer than a neighbouring one, or than the slice is thick, is a gap.
GAP_RATIO = 1.5
GAP_THICKNESS_RATIO = 3.0
#: A step shorter than this part of thickness and usual step, alone among longer ones,
#: is a slice in the wrong place.
OVERLAP_RATIO = 0.75
#: Fewer slices than this are a fragment: not a block that someone planned in a
#: sagittal or coronal series.
MIN_STACK = 3
#: Slices nearer than this are at the same place.
SAME_PLACE_MM = 0.1


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices whose centres line up along the normal, in order of it.

    ``heights_mm``: place of each slice along the normal, ascending.
    """

    slices: tuple[Slice, ...]
    heights_mm: NDArray[np.float64]

    @property
    def placement(self) -> Placement:
        """Geometry of the first slice."""
        return self.slices[0].frame.placement

    def part(self, start: int, stop: int) -> Stack:
        """Return the slices from ``start`` up to ``stop``."""
        return Stack(self.slices[start:stop], self.heights_mm[start:stop])


def build_blocks(slices: Sequence[Slice], plane: Plane) -> tuple[tuple[Block, ...], list[str]]:
    """Put slices of one matrix and pixel spacing into regular grids.

    Parameters
    ----------
    slices
        At least one; no two at the same place.
    plane
        Of the series. Only axial series may hold blocks of a few slices each.

    Returns
    -------
    blocks
        In ascending order along the mean normal, as are the slices in each.
    warnings
        Sentences about gaps and irregular steps.

    Raises
    ------
    GeometryError
        Positions or directions contradict each other.
    """
    stacks = _stacks(slices)
    _check_fragments(stacks, plane)
    _check_interleaved(stacks)
    warnings = _fragment_warnings(stacks)
    if len(stacks) > 1 and plane is not Plane.AXIAL:
        warnings.append(f"{len(stacks)} stacks in one series; each is a block of its own")
    runs: list[Stack] = []
    for stack in stacks:
        found = _regular_runs(stack)
        warnings += _gap_warnings(stack, found, plane)
        runs += found
    mean = np.mean([run.placement.normal for run in runs], axis=0)
    runs.sort(key=lambda run: float(_centre(run) @ mean))
    warnings += _thickness_warnings(runs)
    return tuple(_block(run) for run in runs), warnings


def _centre(stack: Stack) -> NDArray[np.float64]:
    return np.mean([entry.frame.placement.centre for entry in stack.slices], axis=0)


def _stacks(slices: Sequence[Slice]) -> list[Stack]:
    """Group slices by orientation, then by where they stand in their plane."""
    return [
        _stack(aligned)
        for parallel in _clusters(slices, _same_orientation)
        for aligned in _clusters(parallel, _same_line)
    ]


def _clusters(
    slices: Sequence[Slice], same: Callable[[Placement, Placement], bool]
) -> list[list[Slice]]:
    """Put each slice to the first group whose first member it resembles."""
    groups: list[list[Slice]] = []
    for entry in slices:
        place = entry.frame.placement
        home = next((group for group in groups if same(group[0].frame.placement, place)), None)
        if home is None:
            groups.append([entry])
        else:
            home.append(entry)
    return groups


def _same_orientation(one: Placement, other: Placement) -> bool:
    limit = np.radians(ORIENTATION_TOLERANCE_DEG)
    rows = np.linalg.norm(np.subtract(one.row, other.row))
    columns = np.linalg.norm(np.subtract(one.column, other.column))
    return bool(max(rows, columns) <= limit)


def _same_line(one: Placement, other: Placement) -> bool:
    """Tell whether two parallel slices lie on top of each other along the normal."""
    offset = np.subtract(other.position, one.position)
    across = offset - (offset @ one.normal) * one.normal
    return bool(np.linalg.norm(across) <= IN_PLANE_TOLERANCE_MM)


def _stack(slices: Sequence[Slice]) -> Stack:
    normal = slices[0].frame.placement.normal
    heights = np.array([np.dot(entry.frame.placement.position, normal) for entry in slices])
    order = np.argsort(heights, kind="stable")
    return Stack(tuple(slices[index] for index in order), heights[order])


def _check_fragments(stacks: list[Stack], plane: Plane) -> None:
    """Refuse single slices that stand askew to the stack they belong to."""
    whole = [stack for stack in stacks if len(stack.slices) >= MIN_STACK]
    fragments = [stack for stack in stacks if len(stack.slices) < MIN_STACK]
    if not whole:
        if plane is not Plane.AXIAL and len(stacks) > 1:
            raise GeometryError("its slices neither are parallel nor line up with each other")
        return
    for fragment in fragments:
        astray = plane is not Plane.AXIAL or any(_fills(stack, fragment) for stack in whole)
        if astray:
            raise GeometryError(
                f"{len(fragment.slices)} of its slices contradict the others in position or "
                "orientation"
            )


def _fills(stack: Stack, fragment: Stack) -> bool:
    """Tell whether a slice stands where the stack lacks one: inside it or next to it."""
    place = stack.placement
    heights = stack.heights_mm - stack.heights_mm.mean()
    steps = np.diff(heights)
    step = float(np.median(steps))
    has_gap = steps.max() > GAP_RATIO * step
    reach = float(np.multiply(place.spacing_mm, place.shape).min()) / 4
    middle = _centre(stack)
    for entry in fragment.slices:
        offset = entry.frame.placement.centre - middle
        height = float(offset @ place.normal)
        inside = has_gap and heights[0] < height < heights[-1]
        beyond = min(abs(height - heights[0] + step), abs(height - heights[-1] - step))
        near = np.linalg.norm(offset - height * place.normal) < reach
        if near and (inside or beyond < STEP_TOLERANCE * step):
            return True
    return False


def _fragment_warnings(stacks: list[Stack]) -> list[str]:
    """Say that slices stand apart from blocks of several: a block may be incomplete."""
    lone = sum(len(stack.slices) for stack in stacks if len(stack.slices) < MIN_STACK)
    if not lone or all(len(stack.slices) < MIN_STACK for stack in stacks):
        return []
    return [f"{lone} slices stand apart from the blocks, which may be incomplete"]


def _check_interleaved(stacks: list[Stack]) -> None:
    """Refuse parallel stacks that share their slots but not their place in the plane.

    Stations of a whole-spine series lie at least half a picture apart; anything nearer
    and between each other's slices is one stack with contradicting positions.
    """
    for index, one in enumerate(stacks):
        for other in stacks[index + 1 :]:
            if not _same_orientation(one.placement, other.placement):
                continue
            apart = np.subtract(other.placement.position, one.placement.position)
            normal = one.placement.normal
            across = np.linalg.norm(apart - (apart @ normal) * normal)
            overlap = _overlap(one, other)
            size = float(np.multiply(one.placement.spacing_mm, one.placement.shape).min())
            if overlap and across < size / 2:
                raise GeometryError("its slices lie beside each other's line along the normal")


def _overlap(one: Stack, other: Stack) -> bool:
    low = max(one.heights_mm[0], other.heights_mm[0])
    return bool(low <= min(one.heights_mm[-1], other.heights_mm[-1]))


def _regular_runs(stack: Stack) -> list[Stack]:
    """Cut a stack where its steps change."""
    _check_overlap(stack)
    cuts = [0, *_gaps(stack), len(stack.slices)]
    runs: list[Stack] = []
    for start, stop in pairwise(cuts):
        runs += _split_irregular(stack.part(start, stop))
    return runs


def _gaps(stack: Stack) -> list[int]:
    """Index of each slice in front of which slices are missing."""
    steps = np.diff(stack.heights_mm)
    thickness = _nominal_step(stack)
    gaps = []
    for index, step in enumerate(steps):
        beside = [steps[near] for near in (index - 1, index + 1) if 0 <= near < len(steps)]
        longer = bool(beside) and step > GAP_RATIO * min(beside)
        apart = thickness is not None and step > GAP_THICKNESS_RATIO * thickness
        if longer or apart:
            gaps.append(index + 1)
    return gaps


def _nominal_step(stack: Stack) -> float | None:
    known = [stack.placement.thickness_mm or 0, stack.placement.step_mm or 0]
    return max(known) or None


def _split_irregular(stack: Stack) -> list[Stack]:
    """Cut a stack without gaps into the longest regular runs, from its start."""
    runs = []
    start = 0
    count = len(stack.slices)
    for stop in range(1, count + 1):
        whole = stop == count
        if whole or not _is_regular(stack.heights_mm[start : stop + 1]):
            runs.append(stack.part(start, stop))
            start = stop
    return runs


def _is_regular(heights: NDArray[np.float64]) -> bool:
    count = len(heights)
    if count < 3:
        return True
    step = (heights[-1] - heights[0]) / (count - 1)
    residual = heights - (heights[0] + step * np.arange(count))
    return bool(np.abs(residual).max() <= STEP_TOLERANCE * step)


def _check_overlap(stack: Stack) -> None:
    """Refuse a slice that was moved into its neighbour."""
    steps = np.diff(stack.heights_mm)
    thickness = _nominal_step(stack)
    if len(steps) < 2 or thickness is None:
        return
    usual = float(np.median(steps))
    for index, step in enumerate(steps):
        beside = [steps[near] for near in (index - 1, index + 1) if 0 <= near < len(steps)]
        alone = all(abs(step - near) > STEP_TOLERANCE * usual for near in beside)
        if alone and step < OVERLAP_RATIO * min(usual, thickness):
            raise GeometryError(
                f"two of its slices are {step:.2f} mm apart where {usual:.2f} mm is usual"
            )


def _gap_warnings(stack: Stack, runs: list[Stack], plane: Plane) -> list[str]:
    """Say what lies between the runs of one stack; several blocks are usual when axial."""
    steps = [float(np.median(np.diff(run.heights_mm))) for run in runs if len(run.slices) > 1]
    if len(runs) < 2 or not steps:
        return []
    step = float(np.median(steps))
    jumps = [float(b.heights_mm[0] - a.heights_mm[-1]) / step for a, b in pairwise(runs)]
    missing = [round(jump) - 1 for jump in jumps]
    whole = all(abs(jump - round(jump)) <= STEP_TOLERANCE * 2 and jump > 1.2 for jump in jumps)
    if whole and (plane is not Plane.AXIAL or sum(missing) <= 3 * len(jumps)):
        return [f"{sum(missing)} slices are missing; the series is split into {len(runs)} blocks"]
    if plane is Plane.AXIAL and min(jumps) > GAP_RATIO:
        return []
    return [f"the distance between slices is irregular; split into {len(runs)} blocks"]


def _thickness_warnings(runs: list[Stack]) -> list[str]:
    guessed = any(len(run.slices) == 1 and _nominal_step(run) is None for run in runs)
    return ["no slice thickness is given for a single slice; 1 mm is assumed"] if guessed else []


def _block(run: Stack) -> Block:
    place = run.placement
    heights = run.heights_mm
    count = len(heights)
    step = (heights[-1] - heights[0]) / (count - 1) if count > 1 else _nominal_step(run) or 1.0
    affine = np.eye(4)
    column = np.subtract(place.column, np.dot(place.column, place.row) * np.asarray(place.row))
    affine[:3, 0] = np.multiply(place.row, place.spacing_mm[1])
    affine[:3, 1] = column / np.linalg.norm(column) * place.spacing_mm[0]
    affine[:3, 2] = place.normal / np.linalg.norm(place.normal) * step
    affine[:3, 3] = place.position
    volume = Volume(np.stack([entry.pixels for entry in run.slices]), affine)
    return Block(volume, tuple(entry.frame.instance for entry in run.slices))


def family_count(placements: Sequence[Placement]) -> tuple[int, int]:
    """Count families of directions, and the slices in the smallest one.

    Rows and columns within 60 degrees are one family: angled axial blocks are, the
    planes of a localizer, radial slices and mirrored rows are not.
    """
    families: list[list[Placement]] = []
    for place in placements:
        home = next((family for family in families if _akin(family[0], place)), None)
        if home is None:
            families.append([place])
        else:
            home.append(place)
    return len(families), min(len(family) for family in families)


def _akin(one: Placement, other: Placement) -> bool:
    return np.dot(one.row, other.row) > 0.5 and np.dot(one.column, other.column) > 0.5


def plane_of_slices(placements: Sequence[Placement]) -> Plane:
    """Name the plane of most slices, by the mean of their normals."""
    reference = placements[0].normal
    normals = [place.normal * np.sign(place.normal @ reference or 1) for place in placements]
    return plane_of(np.mean(normals, axis=0))
