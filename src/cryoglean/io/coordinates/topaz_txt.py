"""Topaz's table: columns image_name, x_coord, y_coord and mostly score, with tabs between, y from the first row.

Topaz counts the pixels of the image that it was given: of one binned by `topaz preprocess`, `topaz convert --up-scale`
turns them into those of the micrograph. A score is a log-likelihood ratio.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.errors import TableError
from cryoglean.io.coordinates.columns import SCORE_WITHOUT_COLUMN, all_rows_broken, sound_rows
from cryoglean.io.coordinates.format import CoordinateFormat, StoredPicks
from cryoglean.io.coordinates.y_convention import YConvention
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from pathlib import Path

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
        reader = csv.reader(lines, delimiter="\t")
        header = next(reader)
        rows = [(reader.line_num, cells) for cells in reader if any(cells)]
    short = next((number for number, cells in rows if len(cells) < len(header)), None)
    if short is not None:
        raise TableError(path, f"line {short} has fewer cells than the {len(header)} columns: the file may be cut off")
    cells = {name: [row[header.index(name)].strip() for _, row in rows] for name in header}
    columns = {name: cells[name] for name in (_X, _Y, _SCORE) if name in cells}
    numbers, sound, faults = sound_rows(path, columns, lambda row: rows[row][0])
    scores = numbers.get(_SCORE, np.full(len(sound), SCORE_WITHOUT_COLUMN))
    return _by_image(path, cells[_NAME], Picks(numbers[_X], numbers[_Y], scores, "foreign"), list(sound), faults)


def _by_image(
    path: Path, names: list[str], picks: Picks, sound: list[int], faults: tuple[str, ...]
) -> dict[str | None, StoredPicks]:
    places: dict[str, list[int]] = {name: [] for name in names}
    for place, row in enumerate(sound):
        places[names[row]].append(place)
    found: dict[str | None, StoredPicks] = {}
    for name, own in places.items():
        faults += () if own else (all_rows_broken(path, name),)
        found[name] = StoredPicks(path, picks.take(np.array(own, dtype=np.intp)), faults=faults)
        faults = ()
    return found


TOPAZ_TXT = CoordinateFormat(
    name="topaz",
    title="Topaz's table with image_name, x_coord and y_coord",
    suffixes=(_SUFFIX,),
    y_convention=YConvention.FIRST_ROW,
    recognises=_recognises,
    read=_read,
)
