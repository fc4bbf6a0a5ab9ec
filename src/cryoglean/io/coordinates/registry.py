"""Registry of coordinate formats: a new format is one file in this folder and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.coordinates.cryoppp_csv import CRYOPPP_CSV
from cryoglean.io.coordinates.plain_csv import PLAIN_CSV
from cryoglean.io.coordinates.relion_star import RELION_STAR

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.io.coordinates.format import CoordinateFormat, PicksWriter

FORMATS: tuple[CoordinateFormat, ...] = (
    RELION_STAR,
    PLAIN_CSV,
    CRYOPPP_CSV,
)
"""All formats; of those with a common suffix, the first that recognises a file reads it."""


def formats_of_suffix(path: Path) -> list[CoordinateFormat]:
    """Return the formats that a file may have by its suffix, whatever its case."""
    return [form for form in FORMATS if path.suffix.lower() in form.suffixes]


def format_of(path: Path) -> CoordinateFormat | None:
    """Return the format of a file, told by suffix and content; None if it is some other table.

    Raises:
        TableError: if no format has this suffix, or the file cannot be read.
    """
    candidates = formats_of_suffix(path)
    if not candidates:
        known = ", ".join(dict.fromkeys(suffix for form in FORMATS for suffix in form.suffixes))
        raise TableError(path, f"cannot read coordinates from this kind of file: only {known}")
    return next((form for form in candidates if form.recognises(path)), None)


def writer_of(path: Path, name: str | None = None) -> PicksWriter:
    """Return the writer of the format of this name, or else of the first that writes files of this suffix.

    Raises:
        SettingsError: if there is none.
    """
    for form in formats_of_suffix(path) if name is None else FORMATS:
        if form.write is not None and name in (None, form.name):
            return form.write
    known = ", ".join(form.name for form in FORMATS if form.write is not None)
    raise SettingsError(f"{path}: picks are written as {known}, not as {name or path.suffix or 'a file of no suffix'}")
