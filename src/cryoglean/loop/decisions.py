"""The decisions of the loop, as functions of counts: when it is done, which round is better, when it goes astray."""

from __future__ import annotations

import math
from typing import NamedTuple

LEAST_DIFFERENCE = 20
"""Places that only one of two rounds has: of fewer, on either side, nothing can be said."""

SURE_DEVIATIONS = 2.0
"""A difference of more standard deviations is beyond doubt."""

COLLAPSE, FLOOD = 0.3, 3.0
"""Picks of a round over those of the round that it was taught by: outside of this, it learned something else."""

MOST_SHARE_LOST = 0.2
MOST_RESOLUTION_LOST = 1.5


class RoundFacts(NamedTuple):
    """What is known of a round.

    Attributes:
        number: 0 are the candidates.
        picks: in all micrographs of the subset.
        median_picks: of a micrograph.
        judged: picks that are in classes.
        kept: of these, in kept classes.
        best_resolution_angstrom: of the kept classes; infinite if there are none.
    """

    number: int
    picks: int
    median_picks: float
    judged: int
    kept: int
    best_resolution_angstrom: float

    @property
    def kept_share(self) -> float:
        """Share of the judged picks that is in kept classes."""
        return self.kept / self.judged if self.judged else 0.0


class Contest(NamedTuple):
    """Two rounds, judged by the same classes, at equal numbers of picks; what both have tells nothing.

    Attributes:
        only_reference: places that only the earlier round has.
        only_reference_kept: of these, in kept classes.
        only_new: places that only the new round has.
        only_new_kept: of these, in kept classes.
    """

    only_reference: int
    only_reference_kept: int
    only_new: int
    only_new_kept: int

    @property
    def deviations(self) -> float:
        """By how many standard deviations the new round's share of kept places is the larger."""
        total = self.only_reference + self.only_new
        pooled_share = (self.only_reference_kept + self.only_new_kept) / max(total, 1)
        variance = pooled_share * (1 - pooled_share)
        if min(self.only_reference, self.only_new) < LEAST_DIFFERENCE or not variance:
            return 0.0
        difference = self.only_new_kept / self.only_new - self.only_reference_kept / self.only_reference
        return difference / math.sqrt(variance * (1 / self.only_reference + 1 / self.only_new))

    @property
    def is_won(self) -> bool:
        """Whether the new round is better beyond doubt."""
        return self.deviations > SURE_DEVIATIONS

    def __str__(self) -> str:
        return (
            f"of what only this round has {self.only_new_kept} of {self.only_new} are in kept classes, of what only "
            f"the round before has {self.only_reference_kept} of {self.only_reference}"
        )


def is_converged(facts: RoundFacts, converged_share: float) -> bool:
    """Whether more than the wanted share of a round's picks is in kept classes."""
    return facts.kept_share > converged_share


def takes_over(facts: RoundFacts, contest: Contest, converged_share: float) -> bool:
    """Whether a new round's picks take the place of those that stand.

    In doubt those of a converged network stand, as in the 2020 paper, unless a smaller share of its own places is kept.
    One that has not converged must be better.
    """
    return contest.is_won or (is_converged(facts, converged_share) and contest.deviations >= 0)


def alarm(best: RoundFacts, now: RoundFacts) -> str | None:
    """Say why a round has gone astray; None if it has not.

    Args:
        best: the round whose picks stand.
        now: the round after it.
    """
    if now.picks == 0:
        return "the network picks nothing"
    ratio = now.median_picks / max(best.median_picks, 1.0)
    said = f"{now.median_picks:g} picks a micrograph (median) after {best.median_picks:g} in round {best.number}"
    if ratio < COLLAPSE:
        return f"picks collapse: {said}"
    if ratio > FLOOD:
        return f"picks flood: {said}"
    if now.kept == 0:
        return "not one of its classes is kept"
    if best.kept_share - now.kept_share > MOST_SHARE_LOST:
        return f"classes get worse: {now.kept_share:.0%} in kept classes after {best.kept_share:.0%}"
    if now.best_resolution_angstrom > MOST_RESOLUTION_LOST * best.best_resolution_angstrom:
        now_at, before = now.best_resolution_angstrom, best.best_resolution_angstrom
        return f"classes get worse: the best at {now_at:.1f} A after {before:.1f} A"
    return None
