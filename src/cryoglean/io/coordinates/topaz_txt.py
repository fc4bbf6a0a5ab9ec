"""Topaz's table: columns image_name, x_coord, y_coord and mostly score, with tabs between, y from the first row.

Topaz counts the pixels of the image that it was given: of one binned by `topaz preprocess`, `topaz convert --up-scale`
turns them into those of the micrograph. A score is a log-likelihood ratio.
"""

from __future__ import annotations

import csv
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.errors import TableError
from cryoglean.io.coordinates.columns import SCORE_WITHOUT_COLUMN, by_image, sound_rows
from cryoglean.io.coordinates.csv_columns import has_csv_columns, read_csv_columns
from cryoglean.io.coordinates.format import CoordinateFormat
from cryoglean.io.coordinates.y_convention import YConvention
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.io.coordinates.format import StoredPicks

_NAME, _X, _Y, _SCORE = "image_name", "x_coord", "y_coord", "score"
_SUFFIX = ".txt"


def _recognises(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            return {_NAME, _X, _Y} <= set(lines.readline().split())
    except UnicodeDecodeError:
        return False
    except OSError as error:
        raise TableError(path, f"cannot be read: {error.strerror or error}") from error


def _read(path: Path) -> dict[str | None, StoredPicks]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        names = next(lines)
        reader = csv.reader(lines, delimiter="\t") if "\t" in names else (line.split() for line in lines)
        header = next(csv.reader([names], delimiter="\t")) if "\t" in names else names.split()
        rows = [(number, cells) for number, cells in enumerate(reader, start=2) if any(cells)]
    short = next((number for number, cells in rows if len(cells) < len(header)), None)
    if short is not None:
        raise TableError(path, f"line {short} has fewer cells than the {len(header)} columns: the file may be cut off")
    cells = {name: [row[header.index(name)].strip() for _, row in rows] for name in header}
    columns = {name: cells[name] for name in (_X, _Y, _SCORE) if name in cells}
    numbers, sound, faults = sound_rows(path, columns, lambda row: rows[row][0])
    scores = numbers.get(_SCORE, np.full(len(sound), SCORE_WITHOUT_COLUMN))
    return by_image(path, cells[_NAME], Picks(numbers[_X], numbers[_Y], scores, "foreign"), list(sound), faults)


TOPAZ_TXT = CoordinateFormat(
    name="topaz",
    title="Topaz's table with image_name, x_coord and y_coord",
    suffixes=(_SUFFIX,),
    y_convention=YConvention.FIRST_ROW,
    recognises=_recognises,
    read=_read,
)

TOPAZ_CSV = CoordinateFormat(
    name="topaz-csv",
    title="the same as CSV",
    suffixes=(".csv",),
    y_convention=YConvention.FIRST_ROW,
    recognises=partial(has_csv_columns, x=_X, y=_Y),
    read=partial(read_csv_columns, x=_X, y=_Y),
)
