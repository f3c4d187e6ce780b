"""Tissue → vertebrae and discs with names and confidences; axial slices with their places."""

from openlumbar.level.naming import SeriesLevels, name_levels
from openlumbar.level.reconcile import SliceNames
from openlumbar.level.slices import name_slices
from openlumbar.level.turned import mark_turned

__all__ = ["SeriesLevels", "SliceNames", "mark_turned", "name_levels", "name_slices"]
