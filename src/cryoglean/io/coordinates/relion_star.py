"""RELION's STAR: the coordinates of one micrograph, or of many with `rlnMicrographName`.

The table written holds the five columns that RELION's own pickers write (`rlnClassNumber` and `rlnAnglePsi` are dummies
that its STAR joiner wants to see). What RELION has no column for stands in comment lines above the table, which it
skips. RELION 5 rounds a coordinate when it extracts and keeps the rest as an origin; RELION 3.1 cuts off the fraction.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryoglean.errors import TableError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.coordinates.columns import picks_from_columns
from cryoglean.io.coordinates.format import CoordinateFormat, StoredPicks
from cryoglean.io.coordinates.y_convention import YConvention
from cryoglean.io.relion_columns import CLASS, MICROGRAPH, PSI, SCORE, X, Y
from cryoglean.io.star import read_star, star_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryoglean.picks import Picks

_LAST_ROW = re.compile(r"last row of (\d+)")


def relion_y_convention(micrograph_name: str | PurePath) -> YConvention:
    """Return the row that RELION takes for y = 0 in a micrograph, judged by the suffix of its name.

    An MRC file is read as it is stored. A TIFF is turned upside down on reading, as IMOD, EMAN2 and MotionCor2 do (seen
    with RELION 3.1.3).
    """
    is_tiff = PurePath(micrograph_name).suffix.lower() in (".tif", ".tiff")
    return YConvention.LAST_ROW if is_tiff else YConvention.FIRST_ROW


def _write(path: Path, picks: Picks, micrograph_name: str, height_px: int | None) -> None:
    y_convention = relion_y_convention(micrograph_name)
    columns = {
        X: [f"{v:.6f}" for v in picks.x],
        Y: [f"{v:.6f}" for v in y_convention.convert(picks.y, height_px)],
        SCORE: [f"{v:.9g}" for v in picks.score],
        CLASS: ["0"] * len(picks),
        PSI: ["0"] * len(picks),
    }
    notes = [f"# micrograph: {' '.join(micrograph_name.split())}", f"# score: {picks.score_kind}"]
    if y_convention is YConvention.LAST_ROW:
        notes.append(f"# y: last row of {height_px}")
    write_atomic_text(path, "\n".join(notes) + "\n" + star_text({"": pd.DataFrame(columns, dtype=object)}))


def _read(path: Path) -> dict[str | None, StoredPicks]:
    notes = _notes(path)
    last_row = _LAST_ROW.fullmatch(notes.get("y", ""))
    y_convention, height_px = (YConvention.LAST_ROW, int(last_row[1])) if last_row else (None, None)
    found: dict[str | None, StoredPicks] = {}
    for table in read_star(path).values():
        if X not in table.columns or Y not in table.columns:
            continue
        scores = table[SCORE] if SCORE in table.columns else None
        picks = picks_from_columns(path, table[X], table[Y], scores, notes.get("score"))
        for name, part in _by_micrograph(table, picks):
            if name in found:
                raise TableError(path, f"two tables with coordinates for {name or 'the same micrograph'}: leave one")
            found[name] = StoredPicks(path, part, y_convention, height_px)
    return found


def _by_micrograph(table: pd.DataFrame, picks: Picks) -> Iterator[tuple[str | None, Picks]]:
    if MICROGRAPH not in table.columns:
        yield None, picks
        return
    order, which = np.unique(table[MICROGRAPH].to_numpy(dtype=object).astype(str), return_inverse=True)
    for index, name in enumerate(order):
        yield str(name), picks.take(which == index)


def _notes(path: Path) -> dict[str, str]:
    """Return the `# name: value` comments above the first table."""
    notes = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                break
            name, colon, value = line.lstrip("# ").partition(":")
            if colon:
                notes[name.strip()] = value.strip()
    return notes


RELION_STAR = CoordinateFormat(
    name="relion",
    title="RELION's STAR with rlnCoordinateX and rlnCoordinateY",
    suffixes=(".star",),
    y_convention=YConvention.FIRST_ROW,
    read=_read,
    write=_write,
)
