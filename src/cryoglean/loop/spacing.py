"""Minimum distance between particles: a law of the specimen that its best picks tell without labels.

Particles do not lie in each other, so pairs of true particles nearer than a certain distance are few. False picks have
no such law: noise, and the side lobes of a particle, lie anywhere beside a particle. So the weaker of two picks that
are nearer than sure picks ever are is false.

The gain that it brought on a few noisy frames was not repeated on held-out ones; what it is worth on simulated sets,
and how far its constants may be moved there, `benchmarks/constants_spacing.py` tells.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from cryoglean.detect.peaks import non_maximum_suppression
from cryoglean.limits import DEFAULT_SPACING_DIAMETERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryoglean.picks import Picks

MAX_SPACING_DIAMETERS = 1.0
"""Largest minimum distance that is ever found, in particle diameters. Derived: particles that touch are one diameter
apart."""

SURE_SHARE = 0.25
"""Share of the picks, the best by score, that tell the law. Chosen by hand: fewer leave too few pairs, more hold false
picks. As of the next three, see `benchmarks/README.md` for where it is flat on simulated sets, and where not."""

FEW = 0.3
"""Pairs over those of random places: below this share there is a law against them. Chosen by hand: a larger share takes
chance for a law, a smaller one is broken by a few false picks."""

SLACK = 0.9
"""Share of the distance found that is asked for. Derived: two centres are known to about 0.07 diameters each, so that a
pair may seem a tenth nearer than it is."""

MANY = 0.5
"""Pairs of all picks over those of random places: above this share they break the law, as noise does. Chosen by hand:
below it the few that come near may well be particles."""

_EDGES = np.arange(DEFAULT_SPACING_DIAMETERS, 1.225, 0.05)
"""Borders of the histogram of distances, in particle diameters. Chosen by hand: wide enough for ten pairs, and a little
beyond the largest distance."""

_MIN_EXPECTED = 10.0
"""Pairs of random places, at least, for a share of them to be known. Chosen by hand: the share is then known to a
third."""


class SpacingFinding(StrEnum):
    """Finding on the minimum distance of the best picks."""

    unknown = "unknown"
    nothing_to_remove = "nothing_to_remove"
    overlaps = "overlaps"


class Spacing(NamedTuple):
    """Minimum distance between picks.

    Attributes:
        finding: what the best picks tell.
        diameters: the minimum distance, in particle diameters.
        sure_share: pairs of the best picks nearer than this, over those of random places; None if not known.
        all_share: the same of all picks.
    """

    finding: SpacingFinding
    diameters: float
    sure_share: float | None = None
    all_share: float | None = None


def find_spacing(picks: Sequence[Picks], diameters_px: Sequence[float], areas_px: Sequence[float]) -> Spacing:
    """Find the minimum distance that sure picks keep, where the other picks do not keep it.

    Args:
        picks: those of each micrograph, no two nearer than half a diameter.
        diameters_px: particle diameter in each.
        areas_px: area of each in square pixels.

    Returns:
        The largest distance below which sure pairs are few against places at random, less the slack. Half a diameter
        where there are too few picks to tell, and where all picks together keep the law as well: then those that come
        near to each other are few, and may well be particles.
    """
    scores = np.concatenate([np.zeros(0), *(p.score for p in picks)])
    min_score = float(np.quantile(scores, 1 - SURE_SHARE)) if len(scores) else 0.0
    sure, expected = _pair_ratio([p.at_least(min_score) for p in picks], diameters_px, areas_px)
    kept = (sure < FEW) & (expected >= _MIN_EXPECTED)
    if not kept.any() or SLACK * _EDGES[np.flatnonzero(kept)[-1] + 1] <= DEFAULT_SPACING_DIAMETERS:
        return Spacing(SpacingFinding.unknown, DEFAULT_SPACING_DIAMETERS)
    last = int(np.flatnonzero(kept)[-1])
    reach = float(_EDGES[last + 1])
    spacing = min(SLACK * reach, MAX_SPACING_DIAMETERS)
    every, _ = _pair_ratio(picks, diameters_px, areas_px)
    of_all = float(np.interp(spacing, _EDGES[1:], every))
    shares = float(sure[last]), of_all
    if of_all < MANY:
        return Spacing(SpacingFinding.nothing_to_remove, DEFAULT_SPACING_DIAMETERS, *shares)
    return Spacing(SpacingFinding.overlaps, round(spacing, 3), *shares)


def _pair_ratio(
    picks: Sequence[Picks], diameters_px: Sequence[float], areas_px: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pairs up to each distance over those expected of places at random, and how many are expected."""
    found, expected = np.zeros(len(_EDGES) - 1), np.zeros(len(_EDGES) - 1)
    for p, diameter, area in zip(picks, diameters_px, areas_px, strict=True):
        found += np.histogram(_distances(p.xy, _EDGES[-1] * diameter) / diameter, _EDGES)[0]
        expected += len(p) * (len(p) - 1) / 2 * math.pi * np.diff(_EDGES**2) * diameter**2 / area
    return np.cumsum(found) / np.maximum(np.cumsum(expected), 1e-9), np.cumsum(expected)


def suppress_neighbours(picks: Picks, distance_px: float) -> Picks:
    """Remove the weaker of two picks that are nearer than a distance, best first."""
    ordered = picks.best_first()
    return ordered.take(non_maximum_suppression(ordered.x, ordered.y, distance_px))


def _distances(xy: NDArray[np.float64], max_distance: float) -> NDArray[np.float64]:
    """Return the distances of all pairs up to a largest one."""
    if len(xy) < 2:
        return np.zeros(0)
    pairs = cKDTree(xy).query_pairs(max_distance, output_type="ndarray")
    return np.asarray(np.linalg.norm(xy[pairs[:, 0]] - xy[pairs[:, 1]], axis=1))
