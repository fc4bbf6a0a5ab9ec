"""Description of a coordinate format: how its files are recognised, read and written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cryoglean.errors import TableError
from cryoglean.io.coordinates.y_convention import YConvention

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cryoglean.picks import Picks


class StoredPicks(NamedTuple):
    """Picks of one micrograph as their file holds them, y counted from the file's own zero row.

    Attributes:
        path: the file.
        picks: particle centres in pixels of the micrograph as stored.
        y_convention: row with y = 0, if the file says so itself; None for that of its format.
        height_px: number of rows of the micrograph, if the file says so itself.
    """

    path: Path
    picks: Picks
    y_convention: YConvention | None = None
    height_px: int | None = None

    def from_first_row(self, height_px: int | None) -> Picks:
        """Return the picks with y counted from the first stored row.

        Args:
            height_px: number of rows of the micrograph, needed if the file counts from the last one.

        Raises:
            TableError: if it is needed and None.
        """
        convention, height_px = self.y_convention or YConvention.FIRST_ROW, self.height_px or height_px
        if convention is YConvention.LAST_ROW and height_px is None:
            remedy = "give the height of the micrographs, --size HEIGHTxWIDTH in pixels"
            raise TableError(self.path, f"its y counts from the last row: {remedy}")
        return replace(self.picks, y=convention.convert(self.picks.y, height_px))


class PicksWriter(Protocol):
    """Function that writes the picks of one micrograph."""

    def __call__(self, path: Path, picks: Picks, micrograph_name: str, height_px: int | None) -> None:
        """Write a file, whole or not at all; see `write_picks`."""
        ...


def _any_content(path: Path) -> bool:  # noqa: ARG001 (the suffix alone decides)
    return True


@dataclass(frozen=True)
class CoordinateFormat:
    """Coordinate format, one entry of the registry.

    Attributes:
        name: one word, by which options and `write_picks` take it.
        title: name for messages and documents.
        suffixes: of its files, in lower case and with the dot.
        y_convention: row with y = 0 in a file that does not say so itself.
        read: reads a file and returns its picks by micrograph name, under None where the file names no micrograph;
            empty if it holds no coordinates. Raises TableError if the file is broken.
        recognises: tells by content whether a file of one of the suffixes is of this format. Raises TableError if it
            cannot be read at all.
        write: writes the picks of one micrograph; None if the format is only read.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    y_convention: YConvention
    read: Callable[[Path], Mapping[str | None, StoredPicks]]
    recognises: Callable[[Path], bool] = _any_content
    write: PicksWriter | None = None
