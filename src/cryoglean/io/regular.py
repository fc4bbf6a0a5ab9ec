"""The one rule for files that a user names: they are regular files. Pipes would be waited for, devices never end."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from cryoglean.errors import TableError

if TYPE_CHECKING:
    from os import stat_result
    from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def irregularity(status: stat_result) -> str | None:
    """Return what something is, if it is no regular file: "a pipe, not a regular file"; else None."""
    if stat.S_ISREG(status.st_mode):
        return None
    kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "something else")
    return f"{kind}, not a regular file"


def has_content(path: Path) -> bool:
    """Tell whether a file is there and is not empty, as full disks and other programs leave some."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """Tell whether a path is a regular file; one whose name is too long is none, and no error."""
    try:
        return path.is_file()
    except OSError:
        return False


def size_of_regular(path: Path) -> int:
    """Return the size of a file in bytes; call this before it is opened.

    Raises:
        TableError: if it is no regular file.
        OSError: if it is missing or cannot be reached.
    """
    status = path.stat()
    reason = irregularity(status)
    if reason is not None:
        raise TableError(path, reason)
    return status.st_size
