"""Micrographs found from folders, files, lists and STAR files, each with a unique key."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from dataclasses import replace
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.exposures import LeftOut, choose_exposures
from cryoglean.io.image_folders import EVERYTHING, Choice, expanded, images_in
from cryoglean.io.images import SUFFIXES, image_stem, image_suffix, may_be_image, reason_for_suffix
from cryoglean.io.optics_groups import optics_by_number, without_mark
from cryoglean.io.regular import size_of_regular
from cryoglean.io.relion import path_from_project, pipeline_stem, project_above
from cryoglean.io.relion_columns import (
    ANGSTROM_PER_MICROMETRE,
    DEFOCUS_U,
    DEFOCUS_V,
    DETECTOR_PIXEL_SIZE,
    GROUP,
    IMAGE,
    MAGNIFICATION,
    MICROGRAPH,
    MOVIE,
    ORIGINAL_PIXEL_SIZE,
    PIXEL_SIZE,
    X,
)
from cryoglean.io.star import CONTROL, find_table, read_star, refuse_tomography
from cryoglean.micrograph import MicrographFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

_LIST_SUFFIXES = (".txt", ".lst")
_NUMERIC = (DEFOCUS_U, DEFOCUS_V)
_MICROGRAPH_TABLES = ("micrographs", "", "images")
_NO_NAMES = ("", ".", "..")
_OF_PARTICLES = (IMAGE, X)
_REMARK = re.compile(r"\s+#.*$")
_JOB = re.compile(r"(?:^|/)(job\d{3}[^/]*)/")


class FoundMicrographs(NamedTuple):
    """What inputs name.

    Attributes:
        files: the micrographs.
        left_out: images that are none by their names, or other versions of one that is taken.
    """

    files: list[MicrographFile]
    left_out: list[LeftOut]


def find_micrographs(inputs: Sequence[Path]) -> list[MicrographFile]:
    """Find the micrographs that the inputs name, as `find_inputs`."""
    return find_inputs(inputs).files


def find_inputs(inputs: Sequence[Path], choice: Choice = EVERYTHING) -> FoundMicrographs:
    """Find the micrographs that the inputs name.

    An input is a folder (its images, and those of its sub-folders if they are wanted), an image, a path with wildcards,
    a text list (`.txt`, `.lst`: a path a line, relative to the working folder or else to the list's, `#` starts a
    comment, also behind a path), or a micrographs STAR of RELION 3.0 to 5 (names relative to the project folder: the
    working folder, or else the nearest one above the STAR file in which they exist). Images are not opened; those named
    by themselves, by a list or a STAR file may be missing. Of several images that are not from a STAR file one of each
    exposure is taken (`choose_exposures`); one image that is named by itself is taken whatever its name.

    Args:
        inputs: paths as the user gave them.
        choice: which files of folders are wanted.

    Returns:
        The micrographs, each file once, in the order of the inputs; folders are sorted by name. Keys: for a STAR file
        RELION's rule (everything up to `jobNNN/` and the extension dropped), with the job's folder where two jobs have
        a micrograph of one name; else the name without suffix where these
        differ, or the path below the common folder.

    Raises:
        SettingsError: if an input is missing, nothing is found, or two micrographs would get the same key.
        TableError: if a list or STAR file cannot be understood.
    """
    found: list[MicrographFile] = []
    loose: list[Path] = []
    left_out: list[LeftOut] = []
    for path in map(Path, inputs):
        if path.suffix.lower() == ".star" and os.path.lexists(path) and not path.is_dir():
            found += _from_star(path)
        elif path.is_dir():
            taken, left = images_in(path, choice)
            loose, left_out = loose + taken, left_out + left
        else:
            loose += _loose(path)
    if not found and not loose:
        raise SettingsError("no micrographs given: name a folder, files, a list or a micrographs STAR file")
    _refuse_no_images(found, loose)
    loose, left = choose_exposures(loose, is_strict=False)
    found = _each_once([*_apart(found), *_from_paths(loose)])
    _refuse_equal_keys(found)
    return FoundMicrographs(found, left_out + left)


def _loose(path: Path) -> list[Path]:
    """List the images of an input that is neither a STAR file nor a folder."""
    if not os.path.lexists(path):
        if has_magic(str(path)):
            return expanded(path)
        if not image_suffix(path.name):  # a missing image is one bad micrograph
            raise SettingsError(f"{path}: no such file or folder")
    return _from_list(path) if path.suffix.lower() in _LIST_SUFFIXES else [path]


def _refuse_no_images(found: Sequence[MicrographFile], loose: Sequence[Path]) -> None:
    """Refuse inputs among which not one is an image, so that no output folder is made for them."""
    if not found and all(path.is_dir() for path in loose):
        raise SettingsError(f"{loose[0]}: a folder that cannot be listed: see its permissions")
    if not found and not any(path.is_dir() or may_be_image(path.name) for path in loose):
        reason = reason_for_suffix(loose[0].name) or "not a micrograph by its name"
        raise SettingsError(f"{loose[0]}: {reason}; recognised are {' '.join(SUFFIXES)}")


def _from_list(path: Path) -> list[Path]:
    try:
        size_of_regular(path)
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(path, "not a list of micrographs: it is not text in UTF-8") from error
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


def _plain(name: str, folders: Sequence[Path]) -> str:
    """Return a name in a list without the remark behind it, and with slashes, unless a file is called just so."""
    without = _REMARK.sub("", name)
    written = (name, without, _slashes(name), _slashes(without))
    return next((each for each in written if _is_there(each, folders)), written[-1])


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


def _from_paths(paths: list[Path]) -> list[MicrographFile]:
    """Make micrographs of image files, with the shortest keys that tell them apart."""
    paths = _distinct(paths)
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 (resolve() would follow links)
    keys = [image_stem(path.name) for path in absolute]
    if len(set(keys)) < len(keys):
        common = Path(os.path.commonpath([path.parent for path in absolute]))
        keys = [(path.parent / image_stem(path.name)).relative_to(common).as_posix() for path in absolute]
    names = _names(paths)
    return [
        MicrographFile(path, name, _checked_key(path, key)) for path, name, key in zip(paths, names, keys, strict=True)
    ]


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the names in tables: from the folder of the RELION project, or as they were given where there is none."""
    projects = {folder: project_above(folder / "any") for folder in {path.parent for path in paths}}
    given = [(path, projects[path.parent]) for path in paths]
    return [path.as_posix() if project is None else path_from_project(path, project) for path, project in given]


def _checked_key(path: Path, key: str) -> str:
    """Return the key, or refuse a name that no table can hold or that is none."""
    if CONTROL.search(str(path)) or any(0xD800 <= ord(c) < 0xE000 for c in str(path)):
        raise SettingsError(f"{str(path)!r}: control or undecodable characters in a file name: rename it")
    if key.rpartition("/")[2] in _NO_NAMES:
        raise SettingsError(f"{path}: not a name for a micrograph: rename it")
    return key


def _distinct(paths: list[Path]) -> list[Path]:
    return list({os.path.realpath(path): path for path in reversed(paths)}.values())[::-1]


def _each_once(files: list[MicrographFile]) -> list[MicrographFile]:
    first: dict[str, MicrographFile] = {}
    for file in files:
        first.setdefault(os.path.realpath(file.path), file)
    return list(first.values())


def _apart(files: list[MicrographFile]) -> list[MicrographFile]:
    """Give micrographs of two jobs that would have one key keys with the folder of the job."""
    files = _each_once(files)
    counts = Counter(file.key for file in files)
    return [file if counts[file.key] == 1 else replace(file, key=_job_key(file)) for file in files]


def _job_key(file: MicrographFile) -> str:
    job = _JOB.search(file.name)
    return f"{job[1]}/{file.key}" if job else file.key


def _refuse_equal_keys(files: list[MicrographFile]) -> None:
    by_key: dict[str, MicrographFile] = {}
    for file in files:
        other = by_key.setdefault(file.key, file)
        if other is not file:
            raise SettingsError(
                f'{other.path} and {file.path} would both be "{file.key}" in the output folder: '
                "rename one, or give them to runs of their own"
            )


def _from_star(path: Path) -> list[MicrographFile]:
    tables = read_star(path)
    table = _micrographs_table(path, tables)
    groups = optics_by_number(path, find_table(tables, "optics"))
    optics = {number: without_mark(group) for number, group in groups.items()}
    folders = [Path(), *path.resolve().parents]
    return [_from_row(path, row, optics, folders) for row in _records(table)]


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
    row = {**row, MICROGRAPH: name}
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
