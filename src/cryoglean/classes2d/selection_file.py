"""Selection as a table that a user may edit; its column `keep` overrules any rule."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

from cryoglean.classes2d.selection import THRESHOLD_SCORE, Selection
from cryoglean.classes2d.verdicts import ClassVerdict
from cryoglean.errors import TableError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.regular import size_of_regular
from cryoglean.words import csv_text

if TYPE_CHECKING:
    from cryoglean.classes2d.classification import Classes

_CLASS, _KEEP, _VERDICT = "class", "keep", "verdict"
COLUMNS = (
    _CLASS,
    _KEEP,
    "reason",
    _VERDICT,
    "score",
    "particles",
    "percent",
    "resolution_angstrom",
    "percent_per_resolution",
)
"""`reason` is for people, and `verdict` the value of `ClassVerdict` for programs."""

_HINT = "# edit the column keep (yes or no), and give this file to: cryoglean select CLASSES --selection FILE\n"
_YES = {"yes", "y", "1", "true", "keep", "kept", "x"}
_NO = {"no", "n", "0", "false", "drop", "dropped"}
_DELIMITERS = ",;\t"
_BELOW_THRESHOLD = math.nextafter(THRESHOLD_SCORE, 0)
"""Derived: the highest score below it."""

Row = tuple[int, list[str]]
"""A line's number in the file and its cells."""


def write_selection(path: str | Path, classes: Classes, selection: Selection) -> None:
    """Write one row a class, best first; classes are counted from 1, as `rlnClassNumber` and the gallery do.

    Raises:
        OSError: if the file cannot be written.
    """
    rows = [
        (
            k + 1,
            _said(selection.verdicts[k]),
            selection.explanations[k],
            selection.verdicts[k].value,
            f"{selection.score[k]:.4f}",
            int(classes.counts[k]),
            f"{100 * classes.share[k]:.3f}",
            f"{classes.resolution_angstrom[k]:.2f}",
            f"{classes.percent_per_resolution[k]:.4f}",
        )
        for k in selection.best_first()
    ]
    write_atomic_text(path, _HINT + csv_text(COLUMNS, rows))


def edited(path: str | Path, selection: Selection) -> tuple[Selection, tuple[str, ...]]:
    """Overrule a selection by a user's table.

    Blanks, upper case, quotes, lines that start with "#", other columns, semicolons, tabs and the mark that Excel puts
    at the start do no harm. Scores of classes decided by hand are moved to the side of 0.5 where they now belong.

    Args:
        path: a table with the columns `class` (from 1) and `keep`: yes, y, 1, true, keep or x; no, n, 0, false or drop.
        selection: what the rule says.

    Returns:
        The selection as the user wants it, and notes: which classes the table does not name.

    Raises:
        TableError: if the table cannot be understood, or names a class that is not there, or one twice.
    """
    path = Path(path)
    wanted = _wanted(path, len(selection.kept))
    score, verdicts, details = selection.score.copy(), list(selection.verdicts), list(selection.details)
    for k, keep in wanted.items():
        score[k] = max(score[k], THRESHOLD_SCORE) if keep else min(score[k], _BELOW_THRESHOLD)
        if keep != verdicts[k].is_kept:
            verdicts[k], details[k] = (ClassVerdict.kept_by_hand if keep else ClassVerdict.dropped_by_hand), ""
    missing = [str(k + 1) for k in range(len(verdicts)) if k not in wanted]
    notes = (f"{path} does not name class {', '.join(missing)}: left to the rule",) if missing else ()
    return Selection(score, tuple(verdicts), tuple(details)), notes


def is_edited(path: str | Path) -> bool:
    """Return whether a table disagrees with its own verdicts by now, or cannot be understood."""
    path = Path(path)
    try:
        rows = _rows(path)
        names = rows[0][1]
        keep, verdict = names.index(_KEEP), names.index(_VERDICT)
        return any(_is_overruled(cells[keep], ClassVerdict(cells[verdict])) for _, cells in rows[1:])
    except (TableError, ValueError, IndexError):
        return True


def _is_overruled(keep: str, verdict: ClassVerdict) -> bool:
    return verdict.is_by_hand or keep != _said(verdict)


def _said(verdict: ClassVerdict) -> str:
    return "yes" if verdict.is_kept else "no"


def _wanted(path: Path, classes: int) -> dict[int, bool]:
    """Return what the table says, by class counted from 0."""
    rows = _rows(path)
    names = [cell.lower() for cell in rows[0][1]]
    for name in (_CLASS, _KEEP):
        if names.count(name) != 1:
            raise TableError(path, f"line {rows[0][0]}: one column {name!r} is needed, found {', '.join(names)}")
    wanted: dict[int, bool] = {}
    for line, cells in rows[1:]:
        cells += [""] * (len(names) - len(cells))
        k = _class(path, line, cells[names.index(_CLASS)], classes)
        if k in wanted:
            raise TableError(path, f"line {line}: class {k + 1} a second time: leave one of the two")
        wanted[k] = _keep(path, line, k, cells[names.index(_KEEP)])
    if not wanted:
        raise TableError(path, "names no class: one row a class was expected, below a line class,keep")
    return wanted


def _class(path: Path, line: int, text: str, classes: int) -> int:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (number.is_integer() and 1 <= number <= classes):
        raise TableError(path, f"line {line}: no class {text!r}: classes are 1 to {classes}")
    return int(number) - 1


def _keep(path: Path, line: int, k: int, text: str) -> bool:
    said = text.lower()
    if said in _YES or said in _NO:
        return said in _YES
    raise TableError(path, f"line {line}: keep of class {k + 1} is {text!r}: write yes or no")


def _rows(path: Path) -> list[Row]:
    """Return the lines that say something, the header first, cells without blanks around them."""
    try:
        size_of_regular(path)
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise TableError(path, 'not text in UTF-8: save it as "CSV UTF-8"') from None
    except OSError as error:
        raise TableError(path, f"cannot be read: {error.strerror or error}") from error
    lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if _says_something(line)]
    if not lines:
        raise TableError(path, "empty: a table with the columns class and keep was expected")
    if "\0" in text:
        raise TableError(path, "not a table: it holds binary data")
    delimiter = max(_DELIMITERS, key=lines[0][1].count)
    try:
        return [(n, [c.strip() for c in next(csv.reader([line], delimiter=delimiter))]) for n, line in lines]
    except csv.Error as error:
        raise TableError(path, f"not a CSV table: {error}") from None


def _says_something(line: str) -> bool:
    """Return whether a line is neither a comment, nor Excel's `sep=;`, nor empty but for delimiters."""
    bare = line.strip(' "' + _DELIMITERS)
    return bool(bare) and not bare.startswith("#") and not bare.lower().startswith("sep=")
