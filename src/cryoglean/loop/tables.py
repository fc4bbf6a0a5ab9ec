"""Tables of the loop: picks of a round by micrograph, and which particle of a classification is which pick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryoglean.errors import TableError
from cryoglean.io.coordinates import write_picks_star
from cryoglean.io.particles import (
    IMAGE,
    MICROGRAPH,
    ORIGIN_X,
    ParticleTable,
    X,
    read_particles,
    write_particles,
)
from cryoglean.io.star import star_floats
from cryoglean.io.y_conventions import relion_y_convention
from cryoglean.jobs.folder import PickFolder
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cryoglean.loop.pick_union import Pool
    from cryoglean.micrograph import MicrographFile

_SAME_PX = 0.01
"""Tables hold six decimals."""


def read_round(folder: Path, keys: Sequence[str]) -> dict[str, Picks]:
    """Return the picks of each micrograph; one without a file has none."""
    where = PickFolder(folder)
    return {key: found if (found := where.done_picks(key)) is not None else Picks.empty() for key in keys}


def write_round(
    folder: Path, files: Sequence[MicrographFile], picks: Mapping[str, Picks], heights_px: Mapping[str, int]
) -> None:
    """Write the picks of each micrograph as a pick job does.

    Raises:
        OSError: if a file cannot be written.
    """
    where = PickFolder(folder)
    for file in files:
        convention, height = relion_y_convention(file.name), heights_px[file.key]
        path = where.picks_path(file.key)
        write_picks_star(path, picks[file.key], file.name, y_convention=convention, height_px=height)


def places_of_images(
    star: Path, files: Sequence[MicrographFile], pools: Mapping[str, Pool]
) -> dict[str, tuple[str, int]]:
    """Return the micrograph's key and the number of the place in its pool for each particle image.

    Extraction leaves out places at borders and keeps the order of the others, by which they are found again. Only x is
    compared: y of a TIFF counts from the other side.

    Args:
        star: `particles.star` of the extraction.
        files: the micrographs.
        pools: what was extracted.

    Raises:
        TableError: if a particle is not of a pool.
    """
    table, key_of = read_particles(star), {file.name: file.key for file in files}
    rows = table.particles
    optics_pixel = star_floats(star, table.optics, "rlnMicrographPixelSize")
    x = star_floats(star, rows, X) - star_floats(star, rows, ORIGIN_X) / optics_pixel[0]
    found: dict[str, tuple[str, int]] = {}
    next_place = dict.fromkeys(pools, 0)
    for image, name, at in zip(rows[IMAGE], rows[MICROGRAPH], x, strict=True):
        key = key_of[str(name)]
        places, start = pools[key].picks.x, next_place[key]
        same = np.flatnonzero(np.abs(places[start:] - at) < _SAME_PX)
        if not len(same):
            raise TableError(star, f"{image} is at none of the places that were extracted")
        place = start + int(same[0])
        found[str(image)], next_place[key] = (key, place), place + 1
    return found


def write_rows(path: Path, table: ParticleTable, which: NDArray[np.bool_]) -> None:
    """Write some particles of a table.

    Raises:
        OSError: if the file cannot be written.
    """
    write_particles(path, ParticleTable(table.optics, table.particles[which].reset_index(drop=True)))
