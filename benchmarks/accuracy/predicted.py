"""What a user gets: the numbers of ``openlumbar analyze``."""

from __future__ import annotations

from dataclasses import dataclass

from accuracy.pairs import Key, by_key

from openlumbar import analyze
from openlumbar.core.exam import Exam, Series
from openlumbar.core.levels import LevelRow
from openlumbar.core.masks import SeriesMasks
from openlumbar.core.measurement import Measurement
from openlumbar.models import Predictor
from openlumbar.pipeline import AnalyzeOptions


@dataclass(frozen=True, eq=False)
class Predicted:
    """Masks, names and numbers of one series; ``seconds``: of measuring alone."""

    masks: SeriesMasks
    rows: tuple[LevelRow, ...]
    numbers: dict[Key, Measurement]
    seconds: float


def predict(series: Series, predictor: Predictor) -> Predicted:
    """Analyse one series.

    Raises
    ------
    RuntimeError
        A stage failed: then there is nothing to compare.
    """
    analysis = analyze(Exam((series,)), AnalyzeOptions(predictor=predictor))
    if analysis.failures:
        raise RuntimeError(f"{series.name}: {analysis.failures[0].message}")
    seconds = sum(t.seconds for t in analysis.run.timings if t.stage == "measure")
    numbers = by_key(analysis.measurements)
    return Predicted(analysis.masks.series[0], analysis.levels.rows, numbers, seconds)
