"""RELION's lists of coordinate files and of micrographs: of 3.1 (coords_suffix), and of 4 and 5 (autopick.star).

Paths in all of them count from the folder of the RELION project.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cryoglean.errors import TableError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.missing_cells import table_of
from cryoglean.io.optics_groups import OpticsGroups
from cryoglean.io.relion_columns import COORDINATE_FILE, GROUP, MICROGRAPH, MICROSCOPE, PIXEL_SIZE
from cryoglean.io.star import find_table, read_star, star_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryoglean.micrograph import MicrographFile

COORDS_SUFFIX = "coords_suffix_"
"""Beginning of the name of a file by which RELION 3.1 knows a folder of coordinate files. *Format*: of RELION."""

_COORDINATE_FILES = "coordinate_files"


def write_autopick_star(path: str | Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write the list of coordinate files that RELION 4 and 5 extract from, `autopick.star`.

    Args:
        path: the file; written whole or not at all.
        rows: for each micrograph its `rlnMicrographName` and the path of its coordinate file, both from the folder of
            the project. RELION skips the micrographs that are not in the list.

    Raises:
        OSError: if the file cannot be written.
    """
    table = pd.DataFrame(list(rows), columns=[MICROGRAPH, COORDINATE_FILE], dtype=object)
    write_atomic_text(path, star_text({_COORDINATE_FILES: table}))


def read_autopick_star(path: Path) -> list[tuple[str, str]] | None:
    """Read a list of coordinate files as `write_autopick_star` and RELION write it.

    Returns:
        For each micrograph its name and the path of its coordinate file from the folder of the project; None if the
        file is another STAR.

    Raises:
        TableError: if the file is no STAR, or the list lacks a column.
    """
    table = find_table(read_star(path), _COORDINATE_FILES)
    if table is None:
        return None
    if missing := [column for column in (MICROGRAPH, COORDINATE_FILE) if column not in table.columns]:
        raise TableError(path, f"table {_COORDINATE_FILES} has no column {missing[0]}")
    return list(zip(table[MICROGRAPH], table[COORDINATE_FILE], strict=True))


def write_coords_suffix(folder: str | Path, micrographs_star: str) -> Path:
    """Write `coords_suffix_autopick.star`, by which RELION 3.1 (and still 5) knows a folder of coordinate files.

    It holds one path, that of the micrographs STAR; the coordinates are found beside it as
    `<pipeline_stem>_autopick.star`.

    Args:
        folder: the folder of the coordinate files.
        micrographs_star: path of the micrographs STAR from the folder of the project.

    Returns:
        The file written.

    Raises:
        OSError: if the file cannot be written.
    """
    path = Path(folder) / f"{COORDS_SUFFIX}autopick.star"
    write_atomic_text(path, f"{micrographs_star}\n")
    return path


def write_micrographs_star(path: str | Path, files: Sequence[MicrographFile]) -> None:
    """Write micrographs with their optics groups and CTF columns as RELION 3.1 and later have them.

    Optics groups are put together as `OpticsGroups` does. A micrograph without optics gets a group of its pixel size
    and of the microscope's columns of its row (RELION 3.0 has them there). What one micrograph lacks and others have
    is written as `completed` says: without a CTF its defocus is 0, which our reader takes for none. A comment above
    the tables counts these.

    Args:
        path: the file; written whole or not at all.
        files: the micrographs, `name` as RELION is to find them from the folder of the project.

    Raises:
        OSError: if the file cannot be written.
    """
    groups, optics = OpticsGroups(), [file.optics or _optics_from_row(file) for file in files]
    for group in sorted(optics, key=lambda group: GROUP not in group):  # those that have a number keep it
        groups.number_of(group)
    rows = [{**_row_without_optics(f), GROUP: groups.number_of(g)} for f, g in zip(files, optics, strict=True)]
    tables = {"optics": groups.table(), "micrographs": table_of(rows, first=(MICROGRAPH, GROUP))}
    write_atomic_text(path, _about_missing_ctfs(files) + star_text(tables))


def _about_missing_ctfs(files: Sequence[MicrographFile]) -> str:
    """Return a comment on micrographs without a CTF, where others have one."""
    missing = sum(file.defocus_angstrom is None for file in files)
    if missing in (0, len(files)):
        return ""
    return f"# {missing} of {len(files)} micrographs have no CTF: 0 stands in place of their defocus\n"


def _optics_from_row(file: MicrographFile) -> dict[str, str]:
    pixel_size = file.pixel_size_angstrom
    known = {PIXEL_SIZE: f"{pixel_size:.6g}"} if pixel_size is not None else {}
    return known | {c: file.row[c] for c in MICROSCOPE if c in file.row}


def _row_without_optics(file: MicrographFile) -> dict[str, str]:
    moved = () if file.optics else MICROSCOPE
    return {**{c: v for c, v in file.row.items() if c not in moved}, MICROGRAPH: file.name}
