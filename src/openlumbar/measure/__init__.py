"""Named masks → measurements with their rulers (design.md, section 4)."""

from openlumbar.measure.axial import measure_axial
from openlumbar.measure.sagittal import measure_sagittal

__all__ = ["measure_axial", "measure_sagittal"]
