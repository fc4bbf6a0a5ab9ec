"""The part of a pick job that is done for each micrograph on its own, in any process and in any order."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from cryoglean.errors import MicrographError
from cryoglean.io.coordinates import write_picks_csv, write_picks_star
from cryoglean.io.images import read_micrograph
from cryoglean.io.y_conventions import relion_y_convention
from cryoglean.report.overlay import draw_overlay

if TYPE_CHECKING:
    from cryoglean.jobs.folder import PickFolder
    from cryoglean.micrograph import Micrograph, MicrographFile
    from cryoglean.picks import Picks

LEAST_DIAMETER_PX = 4.0
"""A particle must be this many stored pixels across to have a shape."""


class Picker(Protocol):
    """What every picker can do."""

    def pick(self, micrograph: Micrograph) -> Picks:
        """Find the particles of one micrograph."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What became of one micrograph.

    Attributes:
        file: the micrograph.
        picks: how many picks it has; 0 if it was rejected.
        seconds: time it took; 0 if it was done before.
        reason: why it was rejected, or None.
        note: what the user should know of it, or None.
    """

    file: MicrographFile
    picks: int = 0
    seconds: float = 0.0
    reason: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What to make of each micrograph.

    Attributes:
        folder: where.
        diameter_angstrom: particle diameter.
        pixel_size_angstrom: of all micrographs; None takes it from the STAR file or the image's header.
        csv: write the picks as CSV, too.
        plots: draw a picture with the picks.
    """

    folder: PickFolder
    diameter_angstrom: float
    pixel_size_angstrom: float | None
    csv: bool = False
    plots: bool = False

    def done(self, file: MicrographFile) -> Outcome | None:
        """Return the outcome for a micrograph of which nothing is missing."""
        paths = [self.folder.csv_path(file.key)] * self.csv + [self.folder.plot_path(file.key)] * self.plots
        picks = self.folder.done_picks(file.key)
        return Outcome(file, len(picks)) if picks is not None and all(p.exists() for p in paths) else None


def read_usable(wanted: Wanted, file: MicrographFile) -> tuple[Micrograph, str | None]:
    """Read a micrograph that particles of the diameter can be in, and the note on its pixel size.

    Raises:
        MicrographError: if it cannot be read, or the diameter does not fit it.
    """
    try:
        micrograph, note = read_micrograph(file, wanted.pixel_size_angstrom)
    except MemoryError as error:
        raise MicrographError(file.path, "not enough memory to read it") from error
    misfit = diameter_misfit(micrograph, wanted.diameter_angstrom)
    if misfit:
        raise MicrographError(file.path, misfit, by_settings=True)
    return micrograph, note


def diameter_misfit(micrograph: Micrograph, diameter_angstrom: float) -> str | None:
    """Say why a diameter does not fit a micrograph; None if it does."""
    diameter_px = diameter_angstrom / micrograph.pixel_size_angstrom
    height, width = micrograph.shape
    said = f"diameter {diameter_angstrom:g} A is {diameter_px:.4g} px at {micrograph.pixel_size_angstrom:.4g} A/px"
    if diameter_px > min(height, width):
        return f"{said}, larger than the micrograph of {width} x {height} px"
    if diameter_px < LEAST_DIAMETER_PX:
        return f"{said}, and a particle must be {LEAST_DIAMETER_PX:g} px or more across to be found"
    return None


def pick_one(wanted: Wanted, picker: Picker, file: MicrographFile) -> Outcome:
    """Make whatever is missing of one micrograph; if it is bad, say so in the outcome.

    Raises:
        OSError: if results cannot be written.
    """
    start = perf_counter()
    try:
        micrograph, note = read_usable(wanted, file)
    except MicrographError as error:
        return Outcome(file, reason=error.reason)
    picks = wanted.folder.done_picks(file.key)
    if picks is None:
        picks = picker.pick(micrograph)
        _write_star(wanted.folder, file, micrograph, picks)
    if wanted.csv:
        write_picks_csv(wanted.folder.csv_path(file.key), picks)
    if wanted.plots:
        _draw(wanted, file, micrograph, picks)
    return Outcome(file, len(picks), perf_counter() - start, note=note)


def _write_star(folder: PickFolder, file: MicrographFile, micrograph: Micrograph, picks: Picks) -> None:
    height, _ = micrograph.shape
    convention = relion_y_convention(file.name)
    write_picks_star(folder.picks_path(file.key), picks, file.name, y_convention=convention, height_px=height)


def _draw(wanted: Wanted, file: MicrographFile, micrograph: Micrograph, picks: Picks) -> None:
    draw_overlay(
        wanted.folder.plot_path(file.key),
        micrograph.image,
        picks,
        wanted.diameter_angstrom / micrograph.pixel_size_angstrom,
        caption=file.key,
        pixel_size_angstrom=micrograph.pixel_size_angstrom,
    )
