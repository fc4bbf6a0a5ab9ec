"""Coordinate files of one micrograph: the STAR that RELION extracts from, and CSV; written and read back.

The STAR holds the five columns that RELION's own pickers write (`rlnClassNumber` and `rlnAnglePsi` are dummies that its
STAR joiner wants to see). What RELION has no column for stands in comment lines above the table, which it skips.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd

from cryoglean.errors import TableError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.csv_tables import csv_text
from cryoglean.io.star import read_star, star_text
from cryoglean.io.y_conventions import CRYOPPP_CSV, PLAIN_CSV, RELION_MRC, YConvention
from cryoglean.picks import Picks, ScoreKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

_X, _Y, _SCORE, _MICROGRAPH = "rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit", "rlnMicrographName"
_CSV_COLUMNS = {"x": ("x", "x-coordinate"), "y": ("y", "y-coordinate"), "score": ("score", "fom")}
_LAST_ROW = re.compile(r"last row of (\d+)")
_NO_SCORE = 1.0


def write_picks_star(
    path: str | Path,
    picks: Picks,
    micrograph_name: str,
    *,
    y_convention: YConvention = RELION_MRC,
    height_px: int | None = None,
) -> None:
    """Write the picks of one micrograph as a STAR file for RELION 3.1 to 5; no picks give a header and no rows.

    RELION 5 rounds a coordinate when it extracts and keeps the rest as an origin; RELION 3.1 cuts off the fraction.

    Args:
        path: the file, `<stem>_autopick.star` where RELION is to find it; written whole or not at all.
        picks: the picks; y counts from the first stored row.
        micrograph_name: as in `rlnMicrographName`; kept in a comment.
        y_convention: what the reader takes y for: `relion_y_convention(micrograph_name)` if that is RELION. A file that
            counts from the last row says so in a comment, and `read_picks` turns it back.
        height_px: number of rows of the micrograph, needed to count from the last one.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if `y_convention` needs a height and there is none.
    """
    y = y_convention.stored(picks.y, height_px)
    columns = {
        _X: [f"{v:.6f}" for v in picks.x],
        _Y: [f"{v:.6f}" for v in y],
        _SCORE: [f"{v:.9g}" for v in picks.score],
        "rlnClassNumber": ["0"] * len(picks),
        "rlnAnglePsi": ["0"] * len(picks),
    }
    notes = [f"# micrograph: {' '.join(micrograph_name.split())}", f"# score: {picks.score_kind}"]
    if y_convention is YConvention.LAST_ROW:
        notes.append(f"# y: last row of {height_px}")
    write_atomic_text(path, "\n".join(notes) + "\n" + star_text({"": pd.DataFrame(columns, dtype=object)}))


def write_picks_csv(path: str | Path, picks: Picks) -> None:
    """Write picks as CSV with columns x, y, score and score_kind; y counts from the first stored row, in pixels.

    Raises:
        OSError: if the file cannot be written.
    """
    cells = zip(picks.x, picks.y, picks.score, strict=True)
    rows = ((f"{x:.6f}", f"{y:.6f}", f"{score:.9g}", picks.score_kind) for x, y, score in cells)
    write_atomic_text(path, csv_text(("x", "y", "score", "score_kind"), rows))


def read_picks(path: str | Path, *, y_convention: YConvention = PLAIN_CSV, height_px: int | None = None) -> Picks:
    """Read the picks of one micrograph from a STAR or CSV file (told apart by the suffix).

    Columns are found by name, in any order: `rlnCoordinateX`, `rlnCoordinateY` and `rlnAutopickFigureOfMerit` in a
    table of any name; `x`, `y` and `score` or `fom`; or `X-Coordinate` and `Y-Coordinate` as in CryoPPP. Where there is
    no score it is 1. Scores are "foreign" unless the file says otherwise, as ours do.

    Args:
        path: the file.
        y_convention: from where y counts in a file that does not say so itself (`CRYOPPP_CSV`,
            `relion_y_convention(name)`).
        height_px: number of rows of the micrograph, needed to count from the last one.

    Returns:
        The picks, y counted from the first stored row.

    Raises:
        TableError: if the file holds no coordinates, a broken value, or the picks of several micrographs.
        ValueError: if `y_convention` needs a height and there is none.
    """
    path = Path(path)
    tables = read_pick_tables(path, y_convention=y_convention, height_px=height_px)
    if not tables:
        raise TableError(path, "no coordinates: expected columns x and y, or rlnCoordinateX and rlnCoordinateY")
    if len(tables) > 1:
        raise TableError(path, f"picks of {len(tables)} micrographs where those of one are expected")
    return next(iter(tables.values()))


def read_pick_tables(
    path: str | Path, *, y_convention: YConvention | None = None, height_px: int | None = None
) -> dict[str | None, Picks]:
    """Read all picks of a STAR or CSV file, by `rlnMicrographName`, or under None where there is no such column.

    Arguments and errors are those of `read_picks`, but a table without coordinates gives an empty dictionary, and
    without a convention that of the format holds: CryoPPP's tables (`X-Coordinate`) count from the last row.
    """
    path = Path(path)
    if not path.is_file():
        raise TableError(path, "no such file")
    if path.suffix.lower() == ".csv":
        return _read_csv(path, y_convention, height_px)
    return _read_star(path, y_convention or RELION_MRC, height_px)


def _csv_convention(path: Path, names: Sequence[str], height_px: int | None) -> YConvention:
    """Return from where the y of a CSV file counts, told by its column names."""
    if "y-coordinate" not in names:
        return PLAIN_CSV
    if height_px is None:
        raise TableError(path, "CryoPPP counts y from the last row: give the height, --size HEIGHTxWIDTH in pixels")
    return CRYOPPP_CSV


def _read_star(path: Path, y_convention: YConvention, height_px: int | None) -> dict[str | None, Picks]:
    tables = [t for t in read_star(path).values() if _X in t.columns and _Y in t.columns]
    notes = _notes(path)
    if turned := _LAST_ROW.fullmatch(notes.get("y", "")):
        y_convention, height_px = YConvention.LAST_ROW, int(turned[1])
    kind = _score_kind(notes.get("score"))
    found: dict[str | None, Picks] = {}
    for table in tables:
        names = list(table[_MICROGRAPH]) if _MICROGRAPH in table.columns else [None] * len(table)
        scores = table[_SCORE] if _SCORE in table.columns else None
        picks = _picks(path, table[_X], table[_Y], scores, kind)
        picks = Picks(picks.x, y_convention.stored(picks.y, height_px), picks.score, kind)
        _add(path, found, _split(picks, names, whole=_MICROGRAPH not in table.columns))
    return found


def _split(picks: Picks, names: Sequence[str | None], *, whole: bool) -> dict[str | None, Picks]:
    if whole:
        return {None: picks}
    order, which = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
    return {str(name): picks.take(which == i) for i, name in enumerate(order)}


def _add(path: Path, found: dict[str | None, Picks], more: Mapping[str | None, Picks]) -> None:
    if twice := [n for n in more if n in found]:
        raise TableError(path, f"two tables with coordinates for {twice[0] or 'the same micrograph'}: leave one")
    found.update(more)


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


def _read_csv(path: Path, y_convention: YConvention | None, height_px: int | None) -> dict[str | None, Picks]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.reader(lines))
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(path, f"not a CSV file: {error}") from None
    if not rows:
        raise TableError(path, "empty: a table without picks still has a line with the column names")
    names = [name.strip().lower() for name in rows[0]]
    places = {n: names.index(a) for n, aliases in _CSV_COLUMNS.items() for a in reversed(aliases) if a in names}
    if "x" not in places or "y" not in places:
        return {}
    y_convention = y_convention or _csv_convention(path, names, height_px)
    body = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    x, y = (_column(path, body, places[n], n) for n in ("x", "y"))
    score = [_cell(row, places["score"]) or str(_NO_SCORE) for row in body] if "score" in places else None
    kinds = {_cell(row, names.index("score_kind")) for row in body} if "score_kind" in names else set()
    picks = _picks(path, x, y, score, _score_kind(kinds.pop() if len(kinds) == 1 else None))
    return {None: Picks(picks.x, y_convention.stored(picks.y, height_px), picks.score, picks.score_kind)}


def _column(path: Path, rows: Sequence[Sequence[str]], place: int, name: str) -> list[str]:
    cells = [_cell(row, place) for row in rows]
    if "" in cells:
        raise TableError(path, f"row {cells.index('') + 1} has no {name}: the file may be cut off")
    return cells


def _cell(row: Sequence[str], place: int) -> str:
    return row[place].strip() if place < len(row) else ""


def _score_kind(text: str | None) -> ScoreKind:
    return next((kind for kind in get_args(ScoreKind) if kind == text), "foreign")


def _picks(path: Path, x: Iterable[str], y: Iterable[str], score: Iterable[str] | None, kind: ScoreKind) -> Picks:
    try:
        xs, ys = _floats(x), _floats(y)
        return Picks(xs, ys, np.full(len(xs), _NO_SCORE) if score is None else _floats(score), kind)
    except ValueError as error:
        raise TableError(path, f"broken value: {error}") from None


def _floats(cells: Iterable[str]) -> NDArray[np.float64]:
    return np.array([float(cell) for cell in cells], dtype=np.float64)
