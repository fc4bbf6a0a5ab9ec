"""Surrogates of a response: Gaussian noise of the same autocorrelation, and how far peaks lie above those of noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.detect.peaks import find_peaks
from cryoglean.preprocess.glaring import widened
from cryoglean.preprocess.robust import median_and_deviation

if TYPE_CHECKING:
    from torch import Tensor

_SURROGATES = 12
"""Surrogates that a response is compared with. Resource: a fifth of a second each at worst, and only where there is
doubt; the deviation of so few is known to a fifth."""

NOISE_HEIGHT = 5.0
"""Height in robust standard deviations that noise does not reach. Derived: one in some million is beyond; what is,
dirt or the clearest particles, says nothing of the others, and a drop of ice alone would shape the spectrum."""

_REACH_DISTANCES = 2
"""How far around such heights a response is left out, in minimum distances of two peaks. Derived: a particle's
diameter, at half of which peaks may lie."""


def random_phases(shape: tuple[int, int], seed: int, like: Tensor) -> Tensor:
    """Return the phases of white noise, as complex numbers of magnitude 1.

    Args:
        shape: (height, width) of the noise.
        seed: of the noise.
        like: a tensor of the precision and on the device that they are wanted in.

    Returns:
        `(h, w // 2 + 1)` phases of the rfft.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.fft.rfft2(torch.randn(shape, generator=generator).to(like))
    phases: Tensor = noise / noise.abs().clamp_min(torch.finfo(like.dtype).tiny)
    return phases


def phase_randomised(response: Tensor, seed: int) -> Tensor:
    """Return noise with a response's power spectrum, by phases of white noise (Theiler et al., Physica D 58, 77, 1992).

    Args:
        response: `(h, w)`, in robust standard deviations.
        seed: of the noise.

    Returns:
        `(h, w)` in robust standard deviations above its median.
    """
    amplitudes = torch.fft.rfft2(response).abs()
    phases = random_phases((response.shape[0], response.shape[1]), seed, amplitudes)
    surrogate: Tensor = torch.fft.irfft2(amplitudes * phases, s=response.shape)
    median, deviation = median_and_deviation(surrogate)
    heights: Tensor = (surrogate - median) / deviation.clamp_min(torch.finfo(response.dtype).tiny)
    return heights


def peak_deviations(response: Tensor, min_distance_px: float) -> float:
    """Return how many standard deviations the peaks of a response lie above those of noise, by their mean cubed height.

    Many weak particles raise many peaks a little. The skewness of the whole response, most of which is background,
    hardly shows them; the peaks do. Of white noise it was 0.7 ± 0.9 (40 micrographs).

    Args:
        response: `(h, w)`, in robust standard deviations.
        min_distance_px: minimum distance of two peaks.
    """
    quiet = _without_extremes(response, min_distance_px)
    noise = [_mean_cube(phase_randomised(quiet, seed), min_distance_px) for seed in range(_SURROGATES)]
    spread = float(np.std(noise, ddof=1))
    return (_mean_cube(quiet, min_distance_px) - float(np.mean(noise))) / spread if spread > 0 else 0.0


def _without_extremes(response: Tensor, min_distance_px: float) -> Tensor:
    """Return a response that is 0 around heights that noise does not reach, above and below."""
    reach = max(1, round(_REACH_DISTANCES * min_distance_px))
    return torch.where(widened(response.abs() > NOISE_HEIGHT, reach), 0.0, response)


def _mean_cube(response: Tensor, min_distance_px: float) -> float:
    heights = find_peaks(response, min_distance_px).height
    return float(np.mean(np.clip(heights, 0, None) ** 3)) if len(heights) else 0.0
