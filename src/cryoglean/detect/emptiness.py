"""Micrographs that seem empty beside the others of their set, and the threshold that holds there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy.special import expit, logit, ndtri  # scipy.stats is slow to load

if TYPE_CHECKING:
    from cryoglean.detect.skewness import Skewness

_SURE_ERRORS = 3.0
"""Skewness, or height of the peaks, in its standard errors, up to which noise alone more probably made a response.
Chosen by hand: in a thousandth or so of all micrographs of Gaussian noise the skewness is beyond; a higher one holds
micrographs with few particles for empty. 1.5 to 6 change no F1 on simulated sets whose empty micrographs are dirty
(`benchmarks/constants_flat.py`); with 2.5 one noise in twenty to forty passes for a full micrograph of noisy frames."""

SURE_ERRORS_OF_BEST = 5.0
"""The same for the best of some twenty templates. Chosen by hand: in noise alone the best reaches 4."""

_FALSE_MAXIMA = 0.05
"""Maxima of noise that are expected above the threshold in a micrograph that noise may have made. Chosen by hand: one
empty micrograph in twenty yields a pick; fewer cost particles of sparse micrographs."""

_MAXIMA = 4
"""Maxima of noise in the room of one particle. Chosen by hand: a few times more than particles."""

_USUAL_SPREAD = 0.2
"""Standard deviation of the skewness from micrograph to micrograph, as a share of the usual one. Chosen by hand:
fields of one simulated set differ by 0.03 to 0.1 of it; where particles are hard to see, noise adds to that."""

_EMPTY_SHARE = 0.05
"""Share of empty micrographs that a set is held to have before any is looked at. Chosen by hand: few are in what people
pick. By the skewness alone, 0.02 to 0.3 change F1 by less than 0.02 on simulated noisy fields
(`benchmarks/noisy_fields.py`); 0.5, to know nothing, takes most picks from some full ones."""


_CERTAIN = 1e-3
"""Maxima of noise that are expected above a height that noise does not reach in a whole set. Chosen by hand."""


def certain_height(capacity: float) -> float:
    """Return the height in robust deviations that no maximum of noise reaches in micrographs with room for particles.

    Args:
        capacity: how many particles there is room for, in all of them.
    """
    return _height_of(_CERTAIN, capacity)


def _height_of(maxima: float, capacity: float) -> float:
    """Return the height that a number of maxima of noise are expected to reach."""
    return -float(ndtri(maxima / max(_MAXIMA * capacity, 1.0)))


def emptiness(skewness: Skewness, usual: float, above_noise: float = 0.0, for_particles: float = -math.inf) -> float:
    """Return the probability that a micrograph is empty, given that it is either empty or like the others of its set.

    All must speak for it: noise alone may have made the response, and its peaks; and the micrograph is so much less
    like the others than like noise, by its skewness and by the heights of its peaks, that it outweighs how few are
    empty. Where particles hardly stand out of noise, a full micrograph may pass for empty by the skewness alone.

    Args:
        skewness: of the response in the micrograph.
        usual: typical skewness of the response in the set; about 0 where its particles are few.
        above_noise: standard deviations by which the peaks lie above those of noise, where that is known
            (`surrogates.peak_deviations`).
        for_particles: logarithm of how many times likelier the heights of its peaks are with as many particles among
            them as in the set than with none, where that is known.
    """
    if not skewness.noise_error:
        return 1.0  # a flat response
    deviations = max(skewness.typical / skewness.noise_error, above_noise, 0.0)
    by_noise = (_SURE_ERRORS**2 - deviations**2) / 2
    spread = math.hypot(skewness.error, _USUAL_SPREAD * usual)
    like_noise = _log_density(skewness.typical, 0, skewness.noise_error)
    like_others = _log_density(min(skewness.typical, usual), usual, spread)
    by_set = like_noise - like_others + logit(_EMPTY_SHARE)
    by_heights = logit(_EMPTY_SHARE) - for_particles
    return float(expit(min(by_noise, by_set, by_heights)))


def threshold_for_micrograph(threshold: float, empty: float, capacity: float) -> float:
    """Return the minimum height of a particle: the set's in a full micrograph, above noise in an empty one.

    Args:
        threshold: that of the set.
        empty: probability that the micrograph is; in between, the threshold is.
        capacity: how many particles there is room for.
    """
    return threshold + empty * max(_height_of(_FALSE_MAXIMA, capacity) - threshold, 0.0)


def _log_density(value: float, mean: float, deviation: float) -> float:
    """Return the logarithm of a normal density, but for that of the root of 2 pi."""
    return -(((value - mean) / deviation) ** 2) / 2 - math.log(deviation)
