"""Exam → masks."""

from openlumbar.segment.sagittal import segment_sagittal

__all__ = ["segment_sagittal"]
