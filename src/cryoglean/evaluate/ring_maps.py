"""Maps of what surrounds each place of an image: ring means out to 0.9 particle diameters, of equal noise.

They show dark and bright particles, discs and shells alike, and need no template.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

RINGS = 6
"""Rings around a place. Chosen by hand: enough to tell a disc from a shell, each of some 2 binned pixels."""

_RADIUS_DIAMETERS = 0.9
"""Outer radius of the rings, in particle diameters. Chosen by hand: the particle and as much ice around it; larger ones
hold neighbours."""

_BINNED_DIAMETER_PX = 16
"""Particle diameter after binning. Chosen by hand: noise falls and the rings stay apart."""

_CLIPPED_DEVIATIONS = 4
"""Deviations from the median to which pixels, and then maps, are clipped. Chosen by hand: particles stay; a hot pixel
or a lump of ice weighs no more than they do."""

_MAX_SIDE_PX = 1536
"""Side of a map. Resource: five such maps of each of eight micrographs take 380 MB; it has room for thousands of
particles, and the middle of a larger image is enough."""

_NO_VARIANCE = 1e-9
"""Share of the largest variance below which a map says nothing. Derived: above rounding in float32."""


@dataclass(frozen=True, eq=False)
class RingMaps:
    """Differences between rings around each place where all of them lie within the image.

    Attributes:
        maps: (`RINGS` - 1, h, w) float32 of mean 0 and variance 1, not correlated with each other; a map without
            content is 0.
        factor: pixels of the image in one of the maps.
        diameter: of a particle, in pixels of the maps.
        corner: (2,) pixel of the image, x first, with which the binned part of it begins.
        offset: binned pixels between the border of that part and that of the maps.
    """

    maps: NDArray[np.float32]
    factor: int
    diameter: float
    corner: tuple[int, int]
    offset: int

    def places(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, 2) coordinates of the image as those of the maps, x first."""
        return (xy - self.corner + 0.5) / self.factor - 0.5 - self.offset


def ring_maps(image: NDArray[np.float32], diameter_px: float) -> RingMaps | None:
    """Map what surrounds each place of an image; None where particles of this size and their surroundings do not fit.

    Args:
        image: (h, w) image as stored, protein dark or bright.
        diameter_px: particle diameter in pixels.

    Raises:
        ValueError: if the image is not two-dimensional or the diameter is not above 0.
    """
    if image.ndim != 2 or not diameter_px > 0:
        raise ValueError(f"need an (h, w) image and a diameter above 0 px, got {image.shape} and {diameter_px:g}")
    factor = max(1, round(diameter_px / _BINNED_DIAMETER_PX))
    kernels = _contrasts(_RADIUS_DIAMETERS * diameter_px / factor)
    side = kernels.shape[1]
    if min(image.shape) // factor < side:
        return None
    top, left = (max(n - _MAX_SIDE_PX * factor, 0) // 2 for n in image.shape)
    middle = image[top : top + _MAX_SIDE_PX * factor, left : left + _MAX_SIDE_PX * factor]
    maps = _whitened(_correlated(_clipped(_binned(middle, factor)), kernels))
    return RingMaps(maps, factor, diameter_px / factor, (left, top), side // 2)


def _binned(image: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average blocks of factor x factor pixels; an incomplete last row or column of blocks is cut off."""
    height, width = (n // factor for n in image.shape)
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64).astype(np.float32))


def _clipped(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Clip outliers, and take the median off; what is not finite becomes 0."""
    is_finite = np.isfinite(image)
    if not is_finite.any():
        return np.zeros_like(image)
    low, middle, high = np.percentile(image[is_finite], [16, 50, 84])
    centred = np.where(is_finite, image, middle) - middle
    return np.asarray(
        np.clip(centred, _CLIPPED_DEVIATIONS * (low - middle), _CLIPPED_DEVIATIONS * (high - middle)), np.float32
    )


def _contrasts(radius: float) -> NDArray[np.float32]:
    """Return (rings - 1, side, side): the mean of the inner rings less that of the next one, for each but the first."""
    half = max(int(np.ceil(radius)), 2)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    ring = (np.hypot(x, y) / radius * RINGS).astype(int)
    masks = np.stack([ring == k for k in range(RINGS)]).astype(np.float64)
    means = masks / np.maximum(masks.sum(axis=(1, 2), keepdims=True), 1)
    return np.stack([means[:k].mean(axis=0) - means[k] for k in range(1, RINGS)]).astype(np.float32)


def _correlated(image: NDArray[np.float32], kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correlate an image with kernels, where they lie within it."""
    height, width = image.shape
    margin = kernels.shape[1] - 1
    quick = [fft.next_fast_len(n, real=True) for n in image.shape]
    spectrum = fft.rfft2(image, s=quick)
    whole = (fft.irfft2(spectrum * fft.rfft2(k[::-1, ::-1], s=quick), s=quick) for k in kernels)
    return np.stack([each[margin:height, margin:width] for each in whole]).astype(np.float32)


def _whitened(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give maps a mean of 0, a variance of 1 and no correlation, and clip them."""
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    flat -= np.median(flat, axis=1, keepdims=True)
    variances, axes = np.linalg.eigh(flat @ flat.T / flat.shape[1])
    is_told = variances > _NO_VARIANCE * variances.max()
    scale = np.divide(1, np.sqrt(variances), out=np.zeros(len(maps)), where=is_told)
    white = np.clip((axes * scale).T @ flat, -_CLIPPED_DEVIATIONS, _CLIPPED_DEVIATIONS)
    return np.asarray(white.reshape(maps.shape), np.float32)
