"""Micrographs whose response noise alone may have made, and the threshold that holds there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.stats import norm

if TYPE_CHECKING:
    from cryoglean.detect.skewness import Skewness

_SURE_ERRORS = 3.0
SURE_ERRORS_OF_BEST = 5.0  # the best of some twenty templates: in noise alone it reaches 4
_FALSE_MAXIMA = 0.05


def is_consistent_with_noise(skewness: Skewness) -> bool:
    """Tell whether noise alone may have made a micrograph's response."""
    return skewness.typical <= _SURE_ERRORS * skewness.noise_error


def threshold_for_micrograph(cut: float, skewness: Skewness, capacity: float) -> float:
    """Return the least height of a particle; where noise may have made the response, one that it does not reach.

    Args:
        cut: that of the set.
        skewness: of the response in the micrograph.
        capacity: how many particles there is room for.
    """
    if not is_consistent_with_noise(skewness):
        return cut
    maxima = max(4 * capacity, 1.0)  # a few times more places for a maximum than for a particle
    return max(cut, float(norm.isf(_FALSE_MAXIMA / maxima)))
