"""The same picture twice: harmless copies go, contradictions are refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openlumbar.core.errors import GeometryError
from openlumbar.core.exam import LeftOut, Series
from openlumbar.exam.blocks import SAME_PLACE_MM
from openlumbar.io.dicom_pixels import Slice


def without_copies(slices: Sequence[Slice]) -> tuple[list[Slice], int]:
    """Drop slices that are the same picture at the same place.

    Parameters
    ----------
    slices
        Of one part of a series.

    Returns
    -------
    kept, copies
        Slices in the order given, and how many were dropped.

    Raises
    ------
    GeometryError
        Two different pictures claim one place, or one SOP Instance UID.
    """
    kept: list[Slice] = []
    uids: dict[str, Slice] = {}
    buckets: dict[tuple[int, ...], list[Slice]] = {}
    for entry in slices:
        twin = _twin(entry, buckets)
        if twin is None:
            _check_uid(entry, uids)
            kept.append(entry)
            buckets.setdefault(_bucket(entry), []).append(entry)
        elif not np.array_equal(twin.pixels, entry.pixels):
            raise GeometryError("two different pictures lie at the same place")
    return kept, len(slices) - len(kept)


def _check_uid(entry: Slice, uids: dict[str, Slice]) -> None:
    if entry.frame.uid == entry.frame.path.name:  # no UID was given
        return
    if uids.setdefault(entry.frame.instance, entry) is not entry:
        raise GeometryError("two pictures at different places carry one SOP Instance UID")


def _bucket(entry: Slice) -> tuple[int, ...]:
    """Cell of a coarse grid, so that only neighbours are compared."""
    return tuple(int(value // 1.0) for value in entry.frame.placement.position)


def _twin(entry: Slice, buckets: dict[tuple[int, ...], list[Slice]]) -> Slice | None:
    """The slice kept before that lies at the same place, if any."""
    place = entry.frame.placement
    x, y, z = _bucket(entry)
    for dx, dy, dz in np.ndindex(3, 3, 3):
        for other in buckets.get((x + dx - 1, y + dy - 1, z + dz - 1), ()):
            rival = other.frame.placement
            apart = np.linalg.norm(np.subtract(place.position, rival.position))
            if apart < SAME_PLACE_MM and place.normal @ rival.normal > 0.999:
                return other
    return None


def without_copied_series(series: Sequence[Series]) -> tuple[list[Series], list[LeftOut]]:
    """Drop a series that is another one under a different UID or name: same grids and pixels."""
    kept: list[Series] = []
    left_out: list[LeftOut] = []
    for entry in series:
        twin = next((other for other in kept if _same_series(entry, other)), None)
        if twin is None:
            kept.append(entry)
        else:
            files = len({name for block in entry.blocks for name in block.instances})
            left_out.append(LeftOut(entry.name, f"the same pictures as {twin.name}", files))
    return kept, left_out


def _same_series(one: Series, other: Series) -> bool:
    return len(one.blocks) == len(other.blocks) and all(
        a.volume.shape == b.volume.shape
        and np.allclose(a.volume.affine, b.volume.affine, atol=SAME_PLACE_MM)
        and np.array_equal(a.volume.array, b.volume.array)
        for a, b in zip(one.blocks, other.blocks, strict=True)
    )
