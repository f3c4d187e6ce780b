"""Exam → masks."""

from openlumbar.segment.axial import AxialOptions, segment_axial
from openlumbar.segment.sagittal import segment_sagittal
from openlumbar.segment.turned import find_turn

__all__ = ["AxialOptions", "find_turn", "segment_axial", "segment_sagittal"]
