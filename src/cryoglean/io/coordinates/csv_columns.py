"""CSV files with a column for x and one for y: the reader that all formats of that kind share."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryoglean.errors import TableError
from cryoglean.io.coordinates.columns import SCORE_WITHOUT_COLUMN, by_image, known_score_kind, sound_rows
from cryoglean.io.coordinates.format import StoredPicks
from cryoglean.io.star import decoded
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from pathlib import Path

_SCORES = ("score", "fom")
_SCORE_KIND = "score_kind"
_IMAGES = ("image_name", "micrograph", "micrograph_name", "rlnmicrographname")
_DELIMITERS = ",;\t"


class _Table(NamedTuple):
    """Names of the columns, in lower case, and the rows that are not empty, with their lines."""

    names: list[str]
    rows: list[list[str]]
    lines: list[int]


def has_csv_columns(path: Path, x: str, y: str) -> bool:
    """Tell whether a CSV file has columns of these names, in lower case.

    Raises:
        TableError: if it is no CSV file, or has no line with names.
    """
    return {x, y} <= set(_read_table(path).names)


def read_csv_columns(path: Path, x: str, y: str) -> dict[str | None, StoredPicks]:
    """Read the picks of a CSV file, its columns found by name in any order.

    They are of one micrograph, or of those that one of the columns `_IMAGES` names. Scores are in the column `score` or
    `fom`, what they mean in `score_kind`.

    Args:
        path: the file.
        x: name of the column of x, in lower case.
        y: name of the column of y.

    A row with a coordinate or score that is no number is left out, and named in `faults`.

    Raises:
        TableError: if the file is no CSV file, the last row is cut off, or a score leaves the range of its kind.
    """
    table = _read_table(path)
    _refuse_cut_off(path, table, x, y)
    names = [x, y, *[name for name in _SCORES if name in table.names][:1]]
    cells = {name: _column(table, name) for name in names}
    for name in names[2:]:
        cells[name] = [cell or str(SCORE_WITHOUT_COLUMN) for cell in cells[name]]
    numbers, rows, faults = sound_rows(path, cells, lambda row: table.lines[row])
    scores = numbers[names[2]] if names[2:] else np.full(len(rows), SCORE_WITHOUT_COLUMN)
    kinds = set(_column(table, _SCORE_KIND)) if _SCORE_KIND in table.names else set()
    kind = known_score_kind(kinds.pop() if len(kinds) == 1 else None)
    image = next((name for name in _IMAGES if name in table.names), None)
    try:
        picks = Picks(numbers[x], numbers[y], scores, kind)
        if image is None:
            return {None: StoredPicks(path, picks, faults=faults)}
        return by_image(path, _column(table, image), picks, list(rows), faults)
    except ValueError as error:
        raise TableError(path, f"broken value: {error}") from None


def _read_table(path: Path) -> _Table:
    """Read a table; of Excel's in other languages, cells end at semicolons and numbers have a decimal comma."""
    try:
        lines = io.StringIO(decoded(path.read_bytes()), newline=None).readlines()
        before = next((n for n, line in enumerate(lines) if _may_be_names(line)), len(lines))
        delimiter = max(_DELIMITERS, key="".join(lines[before : before + 1]).count)
        reader = csv.reader(lines[before:], delimiter=delimiter)
        rows = [(cells, before + reader.line_num) for cells in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(path, f"not a CSV file: {error}") from None
    except OSError as error:
        raise TableError(path, f"cannot be read: {error.strerror or error}") from error
    if not rows:
        raise TableError(path, "empty: a table without picks still has a line with the column names")
    names = [name.strip().lower() for name in rows[0][0]]
    filled = [(cells, line) for cells, line in rows[1:] if any(cell.strip() for cell in cells)]
    if delimiter != ",":
        filled = [([_with_point(cell) for cell in cells], line) for cells, line in filled]
    return _Table(names, [cells for cells, _ in filled], [line for _, line in filled])


def _may_be_names(line: str) -> bool:
    """Tell whether a line may hold the names of columns: it is no remark, nor Excel's `sep=;`, nor empty."""
    bare = line.strip(' "\n' + _DELIMITERS)
    return bool(bare) and not bare.startswith("#") and not bare.lower().startswith("sep=")


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if cell.count(",") == 1 else cell


def _refuse_cut_off(path: Path, table: _Table, x: str, y: str) -> None:
    for name in (x, y):
        if table.rows and len(table.rows[-1]) <= table.names.index(name):
            raise TableError(path, f"line {table.lines[-1]} has no {name}: the file may be cut off")


def _column(table: _Table, name: str) -> list[str]:
    place = table.names.index(name)
    return [row[place].strip() if place < len(row) else "" for row in table.rows]
