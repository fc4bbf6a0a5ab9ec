"""Tables of the loop: picks of a round by micrograph, and the pick of each particle of a classification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.errors import TableError
from cryoglean.io.coordinates import write_picks
from cryoglean.io.particles import ParticleTable, read_particles, write_particles
from cryoglean.io.relion_columns import IMAGE, MICROGRAPH
from cryoglean.io.star import star_floats
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.particles.tables import PICK_ID
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.loop.pick_union import PickUnion
    from cryoglean.micrograph import MicrographFile


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
        write_picks(where.picks_path(file.key), picks[file.key], file.name, height_px=heights_px[file.key])


def picks_of_images(
    star: Path, files: Sequence[MicrographFile], pools: Mapping[str, PickUnion]
) -> dict[str, tuple[str, int]]:
    """Return the micrograph's key and the number of the pick in its pool, from 0, for each particle image.

    Args:
        star: `particles.star` of the extraction.
        files: the micrographs.
        pools: what was extracted.

    Raises:
        TableError: if a particle is not of a pool, or the table was written before particles had the id of their pick.
    """
    rows, key_of = read_particles(star).particles, {file.name: file.key for file in files}
    if PICK_ID not in rows.columns:
        raise TableError(star, f"no column {PICK_ID}, so an earlier version made it: start again with --force")
    found: dict[str, tuple[str, int]] = {}
    for image, name, number in zip(rows[IMAGE], rows[MICROGRAPH], star_floats(star, rows, PICK_ID), strict=True):
        key = key_of.get(str(name), "")
        if key not in pools or not 1 <= number <= len(pools[key].picks):
            raise TableError(star, f"{image} is none of the picks that were extracted: start again with --force")
        found[str(image)] = key, int(number) - 1
    return found


def write_rows(path: Path, table: ParticleTable, which: NDArray[np.bool_]) -> None:
    """Write some particles of a table.

    Raises:
        OSError: if the file cannot be written.
    """
    write_particles(path, ParticleTable(table.optics, table.particles[which].reset_index(drop=True)))
