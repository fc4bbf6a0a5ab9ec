"""Class averages from a stack, for pickers that match with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError
from cryoglean.io.mrc_stack import read_stack, stack_pixel_size
from cryoglean.pickers.matcher.class_averages import ClassAverages, contrast_of, without_neighbours

if TYPE_CHECKING:
    from pathlib import Path


_CLEARLY = 0.2
"""Deviations of an image by which a particle is clearly darker than what is around. Chosen by hand: noise is far from
it, and a particle that fills half of its box has one or more."""


def read_class_averages(path: Path, diameter_angstrom: float) -> ClassAverages:
    """Read class averages, protein bright, without the empty ones, and without neighbours of the particles.

    Args:
        path: an MRC stack whose header tells the pixel size, of this program or of RELION (`run_itNNN_classes.mrcs`).
        diameter_angstrom: particle diameter; it must fit into the images.

    Raises:
        TableError: if the stack is missing, broken or holds values that are not finite.
        SettingsError: if its pixel size is not known, the images are too small, all are empty, or protein is dark.
    """
    images = read_stack(path)
    pixel_size = stack_pixel_size(path)
    if pixel_size is None:
        raise SettingsError(f"{path}: its header does not tell the pixel size: set it, e.g. with relion_image_handler")
    side = min(images.shape[1:]) * pixel_size
    if side < diameter_angstrom:
        raise SettingsError(
            f"--templates {path}: images {side:.4g} A wide cannot hold particles of {diameter_angstrom:g} A"
        )
    filled = images[images.std(axis=(1, 2)) > 0]
    if not len(filled):
        raise SettingsError(f"--templates {path}: all {len(images)} images are empty")
    averages = ClassAverages(filled, pixel_size)
    if (contrast_of(averages, diameter_angstrom) < -_CLEARLY).all():
        raise SettingsError(
            f"--templates {path}: what is in the middle of all images is darker than what is around, and protein must "
            "be bright: relion_image_handler --multiply_constant -1 turns it round"
        )
    return without_neighbours(averages, diameter_angstrom)
