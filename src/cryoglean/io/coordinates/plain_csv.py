"""Cryoglean's own CSV: columns x, y, score and score_kind, y counted from the first row."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.coordinates.csv_columns import has_csv_columns, read_csv_columns
from cryoglean.io.coordinates.format import CoordinateFormat
from cryoglean.io.coordinates.y_convention import YConvention
from cryoglean.words import csv_text

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.picks import Picks

_COLUMNS = ("x", "y", "score", "score_kind")


def _write(path: Path, picks: Picks, micrograph_name: str, height_px: int | None) -> None:  # noqa: ARG001 (not stored)
    cells = zip(picks.x, picks.y, picks.score, strict=True)
    rows = ((f"{x:.6f}", f"{y:.6f}", f"{score:.9g}", picks.score_kind) for x, y, score in cells)
    write_atomic_text(path, csv_text(_COLUMNS, rows))


PLAIN_CSV = CoordinateFormat(
    name="csv",
    title="CSV with columns x and y",
    suffixes=(".csv",),
    y_convention=YConvention.FIRST_ROW,
    recognises=partial(has_csv_columns, x="x", y="y"),
    read=partial(read_csv_columns, x="x", y="y"),
    write=_write,
)
