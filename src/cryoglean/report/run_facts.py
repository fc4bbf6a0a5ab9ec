"""Content of a run's report: plain data, gathered from the run folder and turned into a page and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cryoglean.report.page_facts import PageFacts

if TYPE_CHECKING:
    from cryoglean.classes2d.classification import Classes
    from cryoglean.classes2d.selection import Selection
    from cryoglean.nets.training import Check


@dataclass(frozen=True, eq=False)
class Gallery:
    """Classes of one classification, with the decisions on them.

    Attributes:
        title: for the user.
        name: short, for a file.
        classes: k classes.
        selection: of these.
        pixel_size_angstrom: of the averages.
        is_open: whether the page shows it without a click.
    """

    title: str
    name: str
    classes: Classes
    selection: Selection
    pixel_size_angstrom: float
    is_open: bool = False


class KeptPicks(NamedTuple):
    """Picks that are in classes, and how many of these are in kept classes."""

    classified: int
    kept: int

    @property
    def share(self) -> float | None:
        """Share in kept classes; None where no pick is in a class."""
        return self.kept / self.classified if self.classified else None


@dataclass(frozen=True)
class ClassEvaluation:
    """Evaluation of a round by the classes of its picks.

    Attributes:
        own: all picks of the round.
        only_before: picks that only the accepted round before it has; None of the first round.
        only_new: picks that only this round has; None of the first round.
    """

    own: KeptPicks
    only_before: KeptPicks | None = None
    only_new: KeptPicks | None = None


@dataclass(frozen=True)
class RoundSummary:
    """Numbers of a round; those that are not known are None.

    Attributes:
        number: 0 for the candidates, -1 for the classes of the final picks.
        title: for the user.
        picks: in the micrographs of the subset.
        median_picks: per micrograph.
        evaluated: places to classify: its picks and those of the accepted round, or a sample.
        extracted: of these, with their boxes inside the micrograph.
        classified: of these, in classes.
        kept: of these, in kept classes after purification.
        kept_share: share of the round's own picks in kept classes.
        best_resolution_angstrom: of its kept classes.
        evaluation: of its picks by their classes.
        is_accepted: whether the final picks are made by this round's picker.
        checks: points of its network's training curves.
    """

    number: int
    title: str
    picks: int | None = None
    median_picks: float | None = None
    evaluated: int | None = None
    extracted: int | None = None
    classified: int | None = None
    kept: int | None = None
    kept_share: float | None = None
    best_resolution_angstrom: float | None = None
    evaluation: ClassEvaluation | None = None
    is_accepted: bool = False
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class StageTime:
    """Wall-clock time of a stage.

    Attributes:
        title: of round and stage.
        seconds: that it took.
    """

    title: str
    seconds: float


@dataclass(frozen=True)
class Decision:
    """Decision of the loop, as text.

    Attributes:
        title: of the round.
        subject: of the decision.
        message: the decision and its reason.
        is_alarm: whether it ended the rounds.
    """

    title: str
    subject: str
    message: str
    is_alarm: bool = False


@dataclass(frozen=True, kw_only=True)
class RunFacts(PageFacts):
    """Content of a run's report.

    Attributes:
        reason: why it ended.
        outcome: the same as a value; empty while it has not.
        best: the accepted round.
        picks_are: origin of the picks shown, for the user.
        converged_share: share of picks in kept classes above which the rounds end.
        acceptance_rule: rule by which a later round takes the place of an earlier one, for the user.
        rounds: in order, that of the final picks last.
        galleries: in order.
        stages: in order.
        decisions: in order.
        alarms: messages of what stopped a round.
    """

    reason: str
    best: int
    picks_are: str
    converged_share: float
    acceptance_rule: str
    outcome: str = ""
    rounds: tuple[RoundSummary, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    stages: tuple[StageTime, ...] = ()
    decisions: tuple[Decision, ...] = ()
    alarms: tuple[str, ...] = ()
