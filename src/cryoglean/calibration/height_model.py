"""Heights of peaks as those of particles, of what lies beside particles, and of background, which decoys show.

Where particles and background overlap, many splits of the heights into two normal densities are about equally likely.
Here the background is not free: its heights are those of decoys (an empirical null; Efron, J. Am. Stat. Assoc. 99, 96,
2004), but for peaks next to a particle, in its halo or between two of them, which are lower.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from cryoglean.detect.mixture import Normal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.detect.mixture import HeightMixture

_STEP = 0.05
"""Step at which densities of heights are kept, in standard deviations of the response. Resource: far below the width of
any of them."""

_SMOOTHING = 0.1
"""Standard deviation by which the heights of decoys are smoothed. Chosen by hand: single decoys do not show."""

_OUTERMOST = (-20.0, 60.0)
"""Heights beyond these count as these. Resource: bounds the number of steps, whatever stands out of a flat image."""

_MARGIN = 1.0
"""How far densities reach beyond the outermost height, in standard deviations. Derived: decoys may, by about one."""

_MARGIN_DEVIATIONS = 5.0
"""The same of a normal background, in its own deviations. Derived: one height in some million is beyond."""

_BEYOND = 1e-3
"""Share of a normal density that is added where there is no decoy. Chosen by hand: one more decoy in a thousand would
not surprise."""

_STARTS = (1.0, 2.0, 3.0, 5.0)
"""Means of the particles from which the fit climbs, in deviations of the decoys above their mean. Chosen by hand: from
faint to clear; the likeliest end is taken."""

_MIN_SEPARATION = 1.0
"""Minimum distance of the particles' mean from that of the decoys, in the decoys' deviations. Chosen by hand: fainter
particles cannot be told from background that decoys do not fit to the last; 0.5 to 1.5 give the same F1 on simulated
sets (`benchmarks/constants_decoys.py`)."""

_MAX_SHARE = 0.95
"""Largest share of the peaks that are particles. Derived: some background has to be left to tell them from."""

_MIN_DEVIATION = 0.6
"""Least standard deviation of particles' heights. Chosen on simulated sets: the noise under each alone makes 0.7."""

_MAX_VARIATION = 0.25
"""Largest coefficient of variation of the particles' own heights. Chosen on simulated sets, where it is 0.15 to 0.25;
with 0.15 to 0.5 F1 lacks 0.006 to 0.012 of that at the best threshold (`benchmarks/constants_decoys.py`). Without a
limit the flank of the noise passes for particles, and so does dirt, whose heights scatter more. Labels of
three real sets were watched meanwhile."""

_MAX_BESIDE = 4.0
"""Most peaks beside a particle. Chosen on simulated sets: 0.6 where they crowd, to 3.4."""

_MIN_BESIDE_DEVIATION, _MAX_BESIDE_DEVIATION = 0.3, 1.2
"""Limits of the deviation of their heights, the second in those of the decoys. Chosen on simulated sets: 0.5 to 1."""

_PARAMETERS = 6
"""Parameters of particles and of what is beside them. Derived: share, mean and deviation of each."""

_UNHEARD_OF = 1e-6
"""Least density of a height. Chosen by hand: a single peak beyond all others must not outweigh what the rest tell."""

_RANKED = 1e-3
"""Part of a score that tells sure peaks apart by height. Derived: no probability here is known to a thousandth."""

_ITERATIONS = 400
"""Most iterations of a fit. Resource: bounds its time."""

_TOLERANCE = 1e-7
"""Gain in mean log-likelihood at which a fit has settled. Chosen by hand: smaller takes longer."""


class HeightModel(NamedTuple):
    """Densities of the heights of peaks, in robust standard deviations of the response.

    Attributes:
        particles: of particles.
        beside: of background next to particles.
        lowest: height of the first value of `decoys`.
        decoys: (n,) density of the heights of decoys at steps of 0.05; their sum times the step is 1.
    """

    particles: Normal
    beside: Normal
    lowest: float
    decoys: tuple[float, ...]

    @classmethod
    def of_normals(cls, mixture: HeightMixture) -> HeightModel:
        """Return a mixture of two normal densities, without decoys, as such a model."""
        mean, deviation = mixture.background_mean, mixture.background_deviation
        steps = max(1, math.ceil(_MARGIN_DEVIATIONS * deviation / _STEP))
        heights = np.asarray(mean + _STEP * np.arange(-steps, steps + 1), np.float64)
        density = Normal(1.0, mean, deviation).density(heights)
        decoys = density / (_STEP * density.sum())
        return cls(mixture.particles, Normal(0.0, mean, deviation), float(heights[0]), tuple(decoys.tolist()))

    @property
    def _heights(self) -> NDArray[np.float64]:
        return np.asarray(self.lowest + _STEP * np.arange(len(self.decoys)))

    @property
    def decoy_mean(self) -> float:
        """Mean height of decoys."""
        return float(np.average(self._heights, weights=self.decoys))

    @property
    def background_mean(self) -> float:
        """Mean height of all background peaks."""
        far = 1 - self.particles.share - self.beside.share
        return (far * self.decoy_mean + self.beside.share * self.beside.mean) / (1 - self.particles.share)

    @property
    def background_deviation(self) -> float:
        """Standard deviation of all background peaks."""
        height = self._heights
        weight = self.background(height)
        return math.sqrt(float(np.average((height - self.background_mean) ** 2, weights=weight)))

    def background(self, height: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share's density of all background at (n,) heights."""
        far = 1 - self.particles.share - self.beside.share
        decoys = np.interp(height, self._heights, self.decoys, left=0, right=0)
        return np.asarray(far * decoys + self.beside.density(height))

    def evidence(self, height: NDArray[np.float64]) -> float:
        """Return the logarithm of the likelihood of (n,) heights, less what the parameters of particles take.

        By the Bayesian information criterion (Schwarz, Ann. Stat. 6, 461, 1978).
        """
        density = self.particles.density(height) + self.background(height)
        penalty = _penalty(len(height)) if self.particles.share > 0 else 0.0
        return float(np.log(np.maximum(density, 1e-300)).sum()) - penalty

    def log_ratio_to_decoys(self, height: NDArray[np.float64]) -> float:
        """Return the logarithm of how many times likelier (n,) heights are with particles among them than without."""
        density = self.particles.density(height) + self.background(height)
        alone = np.interp(height, self._heights, self.decoys, left=0, right=0)
        return float(np.log(np.maximum(density, _UNHEARD_OF) / np.maximum(alone, _UNHEARD_OF)).sum())

    def posterior(self, height: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability that peaks of (n,) heights are particles: never less for a higher one."""
        grid = self._grid
        particle, background = self.particles.density(grid), self.background(grid)
        share = np.where(grid > self.decoy_mean, particle / np.maximum(particle + background, 1e-300), 0.0)
        return np.asarray(np.interp(height, grid, np.maximum.accumulate(share)))

    def score(self, height: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same to a thousandth, higher for a higher peak even where all are sure."""
        above = np.maximum(height - self.decoy_mean, 0.0)
        return np.asarray((1 - _RANKED) * self.posterior(height) + _RANKED * above / (1 + above))

    def min_score(self, height: float) -> float:
        """Return the score of a height, from which peaks are picks; but none is a pick that is surely no particle."""
        return max(float(self.score(np.array([height]))[0]), _RANKED) if math.isfinite(height) else 1.0

    def best_height(self, heights: NDArray[np.float64]) -> float:
        """Return the height above which the largest F1 is expected of (n,) peaks.

        It is where a peak is as probable as half of that F1 (Lipton, Elkan and Naryanaswamy, ECML PKDD, 225, 2014); the
        highest of all, where there are no particles.
        """
        probable = np.sort(self.posterior(heights))[::-1].cumsum()
        largest = float((2 * probable / (np.arange(1, len(heights) + 1) + probable[-1])).max())
        grid = self._grid
        is_above = (self.posterior(grid) >= largest / 2) & (grid > self.decoy_mean) & (largest > 0)
        return float(grid[is_above].min(initial=heights.max()))

    def height_recall_first(self) -> float:
        """Return the height above which the largest F2 is expected, where recall weighs twice as much as precision.

        F with a weight: van Rijsbergen, Information Retrieval, 1979. Infinite if there are no particles.
        """
        grid = self._grid
        true, peaks = self._above(grid)
        f2 = 5 * true / np.maximum(peaks + 4 * true[0], np.finfo(float).tiny)
        return float(grid[f2.argmax()]) if true[0] > 0 else np.inf

    def height_at_fdr(self, fdr: float) -> float:
        """Return the least height above which a share of false peaks, at most, is expected; infinite if there is none.

        The share among all above a height (Benjamini and Hochberg, J. R. Stat. Soc. B 57, 289, 1995), not at it.
        """
        grid = self._grid
        true, peaks = self._above(grid)
        reached = (grid > self.decoy_mean) & (peaks - true < fdr * peaks)
        return float(grid[reached].min(initial=np.inf))

    def _above(self, grid: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return particles and all peaks above each height, but for a factor."""
        peaks = self.particles.density(grid) + self.background(grid)
        true, every = (np.cumsum(each[::-1])[::-1] for each in (self.posterior(grid) * peaks, peaks))
        return true, every

    @property
    def _grid(self) -> NDArray[np.float64]:
        top = max(self._heights[-1], self.particles.mean + 4 * self.particles.deviation)
        return np.arange(self.lowest, top + _STEP, _STEP)


def fit_height_model(heights: NDArray[np.float64], decoys: NDArray[np.float64]) -> HeightModel:
    """Fit the heights of peaks by expectation maximisation (Dempster, Laird and Rubin 1977) with decoys for background.

    Args:
        heights: (n,) of all peaks, n of 1 or more.
        decoys: (m,) of decoys, m of 2 or more; how many there are beside the peaks does not matter.

    Returns:
        The likeliest model; decoys alone, if that is the likeliest by the Bayesian information criterion (Schwarz, Ann.
        Stat. 6, 461, 1978).
    """
    heights, decoys = (np.clip(values, *_OUTERMOST) for values in (heights, decoys))
    lowest = float(min(heights.min(), decoys.min())) - _MARGIN
    highest = float(max(heights.max(), decoys.max())) + _MARGIN
    grid = np.arange(lowest, highest + _STEP, _STEP)
    decoy = _Decoys(_density(decoys, grid), float(decoys.mean()), max(float(decoys.std()), _MIN_BESIDE_DEVIATION))
    counts = _counts(heights, grid)
    ends = [_climb(grid, counts, decoy, decoy.mean + start * decoy.deviation) for start in _STARTS]
    likelihood, particles, beside = max(ends, key=lambda end: end[0])
    alone = float(np.average(np.log(decoy.density), weights=counts))
    if (likelihood - alone) * len(heights) < _penalty(len(heights)):
        particles, beside = particles._replace(share=0.0), beside._replace(share=0.0)
    return HeightModel(particles, beside, lowest, tuple(decoy.density.tolist()))


def _penalty(heights: int) -> float:
    """Return what the parameters of particles must gain in likelihood, by the Bayesian information criterion."""
    return _PARAMETERS / 2 * math.log(heights)


class _Decoys(NamedTuple):
    density: NDArray[np.float64]
    mean: float
    deviation: float


def _counts(heights: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    nearest = np.clip(np.rint((heights - grid[0]) / _STEP).astype(np.int64), 0, len(grid) - 1)
    return np.bincount(nearest, minlength=len(grid)).astype(float)


def _density(decoys: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smoothed density of decoys, with some of a normal one beyond the last of them."""
    density = gaussian_filter1d(_counts(decoys, grid), _SMOOTHING / _STEP, mode="nearest") / (_STEP * len(decoys))
    normal = Normal(1.0, float(decoys.mean()), max(float(decoys.std()), _MIN_BESIDE_DEVIATION)).density(grid)
    density = np.maximum(density, np.maximum(_BEYOND * normal, np.finfo(float).tiny))
    return np.asarray(density / (_STEP * density.sum()))


def _climb(
    grid: NDArray[np.float64], counts: NDArray[np.float64], decoy: _Decoys, start: float
) -> tuple[float, Normal, Normal]:
    """Climb to a maximum of the likelihood; return its mean logarithm, the particles and what is beside them."""
    particles = Normal(0.3, start, 1.0)
    beside = Normal(0.3, decoy.mean - 0.5 * decoy.deviation, decoy.deviation)
    likelihood = -np.inf
    for _ in range(_ITERATIONS):
        far = 1 - particles.share - beside.share
        parts = np.stack([particles.density(grid), beside.density(grid), far * decoy.density])
        total = np.maximum(parts.sum(0), 1e-300)
        previous, likelihood = likelihood, float(np.average(np.log(total), weights=counts))
        if likelihood - previous < _TOLERANCE:
            break
        weights = parts[:2] / total * counts
        particles, beside = (_moments(grid, weight, counts.sum()) for weight in weights)
        mean = max(particles.mean, decoy.mean + _MIN_SEPARATION * decoy.deviation)
        widest = math.hypot(_MIN_DEVIATION, _MAX_VARIATION * max(mean, 0.0))
        share = min(max(particles.share, 1e-9), _MAX_SHARE)
        particles = Normal(share, mean, min(max(particles.deviation, _MIN_DEVIATION), widest))
        widest = max(_MAX_BESIDE_DEVIATION * decoy.deviation, _MIN_BESIDE_DEVIATION)
        beside = Normal(
            min(beside.share, _MAX_BESIDE * share, 0.999 * (1 - share)),
            min(beside.mean, decoy.mean),
            min(max(beside.deviation, _MIN_BESIDE_DEVIATION), widest),
        )
    return likelihood, particles, beside


def _moments(grid: NDArray[np.float64], weight: NDArray[np.float64], peaks: float) -> Normal:
    total = max(float(weight.sum()), 1e-9)
    mean = float((weight * grid).sum()) / total
    return Normal(total / peaks, mean, math.sqrt(float((weight * (grid - mean) ** 2).sum()) / total))
