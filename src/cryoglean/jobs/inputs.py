"""Reading of the micrographs that a job works on: a bad one is set aside, and settings that fit none are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from cryoglean.errors import MicrographError, SettingsError
from cryoglean.io.images import read_micrograph
from cryoglean.jobs.result import MicrographResult
from cryoglean.limits import MIN_DIAMETER_PX
from cryoglean.preprocess.exposure import exposed_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cryoglean.micrograph import Micrograph, MicrographFile

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


def read_usable(
    file: MicrographFile, pixel_size_angstrom: float | None, diameter_angstrom: float
) -> tuple[Micrograph, str | None]:
    """Read a micrograph that particles of a diameter can be in.

    Args:
        file: the micrograph.
        pixel_size_angstrom: of all micrographs; None takes it from the STAR file or the image's header.
        diameter_angstrom: particle diameter.

    Returns:
        The micrograph, and the note on its pixel size, if there is one.

    Raises:
        MicrographError: if it cannot be read, or the diameter does not fit it.
    """
    try:
        micrograph, note = read_micrograph(file, pixel_size_angstrom)
    except MemoryError as error:
        raise MicrographError(file.path, "not enough memory to read it") from error
    if not exposed_blocks(micrograph.image).any():
        raise MicrographError(file.path, "shows nothing: constant but for single pixels or lines, or a smooth ramp")
    misfit = diameter_misfit(micrograph, diameter_angstrom)
    if misfit:
        raise MicrographError(file.path, misfit, by_settings=True)
    return micrograph, note


def diameter_misfit(micrograph: Micrograph, diameter_angstrom: float) -> str | None:
    """Return why a diameter does not fit a micrograph; None if it does."""
    diameter_px = diameter_angstrom / micrograph.pixel_size_angstrom
    height, width = micrograph.shape
    size = f"diameter {diameter_angstrom:g} A is {diameter_px:.4g} px at {micrograph.pixel_size_angstrom:.4g} A/px"
    if diameter_px > min(height, width):
        return f"{size}, larger than the micrograph of {width} x {height} px"
    if diameter_px < MIN_DIAMETER_PX:
        return f"{size}, and a particle must be {MIN_DIAMETER_PX:g} px or more across to be found"
    return None
