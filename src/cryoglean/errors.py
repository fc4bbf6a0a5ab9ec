"""The errors a user can meet: each names the thing, the value and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class CryogleanError(Exception):
    """Base of all errors raised on purpose; its text is one line for the user."""


class SettingsError(CryogleanError):
    """A setting, an input or an output folder is unusable: refused before any work (exit status 2)."""


class NothingKeptError(SettingsError):
    """Work was done and nothing is left of its input (exit status 4)."""


class ProcessGroupError(CryogleanError):
    """Another process of the same training has ended, and this one cannot go on without it (exit status 1)."""


class _FileError(CryogleanError):
    """An error of one file: its text names the file and the reason."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)  # as they are, so that the error survives the way back from a worker process
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class TableError(_FileError):
    """A STAR, CSV or list file cannot be understood.

    Args:
        path: the file.
        reason: what is wrong with it, and what would be right.
    """


class MicrographError(_FileError):
    """One micrograph cannot be used: it is set aside with this reason, and the others go on.

    Args:
        path: the micrograph's file.
        reason: what is wrong with it, short enough for one line of `rejected.csv`.
        by_settings: the file is sound, but what the user said does not fit it.
    """

    def __init__(self, path: Path, reason: str, *, by_settings: bool = False) -> None:
        super().__init__(path, reason)
        self.by_settings = by_settings
