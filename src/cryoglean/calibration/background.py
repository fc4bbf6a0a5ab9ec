"""Background of an image that holds particles: noise with the spectrum of what lies between them.

The places of particles are left out, the spectrum of the rest is scaled to the whole area, and its phases are drawn
anew (Theiler et al., Physica D 58, 77, 1992). Through the same filter, such noise has the peaks that the image would
have without particles: decoys, as proteomics calls what is known to be false (Elias and Gygi, Nat. Methods 4, 207,
2007). Of dirt it tells nothing: a drop of ice is in the phases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.detect.surrogates import random_phases
from cryoglean.preprocess.fourier import PaddedSpectrum

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_MIN_FREE_SHARE = 0.05
"""Least share of an image that tells of its background. Chosen by hand: where less is free, the whole image stands for
it; decoys are then too high, where those of a few pixels could be anything."""


def near_places(shape: tuple[int, int], xy: NDArray[np.float64], radius_px: float) -> NDArray[np.bool_]:
    """Mask of an image of (height, width) within a radius of (n, 2) places in it, x first."""
    reach = int(radius_px)
    offset = np.arange(-reach, reach + 1)
    disc = np.hypot(offset[:, None], offset) <= radius_px
    height, width = shape
    near = np.zeros((height + 2 * reach, width + 2 * reach), dtype=bool)
    for column, row in np.rint(xy).astype(np.int64).tolist():
        near[row : row + len(disc), column : column + len(disc)] |= disc
    return near[reach : reach + height, reach : reach + width]


def background_amplitudes(image: Tensor, covered: Tensor) -> Tensor:
    """Estimate the amplitudes of an image's spectrum, were all of it like what is not covered.

    Args:
        image: `(h, w)`.
        covered: `(h, w)` booleans, where particles and dirt are; where they leave hardly anything, they are let be.

    Returns:
        `(h, w // 2 + 1)` amplitudes of the rfft.
    """
    free = ~covered
    share = float(free.float().mean())
    if share < _MIN_FREE_SHARE:
        free, share = torch.ones_like(free), 1.0
    level = torch.where(free, image - image[free].mean(), 0.0)
    amplitudes: Tensor = torch.fft.rfft2(level).abs() / share**0.5
    return amplitudes


def noise_spectrum(amplitudes: Tensor, shape: tuple[int, int], seed: int) -> PaddedSpectrum:
    """Return the spectrum of noise of given amplitudes, to be filtered; the noise goes on periodically at its edges."""
    return PaddedSpectrum(amplitudes * random_phases(shape, seed, amplitudes), shape, (0, 0), shape)
