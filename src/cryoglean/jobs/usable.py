"""Reading of a micrograph that is to be picked or learned from: it shows something, and its particles fit in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryoglean.errors import MicrographError
from cryoglean.io.images import read_micrograph
from cryoglean.limits import MIN_DIAMETER_PX
from cryoglean.preprocess.exposure import exposed_blocks
from cryoglean.preprocess.patterns import is_pattern

if TYPE_CHECKING:
    from cryoglean.micrograph import Micrograph, MicrographFile


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
        MicrographError: if it cannot be read, nothing in it was exposed, or the diameter does not fit it.
    """
    micrograph, note = read_exposed(file, pixel_size_angstrom)
    misfit = diameter_misfit(micrograph, diameter_angstrom)
    if misfit:
        raise MicrographError(file.path, misfit, by_settings=True)
    return micrograph, note


def read_exposed(file: MicrographFile, pixel_size_angstrom: float | None) -> tuple[Micrograph, str | None]:
    """Read a micrograph that shows something, and the note on its pixel size, if there is one.

    Raises:
        MicrographError: if it cannot be read, or nothing in it was exposed.
    """
    try:
        micrograph, note = read_micrograph(file, pixel_size_angstrom)
    except MemoryError as error:
        raise MicrographError(file.path, "not enough memory to read it") from error
    if not exposed_blocks(micrograph.image).any():
        raise MicrographError(file.path, "shows nothing: constant but for single pixels or lines, or a smooth shade")
    if is_pattern(micrograph.image):
        raise MicrographError(file.path, "shows nothing but a regular pattern, which comes again all over it")
    return micrograph, note


def with_pixel_size(file: MicrographFile, pixel_size_angstrom: float | None) -> MicrographFile | None:
    """Return a micrograph with its pixel size, read from the image if nothing else tells; None if it is gone."""
    if file.pixel_size_angstrom is not None:
        return file
    try:
        known = pixel_size_angstrom or read_micrograph(file)[0].pixel_size_angstrom
    except MicrographError:  # was picked, and is not there any more
        return None
    return replace(file, pixel_size_angstrom=known)


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
