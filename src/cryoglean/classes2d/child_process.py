"""A program that runs for long: its lines are followed, it ends when this program does, and a failure is told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from cryoglean.errors import CryogleanError
from cryoglean.words import CONTROL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_PATIENCE_S = 10.0
"""Seconds that the program has to end when it is asked to, before it is killed. Resource: it may be writing a file."""

_BAR = re.compile(r"~~\(,_,|^\s*[\d.]+\s*/\s*[\d.?]+ (sec|min|hrs)")
_BACKTRACE = re.compile(r"\[0x[0-9a-f]+\]$|^=+( Backtrace +=+)?$|^\s*$")
_LAST_WORDS = 8
"""Last lines of the program that an error shows. Resource: they fit on a screen."""

_LONGEST_LINE = 300
"""Characters of a line that are kept. Resource: longer ones are no messages."""

_CHUNK_BYTES = 2**16
"""Most bytes that are read at a time. Resource: no line depends on it."""


def run_followed(command: Sequence[str], folder: Path, log: Path, on_line: Callable[[str], None]) -> None:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        folder: it is run in.
        log: what it says is appended here, without progress bars.
        on_line: told each line, as it comes.

    Raises:
        CryogleanError: if it cannot be started or fails; shows its own last lines.
        OSError: if the log cannot be written.
    """
    last: deque[str] = deque(maxlen=_LAST_WORDS)
    with log.open("a", encoding="utf-8") as record, _started(command, folder) as process:
        try:
            record.write(f"$ {' '.join(command)}\n")
            for line in _lines(process):
                record.write(f"{line}\n")
                record.flush()
                if not _BACKTRACE.search(line):
                    last.append(line)
                on_line(line)
            status = process.wait()
        except BaseException:
            _end(process)
            raise
    if status:
        ended = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        said = "\n  ".join(last) or "it said nothing"
        raise CryogleanError(f"{command[0]} {ended}; its last words (all in {log}):\n  {said}")


def _started(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,  # so that it can be ended with all that it starts
        )
    except OSError as error:
        raise CryogleanError(f"{command[0]} cannot be started: {error.strerror or error}") from error


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield lines as they come, clean of control characters, without progress bars and what overwrites them."""
    if process.stdout is None:
        raise ValueError("a program is followed by its pipe, and this one has none")
    rest = b""
    while chunk := process.stdout.read(_CHUNK_BYTES):
        *whole, rest = re.split(rb"[\r\n]", rest + chunk)
        yield from _readable(whole)
    yield from _readable([rest])


def _readable(lines: Sequence[bytes]) -> Iterator[str]:
    for raw in lines:
        line = CONTROL.sub(" ", raw[:_LONGEST_LINE].decode("utf-8", "replace")).rstrip()
        if line and not _BAR.search(line):
            yield line


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it has started, kindly first."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_S)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
