"""What a report of a run tells: plain data, gathered from the run folder and turned into pages and figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classes
    from cryoglean.classes2d.selection import Selection
    from cryoglean.nets.training import Check
    from cryoglean.picks import Picks


@dataclass(frozen=True, eq=False)
class MicrographFacts:
    """One micrograph.

    Attributes:
        key: its unique name in the run.
        path: its file.
        picks: None where it was not picked.
        rejected: why it was set aside; None if it was not.
        defocus_angstrom: mean defocus; None where it is not known.
        is_of_subset: whether the rounds worked on it.
    """

    key: str
    path: str
    picks: Picks | None = None
    rejected: str | None = None
    defocus_angstrom: float | None = None
    is_of_subset: bool = False


@dataclass(frozen=True, eq=False)
class View:
    """A micrograph to be looked at.

    Attributes:
        key: its unique name in the run.
        height_px: rows as stored.
        width_px: columns as stored.
        grey: (h, w) uint8, binned or magnified; None where the image cannot be read.
        scale: pixels of `grey` per stored pixel.
        diameter_px: particle diameter in stored pixels.
        problem: why there is no image.
    """

    key: str
    height_px: int
    width_px: int
    grey: NDArray[np.uint8] | None
    scale: float
    diameter_px: float
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Gallery:
    """Classes of one classification, with what was decided.

    Attributes:
        title: for the user.
        name: short, for a file.
        classes: k classes.
        selection: of these.
        pixel_size_angstrom: of the averages.
        is_open: whether it is to be seen at once.
    """

    title: str
    name: str
    classes: Classes
    selection: Selection
    pixel_size_angstrom: float
    is_open: bool = False


@dataclass(frozen=True)
class RoundNews:
    """What is known of a round; what is not known is None.

    Attributes:
        number: 0 are the candidates, -1 the classes of the final picks.
        title: for the user.
        picks: in the micrographs of the subset.
        median_picks: of a micrograph.
        places: to be cut out: its picks and those that stood, or a sample.
        cut_out: of these, with their boxes inside the micrograph.
        classified: of these, in classes.
        kept: of these, in the end.
        kept_share: of the round's own judged picks that is in kept classes.
        best_resolution_angstrom: of its kept classes.
        contest: places that only the round before has, and how many of these are in kept classes; the same of this one.
        stands: whether the picks that count are made as this round made its own.
        checks: how its network was trained.
    """

    number: int
    title: str
    picks: int | None = None
    median_picks: float | None = None
    places: int | None = None
    cut_out: int | None = None
    classified: int | None = None
    kept: int | None = None
    kept_share: float | None = None
    best_resolution_angstrom: float | None = None
    contest: tuple[tuple[int, int], tuple[int, int]] | None = None
    stands: bool = False
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class StageTime:
    """How long a stage took.

    Attributes:
        title: of round and stage.
        seconds: of wall clock.
    """

    title: str
    seconds: float


@dataclass(frozen=True)
class Decision:
    """One decision, as text.

    Attributes:
        title: of the round.
        what: was decided.
        decision: what came of it.
        reason: why.
    """

    title: str
    what: str
    decision: str
    reason: str


@dataclass(frozen=True)
class RunFacts:
    """All that a report tells.

    Attributes:
        name: of the run folder.
        status: of the run: running, stopped, done, review.
        reason: why it ended.
        best: the round whose picks stand.
        picks_are: what the picks shown are, for the user.
        diameter_angstrom: particle diameter.
        pixel_size_angstrom: of the micrographs; None where it is not known.
        least_distance_angstrom: of two picks.
        converged_share: of kept picks, above which the rounds end.
        micrographs: all, in the order given.
        outliers: keys of those with far more picks than most.
        views: some of them, to be looked at.
        rounds: in order, that of the final picks last.
        galleries: in order.
        stages: in order.
        decisions: in order.
        alarms: reasons why a round was stopped.
        settings: of the run.
        made_with: the call and the versions, as text.
        pick_command: the command that picks with another threshold, up to its value; None if there is none.
    """

    name: str
    status: str
    reason: str
    best: int
    picks_are: str
    diameter_angstrom: float
    pixel_size_angstrom: float | None
    least_distance_angstrom: float
    converged_share: float
    micrographs: tuple[MicrographFacts, ...]
    outliers: tuple[str, ...] = ()
    views: tuple[View, ...] = ()
    rounds: tuple[RoundNews, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    stages: tuple[StageTime, ...] = ()
    decisions: tuple[Decision, ...] = ()
    alarms: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    made_with: Mapping[str, str] = field(default_factory=dict)
    pick_command: str | None = None

    @property
    def picks(self) -> dict[str, Picks]:
        """The picks of each micrograph that was picked, in the order given."""
        return {m.key: m.picks for m in self.micrographs if m.picks is not None}

    @property
    def counts(self) -> dict[str, int]:
        """How many picks each of these has."""
        return {key: len(picks) for key, picks in self.picks.items()}

    @property
    def rejected(self) -> tuple[MicrographFacts, ...]:
        """The micrographs set aside."""
        return tuple(m for m in self.micrographs if m.rejected is not None)

    @property
    def defocus(self) -> dict[str, float]:
        """Mean defocus in angstrom of the picked micrographs where it is known."""
        known = {m.key: m.defocus_angstrom for m in self.micrographs if m.picks is not None}
        return {key: value for key, value in known.items() if value is not None}
