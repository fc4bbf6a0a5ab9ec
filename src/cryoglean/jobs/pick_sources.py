"""Where the picks of each micrograph are: in our output folder, in another program's, or in one particles STAR."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError
from cryoglean.io.coordinates import read_picks, relion_y_convention
from cryoglean.io.particles import ParticlePlaces, places_by_micrograph, read_particles
from cryoglean.io.pick_folders import read_picks_folder, stem_of
from cryoglean.io.star import read_star
from cryoglean.jobs.folder import PickFolder
from cryoglean.particles.recentring import recentred
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryoglean.micrograph import Micrograph, MicrographFile


@dataclass(frozen=True, eq=False)
class Task:
    """One micrograph and where its picks are: a file, or at hand.

    Attributes:
        file: the micrograph.
        source: a coordinate file, picks, or places of a particles STAR.
    """

    file: MicrographFile
    source: Path | Picks | ParticlePlaces

    def picks(self, micrograph: Micrograph) -> Picks:
        """Return the true centres in pixels as stored; y counts from the first row.

        Raises:
            TableError: if the coordinate file is broken.
        """
        if isinstance(self.source, Picks):
            return self.source
        if isinstance(self.source, ParticlePlaces):
            x, y, score, shifts = self.source
            aligned = recentred(Picks(x, y, score, "foreign"), shifts, micrograph.pixel_size_angstrom)
            y = relion_y_convention(self.file.name).convert(aligned.y, micrograph.shape[0])
            return Picks(aligned.x, y, aligned.score, aligned.score_kind)
        return read_picks(self.source)


def find_tasks(path: Path, files: Sequence[MicrographFile]) -> tuple[list[Task], list[str]]:
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
    own = PickFolder(path)
    tasks = [Task(file, own.picks_path(file.key)) for file in files if own.picks_path(file.key).is_file()]
    left = 0
    if not tasks:
        found = _by_name(path) if _is_particles(path) else read_picks_folder(path)
        sources = [found.get(file.name, found.get(stem_of(file.name))) for file in files]
        tasks = [Task(file, source) for file, source in zip(files, sources, strict=True) if source is not None]
        _refuse_shared(path, tasks)
        left = len({id(source) for source in found.values()}) - len(tasks)
        if not tasks:
            there = f"it has those of {', '.join(sorted(found)[:2])}" if found else "it has none at all"
            raise SettingsError(f"{path}: no picks for {files[0].name} or any other micrograph given: {there}")
    said = []
    if len(tasks) < len(files):
        said.append(f"{len(files) - len(tasks)} of {len(files)} micrographs have no picks in {path} and are left out")
    if left > 0:
        said.append(f"picks of {left} micrographs that are not given are left out")
    return tasks, said


def _refuse_shared(path: Path, tasks: Sequence[Task]) -> None:
    by_source: dict[int, MicrographFile] = {}
    for task in tasks:
        other = by_source.setdefault(id(task.source), task.file)
        if other is not task.file:
            raise SettingsError(f"{path}: cannot tell whether picks are of {other.path} or of {task.file.path}")


def diameter_of(path: Path) -> float | None:
    """Return the particle diameter in angstrom that picks or classes were made with, or None.

    Args:
        path: an output folder, or a file in it.
    """
    return _recorded(path, "diameter_angstrom")


def pixel_size_of(path: Path) -> float | None:
    """Return the pixel size in angstrom that micrographs were said to have when they were picked, or None.

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


def _is_particles(path: Path) -> bool:
    """Say whether a path is one table with the particles of many micrographs."""
    if path.suffix.lower() != ".star" or not path.is_file():
        return False
    return any("rlnMicrographName" in t.columns and "rlnCoordinateX" in t.columns for t in read_star(path).values())


def _by_name(path: Path) -> dict[str, Picks | ParticlePlaces]:
    """Return the places of a particles STAR by the micrograph's name, and by its stem where that is unique."""
    places = places_by_micrograph(path, read_particles(path))
    stems = [stem_of(name) for name in places]
    unique = {stem: name for stem, name in zip(stems, places, strict=True) if stems.count(stem) == 1}
    return {**{stem: places[name] for stem, name in unique.items()}, **places}
