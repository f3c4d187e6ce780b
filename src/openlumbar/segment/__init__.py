"""Exam → masks."""

from openlumbar.segment.sagittal import segment_sagittal
from openlumbar.segment.turned import find_turn

__all__ = ["find_turn", "segment_sagittal"]
