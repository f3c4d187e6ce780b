"""Tissue → vertebrae and discs with names and confidences."""

from openlumbar.level.naming import SeriesLevels, name_levels
from openlumbar.level.turned import mark_turned

__all__ = ["SeriesLevels", "mark_turned", "name_levels"]
