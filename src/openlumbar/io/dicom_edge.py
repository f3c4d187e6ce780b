"""The edge to pydicom: the one place where its errors and warnings are translated.

A damaged file makes pydicom, its converters of values and the decoders of compressed
pixels raise nearly anything (ValueError, KeyError, struct.error, OverflowError,
RuntimeError of the C++ decoders …). Whatever they raise becomes an
:class:`UnreadableError` here, and nowhere else.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom import config, dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels import pixel_array
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from openlumbar.core.errors import OpenLumbarError, UnreadableError

_LOG = logging.getLogger(__name__)

#: Largest picture that is decoded: 64 Mi pixels. A damaged header may ask for terabytes.
MAX_PIXELS = 1 << 26


@contextmanager
def translated(name: str, what: str = "cannot be read as DICOM") -> Iterator[None]:
    """Turn whatever pydicom raises inside into an :class:`UnreadableError`.

    Parameters
    ----------
    name
        File name for the message.
    what
        What went wrong, for the message.
    """
    try:
        yield
    except OpenLumbarError:
        raise
    except Exception as error:
        # pydicom documents no closed set of exceptions for damaged files, and decoder
        # plugins add their own: a narrower clause is a traceback for some user.
        raise UnreadableError(f"{name}: {what} ({type(error).__name__})") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Send the warnings of pydicom, its decoders and nibabel to our log, not the terminal.

    Their own logs carry tracebacks of every damaged picture; what a user needs of them
    stands in the warnings of the series.
    """
    gdcm.Trace.WarningOff()
    gdcm.Trace.ErrorOff()
    loggers = [logging.getLogger(name) for name in ("pydicom", "openjpeg", "nibabel.global")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings(record=True) as caught, config.disable_value_validation():
            warnings.simplefilter("always")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    for message in {str(entry.message) for entry in caught}:
        _LOG.debug("pydicom: %s", message)


def read_header(path: Path, keywords: list[str]) -> FileDataset:
    """Read some elements of a file, never its pixels.

    Raises
    ------
    UnreadableError
        It is not DICOM or is damaged before the elements asked for.
    """
    with translated(path.name):
        tags: list[Any] = list(keywords)
        return dcmread(path, stop_before_pixels=True, specific_tags=tags, force=True)


def value_of(dataset: Dataset, keyword: str) -> Any:
    """Return the value of an element; None when it is absent, empty or beyond parsing."""
    try:
        with translated("", keyword):
            value = dataset.get(keyword)
    except UnreadableError:
        return None
    return None if value is None or value == "" else value


def items_of(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none when it is absent or damaged."""
    value = value_of(dataset, keyword)
    try:
        with translated("", keyword):
            return [item for item in value or () if isinstance(item, Dataset)]
    except UnreadableError:
        return []


#: Decoders that report damage as an exception; pydicom would go on to GDCM, which may
#: end the process (see :mod:`openlumbar.io.dicom_child`).
_SAFE_DECODERS: dict[str, str] = {
    RLELossless: "pydicom",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
    HTJ2KLossless: "pylibjpeg",
    HTJ2KLosslessRPCL: "pylibjpeg",
    HTJ2K: "pylibjpeg",
}


#: The JPEG processes, which only GDCM decodes.
_CHILD_SYNTAXES = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1}


def needs_child(syntax: str) -> bool:
    """Tell whether pixels of a transfer syntax are decoded by GDCM, in a child process."""
    return syntax in _CHILD_SYNTAXES


def syntax_of(dataset: FileDataset) -> UID:
    """Return the transfer syntax; one that is not given follows from the encoding.

    A bare data set without file meta is implicit little-endian (PS3.5 section 10.1)
    unless pydicom saw explicit value representations.

    Raises
    ------
    UnreadableError
        The file meta is damaged.
    """
    with translated("", "no transfer syntax"):
        given = dataset.file_meta.get("TransferSyntaxUID")
        return UID(str(given)) if given else _guessed_syntax(dataset)


def decoded_here(path: Path) -> NDArray:
    """Decode the stored values of a file, ``[row, column]`` or ``[frame, row, column]``.

    Raises
    ------
    UnreadableError
        The pixels are absent, truncated, too many, or beyond every decoder.
    """
    with translated(path.name, "its pixels cannot be decoded"):
        dataset = dcmread(path, force=True)
        _check_count(dataset, path.name)
        syntax = syntax_of(dataset)
        dataset.file_meta.TransferSyntaxUID = syntax
        plugin = _SAFE_DECODERS.get(syntax, "")
        return np.asarray(pixel_array(dataset, decoding_plugin=plugin))


def _check_count(dataset: Dataset, name: str) -> None:
    frames = int(dataset.get("NumberOfFrames") or 1)
    pixels = int(dataset.Rows) * int(dataset.Columns) * frames
    if not 0 < pixels <= MAX_PIXELS * max(1, min(frames, 64)):
        raise UnreadableError(f"{name}: {pixels} pixels are not an MR image")


def _guessed_syntax(dataset: Dataset) -> UID:
    implicit, little = dataset.original_encoding
    if implicit or implicit is None:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def referenced_files(path: Path) -> list[tuple[str, ...]]:
    """Return the File IDs (folder names and file name) that a DICOMDIR refers to.

    Raises
    ------
    UnreadableError
        It is not a DICOMDIR, or damaged (PS3.3 annex F).
    """
    with quiet(), translated(path.name):
        directory = dcmread(path)
        records = items_of(directory, "DirectoryRecordSequence")
        found = [value_of(record, "ReferencedFileID") for record in records]
    if not records:
        raise UnreadableError(f"{path.name}: a DICOMDIR without records")
    return [(name,) if isinstance(name, str) else tuple(name) for name in found if name]
