"""Output streams that outlive their readers: a closed pipe, as of `head`, ends no job."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer


def outlive_readers() -> None:
    """Let what is written to a closed pipe vanish; on standard error, where nothing but progress goes, to any ruin."""
    sys.stdout = _lasting(sys.stdout, BrokenPipeError)
    sys.stderr = _lasting(sys.stderr, OSError)


class _LastingFile(io.FileIO):
    """A file that takes everything, also after its reader has gone.

    Args:
        descriptor: of the file.
        passed_over: the errors that mean that nobody reads it.
    """

    def __init__(self, descriptor: int, passed_over: type[OSError]) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._passed_over = passed_over

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data) or 0
        except BlockingIOError:
            raise
        except self._passed_over:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return memoryview(data).nbytes


def _lasting(stream: TextIO, passed_over: type[OSError]) -> TextIO:
    try:
        stream.flush()
        file = _LastingFile(stream.fileno(), passed_over)
    except (OSError, ValueError, AttributeError):  # closed from the start, or no file at all
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(file), encoding=stream.encoding, errors=stream.errors, line_buffering=True
    )
