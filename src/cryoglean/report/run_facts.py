"""What the report of a run tells: plain data, gathered from the run folder and turned into pages and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryoglean.report.page_facts import PageFacts

if TYPE_CHECKING:
    from cryoglean.classes2d.classification import Classes
    from cryoglean.classes2d.selection import Selection
    from cryoglean.nets.training import Check


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


@dataclass(frozen=True, kw_only=True)
class RunFacts(PageFacts):
    """All that the report of a run tells.

    Attributes:
        reason: why it ended.
        best: the round whose picks stand.
        picks_are: what the picks shown are, for the user.
        converged_share: of kept picks, above which the rounds end.
        rounds: in order, that of the final picks last.
        galleries: in order.
        stages: in order.
        decisions: in order.
        alarms: reasons why a round was stopped.
    """

    reason: str
    best: int
    picks_are: str
    converged_share: float
    rounds: tuple[RoundNews, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    stages: tuple[StageTime, ...] = ()
    decisions: tuple[Decision, ...] = ()
    alarms: tuple[str, ...] = ()
