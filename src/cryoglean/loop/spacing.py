"""How near two particles come: a law of the specimen that its surest picks tell without labels.

Particles do not lie in each other, so pairs of true particles nearer than a certain distance are few. False picks have
no such law: noise, and the side lobes of a particle, lie anywhere beside a particle. So the weaker of two picks that
are nearer than sure picks ever are is false.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from cryoglean.detect.peaks import non_maximum_suppression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryoglean.picks import Picks

LEAST_SPACING_DIAMETERS, MOST_SPACING_DIAMETERS = 0.5, 1.0
SURE_SHARE = 0.25
"""Share of the picks, the best by score, that are asked."""

FEW = 0.3
"""Pairs over those of places at random: below this share there is a law against them."""

SLACK = 0.9
"""Two centres are known to about 0.07 diameters each, so that a pair may seem a tenth nearer than it is."""

MANY = 0.5
"""Pairs of all picks over those of places at random: above this share they break the law, as noise does."""

_EDGES = np.arange(LEAST_SPACING_DIAMETERS, 1.225, 0.05)  # where distances are counted, in diameters
_LEAST_EXPECTED = 10.0


class Spacing(NamedTuple):
    """What was found.

    Attributes:
        diameters: least distance of two picks, in particle diameters.
        reason: why, for the user.
    """

    diameters: float
    reason: str


def find_spacing(picks: Sequence[Picks], diameters_px: Sequence[float], areas_px: Sequence[float]) -> Spacing:
    """Find the least distance that sure picks keep, where the other picks do not keep it.

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
    least = float(np.quantile(scores, 1 - SURE_SHARE)) if len(scores) else 0.0
    sure, expected = _pair_ratio([p.at_least(least) for p in picks], diameters_px, areas_px)
    kept = (sure < FEW) & (expected >= _LEAST_EXPECTED)
    if not kept.any():
        return Spacing(LEAST_SPACING_DIAMETERS, "sure candidates tell no more than half a diameter")
    last = int(np.flatnonzero(kept)[-1])
    reach = float(_EDGES[last + 1])
    spacing = min(max(SLACK * reach, LEAST_SPACING_DIAMETERS), MOST_SPACING_DIAMETERS)
    every, _ = _pair_ratio(picks, diameters_px, areas_px)
    of_all = float(np.interp(spacing, _EDGES[1:], every))
    has = f"sure candidates have {sure[last]:.0%}, all {of_all:.0%}"
    reason = f"of pairs nearer than {spacing:.2f} diameters by chance, {has}"
    if of_all < MANY:
        return Spacing(LEAST_SPACING_DIAMETERS, f"{reason}: there is nothing to drop")
    return Spacing(round(spacing, 3), reason)


def _pair_ratio(
    picks: Sequence[Picks], diameters_px: Sequence[float], areas_px: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pairs up to each distance over those expected of places at random, and how many are expected."""
    found, expected = np.zeros(len(_EDGES) - 1), np.zeros(len(_EDGES) - 1)
    for p, diameter, area in zip(picks, diameters_px, areas_px, strict=True):
        found += np.histogram(_distances(p.xy, _EDGES[-1] * diameter) / diameter, _EDGES)[0]
        expected += len(p) * (len(p) - 1) / 2 * math.pi * np.diff(_EDGES**2) * diameter**2 / area
    return np.cumsum(found) / np.maximum(np.cumsum(expected), 1e-9), np.cumsum(expected)


def thinned(picks: Picks, distance_px: float) -> Picks:
    """Drop the weaker of two picks that are nearer than a distance, best first."""
    ordered = picks.best_first()
    return ordered.take(non_maximum_suppression(ordered.x, ordered.y, distance_px))


def _distances(xy: NDArray[np.float64], most: float) -> NDArray[np.float64]:
    """Return the distances of all pairs up to a largest one."""
    if len(xy) < 2:
        return np.zeros(0)
    pairs = cKDTree(xy).query_pairs(most, output_type="ndarray")
    return np.asarray(np.linalg.norm(xy[pairs[:, 0]] - xy[pairs[:, 1]], axis=1))
