"""Parametric lumbar anatomy and an MR signal model: exams with exact truth."""

from openlumbar.phantom.training import TrainingCase, TrainingCaseOptions, sagittal_training_case

__all__ = ["TrainingCase", "TrainingCaseOptions", "sagittal_training_case"]
