"""Local contrast tells what is neither particle nor background: carbon's edge, thick ice, gold.

Where a particle lies, its variance adds to that of the noise, and the height of its peak is as its signal: the local
standard deviation over that of the background is sqrt(1 + k h^2). So particles of a thin, sharp micrograph have more
contrast than those of a thick one, and higher peaks; an edge has far more contrast than its peaks explain. Where no
heights are known, as of a network's odds, all particles are taken for equally high.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryoglean.preprocess.robust import MAD_TO_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUTLIER_DEVIATIONS = 5.0
"""A contrast this many robust standard deviations off is no particle's. Chosen by hand: fewer lose particles near
carbon and in thick ice, more let edges in. 2.5 to 10 move F1 by 0.03 at most on simulated sets
(`benchmarks/constants_flat.py`)."""

_MIN_DEVIATION = 0.03
"""Smallest robust standard deviation of log contrast. Chosen by hand: a few picks agree by chance, and would then pass
for all there is."""


class ParticleContrast(NamedTuple):
    """Local contrast (natural logarithm) under the particles of a set.

    Attributes:
        per_height: k, of the square of the height, in robust standard deviations of the response, or of 1 without it.
        deviation: robust standard deviation of what k does not explain.
    """

    per_height: float
    deviation: float

    @classmethod
    def of(cls, contrast: NDArray[np.float64], height: NDArray[np.float64] | float = 1.0) -> ParticleContrast:
        """Learn it from particles.

        Args:
            contrast: (n,) local contrast under them, n of 1 or more.
            height: (n,) heights of their peaks, above 0; one for all where none are known.
        """
        per_height = max(0.0, float(np.median(np.expm1(2 * contrast) / height**2)))
        off = np.abs(contrast - _explained(per_height, height))
        return cls(per_height, max(MAD_TO_SIGMA * float(np.median(off)), _MIN_DEVIATION))

    def matches_particle_contrast(
        self, contrast: NDArray[np.float64], height: NDArray[np.float64] | float = 1.0
    ) -> NDArray[np.bool_]:
        """Mask of the (n,) contrasts that particles of (n,) heights can have; of one for all where none are known."""
        return np.abs(contrast - _explained(self.per_height, height)) <= OUTLIER_DEVIATIONS * self.deviation


def _explained(per_height: float, height: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(0.5 * np.log1p(per_height * height**2))
