"""Parametric lumbar anatomy and an MR signal model: exams with exact truth."""

from openlumbar.phantom.anatomy import Anatomy, AnatomyRanges, sample_anatomy
from openlumbar.phantom.archive import Archived, archive_phantom
from openlumbar.phantom.axial_training import (
    AxialTrainingCase,
    AxialTrainingOptions,
    axial_training_case,
    axial_training_cases,
)
from openlumbar.phantom.axial_truth import MuscleTruth, PlaceTruth, SacTruth
from openlumbar.phantom.make import AxialSet, Phantom, PhantomOptions, make_phantom
from openlumbar.phantom.training import TrainingCase, TrainingCaseOptions, sagittal_training_case
from openlumbar.phantom.write import write_phantom

__all__ = [
    "Anatomy",
    "AnatomyRanges",
    "Archived",
    "AxialSet",
    "AxialTrainingCase",
    "AxialTrainingOptions",
    "MuscleTruth",
    "Phantom",
    "PhantomOptions",
    "PlaceTruth",
    "SacTruth",
    "TrainingCase",
    "TrainingCaseOptions",
    "archive_phantom",
    "axial_training_case",
    "axial_training_cases",
    "make_phantom",
    "sagittal_training_case",
    "sample_anatomy",
    "write_phantom",
]
