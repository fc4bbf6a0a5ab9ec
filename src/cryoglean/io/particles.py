"""Stacks of particle images and the particles STAR that names them (3.1 layout): writing, joining, reading."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from mrcfile.dtypes import HEADER_DTYPE  # type: ignore[import-untyped]

from cryoglean.errors import TableError
from cryoglean.io.atomic import atomic_path, write_atomic_text
from cryoglean.io.relion_columns import (
    IMAGE,
    X,
)
from cryoglean.io.star import find_table, read_star, refuse_tomography, star_lines, star_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

_MODES = {"float32": 2, "float16": 12}
"""Format: modes of an MRC file."""

_LITTLE_ENDIAN = (0x44, 0x44, 0, 0)
"""Format: machine stamp of an MRC file."""

_PARTICLE_TABLES = ("particles", "images", "")
_PLACE = re.compile(r"^(\d+)@(.+)$")


class ParticleTable(NamedTuple):
    """Tables of a particles STAR; all values are text, as in the file.

    Attributes:
        optics: one row per optics group; without rows in the layout of RELION 3.0.
        particles: one row per particle.
    """

    optics: pd.DataFrame
    particles: pd.DataFrame


def write_stack(
    path: str | Path, chunks: Iterable[NDArray[np.float32]], pixel_size_angstrom: float, *, float16: bool = False
) -> int:
    """Write images as one MRC stack, a chunk at a time, so that they need not all be in memory.

    Args:
        path: the file, `.mrcs`; written whole or not at all, and not at all if there are no images.
        chunks: (n, size, size) images each.
        pixel_size_angstrom: size of their pixels.
        float16: half the size on disk (mode 12): RELION 4 and later read it, 3.1 does not.

    Returns:
        How many images were written.

    Raises:
        OSError: if the file cannot be written.
    """
    dtype, count, limits = np.dtype("<f2" if float16 else "<f4"), 0, np.array([np.inf, -np.inf])
    sums, shape = np.zeros(2), (0, 0)
    present = iter(chunks)
    first = next((chunk for chunk in present if len(chunk)), None)
    if first is None:
        return 0
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        stream.write(bytes(HEADER_DTYPE.itemsize))
        for chunk in _chain(first, present):
            stored = chunk.astype(dtype)
            stream.write(stored.tobytes())
            values = stored.astype(np.float64)
            limits = np.array([min(limits[0], values.min()), max(limits[1], values.max())])
            sums += values.sum(), np.square(values).sum()
            count, shape = count + len(chunk), chunk.shape[1:]
        mean, square = sums / (count * shape[0] * shape[1])
        statistics = (limits[0], limits[1], mean, np.sqrt(max(square - mean**2, 0)))
        stream.seek(0)
        stream.write(_header((count, *shape), "float16" if float16 else "float32", pixel_size_angstrom, statistics))
    return count


def _chain(first: NDArray[np.float32], rest: Iterable[NDArray[np.float32]]) -> Iterable[NDArray[np.float32]]:
    yield first
    yield from (chunk for chunk in rest if len(chunk))


def _header(
    shape: tuple[int, ...], kind: str, pixel_size_angstrom: float, statistics: tuple[float, float, float, float]
) -> bytes:
    """Return the header of a stack of images (space group 0), as MRC2014 has it."""
    header = np.zeros((), HEADER_DTYPE.newbyteorder("<"))
    count, height, width = shape
    sizes = {"nx": width, "ny": height, "nz": count, "mx": width, "my": height, "mz": 1, "mode": _MODES[kind]}
    axes = {"mapc": 1, "mapr": 2, "maps": 3, "nversion": 20140}
    for name, value in {**sizes, **axes}.items():
        header[name] = value
    for name, length in (("x", width), ("y", height), ("z", 1)):
        header["cella"][name] = length * pixel_size_angstrom
        header["cellb"][{"x": "alpha", "y": "beta", "z": "gamma"}[name]] = 90
    header["dmin"], header["dmax"], header["dmean"], header["rms"] = statistics
    header["map"], header["machst"] = b"MAP ", _LITTLE_ENDIAN
    return bytes(header.tobytes())


def image_places(table: ParticleTable, star_path: Path) -> list[tuple[int, str]]:
    """Return for each particle the number of its image, counted from 0, and the stack, as the table names it.

    Raises:
        TableError: if there is no column of image names, or one is of another form.
    """
    names = table.particles.get(IMAGE)
    if names is None:
        raise TableError(star_path, f"the table of particles has no column {IMAGE}")
    return [_place(star_path, str(name)) for name in names]


def _place(star_path: Path, name: str) -> tuple[int, str]:
    match = _PLACE.match(name)
    if match is None or int(match[1]) < 1:
        raise TableError(star_path, f"{IMAGE} {name!r} is not of the form 000001@stack.mrcs")
    return int(match[1]) - 1, match[2]


def located(name: str, star_path: Path) -> Path:
    """Return the path of a file that a STAR file names; the name itself if there is no such file."""
    folder = project_folder(name, star_path)
    return Path(name) if folder is None else folder / name


def project_folder(name: str, star_path: Path) -> Path | None:
    """Return the folder that a name in a STAR file counts from: the working folder, or the nearest above the file.

    Args:
        name: name of a file in the table.
        star_path: file of the table.

    Returns:
        The first of these folders in which the file exists, or None.
    """
    folders = (Path(), *star_path.resolve().parents)
    return next((folder for folder in folders if (folder / name).exists()), None)


def write_particles(path: str | Path, table: ParticleTable, notes: Iterable[str] = ()) -> None:
    """Write a particles STAR, with comment lines above the tables.

    Raises:
        OSError: if it cannot be written.
        ValueError: if a name cannot be written in STAR.
    """
    text = star_text({"optics": table.optics, "particles": table.particles})
    write_atomic_text(path, "".join(f"# {note}\n" for note in notes) + text)


def read_particles(path: str | Path) -> ParticleTable:
    """Read a particles STAR of RELION 3.0 (one table) to 5.

    Raises:
        TableError: if it cannot be understood or holds no table of particles.
    """
    path = Path(path)
    tables = read_star(path)
    title = _particles_title(path, tables)
    optics = find_table(tables, "optics")
    return ParticleTable(pd.DataFrame() if optics is None else optics, tables[title])


def particle_lines(path: Path) -> list[int]:
    """Return the number of the line of each particle in its STAR file, counted from 1, for messages.

    Raises:
        TableError: as `read_particles`.
    """
    return star_lines(path, _particles_title(path, read_star(path)))


def _particles_title(path: Path, tables: Mapping[str, pd.DataFrame]) -> str:
    """Return the name of the table of particles.

    Raises:
        TableError: if there is none, or more than one may be it.
    """
    refuse_tomography(path, tables)
    named = find_table(tables, *_PARTICLE_TABLES)
    found = [title for title, table in tables.items() if table is named]
    if named is None:  # other programs call it otherwise, as data_model_class_1
        found = [title for title, table in tables.items() if _is_of_particles(table)]
    if len(found) != 1 or not _is_of_particles(tables[found[0]]):
        raise TableError(path, f"not a STAR file of particles: no one table with {X} or {IMAGE}")
    return found[0]


def _is_of_particles(table: pd.DataFrame) -> bool:
    return not {X, IMAGE}.isdisjoint(table.columns)
