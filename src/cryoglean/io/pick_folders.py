"""Picks of many micrographs from a folder, our output folder, a particles STAR or RELION's list of coordinate files.

All are read into one dictionary by the stem of the micrograph's name (`stem_of`), so that picks of different programs
match; micrographs of one stem are told apart by their longer names (`distinct_names`).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.coordinates.files import read_stored
from cryoglean.io.coordinates.registry import formats_of_suffix, unread_reason
from cryoglean.io.micrograph_names import distinct_names, stem_of
from cryoglean.io.particles import project_folder
from cryoglean.io.regular import size_of_regular
from cryoglean.io.relion import COORDS_SUFFIX, read_autopick_star

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryoglean.io.coordinates.format import StoredPicks
    from cryoglean.picks import Picks


_TABLES = (".star", ".csv")


def read_picks_folder(path: str | Path, *, height_px: int | None = None) -> dict[str, Picks]:
    """Read the picks of many micrographs.

    Args:
        path: a folder with a coordinate file for each micrograph (its sub-folders are read when the folder itself holds
            none, or is called `picks`); an output folder, of which `picks` is read; one STAR with `rlnMicrographName`;
            a STAR with the table `coordinate_files` (RELION 4 and 5), whose files are read; or the file of one
            micrograph. Tables without coordinates are passed over in a folder.
        height_px: number of rows of the micrographs, needed for files that count from the last one.

    Returns:
        Picks by `stem_of` the micrograph's name, sorted, without broken rows; empty if the folder holds none.

    Raises:
        SettingsError: if the path does not exist.
        TableError: if a listed file does not exist, a table is broken, or two files hold picks of one stem.
    """
    return {stem: stored.from_first_row(height_px) for stem, stored in read_stored_folder(path).items()}


def read_stored_folder(path: str | Path) -> dict[str, StoredPicks]:
    """Read the picks of many micrographs as `read_picks_folder`, if their heights are not known yet.

    Broken rows are left out, and named in `faults`.
    """
    path = Path(path)
    if path.is_file():
        listed = _listed_files(path)
        return _collect([(path, None)] if listed is None else listed)
    if path.exists() and not path.is_dir():
        size_of_regular(path)
    if not path.is_dir():
        raise SettingsError(f"{path}: no such file or folder")
    folder = path / "picks" if (path / "picks").is_dir() else path
    if folder.name == "picks":
        return _collect_folder(_tables_in(folder, deep=True))
    found = _collect_folder(_tables_in(folder)) or _collect_folder(_tables_in(folder, deep=True))
    if not found:
        _refuse_unread(folder)
    return found


def unread_tables(path: Path, names: Iterable[str]) -> list[Path]:
    """Return the files of a folder that are named as tables of these micrographs, to be asked for those without picks.

    Args:
        path: the folder; of a file there are none.
        names: of the micrographs.
    """
    stems = {stem_of(name) for name in names}
    return [file for file in _tables_in(path, deep=True) if stem_of(file.stem) in stems] if path.is_dir() else []


def _collect_folder(files: list[Path]) -> dict[str, StoredPicks]:
    """Read STAR and CSV files, or those of other formats where these hold nothing: crYOLO writes all picks as both."""
    tables = [file for file in files if file.suffix.lower() in _TABLES]
    others = [file for file in files if file.suffix.lower() not in _TABLES]
    return _collect((f, None) for f in tables) or _collect((f, None) for f in others)


def _refuse_unread(folder: Path) -> None:
    """Refuse a folder that holds coordinates only of formats that are not read, or pass it."""
    for file in sorted(folder.iterdir()):
        if (reason := unread_reason(file)) and file.suffix.lower() != ".json":  # any program's settings are .json
            raise TableError(file, reason)


def _collect(files: Iterable[tuple[Path, str | None]]) -> dict[str, StoredPicks]:
    """Read (file, micrograph's name or None) pairs."""
    by_stem: dict[str, list[tuple[str, StoredPicks]]] = defaultdict(list)
    for file, listed_name in files:
        for name, stored in read_stored(file).items():
            known = listed_name or name or file.stem
            named = stored._replace(micrograph_name=listed_name or stored.micrograph_name)
            by_stem[stem_of(known)].append((known, named))
    found: dict[str, StoredPicks] = {}
    for stem, several in by_stem.items():
        names = [stem] if len(several) == 1 else distinct_names([(k, stored.micrograph_name) for k, stored in several])
        if names is None:
            one, other = several[0][1].path, several[-1][1].path
            hint = "leave one, or read each folder by itself"
            raise TableError(other, f"two files with picks for {stem}, the other is {one}: {hint}")
        found |= {name: stored for name, (_, stored) in zip(names, several, strict=True)}
    return dict(sorted(found.items()))


def _tables_in(folder: Path, *, deep: bool = False) -> list[Path]:
    """Return the visible files that may hold coordinates.

    RELION's coords_suffix files are called .star, too, but hold only a path.
    """
    files = folder.rglob("*") if deep else folder.iterdir()
    tables = (f for f in files if formats_of_suffix(f) and f.is_file() and not f.name.startswith(COORDS_SUFFIX))
    return sorted(f for f in tables if not any(part.startswith(".") for part in f.relative_to(folder).parts))


def _listed_files(path: Path) -> list[tuple[Path, str | None]] | None:
    """Return the files of a `coordinate_files` table with the micrographs' names, or None if this is another file."""
    rows = read_autopick_star(path) if path.suffix.lower() == ".star" else None
    return None if rows is None else [(_find(path, file), name) for name, file in rows]


def _find(listing: Path, file: str) -> Path:
    """Find a file named from the project's folder, which is the working folder or some folder above the list."""
    folder = project_folder(file, listing)
    if folder is None:
        raise TableError(
            listing, f"names {file}, which is neither below the working folder nor below one that holds the list"
        )
    return folder / file
