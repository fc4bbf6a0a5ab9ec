"""Cells that a STAR table must have and nobody knows: STAR has no empty cell, and RELION no value for "unknown".

A column that one row lacks is no reason to take it from all others, so the row gets the value that stands for nothing
in RELION's own reading: the one that it takes where there is no such column, or where it cannot read the cell (it reads
`nan` and `None` as 0 in numbers, and says nothing).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from cryoglean.io.relion_columns import AMPLITUDE_CONTRAST, CTF_MAX_RESOLUTION, CTF_SCALE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NEUTRAL = {
    "rlnMagMat00": "1",
    "rlnMagMat11": "1",
    CTF_SCALE: "1",
    AMPLITUDE_CONTRAST: "1",
    CTF_MAX_RESOLUTION: "999",
}
"""Values other than 0 that change nothing. Derived: the magnification matrix of an image that is not distorted, a CTF
that is not scaled, and, with a defocus and a spherical aberration of 0, a CTF of 1 at every frequency; a resolution of
999 angstrom is one that no selection takes for a good fit, as it would 0."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)", re.IGNORECASE)
_LIST = re.compile(r"\[[^\]]*\]")


def completed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of text in which cells that were missing (NaN) hold what changes nothing.

    That is 0 in a column of numbers, zeros in one of lists (`[0.1,0.2]`, as the Zernike coefficients are), empty text
    in others; and 1 in those few where 1 changes nothing.
    """
    is_missing = table.isna()
    lacking = [column for column in table.columns if is_missing[column].any()]
    neutral = {column: neutral_value(str(column), table[column].dropna()) for column in lacking}
    return table.assign(**{column: table[column].fillna(value) for column, value in neutral.items()})


def neutral_value(column: str, known: Iterable[str]) -> str:
    """Return the value of a column that changes nothing, given the values of other rows."""
    values = [str(value) for value in known]
    if all(_NUMBER.fullmatch(value) for value in values):
        return _NEUTRAL.get(column, "0")
    if all(_LIST.fullmatch(value) for value in values):
        return f"[{','.join('0' for _ in values[0].split(','))}]"
    return ""


def table_of(rows: Sequence[dict[str, str]], first: Sequence[str]) -> pd.DataFrame:
    """Lay rows out as one table that has all their columns, `first` before the others.

    Columns of `first` that no row has are left out.
    """
    columns = dict.fromkeys((*first, *(column for row in rows for column in row)))
    shared = [column for column in columns if any(column in row for row in rows)]
    return completed(pd.DataFrame([[row.get(c) for c in shared] for row in rows], columns=shared, dtype=object))
