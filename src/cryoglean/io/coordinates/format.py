"""Description of a coordinate format: how its files are recognised, read and written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from cryoglean.errors import TableError
from cryoglean.io.coordinates.y_convention import YConvention, relion_y_convention

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from cryoglean.picks import Picks


class CarriedRows(NamedTuple):
    """What a table says of n particles besides their places, scores and micrograph; values are text, as in the file.

    Attributes:
        rows: (n, columns) of the particles, in the order of the picks.
        optics: optics groups by their number; empty where the file has no table of them.
    """

    rows: pd.DataFrame
    optics: Mapping[str, Mapping[str, str]]

    def digest_text(self) -> str:
        """Return all of it as one text."""
        return repr((list(self.rows.columns), self.rows.to_numpy().tolist(), [dict(o) for o in self.optics.values()]))


class StoredPicks(NamedTuple):
    """Picks of one micrograph as their file holds them, y counted from the file's own zero row.

    Attributes:
        path: the file.
        picks: particle centres in pixels of the micrograph as stored.
        y_convention: row with y = 0, if the file says so itself; None for that of its format, or as RELION reads it.
        height_px: number of rows of the micrograph, if the file says so itself.
        faults: a line for the user for each row that could not be read and was left out.
        micrograph_name: as the file has it, if it has one.
        shifts_angstrom: (n, 2) origins, x first: the true centre is the coordinate - origin / pixel size; None where
            the picks are the true centres.
        pixel_size_angstrom: of the micrograph, if the file says so itself.
        carried: what the file says of the particles besides, if it is a table with more columns.
    """

    path: Path
    picks: Picks
    y_convention: YConvention | None = None
    height_px: int | None = None
    faults: tuple[str, ...] = ()
    micrograph_name: str | None = None
    shifts_angstrom: NDArray[np.float64] | None = None
    pixel_size_angstrom: float | None = None
    carried: CarriedRows | None = None

    def from_first_row(
        self, height_px: int | None, *, micrograph_name: str | None = None, pixel_size_angstrom: float | None = None
    ) -> Picks:
        """Return the true centres, y counted from the first stored row.

        Args:
            height_px: number of rows of the micrograph, needed if the file counts from the last one.
            micrograph_name: its name, which tells how RELION reads it; by default the one in the file.
            pixel_size_angstrom: of the micrograph, needed if there are origins; by default the one in the file.

        Raises:
            TableError: if the height or the pixel size is needed and None.
        """
        picks = self.centres(pixel_size_angstrom)
        height_px = self.height_px or height_px
        convention = self.convention(micrograph_name)
        if convention is YConvention.LAST_ROW and height_px is None:
            remedy = "give the micrographs, --micrographs, or their height, --size HEIGHTxWIDTH in pixels"
            raise TableError(self.path, f"its y counts from the last row: {remedy}")
        return replace(picks, y=convention.convert(picks.y, height_px))

    def take(self, rows: NDArray[np.intp]) -> StoredPicks:
        """Return the picks of (m,) rows, with all that is said of them."""
        shifts = None if self.shifts_angstrom is None else self.shifts_angstrom[rows]
        carried = self.carried and self.carried._replace(rows=self.carried.rows.iloc[rows].reset_index(drop=True))
        return self._replace(picks=self.picks.take(rows), shifts_angstrom=shifts, carried=carried)

    def convention(self, micrograph_name: str | None = None) -> YConvention:
        """Return the row with y = 0, for a micrograph of this name, or of the one in the file."""
        return self.y_convention or relion_y_convention(micrograph_name or self.micrograph_name or "")

    def centres(self, pixel_size_angstrom: float | None) -> Picks:
        """Return the true centres, y counted as in the file: what needs no height of the micrograph.

        Raises:
            TableError: if the pixel size is needed and None.
        """
        pixel_size_angstrom = pixel_size_angstrom or self.pixel_size_angstrom
        if self.shifts_angstrom is None or not self.shifts_angstrom.any():
            return self.picks
        if pixel_size_angstrom is None:
            remedy = "give --pixel-size (evaluate: with --diameter)"
            raise TableError(self.path, f"its origins are in angstrom, and the pixel size is not known: {remedy}")
        shifts = self.shifts_angstrom / pixel_size_angstrom
        return replace(self.picks, x=self.picks.x - shifts[:, 0], y=self.picks.y - shifts[:, 1])


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
        y_convention: row with y = 0 in a file that does not say so itself; None if it is the row that RELION reads
            first in the micrograph (`relion_y_convention`).
        read: reads a file and returns its picks by micrograph name, under None where the file names no micrograph;
            empty if it holds no coordinates. Raises TableError if the file is broken.
        recognises: tells by content whether a file of one of the suffixes is of this format. Raises TableError if it
            cannot be read at all.
        write: writes the picks of one micrograph; None if the format is only read.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    y_convention: YConvention | None
    read: Callable[[Path], Mapping[str | None, StoredPicks]]
    recognises: Callable[[Path], bool] = _any_content
    write: PicksWriter | None = None
