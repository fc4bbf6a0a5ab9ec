"""Acceptance of rounds: the rule, the comparison of two rounds that it looks at, and its verdict, as values."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryoglean.calibration.comparison import Lead

MIN_DIFFERENCE = 20
"""Picks that only one of two rounds has: of fewer, on either side, nothing can be said. Chosen by hand: with 20 the
standard deviation of a share is about 0.1."""

SURE_DEVIATIONS = 2.0
"""A difference of more standard deviations is beyond doubt. Chosen by hand: by chance alone one round in 40 is as much
better."""

NUMERICAL_DEVIATIONS = 0.5
"""A difference so near to the limit may lie on its other side on another processor, and is none. Chosen by hand: four
times what other last bits, threads and precisions were seen to move it."""


class RoundComparison(NamedTuple):
    """Two rounds, classified together, at equal numbers of picks; the picks that both have tell nothing.

    Attributes:
        only_reference: picks that only the accepted round has.
        only_reference_kept: of these, in kept classes.
        only_new: picks that only the new round has.
        only_new_kept: of these, in kept classes.
    """

    only_reference: int
    only_reference_kept: int
    only_new: int
    only_new_kept: int

    @property
    def deviations(self) -> float:
        """Number of standard deviations by which the new round's share of kept picks is the larger."""
        total = self.only_reference + self.only_new
        pooled_share = (self.only_reference_kept + self.only_new_kept) / max(total, 1)
        variance = pooled_share * (1 - pooled_share)
        if min(self.only_reference, self.only_new) < MIN_DIFFERENCE or not variance:
            return 0.0
        difference = self.only_new_kept / self.only_new - self.only_reference_kept / self.only_reference
        return difference / math.sqrt(variance * (1 / self.only_reference + 1 / self.only_new))


class Doubt(StrEnum):
    """Reason why a comparison of two rounds decides nothing."""

    chance = "chance"
    numerical = "numerical"

    @property
    def message(self) -> str:
        """The reason, for the user."""
        return {
            Doubt.chance: "chance may have made the difference",
            Doubt.numerical: "so near to the limit that another processor may decide otherwise",
        }[self]


def doubt_of(deviations: float) -> Doubt | None:
    """Return why a difference of so many standard deviations is in doubt; None if it is beyond doubt."""
    if abs(deviations) <= SURE_DEVIATIONS - NUMERICAL_DEVIATIONS:
        return Doubt.chance
    return Doubt.numerical if abs(deviations) <= SURE_DEVIATIONS + NUMERICAL_DEVIATIONS else None


class Acceptance(StrEnum):
    """Verdict on a new round, with its reason."""

    better = "better"
    first_network = "first_network"
    last_round = "last_round"
    undecided = "undecided"
    worse = "worse"

    @property
    def is_accepted(self) -> bool:
        """Whether the new round takes the place of the accepted one."""
        return self not in (Acceptance.undecided, Acceptance.worse)


class AcceptanceRule(StrEnum):
    """Rule by which the picks of a new round take the place of the accepted ones."""

    earlier_in_doubt = "earlier_in_doubt"
    last_round = "last_round"

    @property
    def message(self) -> str:
        """The rule, for the user."""
        return {
            AcceptanceRule.earlier_in_doubt: "in doubt the earlier round stands",
            AcceptanceRule.last_round: "as published, the last round's always are",
        }[self]

    def verdict(
        self, comparison: RoundComparison, lead: Lead | None = None, *, replaces_given: bool = False
    ) -> Acceptance:
        """Judge a new round.

        Args:
            comparison: of the round with the accepted one, by classes.
            lead: of its expected F1, by the probabilities of the first picks; None where these tell nothing.
            replaces_given: whether the accepted picks are coordinates that the user gave, and no picker made them.

        Returns:
            Whether it is accepted, and why. In doubt the earlier round stands: a network trained on its picks finds no
            more than these by itself, and was measured to lose some. Both kinds of evidence must not speak against a
            round that is better, nor for one that is worse.
        """
        told = {_side(comparison.deviations), 0 if lead is None else _side(lead.deviations)} - {0}
        if self is AcceptanceRule.last_round:
            return Acceptance.better if _side(comparison.deviations) > 0 else Acceptance.last_round
        if told == {1}:
            return Acceptance.better
        if replaces_given:
            return Acceptance.first_network
        return Acceptance.worse if told == {-1} else Acceptance.undecided


def _side(deviations: float) -> int:
    """Return 1 for what is better beyond doubt, -1 for what is worse, 0 in doubt."""
    return 0 if doubt_of(deviations) is not None else int(math.copysign(1, deviations))
