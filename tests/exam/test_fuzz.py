"""Damaged DICOM: an Exam or an OpenLumbarError, never anything else, never silently wrong."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from openlumbar.core.errors import OpenLumbarError
from openlumbar.core.exam import Exam, Series
from openlumbar.exam import read_exam
from support_dicom import AXIAL, as_lossless_jpeg, enhanced, save, stack, tilted_axial

CASES = 500
CPU_SECONDS = 10.0
#: Largest error of a corner of a slice that may pass without a warning, mm: the
#: tolerances of exam/blocks.py (10 % of a 4 mm step) and some rounding.
SILENT_MM = 0.6


class HangError(BaseException):
    """Not an Exception, so that nothing on the way can swallow it."""


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise HangError

    previous = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def compressed(syntax: str) -> list[Dataset]:
    slices = stack(3, shape=(64, 48))
    for entry in slices:
        entry.compress(syntax, generate_instance_uid=False)
    return slices


def axial_blocks() -> list[Dataset]:
    return [
        *stack(3, AXIAL, (0, 0, 40), seed=0),
        *stack(3, tilted_axial(20), (0, 5, 0), seed=10),
    ]


CORPORA = {
    "sagittal": lambda: stack(4),
    "axial": axial_blocks,
    "enhanced": lambda: [enhanced(stack(4))],
    "rle": lambda: compressed(RLELossless),
    "jpeg2000": lambda: compressed(JPEG2000Lossless),
    "jpegls": lambda: compressed(JPEGLSLossless),
    "jpeg": lambda: [as_lossless_jpeg(entry) for entry in stack(3, shape=(64, 48))],
}
#: The small, uncompressed series have most of their bytes in the header.
SHARES = {
    "sagittal": 0.4,
    "axial": 0.3,
    "enhanced": 0.1,
    "rle": 0.08,
    "jpeg2000": 0.05,
    "jpegls": 0.05,
    "jpeg": 0.02,  # each starts a decoder of its own
}


def damage(raw: bytes, random: np.random.Generator) -> bytes:
    """Cut a file short, or change one to three bytes of it."""
    if random.random() < 0.2:
        return raw[: random.integers(len(raw))]
    damaged = bytearray(raw)
    for place in random.integers(0, len(raw), random.integers(1, 4)):
        damaged[place] ^= 1 << random.integers(8)
    return bytes(damaged)


@pytest.mark.parametrize("kind", CORPORA)
def test_damaged_files(tmp_path, kind):
    random = np.random.default_rng(sorted(CORPORA).index(kind))
    slices = CORPORA[kind]()
    paths = save(slices, tmp_path)
    contents = [path.read_bytes() for path in paths]
    outcomes = {"exam": 0, "refused": 0}
    for _ in range(round(CASES * SHARES[kind])):
        victim = int(random.integers(len(paths)))
        paths[victim].write_bytes(damage(contents[victim], random))
        found = read_or_refuse(tmp_path)
        outcomes["exam" if isinstance(found, Exam) else "refused"] += 1
        if not isinstance(found, Exam):
            assert "\n" not in str(found)
        elif kind != "enhanced":  # whose damage is the same in all frames
            check_nothing_silently_wrong(found, slices)
        paths[victim].write_bytes(contents[victim])
    assert outcomes["exam"] > 0
    assert outcomes["refused"] > 0 or SHARES[kind] < 0.1  # few bytes of these are header


def read_or_refuse(folder: Path) -> Exam | OpenLumbarError:
    try:
        with cpu_limit(CPU_SECONDS):
            return read_exam(folder)
    except OpenLumbarError as error:
        return error


def check_nothing_silently_wrong(exam: Exam, slices: list[Dataset]) -> None:
    truth = {entry.SOPInstanceUID: entry for entry in slices}
    for series in exam.series:
        if not series.warnings and not exam.warnings:
            for error in corner_errors_mm(series, truth):
                assert error < SILENT_MM, series.name


def corner_errors_mm(series: Series, truth: dict[str, Dataset]) -> Iterator[float]:
    for block in series.blocks:
        for k, uid in enumerate(block.instances):
            if uid in truth:
                _, rows, columns = block.volume.shape
                corners = [(0, 0), (rows - 1, 0), (0, columns - 1)]
                found = block.volume.to_patient([(k, j, i) for j, i in corners])
                real = [place_of(truth[uid], j, i) for j, i in corners]
                yield float(np.linalg.norm(found - real, axis=1).max())


def place_of(entry: Dataset, row: int, column: int) -> np.ndarray:
    """Equation C.7.6.2.1-1 of PS3.3, written out on its own."""
    along_row = np.array(entry.ImageOrientationPatient[:3], float)
    along_column = np.array(entry.ImageOrientationPatient[3:], float)
    step_row, step_column = (float(value) for value in entry.PixelSpacing)
    start = np.array(entry.ImagePositionPatient, float)
    return start + along_row * step_column * column + along_column * step_row * row
