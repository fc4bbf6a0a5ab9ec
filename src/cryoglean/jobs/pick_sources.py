"""Sources of picks: our output folder, another program's coordinate files, or one particles STAR."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cryoglean.errors import SettingsError, TableError
from cryoglean.evaluate.orientation import Orientation, turned
from cryoglean.io.coordinates.files import read_one_stored
from cryoglean.io.coordinates.registry import readable_tables
from cryoglean.io.micrograph_names import find_by_name
from cryoglean.io.pick_folders import read_stored_folder, unread_tables
from cryoglean.io.regular import is_there, size_of_regular
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.survey import read_survey, survey_files
from cryoglean.micrograph import Contrast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cryoglean.io.coordinates.format import CarriedRows, StoredPicks
    from cryoglean.micrograph import Micrograph, MicrographFile
    from cryoglean.picks import Picks


_OWN_LISTS = ("autopick.star", "particles.star", "picks")
"""Names in an output folder by which all its picks can be given. Format: of this program."""

_RUN, _IN_RUN = "run.json", ("rounds", "final", "picks")
"""Name of the record of a run, and the folders beside it in which its stages leave picks. Format: of this program."""


class PickSource(Protocol):
    """Picks of one micrograph, which may need the micrograph to be understood."""

    def stored(self) -> StoredPicks:
        """Return the picks as their file holds them.

        Raises:
            TableError: if the coordinate file is broken.
        """
        ...

    def content(self) -> bytes:
        """Return all that decides the picks.

        Raises:
            TableError: if the coordinate file cannot be read.
        """
        ...


@dataclass(frozen=True)
class _CoordinateFile:
    """Coordinate file of one micrograph in an output folder of ours, read when it is needed."""

    path: Path

    def stored(self) -> StoredPicks:
        return read_one_stored(self.path)

    def content(self) -> bytes:
        try:
            size_of_regular(self.path)
            return self.path.read_bytes()
        except OSError as error:
            raise TableError(self.path, error.strerror or str(error)) from error


@dataclass(frozen=True, eq=False)
class _TablePicks:
    """Picks that were read from a coordinate file or a particles STAR, alone or with those of other micrographs."""

    table: StoredPicks

    def stored(self) -> StoredPicks:
        return self.table

    def content(self) -> bytes:
        picks, shifts, carried = self.table.picks, self.table.shifts_angstrom, self.table.carried
        places = np.stack([picks.x, picks.y, picks.score]).tobytes() + (b"" if shifts is None else shifts.tobytes())
        return places + (b"" if carried is None else carried.digest_text().encode())


@dataclass(frozen=True, eq=False)
class SomePicks:
    """Some rows of another source.

    Attributes:
        source: the other one.
        rows: (m,) which of its picks.
    """

    source: PickSource
    rows: NDArray[np.intp]

    def stored(self) -> StoredPicks:
        """Return these picks as their file holds them; see `PickSource`."""
        return self.source.stored().take(self.rows)

    def content(self) -> bytes:
        """Return all that decides the picks; see `PickSource`."""
        return self.source.content() + self.rows.tobytes()


@dataclass(frozen=True, eq=False)
class PickedMicrograph:
    """One micrograph and the source of its picks.

    Attributes:
        file: the micrograph.
        source: of its picks.
        is_own: whether this program has written them, for this micrograph.
        orientation: the turn that makes the coordinates fit the image.
    """

    file: MicrographFile
    source: PickSource
    is_own: bool = False
    orientation: Orientation = Orientation.IDENTITY

    def picks(self, micrograph: Micrograph) -> Picks:
        """Return the true centres in pixels of `file` as stored; y counts from the first row.

        Args:
            micrograph: the image of `file`.

        Raises:
            TableError: if the coordinate file is broken.
        """
        height_px, pixel_size = micrograph.shape[0], micrograph.pixel_size_angstrom
        stored = self.source.stored()
        picks = stored.from_first_row(height_px, micrograph_name=micrograph.name, pixel_size_angstrom=pixel_size)
        return turned(picks, self.orientation, micrograph.shape)

    def faults(self) -> tuple[str, ...]:
        """Return a line for the user for each row that cannot be read and is left out."""
        try:
            return self.source.stored().faults
        except TableError:  # told with the micrograph's result
            return ()

    def carried(self) -> CarriedRows | None:
        """Return what their table says of the picks besides, in their order; None if it says nothing.

        Raises:
            TableError: if the coordinate file is broken.
        """
        return self.source.stored().carried

    def digest(self) -> str:
        """Return the SHA-256 of all that decides the picks, as hexadecimal digits."""
        turn = b"" if self.orientation is Orientation.IDENTITY else self.orientation.value.encode()
        return hashlib.sha256(self.source.content() + turn).hexdigest()


def of_species(picked: Sequence[PickedMicrograph], number: int) -> list[PickedMicrograph]:
    """Leave out the picks of all species but one; of micrographs whose picks cannot be read, nothing yet.

    Raises:
        SettingsError: if no pick is of that species.
    """
    kept, known = list[PickedMicrograph](), set[int]()
    for each in picked:
        try:
            species = each.source.stored().picks.species_numbers
        except TableError:  # told with the micrograph's result
            kept.append(each)
            continue
        known |= {*species.tolist()}
        kept.append(replace(each, source=SomePicks(each.source, np.flatnonzero(species == number))))
    if known and number not in known:
        have = " and ".join(map(str, sorted(known)))
        raise SettingsError(f"--species {number}: no pick is of it; their species are {have}")
    return kept


def find_picks(path: Path, files: Sequence[MicrographFile]) -> tuple[list[PickedMicrograph], list[str]]:
    """Match picks with micrographs.

    Args:
        path: an output folder of ours, a folder of coordinate files, a list of them (`autopick.star`), or a particles
            STAR, whose origins are taken into account.
        files: the micrographs.

    Returns:
        The micrographs that have picks, and lines for the user about those that do not match and rows left out.

    Raises:
        SettingsError: if the path does not exist, or not one micrograph has picks.
        TableError: if a table is broken.
    """
    folder, is_own = PickFolder(path), holds_own_picks(path)
    own = [(file, folder.picks_path(key)) for file, key in zip(files, _own_keys(folder, files), strict=True)]
    picked = [PickedMicrograph(file, _CoordinateFile(picks), is_own) for file, picks in own if is_there(picks)]
    unused = 0
    if not picked:
        sources: dict[str, PickSource] = {
            name: _TablePicks(stored) for name, stored in read_stored_folder(path).items()
        }
        picked = [replace(each, is_own=is_own) for each in _matched(path, files, sources)]
        unused = len(sources) - len(picked)
        lines = [fault for source in sources.values() for fault in source.stored().faults]
        found = {each.file.key for each in picked}
        without = [file.name for file in files if file.key not in found]
        lines += [f"{table}: holds no coordinates that are read" for table in unread_tables(path, without)]
    else:
        lines = [fault for each in picked for fault in each.faults()]
    if len(picked) < len(files):
        lines.append(f"no picks in {path} for {len(files) - len(picked)} of {len(files)} micrographs: left out")
    if unused > 0:
        lines.append(f"picks in {path} for micrographs that are not given: {unused} left out")
    return picked, lines


def _own_keys(folder: PickFolder, files: Sequence[MicrographFile]) -> list[str]:
    """Return the names by which micrographs were picked: a STAR file may name one otherwise than a folder does."""
    try:
        return [file.key for file in folder.with_known_keys(files)]
    except SettingsError:  # another program's folder, with other settings
        return [file.key for file in files]


def _matched(path: Path, files: Sequence[MicrographFile], sources: Mapping[str, PickSource]) -> list[PickedMicrograph]:
    """Pair micrographs with sources by name or stem.

    Raises:
        SettingsError: if there is not one pair, or two micrographs have a claim to one source.
    """
    found = [(file, find_by_name(sources, file.name)) for file in files]
    picked = [PickedMicrograph(file, source) for file, source in found if source is not None]
    if not picked:
        named = f"it has those of {', '.join(sorted(sources)[:2])}"
        there = named if sources else f"it has none at all, of the tables that are read: {readable_tables()}"
        raise SettingsError(f"{path}: no picks for {files[0].name} or any other micrograph given: {there}")
    owners: dict[int, MicrographFile] = {}
    for each in picked:
        owner = owners.setdefault(id(each.source), each.file)
        if owner is not each.file:
            raise SettingsError(f"{path}: cannot tell whether picks are of {owner.path} or of {each.file.path}")
    return picked


def holds_own_picks(path: Path) -> bool:
    """Tell whether picks are those that a job or a run of this program has left, in its folder or as a list in it."""
    whole = path.absolute()
    if any((up / _RUN).is_file() and whole.relative_to(up).parts[0] in _IN_RUN for up in whole.parents):
        return True
    folder = path.parent if path.name in _OWN_LISTS else path
    try:
        return "job" in json.loads(PickFolder(folder).settings_path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def diameter_of(path: Path) -> float | None:
    """Return the particle diameter in angstrom that picks or classes were made with, or None.

    Args:
        path: an output folder, or a file in it.
    """
    return _recorded_number(path, "diameter_angstrom")


def pixel_size_of(path: Path) -> float | None:
    """Return the pixel size in angstrom that was given when the micrographs were picked, or None.

    Args:
        path: an output folder, or a file in it.
    """
    return _recorded_number(path, "pixel_size_angstrom")


def contrast_for(
    given: Contrast | None,
    path: Path,
    files: Sequence[MicrographFile],
    pixel_size_angstrom: float | None,
    cpus: int,
    device: str = "cpu",
) -> Contrast:
    """Return the contrast of protein: as given, as the micrographs were picked, or else as they show it.

    Args:
        given: what the user says; None where nothing.
        path: an output folder with picks, or picks from elsewhere.
        files: the micrographs.
        pixel_size_angstrom: of all micrographs; None takes it from the STAR file or the image's header.
        cpus: processors to use.
        device: where to compute, as torch names it.

    Raises:
        SettingsError: if the survey in the folder cannot be understood.
    """
    said = given or _recorded(path, "contrast")
    if said in tuple(Contrast):
        return Contrast(said)
    kept = read_survey(_folder(path))
    return (kept or survey_files(files, pixel_size_angstrom, cpus, device)).taken_contrast


def _folder(path: Path) -> Path:
    return path.parent if path.exists() and not path.is_dir() else path


def _recorded_number(path: Path, name: str) -> float | None:
    try:
        return float(_recorded(path, name))
    except (ValueError, TypeError):
        return None


def _recorded(path: Path, name: str) -> Any:  # noqa: ANN401 (a JSON value)
    """Return one of the settings by which picks were made; None where there are none, or not of ours."""
    try:
        return json.loads(PickFolder(_folder(path)).settings_path.read_text(encoding="utf-8"))["settings"][name]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
