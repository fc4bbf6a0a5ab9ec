"""Output folder of a job: where each file lies, what is there already, and whether this job may go on in it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

import cryoglean
from cryoglean.errors import SettingsError
from cryoglean.io.atomic import clean_leftovers, write_atomic_text
from cryoglean.io.relion_project import path_from_project, project_above
from cryoglean.jobs.folder_lock import refuse_if_lost
from cryoglean.jobs.known_inputs import (
    KnownInput,
    describe_inputs,
    find_masked_otherwise,
    find_replaced,
    find_stranger,
    with_known_keys,
)
from cryoglean.jobs.micrograph_lists import LIST_DIGITS, LedgerRow, RejectedRow, read_rows, write_rows
from cryoglean.jobs.records import Record, read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryoglean.jobs.result import MicrographResult
    from cryoglean.micrograph import MicrographFile


class FolderRecord(Record):
    """Content of `settings.json`.

    Attributes:
        schema_version: of this layout.
        job: the command whose results are in the folder.
        settings: all that decides the result.
        inputs: the micrographs' files by key, of all calls.
        project: the folder that names in tables count from, from the output folder.
        version: of cryoglean.
        provenance: the call, the device and the versions of the last call, where the job tells them.
    """

    schema_version: Literal[2]
    job: str
    settings: dict[str, Any]
    inputs: dict[str, KnownInput]
    project: str
    version: str
    provenance: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class OutputFolder:
    """State of an output folder.

    Attributes:
        root: the folder.
        job: the command whose results it holds.
        patterns: of the files that the job leaves in it, relative to the folder.
        row: what the list of micrographs with results says of each.
        lists_micrographs: whether its lists are of micrographs; otherwise the job has lists of its own.
    """

    root: Path
    job: str
    patterns: tuple[str, ...]
    lists_micrographs: bool = True
    row: ClassVar[type[LedgerRow]] = LedgerRow

    @property
    def settings_path(self) -> Path:
        """The record of what the results were made with."""
        return self.root / "settings.json"

    @property
    def ledger_path(self) -> Path:
        """The list of all micrographs with results."""
        return self.root / "micrographs.csv"

    @property
    def rejected_path(self) -> Path:
        """The list of rejected micrographs, with the reasons."""
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
            TableError: if a list of its micrographs cannot be understood.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            clean_leftovers(self.root)
            self._refuse_other_results(settings, force=force)
            if force and self.recorded() is not None:
                self._forget()
            if self.lists_micrographs:
                self._read_lists()
            known = self.known_inputs()
            self._refuse_others_of_same_name(known, files)
            self._refuse_other_masks(known, files)
            self._forget_replaced(find_replaced(known, files))
            record = FolderRecord(
                schema_version=2,
                job=self.job,
                settings=dict(settings),
                inputs=describe_inputs(known, files),
                project=os.path.relpath(self.project(files).resolve(), self.root.resolve()),
                version=cryoglean.__version__,
                provenance=dict(provenance or {}),
            )
            write_atomic_text(self.settings_path, record.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise SettingsError(f"--out {self.root} cannot be written: {error.strerror or error}") from error

    def recorded(self) -> FolderRecord | None:
        """Read what the results here were made with; None in a new folder.

        Raises:
            SettingsError: in one line, if the record is there and is damaged or of another version.
        """
        return read_record(self.settings_path, FolderRecord, "name another --out")

    def known_inputs(self) -> dict[str, KnownInput]:
        """Return the micrographs of all calls in this folder by key; written before work begins: a kill loses none."""
        record = self.recorded()
        return {} if record is None else dict(record.inputs)

    def inputs(self) -> dict[str, str]:
        """Return the files of all calls in this folder by key."""
        return {key: each.path for key, each in self.known_inputs().items()}

    def project(self, files: Sequence[MicrographFile] = ()) -> Path:
        """Return the folder that names in tables count from.

        It is that of the first call in this folder; then that of the RELION project that the folder or the
        micrographs lie in, else the working folder.
        """
        record = self.recorded()
        if record is not None:
            return Path(os.path.normpath(self.root.resolve() / record.project))
        above = (project_above(path) for path in (self.root, *(file.path for file in files[:1])))
        return next((folder for folder in above if folder is not None), Path.cwd())

    def name_in_tables(self, path: Path) -> str:
        """Return the name of a file of this folder in tables; by another spelling of the folder's it is the same."""
        project, whole = self.project(), path.resolve()
        return path_from_project(whole if whole.is_relative_to(project) else path, project)

    def provenance(self) -> dict[str, str]:
        """Return what the last job here was made with besides its settings, the version first, as text."""
        record = self.recorded()
        if record is None:
            return {}
        known = {name: str(value) for name, value in record.provenance.items() if value is not None}
        return {"cryoglean": record.version} | known

    def with_known_keys(self, files: Sequence[MicrographFile]) -> list[MicrographFile]:
        """Give micrographs the keys and names of earlier calls; new names count from where those of before do."""
        known = self.known_inputs()
        if not known:
            return list(files)
        found, project = with_known_keys(known, files), self.project()
        return [
            file if file.key in known or file.row else replace(file, name=path_from_project(file.path, project))
            for file in found
        ]

    def result_path(self, key: str) -> Path | None:  # noqa: ARG002 (a folder of micrographs' results has one)
        """Return the file that shows that a micrograph is done, if there is one."""
        return None

    def results_of(self, key: str) -> tuple[Path, ...]:  # noqa: ARG002 (as above)
        """Return all files that are a micrograph's own; none where results are of all micrographs together."""
        return ()

    def forget_results_of(self, key: str) -> None:
        """Remove all files of a micrograph, to be made again: a picture that is left over would show other results."""
        for path in self.results_of(key):
            path.unlink(missing_ok=True)

    def _refuse_other_results(self, settings: Mapping[str, Any], *, force: bool) -> None:
        recorded = self.recorded()
        if recorded is None:
            return
        if recorded.job != self.job:
            raise SettingsError(
                f"{self.root} holds results of cryoglean {recorded.job}, not of {self.job}: name another --out"
            )
        if recorded.settings != settings and not force:
            raise SettingsError(
                f"{self.root} holds results of other settings ({difference(recorded.settings, settings)}): "
                "name another --out, or --force to make them again"
            )

    def _refuse_others_of_same_name(self, known: Mapping[str, KnownInput], files: Sequence[MicrographFile]) -> None:
        """See that no result is of another micrograph of equal name: it would pass for this one's."""
        stranger = find_stranger(known, files)
        if stranger is not None:
            raise SettingsError(
                f"{self.root} holds results of {known[stranger.key].path} as {stranger.key!r}, the name of "
                f"{stranger.path}: name another --out"
            )
        for file in files:
            path = self.result_path(file.key)
            if file.key not in known and path is not None and os.path.exists(path):  # noqa: PTH110 (a long name)
                raise SettingsError(f"{path} is there and was not made here: move it away, or name another --out")

    def _refuse_other_masks(self, known: Mapping[str, KnownInput], files: Sequence[MicrographFile]) -> None:
        """See that micrographs have the masks that they had: what was learned may be of what is left out now."""
        file = find_masked_otherwise(known, files)
        if file is not None:
            raise SettingsError(f"{self.root} holds results {masks_in_words(known[file.key], file)}, or --force")

    def _forget_replaced(self, replaced: Sequence[MicrographFile]) -> None:
        """Remove the results of micrographs whose files hold other images by now, where each has results of its own.

        Raises:
            SettingsError: if results are of all micrographs together.
        """
        for file in replaced:
            if not self.results_of(file.key):
                raise SettingsError(
                    f"{file.path} holds another image than when {self.root} was made: name another --out, or --force "
                    "to make all results again"
                )
            self.forget_results_of(file.key)

    def _forget(self) -> None:
        """Remove the results of earlier runs, all of them: an old file left over would pass for a new one."""
        lists = (self.ledger_path.name, self.rejected_path.name, self.settings_path.name)
        for pattern in (*self.patterns, *lists):
            for path in self.root.glob(pattern):
                path.unlink()

    def ledger(self) -> dict[str, LedgerRow]:
        """Read the micrographs with results by key, of all calls in this folder.

        Raises:
            TableError: in one line, if the list is there and cannot be understood.
        """
        return {row.key: row for row in read_rows(self.ledger_path, self.row)}

    def rejected_before(self, files: Iterable[MicrographFile]) -> set[str]:
        """Return the keys of micrographs that are listed as rejected: whatever lies here of them does not count.

        Raises:
            TableError: in one line, if the list is there and cannot be understood.
        """
        names = {row.micrograph for row in read_rows(self.rejected_path, RejectedRow)}
        return {file.key for file in files if file.name in names}

    def _read_lists(self) -> None:
        """Read the lists that `record_results` goes on with: one that is damaged is refused before any work."""
        self.ledger()
        self.rejected_before(())

    def record_results(self, results: Iterable[MicrographResult]) -> dict[str, LedgerRow]:
        """Write the lists of micrographs with results and of rejected ones, those of earlier calls too.

        A micrograph is in one of them, as this call has found it; with results are those whose files are there.

        Returns:
            The micrographs with results by key, in order of their keys.

        Raises:
            CryogleanError: if the folder is gone, or another job's by now.
        """
        refuse_if_lost(self.root)
        known = {key: row for key, row in self.ledger().items() if self._is_there(key)}
        rejected = {row.micrograph: row for row in read_rows(self.rejected_path, RejectedRow)}
        for each in results:
            file = each.file
            rejected.pop(file.name, None)
            if each.reason is None:
                told = {"key": file.key, "micrograph": file.name, "path": str(file.real_path), "picks": each.count}
                share = None if each.left_out is None else round(each.left_out, LIST_DIGITS)
                known[file.key] = self.row.model_validate(told | {"fit": each.fit, "left_out": share})
            else:
                known.pop(file.key, None)
                rejected[file.name] = RejectedRow(micrograph=file.name, path=str(file.path), reason=each.reason)
        known = dict(sorted(known.items()))
        write_rows(self.ledger_path, self.row, known.values())
        write_rows(self.rejected_path, RejectedRow, rejected.values())
        return known

    def _is_there(self, key: str) -> bool:
        path = self.result_path(key)
        return path is None or path.exists()


def masks_in_words(known: KnownInput, file: MicrographFile) -> str:
    """Say which mask a micrograph had, which it has now, and what to do."""
    had, has = known.mask_path or "without a mask", file.mask or "without one"
    if known.mask_path is not None and file.mask is not None and known.mask_path == file.mask.resolve():
        has = "changed"
    return f"of {file.name} by another mask (it was {had}, and is {has}): give --mask as before, or another --out"


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name the settings that differ, old and new value, in one line."""
    old, new = _flat(before), _flat(now)
    parts = [
        f"{n} {old.get(n)!r}, now {new.get(n)!r}" for n in sorted(old.keys() | new.keys()) if old.get(n) != new.get(n)
    ]
    return "; ".join(parts)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Name settings within settings as in `specimen.spacing`."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= {f"{name}.{n}": v for n, v in _flat(value).items()} if isinstance(value, dict) else {name: value}
    return flat
