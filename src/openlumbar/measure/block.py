"""All numbers of one block but the canal's: vertebrae, discs, the spine as a whole."""

from __future__ import annotations

from openlumbar.measure.angles import lordosis_reading
from openlumbar.measure.disc_readings import disc_readings
from openlumbar.measure.reading import Reading
from openlumbar.measure.state import MeasuredBlock
from openlumbar.measure.vertebra_readings import vertebra_readings
from openlumbar.measure.view import BlockView


def read_block(view: BlockView) -> list[Reading]:
    """Measure all of a block but the canal."""
    block = MeasuredBlock(view)
    readings: list[Reading] = []
    for code in block.free:
        readings += vertebra_readings(block, code)
    for segment in block.segments:
        readings += disc_readings(block, segment)
    if len(block.free) >= 2:
        readings.append(lordosis_reading(block))
    return readings
