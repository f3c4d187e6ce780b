"""The way from files to an output folder; the one place that knows all stages.

``images`` analyses an exam, ``masks`` measures what another tool segmented, ``results`` writes
what either found, ``stages`` times each step and keeps its failure from the others.
"""

from openlumbar.pipeline.images import AnalyzeOptions, analyze, analyze_files, analyze_into
from openlumbar.pipeline.results import write_results
from openlumbar.pipeline.stages import Stages

__all__ = [
    "AnalyzeOptions",
    "Stages",
    "analyze",
    "analyze_files",
    "analyze_into",
    "write_results",
]
