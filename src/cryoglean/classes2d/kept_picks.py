"""Kept particles as picks of their micrographs, at their true centres."""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from cryoglean.errors import TableError
from cryoglean.io.coordinates import YConvention, relion_y_convention, write_picks
from cryoglean.io.coordinates.columns import sound_rows
from cryoglean.io.coordinates.format import StoredPicks
from cryoglean.io.images import image_stem
from cryoglean.io.origins import image_pixel_sizes, micrograph_pixel_sizes, origin_columns, origins
from cryoglean.io.particles import located, particle_lines
from cryoglean.io.regular import size_of_regular
from cryoglean.io.relion_columns import MICROGRAPH, X, Y
from cryoglean.io.relion_project import pipeline_stem
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cryoglean.io.particles import ParticleTable


def write_kept_picks(
    folder: Path,
    star_path: Path,
    table: ParticleTable,
    kept: NDArray[np.bool_],
    quality: NDArray[np.float64],
    *,
    pixel_size_angstrom: float | None = None,
) -> tuple[str, ...]:
    """Write `<folder>/<stem>_autopick.star` for each micrograph of a table; one may have no picks.

    Args:
        folder: where to.
        star_path: where the table came from.
        table: n particles; coordinate minus origin is the true centre.
        kept: (n,) which of them.
        quality: (n,) scores in [0, 1].
        pixel_size_angstrom: of the micrographs; else what the table says.

    Returns:
        What could not be written, and why, a line each; a broken row is left out, and named with file and line.

    Raises:
        TableError: if the table cannot be read again, to number its lines.
        OSError: if a file cannot be written.
    """
    missing = [column for column in (MICROGRAPH, X, Y) if column not in table.particles.columns]
    if missing:
        return (f"the particles have no {missing[0]}: picks are not written",)
    which = np.flatnonzero(kept)
    xy, shifts, sound, faults = _places(star_path, table, which)
    pixel = _pixel_sizes(table, pixel_size_angstrom)
    if pixel is None and shifts.any():
        return ("the pixel size of the micrographs is not known: picks are not written; give --pixel-size",)
    names = table.particles[MICROGRAPH].astype(str).to_numpy()
    keys, unplaced = _keys(list(dict.fromkeys(names))), []
    for name, here in _by_name(names, which[sound]):
        height = _height(name, star_path) if relion_y_convention(name) is YConvention.LAST_ROW else None
        if height is None and relion_y_convention(name) is YConvention.LAST_ROW:
            unplaced.append(name)
            continue
        rows = which[sound][here]
        picks = Picks(xy[here, 0], xy[here, 1], quality[rows].clip(0, 1))
        size = None if pixel is None or not len(rows) else float(pixel[rows[0]])
        stored = StoredPicks(star_path, picks, shifts_angstrom=shifts[here], pixel_size_angstrom=size)
        true = stored.from_first_row(height, micrograph_name=name)
        write_picks(folder / f"{keys[name]}_autopick.star", true, name, height_px=height)
    return (*faults, *_said(unplaced))


def _places(
    star_path: Path, table: ParticleTable, which: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp], tuple[str, ...]]:
    """Read the places of some particles.

    Returns:
        (m, 2) coordinates without origins in pixels, (m, 2) origins in angstrom, (m,) which of the particles are sound,
        and a line for each other.
    """
    chosen = table.particles.iloc[which]
    lines = cache(lambda: particle_lines(star_path))
    cells = {name: list(chosen[name]) for name in (X, Y, *origin_columns(chosen))}
    numbers, sound, faults = sound_rows(star_path, cells, lambda row: lines()[int(which[row])])
    of_images = image_pixel_sizes(chosen, table.optics)
    shifts, pixels = origins(numbers, None if of_images is None else of_images[sound])
    return np.stack([numbers[X], numbers[Y]], axis=1) - pixels, shifts, sound, faults


def _by_name(names: NDArray[np.object_], rows: NDArray[np.intp]) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Yield each micrograph of a table and which of some rows are of it, which may be none."""
    here: dict[str, list[int]] = {str(name): [] for name in names}
    for place, row in enumerate(rows):
        here[str(names[row])].append(place)
    for name, places in here.items():
        yield name, np.array(places, dtype=np.intp)


def _said(unplaced: Sequence[str]) -> tuple[str, ...]:
    if not unplaced:
        return ()
    return (
        f"{unplaced[0]} and {len(unplaced) - 1} more TIFF are not found: no picks of them, as y needs their height",
    )


def _pixel_sizes(table: ParticleTable, given: float | None) -> NDArray[np.float64] | None:
    """Return (n,) the pixel size of each particle's micrograph in angstrom, or None if it is not known."""
    if given is not None:
        return np.full(len(table.particles), given)
    return micrograph_pixel_sizes(table.particles, table.optics)


def _keys(names: Sequence[str]) -> dict[str, str]:
    """Return a unique name in the folder for each micrograph: its stem, or with folders if stems are not unique."""
    stems = [image_stem(PurePosixPath(name).name) for name in names]
    if len(set(stems)) < len(stems):
        stems = ["/".join(p for p in PurePosixPath(pipeline_stem(name)).parts if p.strip("/.")) for name in names]
    return dict(zip(names, stems, strict=True))


def _height(name: str, star_path: Path) -> int | None:
    """Return the number of rows of a TIFF, or None if it is not there or cannot be read."""
    try:
        path = located(name, star_path)
        size_of_regular(path)
        with tifffile.TiffFile(path) as file:
            return int(file.pages.first.shape[0])
    except (OSError, TableError, tifffile.TiffFileError, IndexError):
        return None
