"""Atomic writing of files: beside the target, forced to disk, then renamed.

A reader, or a run that goes on after a kill or a full disk, sees the old file, the new file or no file, never a part of
one. A killed writer leaves only a hidden file whose name ends in `.tmp`; `clean_leftovers` removes those.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEFTOVER = re.compile(r"^\..*\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}\.tmp$")
_MAX_WRITING_S = 86_400.0
"""Age above which a temporary file is stale, whoever wrote it. Chosen by hand: no file takes a day to write, and
writers on other hosts cannot be asked."""

_STARTED = time.time()


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it becomes `path`, on failure it is removed.

    The temporary name is unique to host, process and call, so that workers in parallel do not meet; it is hidden and
    ends in `.tmp`, so that no table or picture reader takes it for a result (name the format to libraries that guess
    it from the suffix). Missing parent folders are created.

    Args:
        path: the file to be written or replaced.

    Raises:
        OSError: if the file cannot be written; `path` is then still whole, and the error names it.
    """
    path = Path(path)
    temporary = _temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary, os.O_RDWR)
        os.replace(temporary, path)  # noqa: PTH105 (one system call to be seen, and to be failed in tests)
        _sync_folder(path.parent)
    except OSError as error:
        if error.filename is None:  # write() and fsync() do not say what they were writing
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomic_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, whole or not at all.

    Raises:
        OSError: as `atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_atomic_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` in UTF-8, line ends as they are, whole or not at all.

    Raises:
        OSError: as `atomic_path`.
    """
    write_atomic_bytes(path, text.encode("utf-8"))


def create_exclusively(path: Path, data: bytes) -> bool:
    """Create a file with its content, unless it is there; of several that try, one does, on NFS as well.

    A hard link makes it appear whole. A server may have made the link although its answer was lost, so the number of
    links decides. Where there are no links the file is created as new, and filled afterwards.

    Returns:
        Whether it was created here.

    Raises:
        OSError: if no file can be made there.
    """
    temporary = _temporary_beside(path)
    try:
        temporary.write_bytes(data)
        _sync(temporary, os.O_RDWR)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return temporary.stat().st_nlink > 1
        except OSError:
            return _create_new(path, data)
        return True
    finally:
        temporary.unlink(missing_ok=True)


def _create_new(path: Path, data: bytes) -> bool:
    try:
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True


def _temporary_beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:40]}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.tmp")


def clean_leftovers(folder: str | os.PathLike[str]) -> list[Path]:
    """Remove the temporary files that dead writers left in `folder` and below it.

    A file is left alone while its writer may be alive: a living process of this host, or another host's file younger
    than a day.

    Returns:
        The removed files, sorted.
    """
    stale = sorted(p for p in Path(folder).rglob(".*.tmp") if _is_stale(p))
    for path in stale:
        path.unlink(missing_ok=True)
    return stale


def _is_stale(path: Path) -> bool:
    name = _LEFTOVER.match(path.name)
    if name is None:
        return False
    try:
        written = path.stat().st_mtime
    except FileNotFoundError:  # renamed to its target in the meantime
        return False
    if time.time() - written > _MAX_WRITING_S:
        return True
    if name["host"] != _host():
        return False
    pid = int(name["pid"])
    if pid == os.getpid():  # the number may have been another's: in containers every run tends to get the same
        return written < _STARTED
    return not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # there, but another user's; or not to be told
        return True
    return True


def _host() -> str:
    return hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to disk; a file system that cannot do that has still renamed whole."""
    if os.name != "posix":
        return
    try:
        _sync(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM):
            raise
