"""What is expected of picks whose scores are probabilities: how many of them are particles, and what they lack."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from cryoglean.picks import Picks

SHIFTS = (-1.0, 0.0, 1.0)
"""Shifts of the logarithm of the odds of all places: so far may those of a set be wrong. Chosen by hand, and confirmed
on simulated sets (`benchmarks/calibration.py`); the judge of pick sets decides as well with half of them
(`benchmarks/constants_judge.py`)."""

OF_HIDDEN = (0.5, 1.5)
"""Range of the particles without a place, over what is told of them. Chosen by hand: on simulated sets with dirt
or overlaps it was 1.1 to 1.4 (two seeds of base and of crowd, by `benchmarks/calibration.py`)."""

_LEAST, _MOST = 0.001, 0.999
"""Limits of a probability. Derived: none is known to a thousandth."""

_INTERVAL = (0.05, 0.5, 0.95)
"""Quantiles of the draws that are told. Derived: an interval of nine in ten, and the middle."""

_OUTERMOST_DEVIATIONS = 1.036
"""Deviations beyond the mean of the outermost of three shifts. Derived: 0.15 of a normal one, one in three of all, lie
there, which is the twentieth that the interval leaves out."""


class Interval(NamedTuple):
    """Value of which nine in ten draws lie between two others."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, draws: NDArray[np.float64]) -> Interval:
        """Return the interval of some draws."""
        return cls(*np.quantile(draws, _INTERVAL).tolist())

    @property
    def in_words(self) -> str:
        """As percentages: "92%, 85% to 97%"."""
        return f"{self.middle:.0%}, {self.low:.0%} to {self.high:.0%}"


def shifted(probability: NDArray[np.float64], by: ArrayLike) -> NDArray[np.float64]:
    """Return probabilities with the logarithm of their odds shifted; neither is ever sure to a thousandth."""
    known, factor = np.clip(probability, _LEAST, _MOST), np.exp(by)
    return np.asarray(known * factor / (1 - known + known * factor))


class Expected(NamedTuple):
    """What is expected of picks whose scores are probabilities.

    Attributes:
        hits: how many of the picks are particles.
        particles: how many particles there are, those without a pick among them.
        hidden: how many of these cannot be picked, as dirt or others hide them.
        fewest_hits: hits if all probabilities are too high.
        fewest_particles: particles then, but for the hidden ones.
        most_hits: hits if all are too low.
        most_particles: particles then, but for the hidden ones.
        hit_variance: of the number of hits, if each is drawn.
        missed_variance: of the number of particles without a pick.
    """

    hits: float = 0.0
    particles: float = 0.0
    hidden: float = 0.0
    fewest_hits: float = 0.0
    fewest_particles: float = 0.0
    most_hits: float = 0.0
    most_particles: float = 0.0
    hit_variance: float = 0.0
    missed_variance: float = 0.0

    @classmethod
    def total(cls, each: Iterable[Expected | None], hidden_share: float = 0.0) -> Expected | None:
        """Return the sum over some micrographs; None where it is not known of one of them.

        Args:
            each: of every micrograph.
            hidden_share: share of all particles of the set, below 1, that are hidden.
        """
        total = np.zeros(len(cls._fields))
        for one in each:
            if one is None:
                return None
            total += one
        return cls(*total.tolist()).beside_hidden(hidden_share)

    def beside_hidden(self, share: float) -> Expected:
        """Return the same with a share of all particles, below 1, that are hidden."""
        more = self.particles * share / (1 - share)
        return self._replace(particles=self.particles + more, hidden=self.hidden + more)

    def precision(self, picks: int) -> Interval:
        """Return the share of the picks, one or more, that are particles."""
        reach = _OUTERMOST_DEVIATIONS * math.sqrt(self.hit_variance)
        return _shares(self.fewest_hits - reach, self.hits, self.most_hits + reach, picks)

    @property
    def recall(self) -> Interval:
        """Share of the particles that have a pick; 1 where there are none."""
        seen = max(self.particles - self.hidden, 1e-9)
        middle = self.hits / max(self.particles, 1e-9)
        variance = (1 - self.hits / seen) ** 2 * self.hit_variance + (self.hits / seen) ** 2 * self.missed_variance
        reach = _OUTERMOST_DEVIATIONS * math.sqrt(max(variance, 0.0)) / seen
        most, fewest = (of * self.hidden for of in OF_HIDDEN[::-1])
        ends = [
            self.most_hits / max(self.most_particles + most, 1e-9) - reach,
            self.fewest_hits / max(self.fewest_particles + fewest, 1e-9) + reach,
        ]
        return _shares(min(ends), middle, max(ends)) if self.particles > 0 else Interval(1.0, 1.0, 1.0)

    def as_dict(self, picks: int) -> dict[str, Any]:
        """Return what is told of it, as JSON values."""
        numbers = {"hits": self.hits, "particles": self.particles, "hidden": self.hidden}
        return numbers | {"precision": self.precision(max(picks, 1))._asdict(), "recall": self.recall._asdict()}


def _shares(low: float, middle: float, high: float, of: float = 1.0) -> Interval:
    """Return an interval of shares, which lie between 0 and 1 and in their order."""
    middle = min(middle / of, 1.0)
    return Interval(min(max(low / of, 0.0), middle), middle, max(min(high / of, 1.0), middle))


def expected_of(picks: Picks, candidates: Picks | None) -> Expected | None:
    """Return what is expected of the picks of a micrograph; None where scores are no probabilities.

    Args:
        picks: of the micrograph.
        candidates: of the same micrograph, below the threshold; None where none are known.
    """
    if picks.score_kind != "probability" and len(picks):
        return None
    missed = np.zeros(0) if candidates is None else candidates.score
    (fewest, _, most), (fewest_missed, _, most_missed) = (
        [float(shifted(each, by).sum()) for by in SHIFTS] for each in (picks.score, missed)
    )
    hits = float(picks.score.sum())
    return Expected(
        hits=hits,
        particles=hits + float(missed.sum()),
        fewest_hits=fewest,
        fewest_particles=fewest + fewest_missed,
        most_hits=most,
        most_particles=most + most_missed,
        hit_variance=float((picks.score * (1 - picks.score)).sum()),
        missed_variance=float((missed * (1 - missed)).sum()),
    )
