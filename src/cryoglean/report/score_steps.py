"""Scores as whole steps of a slider, so that a page counts picks above a threshold exactly as the tables do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryoglean.picks import Picks
    from cryoglean.report.page_facts import PageFacts

STEPS = 1000
"""Of a slider. Resource: finer than a slider's pixels; a score of three decimals is a step of its own."""

PARTS = 65
"""Of a step. Format: so many parts of all steps are numbers of 16 bits."""

_OWN_DIGITS = 1e6
"""Digits of a threshold that is found from the picks. Format: fewer than coordinate files hold of scores."""


@dataclass(frozen=True)
class ScoreSteps:
    """Even steps of score.

    Attributes:
        low: score of step 0; no score is lower.
        high: score of the last step; no score is higher.
    """

    low: float = 0.0
    high: float = 1.0

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """(STEPS + 1,) the score of each step, rounded to nine decimals."""
        return np.round(self.low + (self.high - self.low) * np.arange(STEPS + 1) / STEPS, 9)

    def of(self, score: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return (n,) the last step that each score reaches: its step is k or more where `score >= thresholds[k]`."""
        return np.asarray(np.clip(np.searchsorted(self.thresholds, score, side="right") - 1, 0, STEPS), np.int64)

    def parts_of(self, score: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return (n,) scores as whole parts of steps, of which `PARTS` make the next step that `of` gives."""
        steps = self.of(score)
        beyond = (score - self.thresholds[steps]) / (self.high - self.low) * STEPS
        return np.asarray(steps * PARTS + np.clip(beyond * PARTS, 0, PARTS - 1).astype(np.int64), np.int64)

    def remaining(self, score: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return (STEPS + 1,) the number of scores that reach each threshold."""
        counts = np.bincount(self.of(score), minlength=STEPS + 1)
        return np.asarray(np.cumsum(counts[::-1])[::-1], np.int64)


def steps_for(picks: Mapping[str, Picks]) -> ScoreSteps:
    """Return steps from 0 to 1 or, for scores of another program, over their range."""
    scores = all_scores(picks)
    if not len(scores) or not any(p.score_kind == "foreign" for p in picks.values()):
        return ScoreSteps()
    low, high = float(scores.min()), float(scores.max())
    return ScoreSteps(low, high if high > low else low + 1)


def all_scores(picks: Mapping[str, Picks]) -> NDArray[np.float64]:
    """Return (n,) the scores of all picks."""
    return np.concatenate([np.zeros(0), *(p.score for p in picks.values())])


def own_threshold(facts: PageFacts) -> float:
    """Return the threshold of the picks; where it is not known, one that just keeps them and drops the candidates."""
    if facts.threshold is not None:
        return facts.threshold
    picked, below = all_scores(facts.picks), all_scores(facts.candidates)
    if len(picked):
        return float(np.floor(picked.min() * _OWN_DIGITS) / _OWN_DIGITS)
    return float(np.nextafter(below.max(), np.inf)) if len(below) else 0.0


def score_meaning(picks: Mapping[str, Picks]) -> str:
    """Describe the scores for the user."""
    kinds = {p.score_kind for p in picks.values() if len(p)}
    if kinds == {"probability"}:
        return "Scores are probabilities of being a particle, by what the picker has learned."
    if "foreign" in kinds:
        return "Scores come from another program and are on its own scale."
    return "Scores are not calibrated: they rank picks, but are not probabilities."


def spread(counts: Mapping[str, int], max_number: int) -> list[str]:
    """Choose micrographs to show: evenly spread, with those that have the fewest and the most picks.

    Args:
        counts: picks by micrograph, in order.
        max_number: of micrographs to choose, two or more; of no more than these all are taken.

    Returns:
        Their keys, in the same order.
    """
    keys = list(counts)
    if len(keys) <= max_number:
        return keys
    chosen = {min(keys, key=counts.__getitem__), max(keys, key=counts.__getitem__)}
    rest = [key for key in keys if key not in chosen]
    left = max_number - len(chosen)
    chosen |= {rest[int((i + 0.5) * len(rest) / left)] for i in range(left)}
    return [key for key in keys if key in chosen]
