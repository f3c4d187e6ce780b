"""Decoding of JPEG in a child process, because GDCM can take the process down.

GDCM is the one free decoder of lossless JPEG among our dependencies. On damaged data
it ends the process (an uncaught C++ exception, sometimes a segmentation fault). So it
runs in a child: when that dies or hangs, one picture is unreadable and no more is lost.

The child reads a path and answers with an array in numpy's file format, each after its
length in eight bytes; a length of 0 means that the picture cannot be decoded.
"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.errors import UnreadableError
from openlumbar.io.dicom_edge import decoded_here, quiet

#: A picture that takes longer than this, in seconds, counts as one that hangs.
TIME_LIMIT_S = 60.0

_LENGTH = struct.Struct("<Q")


class JpegDecoder:
    """A child process that decodes; it is started with the first picture.

    Use it as a context manager: the child ends with the context.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> JpegDecoder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def decode(self, path: Path) -> NDArray:
        """Decode the stored values of a file.

        Parameters
        ----------
        path
            A DICOM file with pixels of one of the JPEG processes.

        Returns
        -------
        numpy.ndarray
            ``[row, column]`` or ``[frame, row, column]``.

        Raises
        ------
        UnreadableError
            They cannot be decoded; the child may have died of it.
        """
        answer = self._ask(path)
        if not answer:
            raise UnreadableError(f"{path.name}: its pixels cannot be decoded (JPEG)")
        return np.load(io.BytesIO(answer), allow_pickle=False)

    def _ask(self, path: Path) -> bytes:
        """Return the child's answer; empty when it refused, died or was stopped."""
        child = self._child or self._start()
        stdin, stdout = child.stdin, child.stdout
        if stdin is None or stdout is None:
            raise AssertionError("the child was started with pipes")
        watchdog = threading.Timer(TIME_LIMIT_S, child.kill)
        watchdog.start()
        try:
            _send(stdin, os.fsencode(path))
            return _receive(stdout)
        except (OSError, EOFError):
            self._end()
            return b""
        finally:
            watchdog.cancel()

    def _start(self) -> subprocess.Popen[bytes]:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "openlumbar.io.dicom_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _send(stream: IO[bytes], content: bytes) -> None:
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    """Read one message.

    Raises
    ------
    EOFError
        The other side ended.
    """
    return _exactly(stream, _LENGTH.unpack(_exactly(stream, _LENGTH.size))[0])


def _exactly(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise EOFError
    return content


def _answer(path: Path) -> bytes:
    try:
        pixels = decoded_here(path)
    except UnreadableError:
        return b""
    buffer = io.BytesIO()
    np.save(buffer, pixels, allow_pickle=False)
    return buffer.getvalue()


def _serve() -> None:
    """Answer until the parent closes the pipe.

    Decoders print to the standard output; answers leave through a copy of it.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with quiet():
        while True:
            try:
                path = Path(os.fsdecode(_receive(sys.stdin.buffer)))
            except EOFError:
                return
            _send(answers, _answer(path))


if __name__ == "__main__":
    _serve()
