"""How many particles have no place of their own, as dirt or other particles hide them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import KDTree

from cryoglean.detect.responses import PEAK_DISTANCE_DIAMETERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NEXT_DIAMETERS = 1.2 * PEAK_DISTANCE_DIAMETERS
"""Distance up to which pairs tell how many lie still nearer. Chosen by hand: at 1.3 times the least, a diameter that is
given a third too large takes particles that touch for some that overlap; at 1.1 there is half of the pairs."""

_MOST_BY_ONE = 0.5
"""Particles that one hides, at most. Derived: with as many hidden as are seen, pairs tell no more how many they are."""


class SeenPlaces(NamedTuple):
    """What was found in a micrograph.

    Attributes:
        picks: (n, 2) x and y in pixels.
        is_sure: (n,) whether each is a particle beyond doubt.
        is_near_dirt: (n,) whether each lies where dirt does.
        diameter_px: particle diameter in pixels.
        area_px: exposed area in pixels.
        dirty_area_px: that where dirt lies.
    """

    picks: NDArray[np.float64]
    is_sure: NDArray[np.bool_]
    is_near_dirt: NDArray[np.bool_]
    diameter_px: float
    area_px: float
    dirty_area_px: float


def hidden_share(seen: Sequence[SeenPlaces]) -> float:
    """Return the share of all particles that dirt or others hide, in [0, 1)."""
    picks = sum(len(each.picks) for each in seen)
    hidden = hidden_by_dirt(seen) + sum(hidden_by_others(each.picks[each.is_sure], each.diameter_px) for each in seen)
    return hidden / max(picks + hidden, 1.0)


def hidden_by_dirt(seen: Sequence[SeenPlaces]) -> float:
    """Return how many particles dirt hides, if as many lie there as on the same area elsewhere."""
    area, dirty = sum(each.area_px for each in seen), sum(each.dirty_area_px for each in seen)
    picks, near_dirt = sum(len(each.picks) for each in seen), sum(int(each.is_near_dirt.sum()) for each in seen)
    if dirty >= area:
        return 0.0
    return max((picks - near_dirt) / (area - dirty) * dirty - near_dirt, 0.0)


def hidden_by_others(picks: NDArray[np.float64], diameter_px: float) -> float:
    """Return how many particles lie so near to another that both are one peak.

    Particles that overlap by chance lie at any distance alike: pairs a little farther apart than two peaks can be, over
    the area of these distances, tell how many lie nearer (the pair correlation function; Ripley, J. R. Stat. Soc. B 39,
    172, 1977). Hidden ones make no pairs, but hide others as those do that are seen. Where particles keep apart there
    are none.

    Args:
        picks: (n, 2) in pixels; of the doubtful ones, two may be of one particle.
        diameter_px: particle diameter in pixels.
    """
    if len(picks) < 2:
        return 0.0
    tree, (least, next_) = KDTree(picks), diameter_px * np.array([PEAK_DISTANCE_DIAMETERS, _NEXT_DIAMETERS])
    pairs = (int(tree.count_neighbors(tree, next_)) - int(tree.count_neighbors(tree, least))) / 2
    by_one = pairs * least**2 / (next_**2 - least**2) / len(picks)
    return float(len(picks) * by_one / (1 - min(by_one, _MOST_BY_ONE)))
