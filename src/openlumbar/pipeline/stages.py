"""Stages: each timed, and one that fails keeps its failure to itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from openlumbar.core.errors import OpenLumbarError
from openlumbar.core.progress import Progress, silent
from openlumbar.core.run import Failure, Timing, Weights

logger = logging.getLogger(__name__)


class Stages:
    """Runs stages: times each, and keeps one that fails from taking the others down.

    Parameters
    ----------
    progress
        Told when a stage starts and when it ends.
    """

    def __init__(self, progress: Progress = silent) -> None:
        self.progress = progress
        self.timings: list[Timing] = []
        self.failures: list[Failure] = []
        self.weights: list[Weights] = []

    def teller(self, stage: str, series: str) -> Callable[[int, int], None]:
        """Say how far a stage is, for one that counts what is done of how many."""

        def tell(done: int, total: int) -> None:
            self.progress(stage, series, done / total)

        return tell

    @contextmanager
    def timed(self, stage: str, series: str = "") -> Iterator[None]:
        """Note how long the block takes; what it raises goes on."""
        self.progress(stage, series, 0.0)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.timings.append(Timing(stage, series, round(time.perf_counter() - start, 3)))
            self.progress(stage, series, 1.0)

    @contextmanager
    def stage(self, stage: str, series: str = "") -> Iterator[None]:
        """Note how long the block takes, and that it failed if it does."""
        try:
            with self.timed(stage, series):
                yield
        except Exception as error:
            # Whatever one stage does, the rest still comes out (design.md, section 3).
            logger.exception("stage '%s' failed on series '%s'", stage, series)
            self.failures.append(_failure(stage, series, error))


def _failure(stage: str, series: str, error: Exception) -> Failure:
    """Our own messages are fit for an output folder, those of others may name a person."""
    ours = isinstance(error, OpenLumbarError)
    message = str(error) if ours else "an unexpected error; the log has its traceback"
    return Failure(stage, series, type(error).__name__, message)
