"""Tissue → vertebrae and discs with names and confidences; axial slices with their places."""

from openlumbar.level.looks import look_at_slices
from openlumbar.level.naming import SeriesLevels, name_levels
from openlumbar.level.reconcile import SliceNames
from openlumbar.level.slices import name_slices
from openlumbar.level.turned import mark_turned

__all__ = [
    "SeriesLevels",
    "SliceNames",
    "look_at_slices",
    "mark_turned",
    "name_levels",
    "name_slices",
]
