"""Which of several pick sets is the best, and how good each is, without labels.

The probabilities of places that may be particles are evidence on any pick set: a pick is a hit if its place is a
particle and it lies near enough to the centre; and what a set lacks is told by the places that it has no pick at.
Particles are drawn by these probabilities, the same for all sets: so what is not known of places that two sets share
says nothing about which is the better. As the probabilities may be wrong, too, all are raised and lowered besides; and
picks that are the places themselves may be flattered.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import KDTree

from cryoglean.detect.peaks import inside
from cryoglean.expected import OF_HIDDEN, SHIFTS, Interval, shifted
from cryoglean.limits import SAME_PLACE_DIAMETERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryoglean.picks import Picks

_SAME_DIAMETERS = 0.5
"""Distance up to which a pick is one of a place. Derived: a particle's radius."""

_CENTRE_ERROR_DIAMETERS = 0.06
"""Standard deviation of a place along one axis, if it is a particle. Chosen by hand; half and twice as much
decide as well on simulated sets (`benchmarks/constants_judge.py`)."""

_DRAWS = 200
"""Draws of particles, for each shift. Resource: shares of draws are known to two hundredths."""

_ALL = _DRAWS * len(SHIFTS)
"""Draws in all. Derived: those of every shift."""

_EDGE_DIAMETERS = 0.5
"""Distance to the edge up to which nothing is compared. Derived: a particle's radius, as in published scores."""

_SURE_DEVIATIONS = 1.645
"""Mean over standard deviation of a lead that is beyond doubt. Derived: one in twenty is below 0 by chance."""

_OWN_DIAMETERS = 0.01
"""Distance up to which a pick is the place itself. Derived: files of coordinates round by less, and pickers that find a
particle by themselves differ by more."""

_FLATTERY = 0.02
"""Standard deviation by which the F1 of a set that the probabilities come from may be too high beside others. Chosen on
simulated sets: its lead over picks of a network was 0.021 to 0.029 too large in five (`benchmarks/judge_pairs.py`)."""


class Places(NamedTuple):
    """Places of one micrograph that may be particles.

    Attributes:
        picks: in pixels, with the probability that each is a particle for a score.
        diameter_px: particle diameter in pixels.
        shape: height and width of the micrograph in pixels.
    """

    picks: Picks
    diameter_px: float
    shape: tuple[int, int]

    def off_edges(self, picks: Picks) -> Picks:
        """Return those of some picks of the micrograph that are compared."""
        return picks.take(inside(picks, self.shape, _EDGE_DIAMETERS * self.diameter_px))


class Draws(NamedTuple):
    """What may be true of one pick set.

    Attributes:
        hits: (n,) picks that are particles, in each draw.
        particles: (n,) particles that there are.
        picks: number of picks.
        own: number of these that are the places themselves, which are judged by what they were chosen by.
    """

    hits: NDArray[np.float64]
    particles: NDArray[np.float64]
    picks: int
    own: int

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 of each draw."""
        return 2 * self.hits / np.maximum(self.picks + self.particles, 1)

    @property
    def quality(self) -> Quality:
        """How good the set is."""
        precision, recall = self.hits / max(self.picks, 1), self.hits / np.maximum(self.particles, 1)
        return Quality(self.picks, *(Interval.of(each) for each in (precision, recall, self.f1)))


class Quality(NamedTuple):
    """How good a pick set is expected to be.

    Attributes:
        picks: number of picks.
        precision: share of them that are particles.
        recall: share of the particles that have a pick.
        f1: harmonic mean of both.
    """

    picks: int
    precision: Interval
    recall: Interval
    f1: Interval


class Lead(NamedTuple):
    """How much higher the F1 of one set is than that of another.

    Attributes:
        by: so much.
        deviations: mean over standard deviation of the draws; 0 where they are the same.
    """

    by: Interval
    deviations: float

    @classmethod
    def of(cls, one: Draws, other: Draws) -> Lead:
        """Return it from draws of both."""
        draws = one.f1 - other.f1
        flattery = _FLATTERY * abs(one.own / max(one.picks, 1) - other.own / max(other.picks, 1))
        low, middle, high = Interval.of(draws)
        reach = _SURE_DEVIATIONS * flattery
        by = Interval(middle - math.hypot(middle - low, reach), middle, middle + math.hypot(high - middle, reach))
        return cls(by, float(draws.mean() / max(math.hypot(draws.std(), flattery), 1e-12)))

    @property
    def is_sure(self) -> bool:
        """Whether it is above 0 beyond doubt."""
        return self.deviations >= _SURE_DEVIATIONS


class Comparison(NamedTuple):
    """Several pick sets on one scale.

    Attributes:
        qualities: of each set.
        best: number of the set whose mean F1 is the highest.
        leads: of the best set over each set, itself as well.
    """

    qualities: tuple[Quality, ...]
    best: int
    leads: tuple[Lead, ...]

    @property
    def is_sure(self) -> bool:
        """Whether the best set is better than each other one beyond doubt."""
        return all(lead.is_sure for number, lead in enumerate(self.leads) if number != self.best)


def compare(
    sets: Sequence[Sequence[Picks]], places: Sequence[Places], hidden_share: float = 0.0, seed: int = 0
) -> Comparison:
    """Compare pick sets of the same micrographs.

    Args:
        sets: two or more, each with the picks of every micrograph.
        places: of every micrograph.
        hidden_share: share of all particles, below 1, that have no place.
        seed: of the draws.
    """
    draws = _draw(sets, places, seed, hidden_share)
    f1 = np.stack([each.f1 for each in draws])
    best = int(f1.mean(1).argmax())
    return Comparison(tuple(each.quality for each in draws), best, tuple(Lead.of(draws[best], each) for each in draws))


def lead_of(one: Sequence[Picks], other: Sequence[Picks], places: Sequence[Places], seed: int = 0) -> Lead:
    """Return how much higher the F1 of one set is than that of another, below 0 where it is lower."""
    return Lead.of(*_draw([one, other], places, seed))


def _draw(
    sets: Sequence[Sequence[Picks]], places: Sequence[Places], seed: int, hidden_share: float = 0.0
) -> list[Draws]:
    """Draw which places are particles, where their centres are, and how many have no place."""
    shifts = np.repeat(SHIFTS, _DRAWS)[:, None]
    total, hits, picks = np.zeros(_ALL), np.zeros((len(sets), _ALL)), np.zeros((len(sets), 2), int)
    for number, each in enumerate(places):
        random = np.random.default_rng([seed, number])
        known = each.off_edges(each.picks)
        is_particle = random.random((_ALL, len(known))) < shifted(known.score, shifts)
        centre = _CENTRE_ERROR_DIAMETERS * random.standard_normal((_ALL, len(known), 2))
        total += is_particle.sum(1)
        for which, one in enumerate(sets):
            kept = each.off_edges(one[number])
            place, off = nearest_picks(kept, known, each.diameter_px)
            is_hit = np.hypot(*np.moveaxis(off - centre[:, place], -1, 0)) <= SAME_PLACE_DIAMETERS
            hits[which] += (is_hit & is_particle[:, place]).sum(1)
            own = int((np.hypot(*off.T) <= _OWN_DIAMETERS).sum())
            picks[which] += len(kept), own
    hidden = hidden_share / (1 - hidden_share) * np.random.default_rng(seed).uniform(*OF_HIDDEN, _ALL)
    total *= 1 + hidden
    return [Draws(hit, total, int(n), int(own)) for hit, (n, own) in zip(hits, picks, strict=True)]


def nearest_picks(picks: Picks, places: Picks, diameter_px: float) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the picks of a set that may be particles.

    Args:
        picks: of a micrograph, in pixels.
        places: of the same micrograph.
        diameter_px: particle diameter in pixels.

    Returns:
        (m,) which places have a pick that is nearer to them than to any other place, and to none but by a particle's
        radius; and (m, 2) how far off the nearest such pick is, in diameters, x first.
    """
    if not (len(picks) and len(places)):
        return np.zeros(0, np.intp), np.zeros((0, 2))
    found, place = (np.asarray(each) for each in KDTree(places.xy).query(picks.xy))
    nearest_first = np.argsort(found, kind="stable")
    which, first = np.unique(place[nearest_first], return_index=True)
    pick = nearest_first[first]
    is_same = found[pick] <= _SAME_DIAMETERS * diameter_px
    which, pick = which[is_same], pick[is_same]
    return which, (picks.xy[pick] - places.xy[which]) / diameter_px
