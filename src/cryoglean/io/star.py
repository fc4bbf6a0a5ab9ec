"""STAR tables of strings: read as they were written, and refused if they cannot be understood.

Every value stays the text it is in the file, so that a micrograph called "0042" keeps its name and columns that nobody
here knows pass through unchanged; only whole numbers that RELION writes as such are so, too, where others write 1.0.
The reader is our own because starfile, which the tests hold it against, turns such names into numbers, fills short rows
with NaN, cuts values at a "#" and reads an undecodable file as an empty one.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryoglean.errors import TableError
from cryoglean.io.regular import size_of_regular
from cryoglean.io.relion_columns import WHOLE_NUMBERS
from cryoglean.words import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

MAX_STAR_BYTES = 2**29
"""Maximum size of a STAR file. Resource: 512 MiB of text become several GiB of strings."""

_SPLIT = "split it and give each part, e.g. relion_star_handler --split --size_split 500000 --i IN.star --o OUT.star"

_DATA = "data_"
"""Beginning of a block's name, in letters of any case. *Format*: of STAR."""

_BLANK = re.compile(r"[ \t]+")
_MARK = re.compile("[\"'#]")
_POINT_ZERO = re.compile(r"^([+-]?\d+)\.0*(?=@|$)")
"""A whole number written as a float, before an `@` or alone."""

_NEEDS_QUOTES = re.compile(r"""[\s"'#]|^[_;]|^(data_|loop_|save_|global_|stop_)""", re.IGNORECASE)


class _Block:
    """Data block while it is read: a loop, or a list of `_name value` lines, which is a loop of one row."""

    def __init__(self) -> None:
        self.columns: dict[str, None] = {}  # in order; looked up once a column
        self.rows: list[list[str]] = []
        self.lines: list[int] = []
        self.is_loop = False


def read_star(path: Path) -> dict[str, pd.DataFrame]:
    """Read all tables of a STAR file.

    Args:
        path: a STAR file in UTF-8, of RELION or another program.

    Returns:
        Table by block name without `data_` ("" where there is none), in the order of the file. Columns have no leading
        underscore; all values are `str`, and in `WHOLE_NUMBERS` 1.0 is "1". A block of `_name value` lines is a table
        of one row; an empty loop keeps its columns.

    Raises:
        TableError: if the file cannot be read or is not whole: no block, a row of another length than the header, a
            table or column twice, an unclosed quotation mark.
    """
    return {name: _table_of(block) for name, block in _read_blocks(path).items()}


def _table_of(block: _Block) -> pd.DataFrame:
    cells = np.array(block.rows, dtype=object).reshape(len(block.rows), len(block.columns))
    for number, column in enumerate(block.columns):
        if column in WHOLE_NUMBERS:
            cells[:, number] = [_POINT_ZERO.sub(r"\1", value) for value in cells[:, number]]
    return pd.DataFrame(cells, columns=pd.Index(list(block.columns), dtype=object), dtype=object)


def star_lines(path: Path, name: str) -> list[int]:
    """Return the number of the line of each row of a table, counted from 1, for messages.

    Args:
        path: a STAR file that `read_star` reads.
        name: of the table, as `read_star` returns it.

    Raises:
        TableError: if the file cannot be read or is not whole.
    """
    return _read_blocks(path)[name].lines


def find_table(tables: Mapping[str, pd.DataFrame], *names: str) -> pd.DataFrame | None:
    """Return the table of the first of these names that is there, whatever the case of letters; None if none is."""
    by_name = {name.lower(): table for name, table in reversed(list(tables.items()))}
    return next((by_name[name] for name in names if name in by_name), None)


def refuse_tomography(path: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Refuse the tables of RELION's tomography, which would otherwise be taken for broken ones.

    Raises:
        TableError: if any table has a column `rlnTomo...`.
    """
    if any(str(column).startswith("rlnTomo") for table in tables.values() for column in table.columns):
        raise TableError(path, "a STAR file of tomography (rlnTomo...), which is not supported: only single particles")


def _read_blocks(path: Path) -> dict[str, _Block]:
    blocks: dict[str, _Block] = {}
    block: _Block | None = None
    for number, raw in enumerate(_lines(path), start=1):
        line = raw.strip(" \t")
        if not line or line.startswith("#"):
            continue
        try:
            if line[: len(_DATA)].lower() == _DATA and not (block and _is_row(block, line)):
                block = _new_block(blocks, line)
            elif block is None:
                raise ValueError("text before the first data_ line")
            else:
                _take_line(block, line, number)
        except ValueError as error:
            raise TableError(path, f"not a STAR table: line {number}: {error}") from error
    if not blocks:
        raise TableError(path, "not a STAR table: it has no data_ line")
    return blocks


def _lines(path: Path) -> list[str]:
    try:
        size = size_of_regular(path)
        if size > MAX_STAR_BYTES:
            raise TableError(path, f"{size} bytes, and at most {MAX_STAR_BYTES} are read: {_SPLIT}")
        text = decoded(path.read_bytes())
    except UnicodeDecodeError as error:
        raise TableError(path, "not a STAR table: it is not text in UTF-8 or UTF-16") from error
    except OSError as error:
        raise TableError(path, f"cannot be read: {error.strerror or error}") from error
    if not text.strip():
        raise TableError(path, "empty: a STAR table was expected")
    lines = text.split("\n")
    broken = next((number for number, line in enumerate(lines, start=1) if CONTROL.search(line)), None)
    if broken is not None:
        raise TableError(path, f"not a STAR table: line {broken} holds control characters")
    return lines


def decoded(data: bytes) -> str:
    """Return a text: of UTF-8, or, where it begins with the mark of that, of UTF-16, as programs of Windows write it.

    Line ends are those of this system. Raises UnicodeDecodeError if it is neither.
    """
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_row(block: _Block, line: str) -> bool:
    """Tell whether a line starting with `data_` is a row: a file name may start like that."""
    values = _values(line)
    return block.is_loop and len(values) == len(block.columns) and (len(values) > 1 or "/" in line)


def _new_block(blocks: dict[str, _Block], line: str) -> _Block:
    name = _values(line)[0][len(_DATA) :]
    if name in blocks:
        raise ValueError(f'a second table "{name}"')
    blocks[name] = _Block()
    return blocks[name]


def _take_line(block: _Block, line: str, number: int) -> None:
    values = _values(line)
    if line.lower() == "loop_":
        if block.columns or block.is_loop:
            raise ValueError("a second loop_ in one table")
        block.is_loop = True
    elif line.startswith("_") and block.is_loop and not block.rows:
        _add_column(block, values, 1)
    elif line.startswith("_") and not block.is_loop:
        _add_column(block, values, 2)
        block.rows, block.lines = block.rows or [[]], block.lines or [number]
        block.rows[0].append(values[1])
    elif not block.is_loop:
        raise ValueError("a value without a name; loop_ is missing")
    elif len(values) != len(block.columns):
        raise ValueError(f"{len(values)} values for {len(block.columns)} columns")
    else:
        block.rows.append(values)
        block.lines.append(number)


def _add_column(block: _Block, values: list[str], expected: int) -> None:
    name = values[0][1:]
    if len(values) != expected or not name:
        raise ValueError(f'"{values[0]}" is followed by {len(values) - 1} values instead of {expected - 1}')
    if name in block.columns:
        raise ValueError(f"column {name} twice")
    block.columns[name] = None


def _values(line: str) -> list[str]:
    """Split a line at blanks outside quotation marks, up to a comment; linear in its length."""
    if not _MARK.search(line):
        return line.split() if line.isascii() else _BLANK.split(line)
    values, at = [], 0
    while at < len(line):
        if line[at] in "\"'":
            end = _closing(line, at)
            values.append(line[at + 1 : end])
            at = end + 1
        elif line[at] == "#":
            break
        else:
            blank = _BLANK.search(line, at)
            end = blank.start() if blank else len(line)
            values.append(line[at:end])
            at = end
        blank = _BLANK.match(line, at)
        at = blank.end() if blank else at
    return values


def _closing(line: str, at: int) -> int:
    """Return where the quotation that opens at `at` ends: at the same mark before a blank or the end of the line."""
    end = line.find(line[at], at + 1)
    while end >= 0 and end + 1 < len(line) and line[end + 1] not in " \t":
        end = line.find(line[at], end + 1)
    if end < 0:
        raise ValueError(f"a quotation mark ({line[at]}) is not closed")
    return end


def star_floats(path: Path, table: pd.DataFrame, column: str, default: float | None = None) -> NDArray[np.float64]:
    """Return a column as numbers, which need not be finite.

    Args:
        path: of the file, for messages.
        table: as `read_star` returns it.
        column: its name.
        default: value of all rows if there is no such column; None refuses that.

    Raises:
        TableError: if the column is missing, or holds something else than numbers.
    """
    if column not in table.columns:
        if default is None:
            raise TableError(path, f"no column {column}")
        return np.full(len(table), default)
    try:
        return np.array(table[column], dtype=np.float64)
    except ValueError as error:
        raise TableError(path, f"{column}: {error}") from None


def star_text(tables: Mapping[str, pd.DataFrame], version: int | None = 30001) -> str:
    """Lay tables out as RELION does: each one a loop.

    Args:
        tables: table by name (without `data_`). Strings are written as they are, quoted where they must be; floats
            with six decimals; a table without rows keeps its header.
        version: of RELION's format, 30001 for 3.1 and 4, 50001 for 5; None for the layout of 3.0, which has no such
            line.

    Raises:
        ValueError: if a value cannot be written in STAR: it holds control characters, or both kinds of quotation mark.
    """
    return "".join(_table_text(name, table, version) for name, table in tables.items())


def _table_text(name: str, table: pd.DataFrame, version: int | None) -> str:
    lines = ["", *([f"# version {version}", ""] if version is not None else []), f"data_{name}", "", "loop_"]
    lines += [f"_{column} #{number}" for number, column in enumerate(table.columns, start=1)]
    columns = [[star_cell(value) for value in table[column]] for column in table.columns]
    lines += [" ".join(row) for row in zip(*columns, strict=True)]
    return "\n".join(lines) + "\n\n"


def star_cell(value: object) -> str:
    """Return a value as a STAR table holds it, quoted where it must be.

    Raises:
        ValueError: if it cannot be written in STAR: it holds control characters, or both kinds of quotation mark.
    """
    text = f"{value:.6f}" if isinstance(value, float | np.floating) else str(value)
    if CONTROL.search(text):
        raise ValueError(f"a STAR table cannot hold a value with control characters: {text!r}")
    if text and not _NEEDS_QUOTES.search(text):
        return text
    for mark in "\"'":
        if not re.search(rf"{mark}[ \t]", text):
            return f"{mark}{text}{mark}"
    raise ValueError(f"a STAR table cannot hold a value with both kinds of quotation mark: {text!r}")
