"""Named masks → measurements with their rulers (design.md, section 4)."""

from openlumbar.measure.sagittal import measure_sagittal

__all__ = ["measure_sagittal"]
