"""Spinal loads: measurements → a model of the person → muscle forces → loads on the discs."""

from openlumbar.mechanics.loads import LoadsOptions, solve_loads
from openlumbar.mechanics.osim_read import ReadModel, read_model
from openlumbar.mechanics.subject import base_sex
from openlumbar.mechanics.tasks import Task, load_task, task_names

__all__ = [
    "LoadsOptions",
    "ReadModel",
    "Task",
    "base_sex",
    "load_task",
    "read_model",
    "solve_loads",
    "task_names",
]
