"""Registry of coordinate formats: a new format is one file in this folder and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.coordinates.cryoppp_csv import CRYOPPP_CSV
from cryoglean.io.coordinates.eman_box import EMAN_BOX
from cryoglean.io.coordinates.plain_csv import PLAIN_CSV
from cryoglean.io.coordinates.relion_star import RELION_STAR
from cryoglean.io.coordinates.topaz_txt import TOPAZ_CSV, TOPAZ_TXT

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.io.coordinates.format import CoordinateFormat, PicksWriter

FORMATS: tuple[CoordinateFormat, ...] = (
    RELION_STAR,
    PLAIN_CSV,
    CRYOPPP_CSV,
    EMAN_BOX,
    TOPAZ_TXT,
    TOPAZ_CSV,
)
"""All formats; of those with a common suffix, the first that recognises a file reads it."""


def readable_tables() -> str:
    """Return what tables of coordinates are read, for messages."""
    return ", ".join(form.title for form in FORMATS)


_UNREAD = {
    ".cs": "a cryoSPARC data set: convert it to STAR, e.g. with csparc2star.py of pyem",
    ".cbox": "crYOLO's .cbox: give the STAR or EMAN folder that crYOLO writes beside it",
    ".json": "EMAN2's boxes: save them as .box in e2boxer.py, or convert them to STAR",
    ".pos": "coordinates of Xmipp or Scipion: export them as RELION's STAR",
    ".mod": "an IMOD model: convert it with model2point to a CSV with columns x and y",
    ".spk": "an IMOD model: convert it with model2point to a CSV with columns x and y",
}


def unread_reason(path: Path) -> str | None:
    """Return what a coordinate file of a format that is not read is, and how to convert it; None for other files."""
    return _UNREAD.get(path.suffix.lower())


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
        if reason := unread_reason(path):
            raise TableError(path, reason)
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
