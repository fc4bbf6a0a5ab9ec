"""Kept particles as picks of their micrographs, at their true centres."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from cryoglean.errors import TableError
from cryoglean.io.coordinates import YConvention, relion_y_convention, write_picks
from cryoglean.io.images import image_stem
from cryoglean.io.particles import ParticleTable, located, places_by_micrograph
from cryoglean.io.regular import size_of_regular
from cryoglean.io.relion import pipeline_stem
from cryoglean.io.relion_columns import GROUP, MICROGRAPH, SCORE, X, Y
from cryoglean.particles.recentring import recentred
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_PIXEL_SIZES = ("rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize")


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
        What could not be written, and why, a line each.

    Raises:
        TableError: if coordinates or origins are broken.
        OSError: if a file cannot be written.
    """
    missing = [column for column in (MICROGRAPH, X, Y) if column not in table.particles.columns]
    if missing:
        return (f"the particles have no {missing[0]}: picks are not written",)
    pixel = _pixel_sizes(table, pixel_size_angstrom)
    if pixel is None:
        return ("the pixel size of the micrographs is not known: picks are not written; give --pixel-size",)
    scored = table.particles.assign(**{SCORE: [f"{v:.9g}" for v in quality.clip(0, 1)]})
    places = places_by_micrograph(star_path, ParticleTable(table.optics, scored))
    rows = scored.groupby(scored[MICROGRAPH].astype(str), sort=False).indices
    keys, unplaced = _keys(list(places)), []
    for name, (x, y, score, shifts) in places.items():
        here = np.asarray(rows[name])
        true = recentred(Picks(x, y, score), shifts, float(pixel[here[0]])).take(kept[here])
        convention = relion_y_convention(name)
        height = _height(name, star_path) if convention is YConvention.LAST_ROW else None
        if convention is YConvention.LAST_ROW and height is None:
            unplaced.append(name)
            continue
        picks = Picks(true.x, convention.convert(true.y, height), true.score, true.score_kind)
        path = folder / f"{keys[name]}_autopick.star"
        write_picks(path, picks, name, height_px=height)
    return _said(unplaced)


def _said(unplaced: Sequence[str]) -> tuple[str, ...]:
    if not unplaced:
        return ()
    return (
        f"{unplaced[0]} and {len(unplaced) - 1} more TIFF are not found: no picks of them, as y needs their height",
    )


def _pixel_sizes(table: ParticleTable, given: float | None) -> NDArray[np.float64] | None:
    """Return (n,) the pixel size of each particle's micrograph in angstrom, or None if it is not known."""
    count = len(table.particles)
    if given is not None:
        return np.full(count, given)
    column = next((c for c in _PIXEL_SIZES if c in table.optics.columns), None)
    if column is None or not count:
        return None
    values = [float(v) for v in table.optics[column]]
    if GROUP not in table.particles.columns or GROUP not in table.optics.columns:
        return np.full(count, values[0])
    of_group = dict(zip(table.optics[GROUP].astype(str), values, strict=True))
    return np.array([of_group.get(str(group), values[0]) for group in table.particles[GROUP]])


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
