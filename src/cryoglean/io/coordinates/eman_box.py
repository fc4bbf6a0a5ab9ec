"""EMAN's `.box`: a line for each particle, the box's lower left corner and its sides: `x y width height [score]`.

EMAN turns a TIFF upside down on reading, as RELION does, and counts the rows of MRC as they are stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryoglean.errors import TableError
from cryoglean.io.coordinates.columns import SCORE_WITHOUT_COLUMN, sound_rows
from cryoglean.io.coordinates.format import CoordinateFormat, StoredPicks
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_COLUMNS = ("x", "y", "width", "height")
_EXPECTED = "not an EMAN .box file: a line for each particle was expected, x y width height"


def _read(path: Path) -> dict[str | None, StoredPicks]:
    rows = [(number, line.split()) for number, line in enumerate(_lines(path), start=1) if line.strip()]
    short = next((number for number, cells in rows if len(cells) < len(_COLUMNS)), None)
    if short is not None:
        raise TableError(path, f"{_EXPECTED}; line {short} is another")
    cells = {name: [row[place] for _, row in rows] for place, name in enumerate(_COLUMNS)}
    numbers, sound, faults = sound_rows(path, cells, lambda row: rows[row][0])
    x, y = numbers["x"] + numbers["width"] / 2, numbers["y"] + numbers["height"] / 2
    scores = _scores([rows[row][1] for row in sound])
    return {None: StoredPicks(path, Picks(x, y, scores, "foreign"), faults=faults)}


def _scores(rows: list[list[str]]) -> NDArray[np.float64]:
    """Return the fifth column where it holds scores in [0, 1], as of REPIC: EMAN's own says where filaments begin."""
    try:
        scores = np.array([float(cells[len(_COLUMNS)]) for cells in rows])
    except (IndexError, ValueError):
        scores = np.full(len(rows), np.nan)
    is_score = (scores >= 0) & (scores <= 1)
    return scores if is_score.all() else np.full(len(rows), SCORE_WITHOUT_COLUMN)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(path, _EXPECTED) from error


EMAN_BOX = CoordinateFormat(
    name="eman",
    title="EMAN's .box",
    suffixes=(".box",),
    y_convention=None,
    read=_read,
)
