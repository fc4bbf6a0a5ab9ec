"""Slopes: where a micrograph grows darker to one side, as at carbon's edge and at the rim of a large drop.

A template finds half of itself there. A particle, though, stands out on all sides: the first derivative of a Gaussian
(Canny, IEEE Trans. Pattern Anal. Mach. Intell. 8, 679, 1986), which is 0 in the middle of what is symmetric, tells them
apart.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from cryoglean.detect.surrogates import NOISE_HEIGHT
from cryoglean.preprocess.fourier import filtered, gaussian_transfer, radial_frequency
from cryoglean.preprocess.robust import sampled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.preprocess.fourier import PaddedSpectrum

_SIGMA_DIAMETERS = 0.35
"""Standard deviation of the Gaussian. Chosen on simulated sets: with 0.3 fewer of the finds on edges are told, with 0.4
and 0.5 more of the particles beside neighbours are taken for some."""

_STEEP = 0.5
"""Steepness over a peak's height from which it is on a slope, both in robust standard deviations. Chosen on simulated
sets: 0.5 to 2.5 on edges. With 0.4 to 0.75 one in 266 particles is lost at most, as few are on slopes above those of
noise; with 0.6 and more a row of picks is left on one edge. Labels of real sets were watched meanwhile."""

_RAYLEIGH_MEDIAN = math.sqrt(2 * math.log(2))
"""Median of the length of a vector of two standard normal numbers. Derived: that of the Rayleigh distribution."""


def steepness(source: PaddedSpectrum, diameter_px: float, exposed: Tensor | None = None) -> Tensor:
    """Return the `(h, w)` length of an image's gradient, in robust standard deviations of one of its components.

    Args:
        source: spectrum of the image.
        diameter_px: particle diameter.
        exposed: `(h, w)` booleans, the part that tells the deviation; all of it by default.
    """
    height, width = source.padded_shape
    device = source.spectrum.device
    along_y = torch.fft.fftfreq(height, device=device)[:, None]
    along_x = torch.fft.rfftfreq(width, device=device)[None, :]
    window = gaussian_transfer(_SIGMA_DIAMETERS * diameter_px)(radial_frequency(source.padded_shape, device))
    found = torch.hypot(*(filtered(source, 1j * along * window) for along in (along_y, along_x)))
    return found / (sampled(found, exposed).median() / _RAYLEIGH_MEDIAN)


def is_steep(steep: NDArray[np.float32], height: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether peaks of (n,) heights are on a slope: too steep for noise, and for a particle so high."""
    return (steep > NOISE_HEIGHT) & (steep > _STEEP * height)
