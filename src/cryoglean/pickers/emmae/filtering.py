"""What was done to a set of micrographs before, which chooses the filters of a network, kept beside that network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from cryoglean.errors import SettingsError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.preprocess.noise_floor import SetFiltering, noise_floor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.emmae.training import EmmaeTraining

FILTERING = "filtering.json"
"""File that tells what was done to the micrographs before: a training that was stopped goes on with the same images."""


def training_for_set(
    training: EmmaeTraining, path: Path, noise_floors: Iterable[float | None], info: Callable[[str], None]
) -> EmmaeTraining:
    """Return the settings of a training with the filters that its micrographs need, and tell which.

    Args:
        training: the settings.
        path: file in which the choice is kept.
        noise_floors: of micrographs; needed only where the file is not there.
        info: shows one line to the user.

    Raises:
        SettingsError: if the file cannot be understood.
        OSError: if it cannot be written.
    """
    before = set_filtering(path, noise_floors)
    training = training.for_filtering(before.filtering)
    info(f"{before.message}: prepared with --preprocess {training.preprocess.chain}")
    return training


def floor_of(micrograph: Micrograph, diameter_angstrom: float) -> float | None:
    """Return the noise floor of a micrograph."""
    return noise_floor(micrograph.image, diameter_angstrom / micrograph.pixel_size_angstrom, micrograph.mask)


def set_filtering(path: Path, noise_floors: Iterable[float | None]) -> SetFiltering:
    """Return what was done to micrographs before; what the file says stands, and what is measured is kept in it.

    Args:
        path: the file.
        noise_floors: of micrographs; needed only where the file is not there.

    Raises:
        SettingsError: if the file cannot be understood.
        OSError: if it cannot be written.
    """
    if path.exists():
        try:
            return SetFiltering.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise SettingsError(f"{path} is damaged: --force begins anew") from error
    found = SetFiltering.of(noise_floors)
    write_atomic_text(path, found.model_dump_json(indent=1) + "\n")
    return found
