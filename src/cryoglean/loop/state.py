"""`run.json`: settings of a run, results of its stages, decisions with their reasons; written whole after each step.

A stage that it lists is done. One that it does not list is begun again in its folder, where its own job goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import Field, TypeAdapter

import cryoglean
from cryoglean.errors import SettingsError
from cryoglean.io.atomic import clean_leftovers, write_atomic_text
from cryoglean.jobs.folder_lock import refuse_if_lost
from cryoglean.jobs.output_folder import difference
from cryoglean.jobs.records import Record, read_record
from cryoglean.loop.decisions import AnyDecision
from cryoglean.loop.outcomes import Outcome
from cryoglean.loop.settings import LoopSettings
from cryoglean.loop.stage_results import AnyStage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryoglean.micrograph import MicrographFile

SCHEMA: Final = 2
"""Version of the layout of `run.json`. Format: of this program; 2 since decisions are values."""

NAME = "run.json"

_ADVICE = "what is there is untouched; name another --out for a new run"


class RunStatus(StrEnum):
    """Status of a run."""

    running = "running"
    stopped = "stopped"
    done = "done"


class Production(Record):
    """The picking of all micrographs.

    Attributes:
        round: whose picker made the picks.
        picks: number of these.
        micrographs: number of those that were picked.
    """

    round: int
    picks: int
    micrographs: int


class RunState(Record):
    """Content of `run.json`.

    Attributes:
        schema_version: of this layout.
        version: of cryoglean.
        settings: all that decides the result.
        micrographs: files by key.
        status: of the run.
        outcome: how it ended; None while it has not.
        message: why it ended, for the user.
        best: the accepted round, when it has ended.
        subset: keys of the micrographs that the rounds work on, when they have been chosen.
        waiting: the round whose selection is to be reviewed.
        provenance: the call, the device and the versions of the last call.
        production: the picking of all micrographs, when it is done.
        stages: in the order in which they were done.
        decisions: in the order in which they were made.
    """

    schema_version: Literal[2]
    version: str
    settings: LoopSettings
    micrographs: dict[str, str]
    status: RunStatus
    outcome: Outcome | None = None
    message: str = ""
    best: int | None = None
    subset: list[str] | None = None
    waiting: int | None = None
    provenance: dict[str, Any] = Field(default_factory=dict)
    production: Production | None = None
    stages: list[AnyStage]
    decisions: list[AnyDecision]


_Found = TypeVar("_Found", bound=Record)
_STAGE = TypeAdapter[AnyStage](AnyStage)


@dataclass(frozen=True)
class RunFile:
    """The state of a run, and its file.

    Attributes:
        root: the run folder.
        state: content of the file.
    """

    root: Path
    state: RunState

    @property
    def path(self) -> Path:
        """The file."""
        return self.root / NAME

    def found(self, number: int, stage: str, kind: type[_Found]) -> _Found | None:
        """Return the result of a stage of a round, which is of this kind; None if it is not done."""
        results = (each.found for each in self.state.stages if (each.round, each.stage) == (number, stage))
        return next((found for found in results if isinstance(found, kind)), None)

    def add(self, number: int, stage: str, found: Record, seconds: float) -> None:
        """Record a stage as done.

        Raises:
            OSError: if the file cannot be written.
        """
        values = {"round": number, "stage": stage, "seconds": round(seconds, 2), "found": found}
        self.state.stages.append(_STAGE.validate_python(values))
        self.write()

    def decide(self, decision: AnyDecision) -> bool:
        """Record a decision; return whether it is new, as after a kill the same are made again.

        Raises:
            OSError: if the file cannot be written.
        """
        if decision in self.state.decisions:
            return False
        self.state.decisions.append(decision)
        self.write()
        return True

    def set(self, **values: object) -> None:
        """Record fields of the state.

        Raises:
            OSError: if the file cannot be written.
        """
        if any(getattr(self.state, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(self.state, name, value)
            self.write()

    def write(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: if it cannot be written.
        """
        refuse_if_lost(self.root)
        write_atomic_text(self.path, self.state.model_dump_json(indent=1) + "\n")


def open_run(
    root: Path, settings: LoopSettings, files: Sequence[MicrographFile]
) -> tuple[RunFile, list[MicrographFile]]:
    """Begin a run, or resume the one that is there.

    Args:
        root: the run folder.
        settings: all that decides the result.
        files: all micrographs, with which a run may have become larger.

    Returns:
        The run, and the micrographs with the keys that they had before.

    Raises:
        SettingsError: if the folder holds something else, or a run of another version, other settings or other
            micrographs; nothing is changed then.
    """
    state = read_record(root / NAME, RunState, _ADVICE)
    if state is None:
        _refuse_other_folder(root)
        settings = LoopSettings.model_validate(settings.recorded())
        state = RunState(
            schema_version=SCHEMA,
            version=cryoglean.__version__,
            settings=settings,
            micrographs={},
            status=RunStatus.running,
            stages=[],
            decisions=[],
        )
    else:
        _refuse_other_run(root, state, settings)
    known = {path: key for key, path in state.micrographs.items()}
    files = [replace(file, key=known.get(_path(file), file.key)) for file in files]
    state.micrographs |= _new_keys(root, state.micrographs, files)
    try:
        root.mkdir(parents=True, exist_ok=True)
        clean_leftovers(root)
        run = RunFile(root, state)
        run.write()
    except OSError as error:
        raise SettingsError(f"--out {root} cannot be written: {error.strerror or error}") from error
    return run, files


def read_run(root: Path) -> RunFile:
    """Read a run as it is; nothing is changed.

    Args:
        root: the run folder.

    Raises:
        SettingsError: if there is no run, or one that is damaged or of another version.
    """
    state = read_record(root / NAME, RunState, "write its report with the version that made it")
    if state is None:
        raise SettingsError(f"{root} holds no {NAME}: give the folder that cryoglean run was given as --out")
    return RunFile(root, state)


def _refuse_other_folder(root: Path) -> None:
    for name in ("settings.json", "picks", "rounds"):
        if (root / name).exists():
            raise SettingsError(f"{root} holds other results ({name}) and no {NAME}: name another --out")


def _refuse_other_run(root: Path, state: RunState, settings: LoopSettings) -> None:
    if state.version != cryoglean.__version__:
        raise SettingsError(
            f"{root} holds a run of cryoglean {state.version}, this is {cryoglean.__version__}: resume it with that "
            f"version; {_ADVICE}"
        )
    before, now = state.settings.recorded(), settings.recorded()
    if before != now:
        raise SettingsError(
            f"{root} holds a run of other settings ({difference(before, now)}): repeat them to resume it; {_ADVICE}"
        )


def _path(file: MicrographFile) -> str:
    return str(file.real_path)


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
