"""RELION's STAR: the coordinates of one micrograph, or of many with `rlnMicrographName`.

The table written holds the five columns that RELION's own pickers write (`rlnClassNumber` and `rlnAnglePsi` are dummies
that its STAR joiner wants to see), and where there are several species a column of ours, which RELION carries along as
one that it does not know. What else RELION has no column for stands in comment lines above the table, which it
skips. RELION 5 rounds a coordinate when it extracts and keeps the rest as an origin; RELION 3.1 cuts off the fraction.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cryoglean.errors import TableError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.coordinates.columns import SCORE_WITHOUT_COLUMN, all_rows_broken, known_score_kind, sound_rows
from cryoglean.io.coordinates.format import CarriedRows, CoordinateFormat, StoredPicks
from cryoglean.io.coordinates.y_convention import YConvention, relion_y_convention
from cryoglean.io.optics_groups import optics_by_number
from cryoglean.io.origins import image_pixel_sizes, micrograph_pixel_sizes, origin_columns, origins
from cryoglean.io.relion_columns import CLASS, GROUP, IMAGE, MICROGRAPH, PSI, SCORE, SPECIES, X, Y
from cryoglean.io.star import find_table, read_star, refuse_tomography, star_lines, star_text
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_ZEROS = ("0", "0.000000")
"""Format: what pickers write as class and angle that they do not know."""

_LAST_ROW = re.compile(r"last row of (\d+)")


def _write(path: Path, picks: Picks, micrograph_name: str, height_px: int | None) -> None:
    y_convention = relion_y_convention(micrograph_name)
    columns = {
        X: [f"{v:.6f}" for v in picks.x],
        Y: [f"{v:.6f}" for v in y_convention.convert(picks.y, height_px)],
        SCORE: [f"{v:.9g}" for v in picks.score],
        CLASS: ["0"] * len(picks),
        PSI: ["0"] * len(picks),
    }
    if picks.species is not None:
        columns[SPECIES] = [str(number) for number in picks.species.tolist()]
    notes = [f"# micrograph: {' '.join(micrograph_name.split())}", f"# score: {picks.score_kind}"]
    if picks.fit:
        notes.append(f"# fit: {' '.join(picks.fit.split())}")
    if y_convention is YConvention.LAST_ROW:
        notes.append(f"# y: last row of {height_px}")
    write_atomic_text(path, "\n".join(notes) + "\n" + star_text({"": pd.DataFrame(columns, dtype=object)}))


def _read(path: Path) -> dict[str | None, StoredPicks]:
    notes, tables = _notes(path), read_star(path)
    refuse_tomography(path, tables)
    optics = find_table(tables, "optics")
    if optics is not None and len(optics) == 1 and GROUP not in optics.columns:
        optics = optics.assign(**{GROUP: "1"})
    groups = optics_by_number(path, optics)
    found: dict[str | None, StoredPicks] = {}
    for title, table in tables.items():
        if X not in table.columns or Y not in table.columns:
            continue
        whole, rows = _read_table(path, title, table, notes, optics)
        whole = whole._replace(carried=_carried(table.iloc[rows], groups))
        for name, stored in _by_micrograph(table, whole, rows, micrograph_pixel_sizes(table, optics)):
            if name in found:
                raise TableError(path, f"two tables with coordinates for {name or 'the same micrograph'}: leave one")
            found[name] = stored._replace(**_said_above(name, notes))
    return found


def _said_above(name: str | None, notes: Mapping[str, str]) -> dict[str, Any]:
    """Return the micrograph's name and how y counts, as far as the table or the comments above it say."""
    last_row = _LAST_ROW.fullmatch(notes.get("y", ""))
    counted_from = {"y_convention": YConvention.LAST_ROW, "height_px": int(last_row[1])} if last_row else {}
    return {"micrograph_name": name or notes.get("micrograph"), **counted_from}


def _read_table(
    path: Path, title: str, table: pd.DataFrame, notes: Mapping[str, str], optics: pd.DataFrame | None
) -> tuple[StoredPicks, NDArray[np.intp]]:
    """Read a table as if it were of one micrograph; return which rows are sound, too."""
    scores = (SCORE,) if SCORE in table.columns else ()
    lines = cache(lambda: star_lines(path, title))
    cells = {name: list(table[name]) for name in (X, Y, *scores, *origin_columns(table))}
    numbers, rows, faults = sound_rows(path, cells, lambda row: lines()[row])
    pixel_sizes = image_pixel_sizes(table, optics)
    angstrom, pixels = origins(numbers, None if pixel_sizes is None else pixel_sizes[rows])
    score = numbers.get(SCORE, np.full(len(rows), SCORE_WITHOUT_COLUMN))
    try:
        x, y, kind = numbers[X] - pixels[:, 0], numbers[Y] - pixels[:, 1], known_score_kind(notes.get("score"))
        picks = Picks(x, y, score, kind, notes.get("fit", ""), _species(table, rows))
    except ValueError as error:
        raise TableError(path, f"broken value: {error}") from None
    return StoredPicks(path, picks, faults=faults, shifts_angstrom=angstrom), rows


def _species(table: pd.DataFrame, rows: NDArray[np.intp]) -> NDArray[np.int64] | None:
    """Return the species of some rows; None where there is no such column, or it holds what is none."""
    if SPECIES not in table.columns:
        return None
    numbers = pd.to_numeric(table[SPECIES].iloc[rows], errors="coerce")
    is_species = (numbers >= 1) & (numbers % 1 == 0)
    return numbers.to_numpy(np.int64) if is_species.all() else None


def _carried(rows: pd.DataFrame, optics: Mapping[str, Mapping[str, str]]) -> CarriedRows | None:
    """Return what is not read here, but for the two dummies; None where that is nothing."""
    is_of_picks = IMAGE not in rows.columns
    dummies = [c for c in (CLASS, PSI) if is_of_picks and c in rows.columns and rows[c].isin(_ZEROS).all()]
    left = rows.drop(columns=[X, Y, SCORE, MICROGRAPH, *dummies], errors="ignore").reset_index(drop=True)
    return CarriedRows(left, optics) if len(left.columns) or optics else None


def _by_micrograph(
    table: pd.DataFrame, whole: StoredPicks, rows: NDArray[np.intp], pixel_sizes: NDArray[np.float64] | None
) -> Iterator[tuple[str | None, StoredPicks]]:
    """Split a table; the faults, which name their lines, stay with the first of its micrographs."""
    if MICROGRAPH not in table.columns:
        size = None if pixel_sizes is None or not len(pixel_sizes) else float(pixel_sizes[0])
        yield None, whole._replace(pixel_size_angstrom=size)
        return
    names = table[MICROGRAPH].astype(str)
    which = names.iloc[rows].reset_index(drop=True)
    sound = which.groupby(which).indices
    faults = whole.faults
    for name, where in names.groupby(names).indices.items():
        own = np.asarray(sound.get(name, ()), dtype=np.intp)
        size = None if pixel_sizes is None else float(pixel_sizes[where[0]])
        faults += () if len(own) else (all_rows_broken(whole.path, str(name)),)
        yield str(name), whole.take(own)._replace(pixel_size_angstrom=size, faults=faults)
        faults = ()


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
    y_convention=None,
    read=_read,
    write=_write,
)
