"""Tissue → vertebrae and discs with names and confidences."""

from openlumbar.level.naming import SeriesLevels, name_levels

__all__ = ["SeriesLevels", "name_levels"]
