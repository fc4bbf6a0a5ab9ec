"""Columns of text as picks: what all coordinate formats that are tables share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

import numpy as np

from cryoglean.io.coordinates.format import StoredPicks
from cryoglean.picks import Picks, ScoreKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SCORE_WITHOUT_COLUMN = 1.0
"""Score of all picks of a table without scores. Chosen by hand: one value leaves all of them equal, and 1 is no pick
that a threshold would drop."""

MAX_FAULTS = 20
"""Broken rows of a file that are named one by one. Chosen by hand: more would push all else off the screen."""


def known_score_kind(said: str | None) -> ScoreKind:
    """Return the score kind that a file says; "foreign" for any other text, and None."""
    return next((known for known in get_args(ScoreKind) if known == said), "foreign")


def sound_rows(
    path: Path, columns: Mapping[str, Sequence[str]], line_of: Callable[[int], int]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.intp], tuple[str, ...]]:
    """Convert columns of text into numbers, and set rows aside in which one is none.

    Args:
        path: their file, for messages.
        columns: (n,) cells by the column's name.
        line_of: returns the number of the line of a row; called only if a row is set aside.

    Returns:
        The numbers of the m sound rows by the column's name, all finite; (m,) which rows these are; and for each other
        row one line for the user, with file, line, column and value.
    """
    numbers = {name: np.array([_number(cell) for cell in cells], dtype=np.float64) for name, cells in columns.items()}
    is_sound = np.all([np.isfinite(column) for column in numbers.values()], axis=0)
    rows = np.flatnonzero(is_sound)
    faults = []
    broken = np.flatnonzero(~is_sound)
    for row in broken[:MAX_FAULTS]:
        name = next(name for name, column in numbers.items() if not np.isfinite(column[row]))
        faults.append(f"{path}: line {line_of(int(row))}: {name} {columns[name][row]!r} is no number: row left out")
    if len(broken) > MAX_FAULTS:
        faults.append(f"{path}: {len(broken) - MAX_FAULTS} more such rows left out")
    return {name: column[rows] for name, column in numbers.items()}, rows, tuple(faults)


def by_image(
    path: Path, names: list[str], picks: Picks, sound: list[int], faults: tuple[str, ...]
) -> dict[str | None, StoredPicks]:
    """Part the picks of a table by the micrographs that it names.

    Args:
        path: the table.
        names: the micrograph of each row.
        picks: of the sound rows.
        sound: which rows these are.
        faults: lines for the user about the others.
    """
    places: dict[str, list[int]] = {name: [] for name in names}
    for place, row in enumerate(sound):
        places[names[row]].append(place)
    found: dict[str | None, StoredPicks] = {}
    for name, own in places.items():
        faults += () if own else (all_rows_broken(path, name),)
        found[name] = StoredPicks(path, picks.take(np.array(own, dtype=np.intp)), faults=faults)
        faults = ()
    return found


def all_rows_broken(path: Path, micrograph_name: str) -> str:
    """Return the line for the user about a micrograph of a table of which not one row is sound."""
    return f"{path}: not one row of {micrograph_name} can be read"


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
