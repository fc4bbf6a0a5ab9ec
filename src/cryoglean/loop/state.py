"""`run.json`: what a run was told, what each stage found, what was decided and why; written whole after each step.

A stage that stands in it is done. One that does not is begun again in its folder, where its own job goes on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cryoglean
from cryoglean.errors import SettingsError
from cryoglean.io.atomic import clean_leftovers, write_atomic_text
from cryoglean.jobs.output_folder import difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryoglean.micrograph import MicrographFile

SCHEMA = 1
"""Version of the file's layout."""

NAME = "run.json"

JUDGED = "judged by classes"
"""The decision that tells how many picks of a round were judged and kept, and the contest with the round before."""


@dataclass(frozen=True)
class RunFile:
    """The state of a run.

    Attributes:
        root: the run folder.
        data: what the file holds, as JSON values; see `docs/run.md`.
    """

    root: Path
    data: dict[str, Any]

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.root / NAME

    def found(self, number: int, stage: str) -> dict[str, Any] | None:
        """Return what a stage of a round has found, or None if it is not done."""
        entries = (e for e in self.data["stages"] if e["round"] == number and e["stage"] == stage)
        entry = next(entries, None)
        return None if entry is None else entry["found"]

    def add(self, number: int, stage: str, found: Mapping[str, Any], seconds: float) -> None:
        """Record a stage as done.

        Raises:
            OSError: if the file cannot be written.
        """
        said = {"round": number, "stage": stage, "seconds": round(seconds, 2), "found": dict(found)}
        self.data["stages"].append(said)
        self.write()

    def decide(self, number: int, what: str, decision: object, reason: str) -> bool:
        """Record a decision; return whether it is new, as after a kill the same are made again.

        Raises:
            OSError: if the file cannot be written.
        """
        said = {"round": number, "what": what, "decision": decision, "reason": reason}
        if said in self.data["decisions"]:
            return False
        self.data["decisions"].append(said)
        self.write()
        return True

    def set(self, **values: object) -> None:
        """Record how the run stands.

        Raises:
            OSError: if the file cannot be written.
        """
        if any(self.data.get(name) != value for name, value in values.items()):
            self.data.update(values)
            self.write()

    def write(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: if it cannot be written.
        """
        write_atomic_text(self.path, json.dumps(self.data, indent=1) + "\n")


def open_run(
    root: Path, settings: Mapping[str, Any], files: Sequence[MicrographFile]
) -> tuple[RunFile, list[MicrographFile]]:
    """Begin a run, or go on with the one that is there.

    Args:
        root: the run folder.
        settings: all that decides the result, as JSON values.
        files: all micrographs, with which a run may have become larger.

    Returns:
        The run, and the micrographs with the keys that they had before.

    Raises:
        SettingsError: if the folder holds something else, or a run of another version, other settings or other
            micrographs; nothing is changed then.
    """
    data = _read(root / NAME)
    if data is None:
        _refuse_other_folder(root)
        data = {"schema": SCHEMA, "version": cryoglean.__version__, "settings": dict(settings), "micrographs": {}}
        data |= {"status": "running", "subset": None, "waiting": None, "stages": [], "decisions": []}
    else:
        _refuse_other_run(root, data, settings)
    known = {path: key for key, path in data["micrographs"].items()}
    files = [replace(file, key=known.get(_path(file), file.key)) for file in files]
    data["micrographs"] |= _new_keys(root, data["micrographs"], files)
    try:
        root.mkdir(parents=True, exist_ok=True)
        clean_leftovers(root)
        run = RunFile(root, data)
        run.write()
    except OSError as error:
        raise SettingsError(f"--out {root} cannot be written: {error.strerror or error}") from error
    return run, files


def read_run(root: Path) -> RunFile:
    """Read a run as it stands; nothing is changed.

    Args:
        root: the run folder.

    Raises:
        SettingsError: if there is no run, or one whose file is laid out otherwise.
    """
    data = _read(root / NAME)
    if data is None:
        raise SettingsError(f"{root} holds no {NAME}: give the folder that cryoglean run was told as --out")
    if data["schema"] != SCHEMA:
        raise SettingsError(f"{root / NAME} has layout {data['schema']}, this is layout {SCHEMA}: another version's")
    return RunFile(root, data)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} is damaged ({error}): name another --out; results here are untouched") from error
    if not isinstance(data, dict) or "schema" not in data:
        raise SettingsError(f"{path} is not a run's: name another --out")
    return data


def _refuse_other_folder(root: Path) -> None:
    for name in ("settings.json", "picks", "rounds"):
        if (root / name).exists():
            raise SettingsError(f"{root} holds other results ({name}) and no {NAME}: name another --out")


def _refuse_other_run(root: Path, data: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    advice = "what is there is untouched; name another --out for a new run"
    if data["schema"] != SCHEMA or data.get("version") != cryoglean.__version__:
        raise SettingsError(
            f"{root} holds a run of cryoglean {data.get('version')} (layout {data['schema']}), this is "
            f"{cryoglean.__version__} (layout {SCHEMA}): go on with that version; {advice}"
        )
    if data["settings"] != settings:
        said = difference(data["settings"], settings)
        raise SettingsError(f"{root} holds a run of other settings ({said}): repeat them to go on; {advice}")


def _path(file: MicrographFile) -> str:
    return str(file.path.resolve())


def _new_keys(root: Path, known: Mapping[str, str], files: Sequence[MicrographFile]) -> dict[str, str]:
    """Return the micrographs that are new, by key.

    Raises:
        SettingsError: if some of the run are missing now, or one has the key of another.
    """
    now = {file.key: _path(file) for file in files}
    missing = [path for path in known.values() if path not in now.values()]
    if missing:
        raise SettingsError(
            f"{root} is a run with {missing[0]}, which is not given now: give it, too, or another --out"
        )
    clash = next((key for key, path in now.items() if known.get(key, path) != path), None)
    if clash is not None:
        raise SettingsError(f"{root} has a micrograph {clash!r} from {known[clash]}, not {now[clash]}: another --out")
    return now
