"""Reading of the micrographs that a job works on: a bad one is set aside, and settings that fit none are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from cryoglean.errors import MicrographError, SettingsError
from cryoglean.jobs.result import MicrographResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cryoglean.micrograph import MicrographFile

Read = TypeVar("Read")

MAX_MISFITS = 8
"""Micrographs in a row that the settings do not fit before the settings are held to be wrong. Chosen by hand: fewer
would refuse a set for a few odd images at its beginning, more would only delay the message."""


def read_all(
    files: Iterable[MicrographFile], read: Callable[[MicrographFile], Read]
) -> tuple[list[Read], dict[str, MicrographResult]]:
    """Read all micrographs of a job.

    Args:
        files: the micrographs.
        read: how one is read; raises `MicrographError` if it cannot be used.

    Returns:
        The usable ones as read, in their order, and the results of the rejected ones by key.

    Raises:
        SettingsError: if the settings fit none of those that can be read.
    """
    rejected: dict[str, MicrographResult] = {}
    return list(_read_usable_ones(files, read, rejected)), rejected


def read_first(
    files: Iterable[MicrographFile], read: Callable[[MicrographFile], Read]
) -> tuple[Read | None, dict[str, MicrographResult]]:
    """Read micrographs until one is usable, so that wrong settings fail before any work.

    Args:
        files: the micrographs.
        read: how one is read; raises `MicrographError` if it cannot be used.

    Returns:
        The first usable one as read, None if there is none, and the results of those before it by key.

    Raises:
        SettingsError: if the settings fit none of those that can be read.
    """
    rejected: dict[str, MicrographResult] = {}
    return next(_read_usable_ones(files, read, rejected), None), rejected


def _read_usable_ones(
    files: Iterable[MicrographFile],
    read: Callable[[MicrographFile], Read],
    rejected: dict[str, MicrographResult],
) -> Iterator[Read]:
    misfits: list[MicrographError] = []
    is_any_usable = False
    for file in files:
        try:
            result = read(file)
        except MicrographError as error:
            rejected[file.key] = MicrographResult(file, reason=error.reason)
            misfits += [error] * error.by_settings
            if len(misfits) == MAX_MISFITS and not is_any_usable:
                break
        else:
            is_any_usable = True
            yield result
    if misfits and not is_any_usable:
        raise SettingsError(str(misfits[0]))
