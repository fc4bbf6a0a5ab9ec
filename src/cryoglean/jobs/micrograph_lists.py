"""Lists of an output folder: the micrographs with results, and those rejected, a row each."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cryoglean.errors import TableError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.regular import size_of_regular
from cryoglean.words import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryoglean.io.exposures import LeftOut


LEFT_OUT = "left_out.csv"

LIST_DIGITS = 4
"""Decimal digits of shares and deviations in lists. Format: of this program."""


class LedgerRow(BaseModel):
    """A micrograph with results.

    Attributes:
        key: its unique name in the folder.
        micrograph: its name in tables.
        path: its file, absolute.
        picks: number of picks, or of particles.
    """

    model_config = ConfigDict(frozen=True)

    key: Annotated[str, Field(min_length=1)]
    micrograph: str
    path: str
    picks: Annotated[int, Field(ge=0)]


def known_cell(cell: object) -> object:
    """Return what a cell holds; None where it is empty."""
    return None if cell == "" else cell


class PickedRow(LedgerRow):
    """A micrograph with picks.

    Attributes:
        fit: short digest of what the picker had learned when it made them; empty where that is not known.
        left_out: share of the micrograph that is left out; None where that is not known.
    """

    fit: str = ""
    left_out: Annotated[float | None, Field(ge=0, le=1), BeforeValidator(known_cell)] = None


class RejectedRow(BaseModel):
    """A micrograph that could not be used.

    Attributes:
        micrograph: its name in tables.
        path: its file, as it was given.
        reason: why it was rejected.
    """

    model_config = ConfigDict(frozen=True)

    micrograph: str
    path: str
    reason: str


class LeftOutRow(BaseModel):
    """An image that was not taken for a micrograph.

    Attributes:
        path: its file, as it was found.
        kind: what it is.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    kind: str


_Row = TypeVar("_Row", bound=BaseModel)


def write_rows(path: Path, kind: type[_Row], rows: Iterable[_Row]) -> None:
    """Write a list, whole or not at all.

    Raises:
        OSError: if it cannot be written.
    """
    columns = list(kind.model_fields)
    write_atomic_text(path, csv_text(columns, ([getattr(row, name) for name in columns] for row in rows)))


def write_left_out(folder: Path, left_out: Sequence[LeftOut]) -> None:
    """Write the list of the images that were not taken, `left_out.csv`; no file where there are none.

    Raises:
        OSError: if it cannot be written.
    """
    path = folder / LEFT_OUT
    path.unlink(missing_ok=True)
    if left_out:
        names = (str(each.path).encode("utf-8", "backslashreplace").decode() for each in left_out)
        rows = [LeftOutRow(path=name, kind=each.kind.one) for name, each in zip(names, left_out, strict=True)]
        write_rows(path, LeftOutRow, rows)


def read_rows(path: Path, kind: type[_Row]) -> list[_Row]:
    """Read a list; where there is no file it is empty.

    Raises:
        TableError: in one line, if a column is missing, a row cannot be understood or the file is no text.
    """
    try:
        size_of_regular(path)
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except FileNotFoundError:
        return []
    except (ValueError, csv.Error) as error:
        raise TableError(path, f"not a table of comma-separated text ({error}): {_ADVICE}") from error
    missing = [name for name, field in kind.model_fields.items() if field.is_required() and name not in header]
    if missing:
        raise TableError(path, f"has no column {', '.join(missing)}: {_ADVICE}")
    return [_row(path, kind, header, number, row) for number, row in enumerate(rows, start=1)]


_ADVICE = "restore it, or make the results again with --force"


def _row(path: Path, kind: type[_Row], header: list[str], number: int, cells: list[str]) -> _Row:
    try:
        return kind.model_validate(dict(zip(header, cells, strict=True)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise TableError(path, f"row {number}: {first['loc'][0]}: {first['msg']}: {_ADVICE}") from error
    except ValueError as error:
        raise TableError(path, f"row {number} has {len(cells)} cells, not {len(header)}: {_ADVICE}") from error
