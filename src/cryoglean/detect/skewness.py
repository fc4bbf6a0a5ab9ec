"""Skewness of a filter's response: how surely sparse, alike, one-sided things stand out of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.fft import next_fast_len

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

TILE_DIAMETERS = 8.0
"""Side of the tiles, in particle diameters: some dozen particles in a crowded field, a few in a sparse one. Chosen by
hand: larger tiles each hold dirt, smaller ones often hold no particle. 8 to 16 give the same F1 on simulated
sets, 4 a better one (`benchmarks/constants_flat.py`)."""

_DIRTY_SHARE = 1 / 8
"""Share of the most skewed tiles, which dirt may have made so, that is left out. Chosen by hand: a smaller share lets
gold and ice decide, a larger one loses the tiles that hold a sparse set's particles. 0.06 to 0.25 change no F1 on
simulated sets (`benchmarks/constants_flat.py`)."""


_MIN_EXPOSED_SHARE = 0.5
"""Share of a tile that must have been exposed for it to count, if any tile has as much. Chosen by hand: half a tile
holds some particles."""


class FieldSkewness(NamedTuple):
    """Skewness of the response in one micrograph.

    Attributes:
        tiles: (n,) skewness of each tile, n at least 1; 0 for a flat tile.
        noise_error: standard error that their mean would have, were the response Gaussian noise.
    """

    tiles: NDArray[np.float64]
    noise_error: float

    def mirrored(self) -> FieldSkewness:
        """Return that of the negated response."""
        return FieldSkewness(-self.tiles, self.noise_error)


class Skewness(NamedTuple):
    """Skewness of the response in all tiles of one or more micrographs.

    Attributes:
        typical: mean without the most skewed eighth of the tiles, which dirt may have made so; of one tile, its own.
        error: standard error of the mean, told by how much the tiles differ; never less than `noise_error`, for a few
            tiles may agree by chance.
        noise_error: standard error of the mean, were the response Gaussian noise.
    """

    typical: float
    error: float
    noise_error: float

    @classmethod
    def of(cls, fields: Sequence[FieldSkewness]) -> Skewness:
        """Summarise one or more micrographs."""
        tiles = np.sort(np.concatenate([f.tiles for f in fields]))
        noise = math.sqrt(sum((len(f.tiles) / len(tiles) * f.noise_error) ** 2 for f in fields))
        spread = float(tiles.std(ddof=1)) / math.sqrt(len(tiles)) if len(tiles) > 1 else 0.0
        typical = tiles[: max(1, int(len(tiles) * (1 - _DIRTY_SHARE)))].mean()
        return cls(float(typical), max(spread, noise), noise)

    @property
    def at_least(self) -> float:
        """Lower bound of the typical skewness at two standard errors.

        A template that fits one corner only does not win, nor one that fits a drop of ice in every micrograph.
        """
        return self.typical - 2 * self.error


def field_skewness(response: Tensor, diameter_px: float, exposed: Tensor | None = None) -> FieldSkewness:
    """Measure the skewness of a response in tiles, and what noise would make of it.

    Args:
        response: `(h, w)`; 0 where nothing was exposed.
        diameter_px: particle diameter, which sets the tiles' size.
        exposed: `(h, w)` booleans; None where all of it was exposed. Tiles that mostly were not are left out.
    """
    tiles = tile_skewness(response, diameter_px)
    if exposed is None:
        return FieldSkewness(tiles, noise_error(response))
    shares = _in_tiles(exposed.float(), diameter_px).mean(dim=1).cpu().double().numpy()
    chosen = shares >= min(_MIN_EXPOSED_SHARE, shares.max())
    # a tile's unexposed part adds nothing to either moment, and so divides both by what is left
    return FieldSkewness(tiles[chosen] * np.sqrt(shares[chosen]), noise_error(response, float(exposed.float().mean())))


def tile_skewness(response: Tensor, diameter_px: float) -> NDArray[np.float64]:
    """Skewness (third standardised moment) of a response in each of its tiles.

    Args:
        response: `(h, w)`.
        diameter_px: particle diameter, which sets the tiles' size.

    Returns:
        (n,) skewness of each tile, n at least 1; 0 for a flat tile.
    """
    tiles = _in_tiles(response, diameter_px)
    deviation = tiles - tiles.mean(dim=1, keepdim=True)
    variance = deviation.square().mean(dim=1)
    third = (deviation.square() * deviation).mean(dim=1)
    skewness = third / variance.clamp_min(1e-12).pow(1.5)
    return skewness.cpu().double().numpy()


def _in_tiles(image: Tensor, diameter_px: float) -> Tensor:
    """Return `(n, pixels)` the values in each tile."""
    height, width = image.shape
    ny, nx = (max(1, round(side / (TILE_DIAMETERS * diameter_px))) for side in (height, width))
    tall, wide = height // ny, width // nx
    return image[: ny * tall, : nx * wide].reshape(ny, tall, nx, wide).transpose(1, 2).reshape(ny * nx, -1)


def noise_error(response: Tensor, exposed_share: float = 1.0) -> float:
    """Standard error of the skewness of Gaussian noise with a response's autocorrelation and size.

    The variance is 6 / n times the sum of the cubed autocorrelation (Z. A. Lomnicki, Metrika 4, 37, 1961).

    Args:
        response: `(h, w)`, smooth enough that every other row and column tell the same.
        exposed_share: share of it that is not 0 for want of exposure.
    """
    sample = response[::2, ::2]
    quick = tuple(next_fast_len(side, real=True) for side in sample.shape)
    power = torch.fft.rfft2(sample - sample.mean(), s=quick).abs().square()
    covariance = torch.fft.irfft2(power, s=quick)
    correlation = covariance / covariance[0, 0].clamp_min(torch.finfo(covariance.dtype).tiny)
    return math.sqrt(max(6 / (exposed_share * sample.numel()) * float(correlation.pow(3).sum()), 0.0))
