"""Stages of a run: their names, folders and results, as `run.json` remembers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from cryoglean.jobs.records import Record

if TYPE_CHECKING:
    from pathlib import Path

MICROGRAPHS, CANDIDATES, MATCHED, PICKS, POOL, PARTICLES, CLASSES, SELECTED, MODEL = (
    "micrographs",
    "candidates",
    "matched",
    "picks",
    "pool",
    "particles",
    "classes",
    "selected",
    "model",
)

FINAL = -1
"""Number of the round of the final picks' classes. Format: of `run.json`."""


class MicrographsFound(Record):
    """Micrographs of the subset.

    Attributes:
        usable: number of those that can be used.
        sizes: pixel size in angstrom, height and width of each of these by key.
        rejected: reason of each of the others by key.
    """

    usable: int
    sizes: dict[str, tuple[float, int, int]]
    rejected: dict[str, str]


class PicksFound(Record):
    """Picks of a round.

    Attributes:
        picks: number in all micrographs of the subset.
        counts: number in each by key.
        fit: of the picker to the set, if it tells.
    """

    picks: int
    counts: dict[str, int]
    fit: dict[str, Any] | None = None


class ParticlesFound(Record):
    """Particles extracted.

    Attributes:
        particles: number of those with their boxes inside the micrograph.
        places: number of the picks that were to be extracted.
    """

    particles: int
    places: int


class ClassesFound(Record):
    """Particles classified.

    Attributes:
        particles: number of those in classes.
        classes: number of classes.
        rejected: number of particles that could not be used.
    """

    particles: int
    classes: int
    rejected: int


class PassFound(Record):
    """A pass of purification.

    Attributes:
        input: number of particles that went into it.
        kept: number of these that are kept.
    """

    input: int
    kept: int


class SelectionFound(Record):
    """Classes selected.

    Attributes:
        particles: number of those in classes.
        kept: number of those kept in the end.
        kept_in_first_classes: number of those kept before purification.
        classes: number of classes.
        classes_kept: number of those kept.
        best_resolution_angstrom: of the kept classes; None where none tells.
        junk: number of particles in classes that show junk.
        passes: of purification.
        reasons: decision on each class, with its reason.
        notes: lines for the user.
        by_hand: whether the user decided.
    """

    particles: int
    kept: int
    kept_in_first_classes: int
    classes: int
    classes_kept: int
    best_resolution_angstrom: float | None
    junk: int
    passes: list[PassFound]
    reasons: list[str]
    notes: list[str]
    by_hand: bool


class NetworkFound(Record):
    """A network trained.

    Attributes:
        particles: number of those that it was trained on.
        fit: of the network, where the trainer tells.
    """

    particles: int
    fit: dict[str, Any] | None


class StageRecord(Record):
    """A stage that is done.

    Attributes:
        round: 0 are the candidates, -1 the final picks.
        seconds: of wall clock.
    """

    round: int
    seconds: float


class MicrographsStage(StageRecord):
    """The reading of the subset."""

    stage: Literal["micrographs"]
    found: MicrographsFound


class PicksStage(StageRecord):
    """The picking of the subset."""

    stage: Literal["candidates", "matched", "picks"]
    found: PicksFound


class ParticlesStage(StageRecord):
    """The extraction of particles."""

    stage: Literal["particles"]
    found: ParticlesFound


class ClassesStage(StageRecord):
    """The classification of particles."""

    stage: Literal["classes"]
    found: ClassesFound


class SelectionStage(StageRecord):
    """The selection of classes."""

    stage: Literal["selected"]
    found: SelectionFound


class NetworkStage(StageRecord):
    """The training of a network."""

    stage: Literal["model"]
    found: NetworkFound


AnyStage = Annotated[
    MicrographsStage | PicksStage | ParticlesStage | ClassesStage | SelectionStage | NetworkStage,
    Field(discriminator="stage"),
]
"""A stage as it is stored."""


def round_name(number: int) -> str:
    """Return the name of a round for the user."""
    return "final" if number == FINAL else f"round {number}"


def stage_folder(root: Path, number: int, stage: str = "") -> Path:
    """Return the folder of a stage of a round of the run in `root`."""
    return (root / "final" if number == FINAL else root / "rounds" / f"{number:02d}") / stage
