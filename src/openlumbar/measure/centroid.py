"""Centres of mass in the patient."""

from __future__ import annotations

from collections.abc import Iterator

from openlumbar.measure.reading import Reading, Source
from openlumbar.measure.state import MeasuredBlock


def centroid_readings(
    block: MeasuredBlock, structure: str, level: str, code: int
) -> Iterator[Reading]:
    """Of all voxels, LPS; withheld where the picture cuts the structure."""
    part, middle = block.view.parts[code], block.middles[code]
    flags = block.trouble(code)
    if not flags and any(part.borders(middle.slice)):
        flags = ("partly-in-view",)
    of = Source(structure, level, (code,), None, middle.flags)
    place = block.view.to_patient(part.centroid[0], part.place_mm)
    for axis, value in zip("xyz", place, strict=True):
        name = f"centroid_{axis}_mm"
        yield of.nothing(name, flags) if flags else of.number(name, value, (), 0.2)
