"""Holder of a lock: which process of which machine, since when, with which command, and whether it lives."""

from __future__ import annotations

import hashlib
import os
import secrets
import shlex
import socket
import sys
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

_MAX_COMMAND = 500
"""Characters of a command that are shown. *Resource*: some lines of a terminal."""

_START_FIELD, _STATE_FIELD = 19, 0
"""Fields of /proc/PID/stat behind the name. *Format*: proc(5), where the start is field 22 and the state field 3."""


class Life(Enum):
    """Whether a process lives."""

    alive = "alive"
    gone = "gone"
    unknown = "unknown"


class Holder(BaseModel):
    """Holder of a lock.

    Attributes:
        token: unique to this lock.
        host: name of the machine.
        machine: what tells machines of one name apart, and containers on one machine, as far as it is known.
        pid: of the process.
        started: start of the process in ticks since the machine started; "" where that is not known.
        folder: the number of the locked folder on its disk, by whatever path: a copy of a folder holds a copy
            of its lock.
        since: when it took the lock, by its own clock.
        command: the call.
    """

    model_config = ConfigDict(frozen=True)

    token: str
    host: str
    machine: str
    pid: int
    started: str
    folder: str
    since: str
    command: str

    @property
    def name(self) -> str:
        """The holder for the user, without its command."""
        return f"process {self.pid} on {self.host}" if self.pid else "an unknown process"

    def complaint(self, root: Path, remedy: str = "") -> str:
        """Say that a folder is in use, by whom, and what to do; a remedy of the job's own is added."""
        since = f" since {self.since}" if self.since else ""
        command = f" ({self.command})" if self.command else ""
        return f"{root} is in use by {self.name}{since}{command}: wait for its end, or name another --out{remedy}"

    def life(self, folder: Path) -> Life:
        """Tell whether the process that has locked a folder lives, where it can be asked."""
        here = this_process(folder)
        if not self.pid or (self.host, self.machine) != (here.host, here.machine):
            return Life.unknown
        if self.folder != here.folder:
            return Life.gone
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return Life.gone
        except (OSError, OverflowError):  # another user's
            pass
        started = _started(self.pid)
        if started is None or not self.started:
            return Life.unknown
        return Life.alive if started == self.started else Life.gone


def this_process(folder: Path) -> Holder:
    """Return this process as the holder of a new lock on a folder."""
    return Holder(
        token=secrets.token_hex(8),
        host=socket.gethostname(),
        machine=_machine(),
        pid=os.getpid(),
        started=_started(os.getpid()) or "",
        folder=str(folder.stat().st_ino),
        since=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        command=_printable(shlex.join(sys.argv)),
    )


def holder_from(content: bytes) -> Holder:
    """Read a holder from its lock; one that cannot be read is unknown, and known again by its content."""
    try:
        return Holder.model_validate_json(content)
    except ValidationError:
        token = hashlib.blake2b(content, digest_size=8).hexdigest()
        return Holder(token=token, host="", machine="", pid=0, started="", folder="", since="", command="")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:_MAX_COMMAND]


def _machine() -> str:
    """Return the start of the machine and the space of process numbers, where the system tells them."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except (OSError, ValueError):
        return ""


def _started(pid: int) -> str | None:
    """Return when a process started; "ended" for one that only waits to be buried, None where it is not known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return "ended" if fields[_STATE_FIELD] in "ZX" else fields[_START_FIELD]
    except (OSError, IndexError):
        return None
