"""Side lobes: places beside a particle where part of a class average lies on part of it.

Far from focus, a view may be a pattern of stripes, and its average fits it shifted by a stripe, too. There the response
is high, but far lower than at the particle; and the round template finds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.detect.peaks import Peaks

_REACH_DIAMETERS = 1.0
"""Farthest from the particle. Derived: farther away, averages and particle share nothing but their halos."""

_LESS_BY_AVERAGES, _LESS_BY_ROUND = 1 / 2, 1 / 3
"""Height of a side lobe over that of its particle, at most, by averages and by the round template. Chosen on simulated
sets: 33 of 36 side lobes of GroEL far from focus are below both, of particles 5 of 1,104 in a crowd and 1 in 397 or
fewer elsewhere; with 2/3 and 1/3, or 1/2 and 1/4, it is 2 particles more or less. Labels of two real sets were watched
meanwhile."""


def are_side_lobes(peaks: Peaks, round_heights: NDArray[np.float64], diameter_px: float) -> NDArray[np.bool_]:
    """Tell side lobes from particles.

    Args:
        peaks: n peaks of the response to class averages.
        round_heights: (n,) response to the round template there.
        diameter_px: of a particle.

    Returns:
        (n,) booleans.
    """
    found = np.zeros(len(peaks.x), dtype=bool)
    pairs = cKDTree(peaks.xy).query_pairs(_REACH_DIAMETERS * diameter_px, output_type="ndarray")
    for high, low in (pairs.T, pairs.T[::-1]):
        is_lower = peaks.height[low] < _LESS_BY_AVERAGES * peaks.height[high]
        found[low[is_lower & (round_heights[low] < _LESS_BY_ROUND * round_heights[high])]] = True
    return found
