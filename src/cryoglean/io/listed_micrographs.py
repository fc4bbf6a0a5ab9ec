"""Micrographs that a text list or a STAR file names."""

from __future__ import annotations

import math
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.exposures import Kind, LeftOut
from cryoglean.io.images import SUFFIXES
from cryoglean.io.optics_groups import optics_by_number
from cryoglean.io.regular import size_of_regular
from cryoglean.io.relion_columns import (
    ANGSTROM_PER_MICROMETRE,
    CTF_ASTIGMATISM,
    CTF_B_FACTOR,
    CTF_FIGURE_OF_MERIT,
    CTF_MAX_RESOLUTION,
    CTF_SCALE,
    DEFOCUS_ANGLE,
    DEFOCUS_U,
    DEFOCUS_V,
    DETECTOR_PIXEL_SIZE,
    ENABLED,
    GROUP,
    IMAGE,
    MAGNIFICATION,
    MICROGRAPH,
    MICROSCOPE,
    MOVIE,
    ORIGINAL_PIXEL_SIZE,
    PHASE_SHIFT,
    PIXEL_SIZE,
    X,
)
from cryoglean.io.relion_project import pipeline_stem
from cryoglean.io.star import decoded, find_table, read_star, refuse_tomography
from cryoglean.io.unknown_microscope import without_mark
from cryoglean.micrograph import MicrographFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

_NO_NAMES = ("", ".", "..")
_NUMERIC = (DEFOCUS_U, DEFOCUS_V)
_NUMBERS = frozenset(
    {
        *(DEFOCUS_U, DEFOCUS_V, DEFOCUS_ANGLE, PHASE_SHIFT, CTF_SCALE, CTF_B_FACTOR, *MICROSCOPE),
        *(PIXEL_SIZE, ORIGINAL_PIXEL_SIZE, DETECTOR_PIXEL_SIZE, MAGNIFICATION),
        *(CTF_MAX_RESOLUTION, CTF_FIGURE_OF_MERIT, CTF_ASTIGMATISM),
    }
)
_UNKNOWN = ("none", "null", "<na>", "n/a")
"""Values in columns of numbers that a row does not have. *Format*: as programs write them that keep tables in data
frames; RELION reads 0."""

_MICROGRAPH_TABLES = ("micrographs", "", "images")
_OF_PARTICLES = (IMAGE, X)
_REMARK = re.compile(r"\s+#.*$")
_QUOTED = re.compile(r"""^(["'])(.*)\1""")
_BEHIND_SUFFIX = re.compile(
    rf"^(.*?(?:{'|'.join(re.escape(suffix) for suffix in sorted(SUFFIXES, key=len, reverse=True))}))[\s,;#].*$",
    re.IGNORECASE,
)
_OFF = ("0", "-1", "false")
"""Values of `rlnEnabled` for a micrograph that was taken out by hand. *Format*: of Scipion, whose 1 is "enabled"."""

_DISABLED = Kind("micrograph that its STAR file disables (rlnEnabled)", "micrographs that their STAR files disable")


def images_in_list(path: Path) -> list[Path]:
    """Return the images that a text list names.

    Args:
        path: of the list: a path a line, relative to the working folder or else to the list's; `#` starts a comment,
            and what else stands behind an image's suffix is one, too, unless it names another image.

    Raises:
        SettingsError: if it names none.
        TableError: if it is no text.
    """
    try:
        size_of_regular(path)
        text = decoded(path.read_bytes())
    except UnicodeDecodeError as error:
        raise TableError(path, "not a list of micrographs: it is not text in UTF-8 or UTF-16") from error
    except OSError as error:
        raise TableError(path, f"cannot be read: {error.strerror or error}") from error
    if "\0" in text:
        raise TableError(path, "not a list of micrographs: it holds binary data")
    names = [line.strip() for line in text.split("\n")]
    names = [name for name in names if name and not name.startswith("#")]
    if not names:
        raise SettingsError(f"{path}: lists no micrographs; a path a line was expected")
    folders = (Path(), path.parent)
    return [_located(_plain(name, folders), folders) for name in names]


def micrographs_in_star(path: Path) -> tuple[list[MicrographFile], list[LeftOut]]:
    """Return the micrographs of a STAR file, with their rows and optics groups, and those that it disables.

    Args:
        path: a micrographs STAR of RELION 3.0 to 5; names count from the working folder, or else from the nearest
            folder above the file in which they exist.

    Raises:
        SettingsError: if it lists none.
        TableError: if it cannot be understood, or is of something else.
    """
    tables = read_star(path)
    table = _micrographs_table(path, tables)
    groups = optics_by_number(path, find_table(tables, "optics"))
    optics = {number: without_mark(group) for number, group in groups.items()}
    folders = [Path(), *path.resolve().parents]
    files = [_from_row(path, row, optics, folders) for row in _records(table)]
    disabled = [file for file in files if file.row.get(ENABLED, "1").lower() in _OFF]
    if len(disabled) == len(files):
        raise SettingsError(f"{path}: disables all its micrographs ({ENABLED})")
    return [file for file in files if file not in disabled], [LeftOut(file.path, _DISABLED) for file in disabled]


def _records(table: pd.DataFrame) -> Iterator[dict[str, str]]:
    columns = [str(column) for column in table.columns]
    for values in table.itertuples(index=False, name=None):
        yield dict(zip(columns, values, strict=True))


def _micrographs_table(path: Path, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    refuse_tomography(path, tables)
    if find_table(tables, "particles") is not None or any(
        c in t.columns for t in tables.values() for c in _OF_PARTICLES
    ):
        raise TableError(path, "a STAR file of particles: give the one of the micrographs (micrographs_ctf.star)")
    table = find_table(tables, *_MICROGRAPH_TABLES)
    is_movies = find_table(tables, "movies") is not None or (table is not None and MOVIE in table.columns)
    if is_movies and (table is None or MICROGRAPH not in table.columns):
        raise TableError(path, "a STAR file of movies: motion-correct them first and give corrected_micrographs.star")
    if table is None:
        raise TableError(path, f"no table of micrographs in it: found {', '.join(f'data_{name}' for name in tables)}")
    if MICROGRAPH not in table.columns:
        raise TableError(path, "the table of micrographs has no column rlnMicrographName")
    if table.empty:
        raise SettingsError(f"{path}: lists no micrographs")
    return table


def _from_row(
    path: Path, row: dict[str, str], optics: Mapping[str, dict[str, str]], folders: Sequence[Path]
) -> MicrographFile:
    name = _with_slashes(row[MICROGRAPH], folders)
    row = {column: text for column, text in row.items() if column not in _NUMBERS or text.lower() not in _UNKNOWN}
    row[MICROGRAPH] = name
    key = _relion_key(name)
    if key.rpartition("/")[2] in _NO_NAMES or "@" in name:
        raise TableError(path, f"rlnMicrographName {name!r} does not name a micrograph")
    group = _group_of(path, row, optics)
    for column in _NUMERIC:
        if column in row:
            _number(path, name, column, row[column])
    known = {**group, **row}
    pixel_size = _pixel_size(path, name, known)
    original = None
    if pixel_size is None and ORIGINAL_PIXEL_SIZE in known:
        original = _positive(path, name, ORIGINAL_PIXEL_SIZE, known)
    return MicrographFile(_located(name, folders), name, key, pixel_size, row, group, original)


def _group_of(path: Path, row: dict[str, str], optics: Mapping[str, dict[str, str]]) -> dict[str, str]:
    if not optics:
        return {}
    if GROUP not in row and len(optics) == 1:
        return next(iter(optics.values()))
    number = row.get(GROUP, "(none)")
    if number not in optics:
        raise TableError(path, f"{row[MICROGRAPH]}: optics group {number} is not in the optics table")
    return optics[number]


def _pixel_size(path: Path, name: str, values: Mapping[str, str]) -> float | None:
    """Return the pixel size in angstrom: as of RELION 3.1, or from detector and magnification as before it."""
    if PIXEL_SIZE in values:
        return _positive(path, name, PIXEL_SIZE, values)
    if DETECTOR_PIXEL_SIZE in values and MAGNIFICATION in values:
        detector = _positive(path, name, DETECTOR_PIXEL_SIZE, values)
        return detector * ANGSTROM_PER_MICROMETRE / _positive(path, name, MAGNIFICATION, values)
    return None


def _positive(path: Path, name: str, column: str, values: Mapping[str, str]) -> float:
    value = _number(path, name, column, values[column])
    if not (math.isfinite(value) and value > 0):
        raise TableError(path, f"{name}: {column} {values[column]} is not a positive number")
    return value


def _number(path: Path, name: str, column: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise TableError(path, f"{name}: {column} {text!r} is not a number") from error


def _relion_key(name: str) -> str:
    """Apply RELION's rule for the place of an output; what would lead out of the output folder is dropped."""
    return "/".join(part for part in PurePosixPath(pipeline_stem(name)).parts if part not in ("/", "//", "..", "."))


def _plain(name: str, folders: Sequence[Path]) -> str:
    """Return a name in a list without the remark behind it, and with slashes, unless a file is called just so."""
    without = _without_remark(name)
    written = (name, without, _slashes(name), _slashes(without))
    return next((each for each in written if _is_there(each, folders)), written[-1])


def _without_remark(line: str) -> str:
    """Return the name at the beginning of a line, without quotation marks; the line if that holds several names."""
    quoted = _QUOTED.match(line)
    if quoted:
        return quoted[2]
    line = _REMARK.sub("", line)
    found = _BEHIND_SUFFIX.match(line)
    return found[1] if found and not _BEHIND_SUFFIX.match(f"{line[len(found[1]) :]} ") else line


def _with_slashes(name: str, folders: Sequence[Path]) -> str:
    """Return a name with the separators of this system: programs of Windows write others."""
    return name if "\\" not in name or _is_there(name, folders) else _slashes(name)


def _slashes(name: str) -> str:
    return name.replace("\\", "/")


def _is_there(name: str, folders: Sequence[Path]) -> bool:
    return any(_exists(folder / name) for folder in folders)


def _located(name: str, folders: Sequence[Path]) -> Path:
    """Return where the file is, taking `name` relative to each folder in turn; the first if it is nowhere."""
    for folder in folders:
        if _exists(folder / name):
            return folder / name
    return folders[0] / name


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that the file system does not take
        return False
