"""Coordinates that a user gives a run to start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.jobs.coordinate_check import checked_picks
from cryoglean.jobs.pick_sources import find_picks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryoglean.jobs.pick_sources import PickedMicrograph
    from cryoglean.loop.settings import LoopSettings
    from cryoglean.micrograph import MicrographFile


def given_picks(
    source: Path, files: Sequence[MicrographFile], settings: LoopSettings
) -> tuple[list[PickedMicrograph], list[str]]:
    """Return the micrographs that have coordinates, which fit them, and lines for the user.

    Raises:
        SettingsError: if the path does not exist, no micrograph has coordinates, or they are those of images of
            another pixel size.
        TableError: if a table is broken.
    """
    picked, notes = find_picks(source, files)
    checked = checked_picks(
        source, picked, settings.orientation, settings.diameter_angstrom, settings.pixel_size_angstrom
    )
    return checked.picked, [*notes, *checked.lines]
