"""Renewal of what a picker has learned: from few micrographs, or from none that show particles, it does not stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.pickers.protocol import FIT_MICROGRAPHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cryoglean.jobs.pick_folder import PickFolder
    from cryoglean.pickers.protocol import FitReport, PickerDescription


def is_outdated(fit: FitReport) -> bool:
    """Tell whether more micrographs would teach more: fewer than enough were seen, or no particles in them."""
    return not fit.found_particles or len(fit.micrographs) < FIT_MICROGRAPHS


def drop_outdated_fit(
    folder: PickFolder, picker: PickerDescription, new: Iterable[str], info: Callable[[str], None]
) -> None:
    """Remove what was learned in a folder if it is outdated, so that it is learned anew from all micrographs.

    Picks made with it stay, but for those of a fit that found no particles: its empty answers were none.

    Args:
        folder: the output folder.
        picker: what learned there.
        new: keys of micrographs that were not given before.
        info: shows one line to the user.

    Raises:
        SettingsError: if what is there cannot be understood.
    """
    fit, arrived = picker.load().read_fit(folder.root), list(new)
    if fit is None or not arrived or not is_outdated(fit):
        return
    done = [key for key in folder.inputs() if folder.picks_path(key).exists()]
    if not fit.found_particles:
        for key in done:
            folder.forget_picks(key)
        info(f"{len(arrived)} more micrographs: no particles were found before, so all are picked anew")
    else:
        info(
            f"{len(arrived)} more micrographs: learning anew, as only {len(fit.micrographs)} had been seen; "
            f"{len(done)} picked with what these taught stay as they are (--force picks all again)"
        )
    _drop_fit(folder, picker)


def forget_picks(folder: PickFolder, picker: PickerDescription) -> None:
    """Remove all picks and what was learned, to be made again."""
    for key in folder.inputs():
        folder.forget_picks(key)
    _drop_fit(folder, picker)


def _drop_fit(folder: PickFolder, picker: PickerDescription) -> None:
    for name in picker.fit_files:
        (folder.root / name).unlink(missing_ok=True)
