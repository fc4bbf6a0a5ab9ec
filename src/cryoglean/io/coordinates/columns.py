"""Columns of text as picks: what all coordinate formats that are tables share."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np

from cryoglean.errors import TableError
from cryoglean.picks import Picks, ScoreKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

SCORE_WITHOUT_COLUMN = 1.0
"""Score of all picks of a table without scores. Chosen by hand: one value leaves all of them equal, and 1 is no pick
that a threshold would drop."""


def picks_from_columns(
    path: Path, x: Iterable[str], y: Iterable[str], score: Iterable[str] | None, kind: str | None
) -> Picks:
    """Convert columns of text into picks.

    Args:
        path: their file, for messages.
        x: column coordinates.
        y: row coordinates.
        score: figures of merit; None where the file has none.
        kind: score kind as the file says it; any other text, and None, is "foreign".

    Raises:
        TableError: if a value is not a finite number, or a score leaves the range of its kind.
    """
    score_kind: ScoreKind = next((known for known in get_args(ScoreKind) if known == kind), "foreign")
    try:
        xs, ys = _floats(x), _floats(y)
        scores = np.full(len(xs), SCORE_WITHOUT_COLUMN) if score is None else _floats(score)
        return Picks(xs, ys, scores, score_kind)
    except ValueError as error:
        raise TableError(path, f"broken value: {error}") from None


def _floats(cells: Iterable[str]) -> NDArray[np.float64]:
    return np.array([float(cell) for cell in cells], dtype=np.float64)
