"""CSV files with a column for x and one for y: the reader that all formats of that kind share."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

from cryoglean.errors import TableError
from cryoglean.io.coordinates.columns import SCORE_WITHOUT_COLUMN, picks_from_columns
from cryoglean.io.coordinates.format import StoredPicks

if TYPE_CHECKING:
    from pathlib import Path

_SCORES = ("score", "fom")
_SCORE_KIND = "score_kind"


class _Table(NamedTuple):
    """Names of the columns, in lower case, and the rows that are not empty."""

    names: list[str]
    rows: list[list[str]]


def has_csv_columns(path: Path, x: str, y: str) -> bool:
    """Tell whether a CSV file has columns of these names, in lower case.

    Raises:
        TableError: if it is no CSV file, or has no line with names.
    """
    return {x, y} <= set(_read_table(path).names)


def read_csv_columns(path: Path, x: str, y: str) -> dict[str | None, StoredPicks]:
    """Read the picks of one micrograph from a CSV file, its columns found by name in any order.

    Scores are in the column `score` or `fom`, what they mean in `score_kind`.

    Args:
        path: the file.
        x: name of the column of x, in lower case.
        y: name of the column of y.

    Raises:
        TableError: if the file is no CSV file, a cell is missing, or a value is broken.
    """
    table = _read_table(path)
    xs, ys = (_full_column(path, table, name) for name in (x, y))
    scores = next((_column(table, name) for name in _SCORES if name in table.names), None)
    if scores is not None:
        scores = [cell or str(SCORE_WITHOUT_COLUMN) for cell in scores]
    kinds = set(_column(table, _SCORE_KIND)) if _SCORE_KIND in table.names else set()
    kind = kinds.pop() if len(kinds) == 1 else None
    return {None: StoredPicks(path, picks_from_columns(path, xs, ys, scores, kind))}


def _read_table(path: Path) -> _Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.reader(lines))
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(path, f"not a CSV file: {error}") from None
    if not rows:
        raise TableError(path, "empty: a table without picks still has a line with the column names")
    names = [name.strip().lower() for name in rows[0]]
    return _Table(names, [row for row in rows[1:] if any(cell.strip() for cell in row)])


def _full_column(path: Path, table: _Table, name: str) -> list[str]:
    cells = _column(table, name)
    if "" in cells:
        raise TableError(path, f"row {cells.index('') + 1} has no {name}: the file may be cut off")
    return cells


def _column(table: _Table, name: str) -> list[str]:
    place = table.names.index(name)
    return [row[place].strip() if place < len(row) else "" for row in table.rows]
