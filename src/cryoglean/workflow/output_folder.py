"""The output folder of a job: where each file lies, what is there already, and whether this job may go on in it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cryoglean
from cryoglean.errors import SettingsError, TableError
from cryoglean.io.atomic import clean_leftovers, write_atomic_text
from cryoglean.io.coordinates import read_picks
from cryoglean.pickers.localpicker import LocalpickerModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cryoglean.micrograph import MicrographFile
    from cryoglean.picks import Picks

_LEDGER_COLUMNS = ("key", "micrograph", "path", "picks")
_REJECTED_COLUMNS = ("micrograph", "path", "reason")


@dataclass(frozen=True)
class Entry:
    """One picked micrograph in the folder's list.

    Attributes:
        key: its unique name in the folder.
        micrograph: its name in tables.
        path: its file, absolute.
        picks: how many picks it has.
    """

    key: str
    micrograph: str
    path: str
    picks: int


@dataclass(frozen=True)
class OutputFolder:
    """Names and state of an output folder.

    Attributes:
        root: the folder.
    """

    root: Path

    def picks_path(self, key: str) -> Path:
        """Where the picks of a micrograph lie."""
        return self.root / "picks" / f"{key}_autopick.star"

    def csv_path(self, key: str) -> Path:
        """Where the same picks lie as CSV, if asked for."""
        return self.root / "csv" / f"{key}.csv"

    def plot_path(self, key: str) -> Path:
        """Where the picture of a micrograph with its picks lies."""
        return self.root / "plots" / f"{key}.png"

    @property
    def settings_path(self) -> Path:
        """What the picks were made with."""
        return self.root / "settings.json"

    @property
    def ledger_path(self) -> Path:
        """The list of all picked micrographs."""
        return self.root / "micrographs.csv"

    @property
    def rejected_path(self) -> Path:
        """The list of micrographs set aside, with the reasons."""
        return self.root / "rejected.csv"

    @property
    def model_path(self) -> Path:
        """What Localpicker learned from the set."""
        return self.root / "localpicker.json"

    @property
    def autopick_path(self) -> Path:
        """The list of coordinate files for RELION 4 and 5."""
        return self.root / "autopick.star"

    def claim(self, settings: Mapping[str, Any], files: Sequence[MicrographFile], *, force: bool) -> None:
        """Take the folder for a job: make it, see that it can be written and holds no other job's results.

        Args:
            settings: all that decides the result, as JSON values.
            files: the micrographs to be picked.
            force: take it whatever it holds, and forget what is done.

        Raises:
            SettingsError: if it cannot be written, was made with other settings, or holds picks of another micrograph
                of the same name.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            clean_leftovers(self.root)
            before = None if force else self._settings_before()
            if before is not None and before != settings:
                raise SettingsError(
                    f"{self.root} holds picks made with other settings ({_difference(before, settings)}): "
                    "name another --out, or --force to make them anew"
                )
            if force:
                self._forget()
            self._refuse_others_of_same_name(files)
            inputs = [str(file.path) for file in files]
            said = {"settings": dict(settings), "inputs": inputs, "version": cryoglean.__version__}
            write_atomic_text(self.settings_path, json.dumps(said, indent=2) + "\n")
        except OSError as error:
            raise SettingsError(f"--out {self.root} cannot be written: {error.strerror or error}") from error

    def _refuse_others_of_same_name(self, files: Iterable[MicrographFile]) -> None:
        """See that no micrograph of equal name from elsewhere was picked here: its picks would pass for this one's."""
        known = self.ledger()
        for file in files:
            entry = known.get(file.key)
            if entry is not None and entry.path != str(file.path.resolve()):
                raise SettingsError(
                    f"{self.picks_path(file.key)} was made from {entry.path}, not from {file.path}: name another --out"
                )

    def read_model(self) -> LocalpickerModel | None:
        """Return what Localpicker learned here before, or None.

        Raises:
            SettingsError: if the file is there and cannot be understood.
        """
        try:
            return LocalpickerModel.model_validate_json(self.model_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise SettingsError(f"{self.model_path} is damaged or of another version: --force makes it anew") from error

    def done_picks(self, key: str) -> Picks | None:
        """Return the picks of a micrograph if they are there and whole."""
        try:
            return read_picks(self.picks_path(key))
        except (FileNotFoundError, TableError):
            return None

    def ledger(self) -> dict[str, Entry]:
        """Return the picked micrographs by key, of all runs in this folder.

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

    def write_ledger(self, entries: Iterable[Entry]) -> None:
        """Write the list of picked micrographs, in order of their keys."""
        rows = ((e.key, e.micrograph, e.path, e.picks) for e in sorted(entries, key=lambda e: e.key))
        write_atomic_text(self.ledger_path, _csv_text(_LEDGER_COLUMNS, rows))

    def write_rejected(self, rejected: Iterable[tuple[str, str, str]]) -> None:
        """Write the list of micrographs set aside: (micrograph, path, reason)."""
        write_atomic_text(self.rejected_path, _csv_text(_REJECTED_COLUMNS, rejected))

    def _settings_before(self) -> Mapping[str, Any] | None:
        try:
            said = json.loads(self.settings_path.read_text(encoding="utf-8"))
            settings: Mapping[str, Any] = said["settings"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{self.settings_path} is damaged ({error}): --force makes it anew") from error
        return settings

    def _forget(self) -> None:
        """Remove the results of earlier jobs, all of them: an old file left over would pass for a new one."""
        results = {"picks": "*_autopick.star", "csv": "*.csv", "plots": "*.png"}
        for folder, pattern in results.items():
            for path in (self.root / folder).rglob(pattern):
                path.unlink()
        for path in (self.ledger_path, self.rejected_path, self.model_path, self.autopick_path):
            path.unlink(missing_ok=True)


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name the settings that differ, old and new value."""
    names = sorted(before.keys() | now.keys())
    said = [f"{n} {before.get(n)!r}, now {now.get(n)!r}" for n in names if before.get(n) != now.get(n)]
    return "; ".join(said)


def _csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return text.getvalue()
