"""`run.json`: settings of a run, results of its stages, decisions with their reasons; written whole after each step.

A stage that it lists is done. One that it does not list is begun again in its folder, where its own job goes on.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import Field, TypeAdapter

import cryoglean
from cryoglean.errors import CryogleanError, SettingsError
from cryoglean.io.atomic import clean_leftovers, write_atomic_text
from cryoglean.jobs.folder_lock import refuse_if_lost
from cryoglean.jobs.known_inputs import (
    KnownInput,
    describe_inputs,
    find_masked_otherwise,
    find_replaced,
    find_stranger,
    with_known_keys,
)
from cryoglean.jobs.output_folder import difference, masks_in_words
from cryoglean.jobs.records import Record, read_record
from cryoglean.loop.decisions import AnyDecision
from cryoglean.loop.outcomes import Outcome
from cryoglean.loop.settings import LoopSettings
from cryoglean.loop.stage_results import AnyStage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryoglean.micrograph import MicrographFile

SCHEMA: Final = 4
"""Version of the layout of `run.json`. Format: of this program; 2 since decisions are values, 3 since files
are known by their content, 4 since in doubt the earlier round stands."""

NAME = "run.json"

_ADVICE = "what is there is untouched; name another --out for a new run"


class RunStatus(StrEnum):
    """Status of a run."""

    running = "running"
    stopped = "stopped"
    done = "done"
    failed = "failed"
    interrupted = "interrupted"


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

    schema_version: Literal[4]
    version: str
    settings: LoopSettings
    micrographs: dict[str, KnownInput]
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

    def seconds(self, number: int, stage: str) -> float:
        """Return how long a stage of a round took; 0 if it is not done."""
        return next((each.seconds for each in self.state.stages if (each.round, each.stage) == (number, stage)), 0.0)

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

    def set_failed(self, error: BaseException) -> None:
        """Record that the run has failed, and why, or that it was interrupted; the same call resumes it."""
        status = RunStatus.interrupted if isinstance(error, KeyboardInterrupt) else RunStatus.failed
        said = str(error) if isinstance(error, CryogleanError) else f"{type(error).__name__}: {error}"
        with suppress(OSError, CryogleanError):  # the folder may be why
            self.set(status=status, message=" ".join(said.removesuffix(": ").split()))

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
    files = with_known_keys(state.micrographs, files)
    _refuse_other_micrographs(root, state.micrographs, files)
    state.micrographs = describe_inputs(state.micrographs, files)
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
    if _is_moved(before["start_from"], now["start_from"]):
        before["start_from"] = now["start_from"]
    if before != now:
        raise SettingsError(
            f"{root} holds a run of other settings ({difference(before, now)}): repeat them to resume it; {_ADVICE}"
        )


def _is_moved(before: str | None, now: str | None) -> bool:
    """Tell whether coordinates of a name lie elsewhere now, and not where they were."""
    return before is not None and now is not None and Path(before).name == Path(now).name and not Path(before).exists()


def _refuse_other_micrographs(root: Path, known: Mapping[str, KnownInput], files: Sequence[MicrographFile]) -> None:
    """See that all micrographs of a run are given again, as they were.

    Raises:
        SettingsError: if some are missing, one has the key of another, holds another image by now, or has another mask.
    """
    keys = {file.key for file in files}
    missing = [each.path for key, each in known.items() if key not in keys]
    if missing:
        raise SettingsError(
            f"{root} is a run with {missing[0]}, which is not given now: give it, too, or another --out"
        )
    stranger = find_stranger(known, files)
    if stranger is not None:
        before = known[stranger.key].path
        raise SettingsError(
            f"{root} has a micrograph {stranger.key!r} from {before}, not {stranger.path}: name another --out"
        )
    replaced = find_replaced(known, files)
    if replaced:
        raise SettingsError(f"{replaced[0].path} holds another image than when {root} was begun: name another --out")
    masked = find_masked_otherwise(known, files)
    if masked is not None:
        raise SettingsError(f"{root} is a run {masks_in_words(known[masked.key], masked)}")
