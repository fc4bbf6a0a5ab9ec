"""What was done to a set of micrographs before, which chooses the filters of a network, kept beside that network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from cryoglean.errors import SettingsError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.preprocess.noise_floor import SetFiltering, noise_floor

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cryoglean.micrograph import Micrograph

FILTERING = "filtering.json"
"""File that tells what was done to the micrographs before: a training that was stopped goes on with the same images."""


def set_filtering(path: Path, micrographs: Iterable[Micrograph], diameter_angstrom: float) -> SetFiltering:
    """Return what was done to micrographs before; what the file says stands, and what is measured is kept in it.

    Args:
        path: the file.
        micrographs: of the set; needed only where the file is not there.
        diameter_angstrom: particle diameter.

    Raises:
        SettingsError: if the file cannot be understood.
        OSError: if it cannot be written.
    """
    if path.exists():
        try:
            return SetFiltering.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise SettingsError(f"{path} is damaged: --force begins anew") from error
    found = SetFiltering.of(noise_floor(m.image, diameter_angstrom / m.pixel_size_angstrom) for m in micrographs)
    write_atomic_text(path, found.model_dump_json(indent=1) + "\n")
    return found
