"""Coordinate files of every registered format: read into picks, and written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cryoglean.errors import TableError
from cryoglean.io.coordinates.registry import format_of, formats_of_suffix, writer_of
from cryoglean.io.regular import size_of_regular
from cryoglean.words import counted

if TYPE_CHECKING:
    from cryoglean.io.coordinates.format import StoredPicks
    from cryoglean.io.coordinates.y_convention import YConvention
    from cryoglean.picks import Picks

_Table = TypeVar("_Table")


def read_picks(path: str | Path, *, y_convention: YConvention | None = None, height_px: int | None = None) -> Picks:
    """Read the picks of one micrograph.

    The format is told by suffix and content. Where there is no score it is 1, and scores are "foreign" unless the file
    says otherwise, as ours do.

    Args:
        path: the file.
        y_convention: row with y = 0 in a file that does not say so itself; by default that of its format.
        height_px: number of rows of the micrograph, needed to count from the last one.

    Returns:
        The picks, y counted from the first stored row.

    Raises:
        TableError: if the file holds no coordinates, a broken value, or the picks of several micrographs, or counts
            from the last row and there is no height.
    """
    path = Path(path)
    return _only_one(path, read_pick_tables(path, y_convention=y_convention, height_px=height_px))


def read_one_stored(path: Path) -> StoredPicks:
    """Read the picks of one micrograph as `read_picks`, if its height is not known yet; broken rows are set aside.

    Raises:
        TableError: if the file holds no coordinates, or the picks of several micrographs.
    """
    return _only_one(path, read_stored(path))


def _only_one(path: Path, tables: dict[str | None, _Table]) -> _Table:
    if not tables:
        expected = " or ".join(form.title for form in formats_of_suffix(path))
        raise TableError(path, f"no coordinates: expected {expected}")
    if len(tables) > 1:
        raise TableError(path, f"picks of {len(tables)} micrographs where those of one are expected")
    return next(iter(tables.values()))


def read_pick_tables(
    path: str | Path, *, y_convention: YConvention | None = None, height_px: int | None = None
) -> dict[str | None, Picks]:
    """Read all picks of a file, by the micrograph's name, or under None where the file names no micrograph.

    Arguments and errors are those of `read_picks`, but a table without coordinates gives an empty dictionary.
    """
    stored = read_stored(path, y_convention)
    if faults := [fault for each in stored.values() for fault in each.faults]:
        raise TableError(Path(path), f"{counted(len(faults), 'broken row')}: {faults[0]}")
    return {name: each.from_first_row(height_px) for name, each in stored.items()}


def read_stored(path: str | Path, y_convention: YConvention | None = None) -> dict[str | None, StoredPicks]:
    """Read all picks of a file, for micrographs whose heights are not known yet; broken rows are set aside.

    Raises:
        TableError: if the file cannot be read, or holds no table that can.
    """
    path = Path(path)
    try:
        size_of_regular(path)
    except OSError as error:
        raise TableError(path, _missing(error)) from error
    form = format_of(path)
    if form is None:
        return {}
    default = y_convention or form.y_convention
    return {name: s._replace(y_convention=s.y_convention or default) for name, s in form.read(path).items()}


def _missing(error: OSError) -> str:
    is_missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    return "no such file" if is_missing else f"cannot be read: {error.strerror or error}"


def write_picks(
    path: str | Path,
    picks: Picks,
    micrograph_name: str = "",
    *,
    height_px: int | None = None,
    format_name: str | None = None,
) -> None:
    """Write the picks of one micrograph; no picks give a file with a header and no rows.

    Args:
        path: the file, `<stem>_autopick.star` where RELION is to find it; written whole or not at all.
        picks: the picks; y counts from the first stored row.
        micrograph_name: as in `rlnMicrographName`; its suffix tells from which row RELION counts.
        height_px: number of rows of the micrograph, needed where the format counts from the last one.
        format_name: name of a registered format; by default the first that writes files of this suffix.

    Raises:
        OSError: if the file cannot be written.
        SettingsError: if there is no such format, or it is only read.
        ValueError: if the format needs a height and there is none.
    """
    path = Path(path)
    writer_of(path, format_name)(path, picks, micrograph_name, height_px)
