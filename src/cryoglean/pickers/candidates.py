"""Candidates: places that a picker has scored below its threshold, for a user who may want a lower one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryoglean.pickers.protocol import ScoringPicker, StoredPicker

if TYPE_CHECKING:
    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.protocol import Picker
    from cryoglean.picks import Picks

CANDIDATE_SCORE = 0.02
"""Minimum score of candidates. Chosen on simulated sets: of all particles that are expected, 0.02 of them or less lie
below it, and files stay small; with 0.1 it is up to 0.07."""


class PicksAndCandidates(NamedTuple):
    """Places of one micrograph on both sides of the threshold, each best first.

    Attributes:
        picks: those that reach it.
        candidates: those that do not; None of a picker whose threshold is no score.
    """

    picks: Picks
    candidates: Picks | None = None


def pick_with_candidates(picker: Picker, micrograph: Micrograph) -> PicksAndCandidates:
    """Find the particles of one micrograph, and at no other cost the candidates down to `CANDIDATE_SCORE`.

    Where the threshold is lower than that, there are no candidates.
    """
    if isinstance(picker, StoredPicker):
        picker = picker.opened()
    if not isinstance(picker, ScoringPicker):
        return PicksAndCandidates(picker.pick(micrograph))
    threshold = picker.threshold
    found = picker.pick_down_to(micrograph, min(threshold, CANDIDATE_SCORE))
    is_pick = found.score >= threshold
    return PicksAndCandidates(found.take(is_pick), found.take(~is_pick))
