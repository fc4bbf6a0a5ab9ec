"""Sources of picks: our output folder, another program's coordinate files, or one particles STAR."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.coordinates import read_picks, relion_y_convention
from cryoglean.io.particles import is_particles_star, places_by_micrograph, read_particles
from cryoglean.io.pick_folders import read_stored_folder, stem_of
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.particles.recentring import recentred
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryoglean.io.coordinates.format import StoredPicks
    from cryoglean.io.particles import ParticlePlaces
    from cryoglean.micrograph import Micrograph, MicrographFile


class PickSource(Protocol):
    """Picks of one micrograph, which may need the micrograph to be understood."""

    def picks(self, micrograph: Micrograph) -> Picks:
        """Return the true centres in pixels as stored; y counts from the first row.

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
    """Coordinate file of one micrograph, read when it is needed."""

    path: Path

    def picks(self, micrograph: Micrograph) -> Picks:
        return read_picks(self.path, height_px=micrograph.shape[0])

    def content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise TableError(self.path, error.strerror or str(error)) from error


@dataclass(frozen=True, eq=False)
class _TablePicks:
    """Picks that were read from a coordinate file, alone or with those of other micrographs."""

    stored: StoredPicks

    def picks(self, micrograph: Micrograph) -> Picks:
        return self.stored.from_first_row(micrograph.shape[0])

    def content(self) -> bytes:
        return np.stack([self.stored.picks.x, self.stored.picks.y, self.stored.picks.score]).tobytes()


@dataclass(frozen=True, eq=False)
class _AlignedParticles:
    """Particles of one micrograph in a particles STAR, to be moved by their origins."""

    places: ParticlePlaces

    def picks(self, micrograph: Micrograph) -> Picks:
        x, y, score, shifts = self.places
        aligned = recentred(Picks(x, y, score, "foreign"), shifts, micrograph.pixel_size_angstrom)
        y = relion_y_convention(micrograph.name).convert(aligned.y, micrograph.shape[0])
        return Picks(aligned.x, y, aligned.score, aligned.score_kind)

    def content(self) -> bytes:
        return b"".join(np.ascontiguousarray(column).tobytes() for column in self.places)


@dataclass(frozen=True, eq=False)
class PickedMicrograph:
    """One micrograph and the source of its picks."""

    file: MicrographFile
    source: PickSource

    def picks(self, micrograph: Micrograph) -> Picks:
        """Return the picks, given the image of `file`; see `PickSource.picks`."""
        return self.source.picks(micrograph)

    def digest(self) -> str:
        """Return the SHA-256 of all that decides the picks, as hexadecimal digits."""
        return hashlib.sha256(self.source.content()).hexdigest()


def find_picks(path: Path, files: Sequence[MicrographFile]) -> tuple[list[PickedMicrograph], list[str]]:
    """Match picks with micrographs.

    Args:
        path: an output folder of ours, a folder of coordinate files, a list of them (`autopick.star`), or a particles
            STAR, whose origins are taken into account.
        files: the micrographs.

    Returns:
        The micrographs that have picks, and lines for the user about those that do not match.

    Raises:
        SettingsError: if the path does not exist, or not one micrograph has picks.
        TableError: if a table is broken.
    """
    own = [(file, PickFolder(path).picks_path(file.key)) for file in files]
    picked = [PickedMicrograph(file, _CoordinateFile(picks)) for file, picks in own if picks.is_file()]
    unused = 0
    if not picked:
        sources = _particle_sources(path) if is_particles_star(path) else _table_sources(path)
        picked = _matched(path, files, sources)
        unused = len({id(source) for source in sources.values()}) - len(picked)
    lines = []
    if len(picked) < len(files):
        lines.append(f"no picks in {path} for {len(files) - len(picked)} of {len(files)} micrographs: left out")
    if unused > 0:
        lines.append(f"picks in {path} for micrographs that are not given: {unused} left out")
    return picked, lines


def _table_sources(path: Path) -> dict[str, PickSource]:
    return {stem: _TablePicks(stored) for stem, stored in read_stored_folder(path).items()}


def _particle_sources(path: Path) -> dict[str, PickSource]:
    """Return the particles of a particles STAR by the micrograph's name, and by its stem where that is unique."""
    by_name = places_by_micrograph(path, read_particles(path))
    sources = {name: _AlignedParticles(places) for name, places in by_name.items()}
    stems = [stem_of(name) for name in sources]
    unique = {stem: sources[name] for stem, name in zip(stems, sources, strict=True) if stems.count(stem) == 1}
    return {**unique, **sources}


def _matched(path: Path, files: Sequence[MicrographFile], sources: Mapping[str, PickSource]) -> list[PickedMicrograph]:
    """Pair micrographs with sources by name or stem.

    Raises:
        SettingsError: if there is not one pair, or two micrographs have a claim to one source.
    """
    found = [(file, sources.get(file.name, sources.get(stem_of(file.name)))) for file in files]
    picked = [PickedMicrograph(file, source) for file, source in found if source is not None]
    if not picked:
        there = f"it has those of {', '.join(sorted(sources)[:2])}" if sources else "it has none at all"
        raise SettingsError(f"{path}: no picks for {files[0].name} or any other micrograph given: {there}")
    owners: dict[int, MicrographFile] = {}
    for each in picked:
        owner = owners.setdefault(id(each.source), each.file)
        if owner is not each.file:
            raise SettingsError(f"{path}: cannot tell whether picks are of {owner.path} or of {each.file.path}")
    return picked


def diameter_of(path: Path) -> float | None:
    """Return the particle diameter in angstrom that picks or classes were made with, or None.

    Args:
        path: an output folder, or a file in it.
    """
    return _recorded(path, "diameter_angstrom")


def pixel_size_of(path: Path) -> float | None:
    """Return the pixel size in angstrom that was given when the micrographs were picked, or None.

    Args:
        path: an output folder, or a file in it.
    """
    return _recorded(path, "pixel_size_angstrom")


def _recorded(path: Path, name: str) -> float | None:
    folder = path.parent if path.is_file() else path
    try:
        return float(json.loads(PickFolder(folder).settings_path.read_text(encoding="utf-8"))["settings"][name])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
