"""Renewal of what a picker has learned: from few micrographs, or from none that show particles, it does not stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.jobs.learned import read_learned, write_learned
from cryoglean.pickers.protocol import FIT_MICROGRAPHS
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cryoglean.jobs.learned import LearnedRecord
    from cryoglean.jobs.output_folder import OutputFolder
    from cryoglean.pickers.protocol import FitReport, PickerDescription


def is_outdated(fit: FitReport) -> bool:
    """Tell whether more micrographs would teach more: fewer than enough were seen, or no particles in them."""
    return not fit.found_particles or len(fit.micrographs) < FIT_MICROGRAPHS


def arrived_since(record: LearnedRecord | None, keys: Iterable[str]) -> set[str]:
    """Return the keys of micrographs from which nothing could be learned so far."""
    return set(keys) - set(() if record is None else record.offered)


def renew_outdated_fit(
    folder: OutputFolder, picker: PickerDescription, keys: Iterable[str], info: Callable[[str], None]
) -> None:
    """Remove what was learned in a folder if it is outdated, so that it is learned anew from all micrographs.

    Whatever the picker had made by then goes: also a network that was trained on few micrographs, and a training that
    was killed. Picks stay, but for those of a fit that found no particles: its empty answers were none.

    Args:
        folder: the output folder.
        picker: what learned there.
        keys: of all micrographs that it may learn from now.
        info: shows one line to the user.

    Raises:
        SettingsError: if what is there cannot be understood.
        OSError: if it cannot be removed.
    """
    if not picker.fit_files:
        return
    keys = set(keys)
    fit, record = picker.load().read_fit(folder.root), read_learned(folder.root)
    arrived = arrived_since(record, keys)
    if fit is not None and not (arrived and is_outdated(fit)):
        return
    if fit is not None:
        _say_renewal(folder, fit, len(arrived), info)
    is_stopped_half_way = record is not None and not record.digest
    if fit is not None or (is_stopped_half_way and arrived):
        write_learned(folder.root, "", keys - arrived)  # killed while it goes, the next call removes the rest
        _drop_fit(folder, picker)
    write_learned(folder.root, "", keys)


def _say_renewal(folder: OutputFolder, fit: FitReport, arrived: int, info: Callable[[str], None]) -> None:
    """Say why it is learned anew, and what becomes of the picks that are there."""
    more = f"{counted(arrived, 'more micrograph')}:"
    if not fit.found_particles:
        _drop_results(folder)
        info(f"{more} no particles were found before, so all are picked anew")
        return
    done = sum((path := folder.result_path(key)) is not None and path.exists() for key in folder.inputs())
    stay = f"; {done} picked with what these taught stay as they are (--repick picks them again)" if done else ""
    info(f"{more} learning anew, as only {len(fit.micrographs)} had been seen{stay}")


def forget_picks(folder: OutputFolder, picker: PickerDescription) -> None:
    """Remove all picks and what was learned, to be made again."""
    _drop_results(folder)
    _drop_fit(folder, picker)


def _drop_results(folder: OutputFolder) -> None:
    for key in folder.inputs():
        folder.forget_results_of(key)


def _drop_fit(folder: OutputFolder, picker: PickerDescription) -> None:
    for pattern in picker.results:
        for path in folder.root.glob(pattern):
            path.unlink()
