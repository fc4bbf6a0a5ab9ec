"""Decisions of the loop, as values: whether rounds have converged, which round is accepted, what is an alarm.

Each decision is a model with an enum for what was decided, the numbers that it was decided by, and a message for the
user that is made from these.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, computed_field

from cryoglean.jobs.records import Record
from cryoglean.loop.acceptance import Acceptance, AcceptanceRule, doubt_of
from cryoglean.loop.spacing import SpacingFinding
from cryoglean.loop.subset import SubsetChoice
from cryoglean.words import counted

NUMERICAL_SHARE = 0.02
"""A share of picks in kept classes so near to the wanted one may lie on its other side on another processor. Chosen by
hand: a little more than what other last bits, threads and precisions were seen to move it."""

COLLAPSE, FLOOD = 0.3, 3.0
"""Picks of a round over those of the round that taught it: outside of this range it learned something else. Chosen by
hand: a network that finds the views its teacher missed may well double the picks."""

MAX_SHARE_LOST = 0.2
"""Largest fall of the share of picks in kept classes without an alarm. Chosen by hand: a smaller one stops rounds that
recover, a larger one trains on junk."""

MAX_RESOLUTION_LOST = 1.5
"""Largest factor by which the best class may become coarser without an alarm. Chosen by hand, as `MAX_SHARE_LOST`."""


class RoundFacts(NamedTuple):
    """Numbers of a round.

    Attributes:
        number: 0 are the candidates.
        picks: in all micrographs of the subset.
        median_picks: per micrograph.
        classified: picks that are in classes.
        kept: of these, in kept classes.
        best_resolution_angstrom: of the kept classes; infinite if there are none.
    """

    number: int
    picks: int
    median_picks: float
    classified: int
    kept: int
    best_resolution_angstrom: float

    @property
    def kept_share(self) -> float:
        """Share of the classified picks that is in kept classes."""
        return self.kept / self.classified if self.classified else 0.0


class Convergence(StrEnum):
    """Whether a round has converged, and how sure that is."""

    converged = "converged"
    undecided = "undecided"
    not_converged = "not_converged"

    @property
    def message(self) -> str:
        """The value, for the user."""
        return {
            Convergence.converged: "converged",
            Convergence.undecided: "so near to the share at which the rounds end that another processor may go on, or "
            "end, where this one does not",
            Convergence.not_converged: "not converged",
        }[self]


class Alarm(StrEnum):
    """Reason why a round has gone astray."""

    no_picks = "no_picks"
    collapse = "collapse"
    flood = "flood"
    no_class_kept = "no_class_kept"
    classes_worse = "classes_worse"
    resolution_lost = "resolution_lost"


class DecisionKind(StrEnum):
    """Subject of a decision."""

    subset = "subset"
    spacing = "spacing"
    sample = "sample"
    class_evaluation = "class_evaluation"
    acceptance = "acceptance"
    alarm = "alarm"


class Decision(Record):
    """A decision; its message is made from its values, and that of a stored one is made again.

    Attributes:
        round: the round in which it was made.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    round: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def message(self) -> str:
        """The decision and its reason, for the user."""
        return self._message()

    @property
    def line(self) -> str:
        """The message with the round, for the user."""
        return f"round {self.round}: {self.message}"

    def _message(self) -> str:
        raise NotImplementedError


class SubsetDecision(Decision):
    """The micrographs that the rounds work on.

    Attributes:
        choice: how they were chosen.
        chosen: number of these.
        given: number of all.
    """

    kind: Literal[DecisionKind.subset] = DecisionKind.subset
    choice: SubsetChoice
    chosen: int
    given: int

    def _message(self) -> str:
        return f"the rounds work on {self.chosen} of {self.given} micrographs, {self.choice.message}"


class SpacingDecision(Decision):
    """Minimum distance between picks.

    Attributes:
        finding: what the best candidates tell.
        diameters: the minimum distance, in particle diameters.
        sure_share: pairs of the best candidates nearer than this, over those of random places; None if not known.
        all_share: the same of all candidates.
    """

    kind: Literal[DecisionKind.spacing] = DecisionKind.spacing
    finding: SpacingFinding
    diameters: float
    sure_share: float | None
    all_share: float | None

    def _message(self) -> str:
        if self.finding is SpacingFinding.unknown:
            return f"minimum distance {self.diameters:g} diameters: the best candidates show no larger one"
        if self.finding is SpacingFinding.nothing_to_remove:
            return "no overlapping picks to remove"
        return (
            f"the weaker of two picks nearer than {self.diameters:.2f} diameters is removed: of the pairs expected by "
            f"chance the best candidates have {self.sure_share:.0%}, all candidates {self.all_share:.0%}"
        )


class SampleDecision(Decision):
    """A sample of the places of a round, where these are more than are classified.

    Attributes:
        drawn: number of the places that are classified.
        places: number of all.
        classes: made of the sample.
        published_classes: that the paper makes of all.
        seconds: that the classification of the sample took.
    """

    kind: Literal[DecisionKind.sample] = DecisionKind.sample
    drawn: int
    places: int
    classes: int
    published_classes: int
    seconds: float

    @property
    def seconds_of_all(self) -> float:
        """Time that the classification of all places would take: it grows with their number, hardly with classes."""
        return self.seconds * self.places / max(self.drawn, 1)

    def _message(self) -> str:
        minutes = max(1, round(self.seconds_of_all / 60))
        return (
            f"{self.drawn} of {self.places} places are classified, drawn by lot, in {self.classes} classes; all of "
            f"them, in {self.published_classes} classes as published, would take some {counted(minutes, 'minute')} a "
            "pass (--max-particles 0)"
        )


class ClassEvaluationDecision(Decision):
    """Picks of a round in kept classes, and of picks that only one of two rounds has.

    Attributes:
        classified: picks of the round that are in classes.
        kept: of these, in kept classes.
        only_reference: as of `RoundComparison`.
        only_reference_kept: as of `RoundComparison`.
        only_new: as of `RoundComparison`.
        only_new_kept: as of `RoundComparison`.
        convergence: whether the rounds may end with it; None of round 0, which they never end with.
    """

    kind: Literal[DecisionKind.class_evaluation] = DecisionKind.class_evaluation
    classified: int
    kept: int
    only_reference: int
    only_reference_kept: int
    only_new: int
    only_new_kept: int
    convergence: Convergence | None = None

    def _message(self) -> str:
        said = f"{self.kept} of {self.classified} classified picks are in kept classes"
        if self.convergence is not None:
            said = f"{said} ({self.convergence.message})"
        if not self.only_reference + self.only_new:
            return said
        return (
            f"{said}; of those only this round has {self.only_new_kept} of {self.only_new}, of those only the accepted "
            f"round has {self.only_reference_kept} of {self.only_reference}"
        )


class AcceptanceDecision(Decision):
    """The round whose picks are accepted from now on.

    Attributes:
        acceptance: why.
        reference: the round accepted before.
        accepted: the round accepted now.
        deviations: of the comparison of the two by classes.
        lead: how much higher the F1 of the new round is expected to be; None where nothing tells it.
        lead_deviations: of that.
    """

    kind: Literal[DecisionKind.acceptance] = DecisionKind.acceptance
    acceptance: Acceptance
    reference: int
    accepted: int
    deviations: float
    lead: float | None = None
    lead_deviations: float = 0.0

    def _message(self) -> str:
        verdict = "accepted" if self.acceptance.is_accepted else "not accepted"
        reason = {
            Acceptance.better: f"better than round {self.reference} beyond doubt ({self._evidence})",
            Acceptance.first_network: "the first network takes the place of the coordinates given",
            Acceptance.last_round: AcceptanceRule.last_round.message,
            Acceptance.undecided: f"undecided, and in doubt round {self.reference} stands ({self._evidence})",
            Acceptance.worse: f"worse than round {self.reference} beyond doubt ({self._evidence})",
        }[self.acceptance]
        return f"round {self.round} {verdict}: {reason}"

    @property
    def _evidence(self) -> str:
        by_classes = f"by its classes {_in_words(self.deviations)}"
        if self.lead is None:
            return by_classes
        return f"{by_classes}; by an expected F1 that is {self.lead:+.3f}, {_in_words(self.lead_deviations)}"

    @property
    def line(self) -> str:
        """The message, which names the round."""
        return self.message


def _in_words(deviations: float) -> str:
    doubt = doubt_of(deviations)
    return f"{deviations:+.1f} standard deviations{'' if doubt is None else f': {doubt.message}'}"


class AlarmDecision(Decision):
    """An alarm, which ends the rounds.

    Attributes:
        alarm: why.
        accepted: the round whose picks stay accepted.
        now: the number that raised it; None where there is none.
        before: the same of the accepted round.
    """

    kind: Literal[DecisionKind.alarm] = DecisionKind.alarm
    alarm: Alarm
    accepted: int
    now: float | None = None
    before: float | None = None

    def _message(self) -> str:
        return {
            Alarm.no_picks: "the network picks nothing",
            Alarm.collapse: f"picks collapse: {self._change('{:g}')} per micrograph (median)",
            Alarm.flood: f"picks flood: {self._change('{:g}')} per micrograph (median)",
            Alarm.no_class_kept: "no class is kept",
            Alarm.classes_worse: f"classes get worse: {self._change('{:.0%}')} of the picks in kept classes",
            Alarm.resolution_lost: f"classes lose resolution: {self._change('{:.1f} Å')}",
        }[self.alarm]

    def _change(self, form: str) -> str:
        now, before = ("none" if value is None else form.format(value) for value in (self.now, self.before))
        return f"{now} (before: {before})"


AnyDecision = Annotated[
    SubsetDecision | SpacingDecision | SampleDecision | ClassEvaluationDecision | AcceptanceDecision | AlarmDecision,
    Field(discriminator="kind"),
]
"""A decision as it is stored."""


def is_converged(facts: RoundFacts, converged_share: float) -> bool:
    """Tell whether more than the wanted share of a round's picks is in kept classes."""
    return facts.kept_share > converged_share


def convergence_of(facts: RoundFacts, converged_share: float) -> Convergence:
    """Tell the same with its certainty."""
    if abs(facts.kept_share - converged_share) <= NUMERICAL_SHARE:
        return Convergence.undecided
    return Convergence.converged if is_converged(facts, converged_share) else Convergence.not_converged


def find_alarm(best: RoundFacts, now: RoundFacts) -> AlarmDecision | None:
    """Find why a round has gone astray; None if it has not.

    Args:
        best: the accepted round.
        now: the round after it.
    """

    def raised(alarm: Alarm, now_is: float | None = None, before: float | None = None) -> AlarmDecision:
        return AlarmDecision(round=now.number, alarm=alarm, accepted=best.number, now=now_is, before=before)

    if now.picks == 0:
        return raised(Alarm.no_picks)
    ratio = now.median_picks / max(best.median_picks, 1.0)
    if ratio < COLLAPSE:
        return raised(Alarm.collapse, now.median_picks, best.median_picks)
    if ratio > FLOOD:
        return raised(Alarm.flood, now.median_picks, best.median_picks)
    if now.kept == 0:
        return raised(Alarm.no_class_kept)
    if best.kept_share - now.kept_share > MAX_SHARE_LOST:
        return raised(Alarm.classes_worse, now.kept_share, best.kept_share)
    if now.best_resolution_angstrom > MAX_RESOLUTION_LOST * best.best_resolution_angstrom:
        return raised(Alarm.resolution_lost, _finite(now.best_resolution_angstrom), best.best_resolution_angstrom)
    return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
