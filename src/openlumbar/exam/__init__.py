"""Files → Exam: which series, which plane, which weighting."""

from openlumbar.exam.describe import Row, describe
from openlumbar.exam.reading import ReadOptions, read_exam

__all__ = ["ReadOptions", "Row", "describe", "read_exam"]
