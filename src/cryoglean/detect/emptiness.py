"""Micrographs whose response noise alone may have made, and the threshold that holds there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.stats import norm

if TYPE_CHECKING:
    from cryoglean.detect.skewness import Skewness

_SURE_ERRORS = 3.0
"""Skewness, in its standard errors, up to which noise alone may have made a response. Chosen by hand: a thousandth or
so of all micrographs of Gaussian noise are beyond; a higher one holds micrographs with few particles for empty. 1.5 to
6 change no F1 on simulated sets whose empty micrographs are dirty (`benchmarks/constants_flat.py`)."""

SURE_ERRORS_OF_BEST = 5.0
"""The same for the best of some twenty templates. Chosen by hand: in noise alone the best reaches 4."""

_FALSE_MAXIMA = 0.05
"""Maxima of noise that are expected above the threshold in a micrograph that noise may have made. Chosen by hand: one
empty micrograph in twenty yields a pick; fewer cost particles of sparse micrographs."""


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
