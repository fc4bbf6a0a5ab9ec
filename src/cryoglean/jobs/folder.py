"""The output folder of a job: where each file lies, what is there already, and whether this job may go on in it."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

import cryoglean
from cryoglean.errors import SettingsError, TableError
from cryoglean.io.atomic import clean_leftovers, write_atomic_text
from cryoglean.io.coordinates import read_picks
from cryoglean.io.csv_tables import csv_text
from cryoglean.pickers.localpicker.picker import LocalpickerModel
from cryoglean.pickers.matcher.picker import MatcherFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cryoglean.jobs.result import MicrographResult
    from cryoglean.micrograph import MicrographFile
    from cryoglean.picks import Picks

_Model = TypeVar("_Model", bound=BaseModel)

_LEDGER_COLUMNS = ("key", "micrograph", "path", "picks")
_REJECTED_COLUMNS = ("micrograph", "path", "reason")


@dataclass(frozen=True)
class Entry:
    """One micrograph with results in the folder's list.

    Attributes:
        key: its unique name in the folder.
        micrograph: its name in tables.
        path: its file, absolute.
        picks: how many picks, or particles, it has.
    """

    key: str
    micrograph: str
    path: str
    picks: int


@dataclass(frozen=True)
class OutputFolder:
    """State of an output folder.

    Attributes:
        root: the folder.
        job: the command whose results it holds.
        patterns: of the files that the job leaves in it, relative to the folder.
    """

    root: Path
    job: str
    patterns: tuple[str, ...]

    @property
    def settings_path(self) -> Path:
        """What the results were made with."""
        return self.root / "settings.json"

    @property
    def ledger_path(self) -> Path:
        """The list of all micrographs with results."""
        return self.root / "micrographs.csv"

    @property
    def rejected_path(self) -> Path:
        """The list of micrographs set aside, with the reasons."""
        return self.root / "rejected.csv"

    def claim(
        self,
        settings: Mapping[str, Any],
        files: Sequence[MicrographFile],
        *,
        force: bool,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        """Take the folder for a job: make it, see that it can be written and holds no other job's results.

        Args:
            settings: all that decides the result, as JSON values.
            files: the micrographs.
            force: forget what this command has left here, with whatever settings.
            provenance: what does not decide the result, as JSON values, if it is to be kept.

        Raises:
            SettingsError: if it cannot be written, holds results of another command, of other settings or of another
                micrograph of the same name.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            clean_leftovers(self.root)
            self._refuse_other_results(settings, force=force)
            if force and self.recorded() is not None:
                self._forget()
            self._refuse_others_of_same_name(files)
            said = {
                "job": self.job,
                "settings": dict(settings),
                "inputs": self.inputs() | {file.key: str(file.path.resolve()) for file in files},
                "version": cryoglean.__version__,
            } | ({} if provenance is None else {"provenance": dict(provenance)})
            write_atomic_text(self.settings_path, json.dumps(said, indent=2) + "\n")
        except OSError as error:
            raise SettingsError(f"--out {self.root} cannot be written: {error.strerror or error}") from error

    def recorded(self) -> tuple[str, Mapping[str, Any]] | None:
        """Return the command whose results are here and its settings, or None in a new folder.

        Raises:
            SettingsError: if the record is there and cannot be understood.
        """
        try:
            said = json.loads(self.settings_path.read_text(encoding="utf-8"))
            return said["job"], dict(said["settings"])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{self.settings_path} is damaged ({error!r}): name another --out") from error

    def inputs(self) -> dict[str, str]:
        """Return the files of all runs in this folder by key; written before work begins, so a kill loses none."""
        if self.recorded() is None:
            return {}
        known: dict[str, str] = json.loads(self.settings_path.read_text(encoding="utf-8")).get("inputs", {})
        return known

    def provenance(self) -> dict[str, str]:
        """Return what the last job here was made with besides its settings, the version first, as text."""
        if self.recorded() is None:
            return {}
        said = json.loads(self.settings_path.read_text(encoding="utf-8"))
        provenance = {name: str(value) for name, value in said.get("provenance", {}).items() if value is not None}
        return {"cryoglean": str(said.get("version"))} | provenance

    def with_known_keys(self, files: Sequence[MicrographFile]) -> list[MicrographFile]:
        """Give micrographs the keys that they had in earlier runs: a key may depend on what else is named."""
        key_of = {path: key for key, path in self.inputs().items()}
        return [replace(file, key=key_of.get(str(file.path.resolve()), file.key)) for file in files]

    def result_path(self, key: str) -> Path | None:  # noqa: ARG002 (a folder of micrographs' results has one)
        """Return the file that shows that a micrograph is done, if there is one."""
        return None

    def _refuse_other_results(self, settings: Mapping[str, Any], *, force: bool) -> None:
        recorded = self.recorded()
        if recorded is None:
            return
        job, before = recorded
        if job != self.job:
            raise SettingsError(f"{self.root} holds results of cryoglean {job}, not of {self.job}: name another --out")
        if before != settings and not force:
            raise SettingsError(
                f"{self.root} holds results of other settings ({difference(before, settings)}): "
                "name another --out, or --force to make them anew"
            )

    def _refuse_others_of_same_name(self, files: Iterable[MicrographFile]) -> None:
        """See that no result is of another micrograph of equal name: it would pass for this one's."""
        known = self.inputs()
        for file in files:
            before = known.get(file.key)
            if before is not None and before != str(file.path.resolve()):
                raise SettingsError(
                    f"{self.root} holds results of {before} as {file.key!r}, the name of {file.path}: "
                    "name another --out"
                )
            if before is None and (path := self.result_path(file.key)) is not None and path.exists():
                raise SettingsError(f"{path} is there and was not made here: move it away, or name another --out")

    def _forget(self) -> None:
        """Remove the results of earlier runs, all of them: an old file left over would pass for a new one."""
        lists = (self.ledger_path.name, self.rejected_path.name, self.settings_path.name)
        for pattern in (*self.patterns, *lists):
            for path in self.root.glob(pattern):
                path.unlink()

    def ledger(self) -> dict[str, Entry]:
        """Return the micrographs with results by key, of all runs in this folder.

        Raises:
            SettingsError: if the list is there and cannot be understood.
        """
        try:
            with self.ledger_path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            return {row["key"]: Entry(row["key"], row["micrograph"], row["path"], int(row["picks"])) for row in rows}
        except FileNotFoundError:
            return {}
        except (KeyError, ValueError, TypeError, csv.Error) as error:
            raise SettingsError(f"{self.ledger_path} is damaged ({error}): --force makes it anew") from error

    def record(self, results: Iterable[MicrographResult]) -> dict[str, Entry]:
        """Write the lists of micrographs with results, those of earlier runs too, and of those set aside in this one.

        Returns:
            The micrographs with results by key, in order of their keys.
        """
        entries, rejected = self.ledger(), []
        for o in results:
            if o.reason is None:
                entries[o.file.key] = Entry(o.file.key, o.file.name, str(o.file.path.resolve()), o.count)
            else:
                rejected.append((o.file.name, str(o.file.path), o.reason))
        entries = dict(sorted(entries.items()))
        rows = ((e.key, e.micrograph, e.path, e.picks) for e in entries.values())
        write_atomic_text(self.ledger_path, csv_text(_LEDGER_COLUMNS, rows))
        write_atomic_text(self.rejected_path, csv_text(_REJECTED_COLUMNS, rejected))
        return entries


PICK_RESULTS = (
    "picks/**/*_autopick.star",
    "csv/**/*.csv",
    "plots/**/*.png",
    "localpicker.*",
    "matcher.json",
    "emmae.*",
    "emmae_clusters.png",
    "mae/*",
    "autopick.star",
    "micrographs.star",
    "counts.png",
    "report.html",
)


class PickFolder(OutputFolder):
    """The output folder of `cryoglean pick`: where each file lies, and what is there already."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "pick", PICK_RESULTS)

    def picks_path(self, key: str) -> Path:
        """Where the picks of a micrograph lie."""
        return self.root / "picks" / f"{key}_autopick.star"

    def result_path(self, key: str) -> Path:
        """Do as `OutputFolder.result_path`."""
        return self.picks_path(key)

    def csv_path(self, key: str) -> Path:
        """Where the same picks lie as CSV, if asked for."""
        return self.root / "csv" / f"{key}.csv"

    def plot_path(self, key: str) -> Path:
        """Where the picture of a micrograph with its picks lies."""
        return self.root / "plots" / f"{key}.png"

    @property
    def model_path(self) -> Path:
        """What Localpicker learned from the set."""
        return self.root / "localpicker.json"

    @property
    def matcher_path(self) -> Path:
        """What Matcher learned from the set besides."""
        return self.root / "matcher.json"

    @property
    def autopick_path(self) -> Path:
        """The list of coordinate files for RELION 4 and 5."""
        return self.root / "autopick.star"

    def read_model(self) -> LocalpickerModel | None:
        """Return what Localpicker learned here before, or None.

        Raises:
            SettingsError: if the file is there and cannot be understood.
        """
        return self._learned(self.model_path, LocalpickerModel)

    def read_matcher(self) -> MatcherFacts | None:
        """Return what Matcher learned here before, or None.

        Raises:
            SettingsError: if the file is there and cannot be understood.
        """
        return self._learned(self.matcher_path, MatcherFacts)

    def done_picks(self, key: str) -> Picks | None:
        """Return the picks of a micrograph if they are there and whole."""
        try:
            return read_picks(self.picks_path(key))
        except (FileNotFoundError, TableError):
            return None

    @staticmethod
    def _learned(path: Path, kind: type[_Model]) -> _Model | None:
        try:
            return kind.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise SettingsError(f"{path} is damaged or of another version: --force makes it anew") from error


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name the settings that differ, old and new value, in one line."""
    old, new = _flat(before), _flat(now)
    said = [
        f"{n} {old.get(n)!r}, now {new.get(n)!r}" for n in sorted(old.keys() | new.keys()) if old.get(n) != new.get(n)
    ]
    return "; ".join(said)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Name settings within settings as in `specimen.spacing`."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= {f"{name}.{n}": v for n, v in _flat(value).items()} if isinstance(value, dict) else {name: value}
    return flat
