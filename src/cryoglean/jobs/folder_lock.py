"""Lock of an output folder: one writer at a time, on network file systems as well; readers are never locked.

The lock is a hidden file that names its holder. It appears whole (a hard link, or created exclusively where there are
no links), and its holder renews its time every few seconds. One whose holder is gone is taken over: at once where its
process can be asked, else when the time of the file has not changed for long by the clock of the one who waits, as
clocks of machines differ. Who takes over holds a lock on that lock first, so that of two only one does.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cryoglean.errors import CryogleanError, SettingsError
from cryoglean.io.atomic import create_exclusively, write_atomic_text
from cryoglean.jobs.lock_holder import Holder, Life, holder_from, this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NAME = ".cryoglean.lock"
"""Name of the lock. *Format*: of this program; hidden, so that no reader takes it for a result."""

BEAT_S = 5.0
"""Seconds between renewals of the lock. *Chosen* by hand: a server is asked little, and a job from another machine is
refused within seconds."""

MISSED_BEATS = 12
"""Renewals that must fail to come before a holder on another machine is held to be gone. *Chosen* by hand: a minute is
longer than the usual stalls of a network file system, and short enough to wait for."""

_NAP_SHARE = 0.1
"""Share of `BEAT_S` between looks at another's lock. *Resource*: few questions to the server."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class FolderLock:
    """Lock of one folder.

    Args:
        root: the folder.
        info: shows one line to the user, where there is something to wait for.
        beat_s: seconds between renewals.
        remedy: what a job that is refused is told to do, besides waiting or naming another folder.
    """

    def __init__(
        self, root: Path, info: Callable[[str], None] | None = None, beat_s: float = BEAT_S, remedy: str = ""
    ) -> None:
        self.root, self.path, self._info, self._beat_s = root, root.absolute() / NAME, info, beat_s
        self._remedy = remedy
        self.holder: Holder | None = None
        self._made = list[Path]()
        self._ended = threading.Event()
        self._owner = threading.get_ident()

    def acquire(self) -> None:
        """Take the lock, and renew it until it is released; the folder is made where it is missing.

        Raises:
            SettingsError: if another job holds it, or the folder cannot hold a lock.
        """
        if not str(self.path).isprintable():
            raise SettingsError(f"--out {str(self.root)!r}: control or undecodable characters in a name: give another")
        try:
            self._make_and_take()
        except OSError as error:
            self._remove_folders()
            raise SettingsError(
                f"--out {self.root} cannot be written: {error.strerror or error}: name a folder on a file system where "
                "files can be made"
            ) from error
        except SettingsError:
            self._remove_folders()
            raise
        threading.Thread(target=self._renew, daemon=True).start()

    def release(self) -> None:
        """Give the lock back; a folder that was made for it and is empty goes, too."""
        self._ended.set()
        with suppress(OSError):
            if self.is_ours():
                self.path.unlink()
        self._remove_folders()

    def is_ours(self) -> bool:
        """Tell whether the lock is there, and this job's."""
        return self.holder is not None and _token(self.path) == self.holder.token

    def refuse_if_lost(self) -> None:
        """See that the folder is still the one that was locked.

        Raises:
            CryogleanError: if it is gone, or another's.
        """
        if not self.is_ours():
            raise CryogleanError(
                f"{self.root} was removed, replaced or taken over by another job while this one wrote to it: "
                "results are missing there; give the same command again"
            )

    def _make_and_take(self, attempts: int = 5) -> None:
        """Make the folder, remembering what of its path was not there, and take its lock."""
        folder = self.path.parent
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._made, self.holder = missing, this_process(folder)
            self._take(self.path, self.holder.model_dump_json())
        except FileNotFoundError:  # a job that was refused may have removed the folder that it had made
            if attempts == 1:
                raise
            self._make_and_take(attempts - 1)

    def _remove_folders(self) -> None:
        with suppress(OSError):  # not empty: there are results
            for folder in self._made:
                folder.rmdir()

    def _take(self, path: Path, text: str) -> None:
        """Create a lock, or take it over from a holder that is gone."""
        while not create_exclusively(path, text.encode()):
            other = _read(path)
            if other is None:  # released in the meantime
                continue
            if self._is_alive(path, other):
                raise SettingsError(other.complaint(self.root, self._remedy))
            claim = path.with_name(f"{NAME}.{other.token}")
            self._take(claim, text)
            try:
                if _token(path) == other.token:
                    write_atomic_text(path, text)
                    return
            finally:
                claim.unlink(missing_ok=True)

    def _is_alive(self, path: Path, other: Holder) -> bool:
        """Tell whether the holder of a lock lives: its process, or the time of the lock, which goes on."""
        life = other.life(path.parent)
        if life is not Life.unknown:
            return life is Life.alive
        wait_s = self._beat_s * MISSED_BEATS
        if self._info is not None:
            self._info(f"{self.root} is locked by {other.name}: waiting up to {wait_s:.0f} s for a sign of life")
        first, start = _time(path), time.monotonic()
        while time.monotonic() - start < wait_s:
            time.sleep(self._beat_s * _NAP_SHARE)
            if _time(path) != first:
                return _token(path) == other.token
        return False

    def _renew(self) -> None:
        """Renew the time of the lock until it is released; end the job if the lock is lost."""
        while not self._ended.wait(self._beat_s):
            try:
                if self.is_ours():
                    os.utime(self.path)
                    continue
            except OSError:  # the server may come back
                continue
            if not self._ended.is_set() and self._owner == threading.main_thread().ident:
                signal.pthread_kill(self._owner, signal.SIGINT)
            return


_HELD: dict[tuple[str, int, int], FolderLock] = {}
"""Locks that this process holds, by folder, process (a fork holds none) and thread."""


@contextmanager
def only_writer(root: Path, info: Callable[[str], None] | None = None, remedy: str = "") -> Iterator[None]:
    """Hold the lock of a folder; within it, the same thread may ask for it again.

    Args:
        root: the folder, made where it is missing.
        info: shows one line to the user.
        remedy: as of `FolderLock`.

    Raises:
        SettingsError: if another job holds it, or the folder cannot hold a lock.
        CryogleanError: at the end, if the folder was removed, replaced or taken over.
    """
    key = _key(root)
    if key in _HELD:
        yield
        return
    lock = FolderLock(root, info, remedy=remedy)
    lock.acquire()
    _HELD[key] = lock
    try:
        yield
        lock.refuse_if_lost()
    except KeyboardInterrupt:
        lock.refuse_if_lost()  # that may be why
        raise
    finally:
        del _HELD[key]
        lock.release()


def refuse_if_lost(root: Path) -> None:
    """See that a folder is still there and this job's, if this job has locked it; call this before lists are written.

    Raises:
        CryogleanError: if it is gone, or another's.
    """
    lock = _HELD.get(_key(root))
    if lock is not None:
        lock.refuse_if_lost()


def locks_output(
    job: Callable[Arguments, Result],
    out: Callable[[Mapping[str, Any]], Path] = lambda given: given["out"],
    remedy: str = "",
) -> Callable[Arguments, Result]:
    """Let a job be the only writer of its output folder, from before its first look there to its end.

    Args:
        job: a function with the arguments `out`, or what `out` takes it from, and perhaps `progress`.
        out: takes the folder from the arguments by name.
        remedy: as of `FolderLock`.
    """
    parameters = signature(job)

    @wraps(job)
    def locked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        given = parameters.bind(*args, **kwargs).arguments
        with only_writer(out(given), getattr(given.get("progress"), "info", None), remedy):
            return job(*args, **kwargs)

    return locked


def _key(root: Path) -> tuple[str, int, int]:
    return os.path.realpath(root), os.getpid(), threading.get_ident()


def _read(path: Path) -> Holder | None:
    """Return who holds a lock; None if nobody does.

    The file is opened each time: on network file systems only that shows what others have written.
    """
    try:
        return holder_from(path.read_bytes())
    except FileNotFoundError:
        return None


def _token(path: Path) -> str | None:
    holder = _read(path)
    return None if holder is None else holder.token


def _time(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None
