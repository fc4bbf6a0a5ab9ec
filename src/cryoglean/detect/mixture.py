"""Mixture model of peak heights, particles and background, bounded by how many particles fit into the area."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryoglean.detect.otsu import otsu_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

JAMMING_COVERAGE = 0.547
"""Largest share of an area that discs cover when they fall on it at random and do not overlap: particles in one layer
of ice are no denser. Published (J. Feder, J. Theor. Biol. 87, 237, 1980)."""

MIN_HEIGHTS = 4
"""Fewer heights than this tell nothing of two distributions. Derived: each of the two needs two for its deviation."""

_NORMAL = math.sqrt(2 * math.pi)
"""Derived: area under the bell of a normal density of unit deviation."""

_ITERATIONS = 300
"""Most iterations of a fit. Resource: bounds the time of a fit that creeps."""

_TOLERANCE = 1e-7
"""Gain in mean log-likelihood at which a fit has settled. Chosen by hand: smaller takes longer."""

_SMALLEST_DEVIATION = 1e-3
"""Smallest standard deviation of either part, in those of the response. Chosen by hand: it keeps the likelihood finite
where all heights of a part are equal."""


class Normal(NamedTuple):
    """A normal density, and the share of the peaks that it stands for."""

    share: float
    mean: float
    deviation: float

    def density(self, height: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share's density at (n,) heights."""
        away = (height - self.mean) / self.deviation  # not by scipy: its checks take longer than the few heights
        return np.asarray(self.share * (np.exp(-(away**2) / 2) / _NORMAL / self.deviation))


class HeightMixture(NamedTuple):
    """Peak heights as a sum of two normal densities: background below, particles above.

    Attributes:
        particle_share: share of the peaks that are particles.
        background_mean: mean height of background peaks.
        background_deviation: their standard deviation.
        particle_mean: mean height of particles' peaks.
        particle_deviation: their standard deviation.
    """

    particle_share: float
    background_mean: float
    background_deviation: float
    particle_mean: float
    particle_deviation: float

    @property
    def particles(self) -> Normal:
        """Heights of particles."""
        return Normal(self.particle_share, self.particle_mean, self.particle_deviation)

    def background(self, height: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share's density of the background at (n,) heights."""
        return Normal(1 - self.particle_share, self.background_mean, self.background_deviation).density(height)

    def posterior(self, height: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability that a peak of each height is a particle.

        The wider of two normal densities wins on both sides of the narrower one. Of the two ends only the upper means
        something: up to the background's mean the probability is 0, and far above the particles' mean it is 1.

        Args:
            height: (n,) peak heights.

        Returns:
            (n,) probabilities.
        """
        particle, background = self.particles.density(height), self.background(height)
        both = particle + background
        share = np.divide(particle, both, out=np.zeros_like(particle), where=both > 0)
        far_above = height >= self.particle_mean + 3 * self.particle_deviation
        return np.where(height <= self.background_mean, 0.0, np.where(far_above, 1.0, share))


def max_particles(area_px: float, diameter_px: float) -> float:
    """Return how many particles of a diameter an area can hold in one layer at random."""
    return JAMMING_COVERAGE * area_px / (math.pi / 4 * diameter_px**2)


def fit_height_mixture(heights: NDArray[np.float64], capacity: float) -> HeightMixture:
    """Fit the mixture by expectation maximisation (Dempster, Laird and Rubin 1977) under a bound on its particles.

    Where particles and noise overlap, many splits of the heights are about equally likely; the bound rules out those
    with more particles than there is room for.

    Args:
        heights: (n,) heights of all peaks, n of `MIN_HEIGHTS` or more.
        capacity: how many particles there is room for.

    Returns:
        The mixture of largest likelihood reached from the split of the heights at `otsu_threshold`.
    """
    share_bound = min(max(capacity / len(heights), 1 / len(heights)), 0.95)
    particle = (heights > otsu_threshold(heights)).astype(float)
    likelihood = -np.inf
    for _ in range(_ITERATIONS):
        share = min(max(float(particle.mean()), 1e-9), share_bound)
        high = _weighted_normal(heights, particle)
        low = _weighted_normal(heights, 1 - particle)
        log_particle = math.log(share) + _log_density(heights, *high)
        log_background = math.log(1 - share) + _log_density(heights, *low)
        log_both = np.logaddexp(log_particle, log_background)
        particle = np.exp(log_particle - log_both)
        previous, likelihood = likelihood, float(log_both.mean())
        if abs(likelihood - previous) < _TOLERANCE:
            break
    return HeightMixture(share, *low, *high)


def best_threshold(heights: NDArray[np.float64], posterior: NDArray[np.float64]) -> float:
    """Find the height above which the expected F1 is largest.

    With n peaks kept, of which t are expected to be particles out of p in all, F1 is 2 t / (n + p); the best threshold
    keeps what is more probable than half of that maximum (Lipton, Elkan and Naryanaswamy 2014).

    Args:
        heights: (n,) heights of all peaks, n of 1 or more.
        posterior: (n,) probability that each is a particle.

    Returns:
        The threshold, halfway between the lowest height to keep and the next below it, so that rounding moves no peak
        across.
    """
    order = np.argsort(-heights, kind="stable")
    expected_true = np.cumsum(posterior[order])
    f1 = 2 * expected_true / (np.arange(1, len(heights) + 1) + expected_true[-1])
    best = int(np.argmax(f1))
    return float(heights[order][best : best + 2].mean())


def _log_density(heights: NDArray[np.float64], mean: float, deviation: float) -> NDArray[np.float64]:
    return np.asarray(-(((heights - mean) / deviation) ** 2) / 2 - math.log(_NORMAL) - math.log(deviation))


def _weighted_normal(values: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[float, float]:
    total = max(float(weight.sum()), 1e-12)
    mean = float((weight * values).sum()) / total
    variance = float((weight * (values - mean) ** 2).sum()) / total
    return mean, max(math.sqrt(variance), _SMALLEST_DEVIATION)
