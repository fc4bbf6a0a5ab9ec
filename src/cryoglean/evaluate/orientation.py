"""Orientation of coordinates, found by looking for particles in the image under each of the possible flips.

Programs disagree on where y counts from (and some on which column is x), and files do not say. If coordinates are
right, the average of many windows around them shows the particle in its centre; if they are flipped, it shows ice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryoglean.picks import Picks

_RINGS = 6
"""Rings of a window. Chosen by hand: enough to tell a disc from a shell, each of some 2 binned pixels."""

_RADIUS_DIAMETERS = 0.9
"""Outer radius of a window, in particle diameters. Chosen by hand: the particle and as much ice around it; larger ones
hold neighbours."""

_MIN_WINDOWS = 8
"""Windows below which there is no signal. Chosen by hand: a standard error of fewer is not reliable."""

_BINNED_DIAMETER_PX = 16
"""Particle diameter after binning. Chosen by hand: noise falls and the rings stay apart."""

_CLIPPED_DEVIATIONS = 4
"""Deviations from the median to which pixels are clipped. Chosen by hand: particles stay, hot pixels and ice do not."""

_CERTAIN_SNR = 2.5
"""Signal from which an orientation is certain. Chosen by hand: coordinates without particles give about 1."""

_CERTAIN_LEAD = 2
"""Ratio of the best signal to the second best from which it is certain. Chosen by hand: symmetric fields favour two."""


class Orientation(Enum):
    """Flip that makes coordinates fit the image as stored; each is its own inverse."""

    IDENTITY = "identity"
    FLIP_Y = "flip-y"
    FLIP_X = "flip-x"
    SWAP = "swap"

    def apply(self, xy: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return the flipped (n, 2) coordinates, x first, for an image of `shape` (height, width) in pixels."""
        height, width = shape
        x, y = xy[:, 0], xy[:, 1]
        flipped = {
            Orientation.IDENTITY: (x, y),
            Orientation.FLIP_Y: (x, height - 1 - y),
            Orientation.FLIP_X: (width - 1 - x, y),
            Orientation.SWAP: (y, x),
        }
        return np.stack(flipped[self], axis=1)


@dataclass(frozen=True)
class OrientationCheck:
    """Result of `check_orientation`.

    Attributes:
        best: orientation with the highest signal.
        snr: signal of each orientation, about 1 where there are no particles.
        n_windows: number of windows of each orientation that lay within the image.
    """

    best: Orientation
    snr: Mapping[Orientation, float]
    n_windows: Mapping[Orientation, int]

    @property
    def lead(self) -> float:
        """Ratio of the best signal to the second best."""
        second, first = sorted(self.snr.values())[-2:]
        return first / second if second > 0 else float("inf") if first > 0 else 1.0

    @property
    def is_certain(self) -> bool:
        """Whether the best signal is clearly above chance, and above all others."""
        return self.snr[self.best] >= _CERTAIN_SNR and self.lead >= _CERTAIN_LEAD


def check_orientation(image: NDArray[np.float32], picks: Picks, diameter_px: float) -> OrientationCheck:
    """Find the orientation in which coordinates sit on particles.

    For each orientation, every window gives six ring means from its centre outwards to 0.9 diameters; the signal is the
    root mean square over the rings of the mean over windows in units of its standard error. So it works for dark and
    bright particles, discs and rings, and needs no template. Each window's own mean is taken off first, against
    gradients, and outlying pixels are clipped.

    Args:
        image: (h, w) image as stored, protein dark or bright.
        picks: coordinates to be checked; at least eight windows must lie within the image, and some dozens are needed
            for a certain answer.
        diameter_px: particle diameter in pixels.

    Returns:
        Signals and winner; the winner is the identity where nothing can be told.

    Raises:
        ValueError: if the image is not two-dimensional or the diameter is not above 0.
    """
    if image.ndim != 2 or not diameter_px > 0:
        raise ValueError(f"need an (h, w) image and a diameter above 0 px, got {image.shape} and {diameter_px:g}")
    factor = max(1, round(diameter_px / _BINNED_DIAMETER_PX))
    small, rings = _clipped(_binned(image, factor)), _ring_kernel(_RADIUS_DIAMETERS * diameter_px / factor)
    snr, n_windows = {}, {}
    for orientation in Orientation:
        xy = orientation.apply(picks.xy, (image.shape[0], image.shape[1]))
        profiles = _ring_profiles(small, (xy + 0.5) / factor - 0.5, rings)
        snr[orientation], n_windows[orientation] = _signal(profiles), len(profiles)
    best = max(Orientation, key=lambda o: snr[o])
    return OrientationCheck(best, snr, n_windows)


def _binned(image: NDArray[np.float32], factor: int) -> NDArray[np.float64]:
    """Average blocks of factor x factor pixels; an incomplete last row or column of blocks is cut off."""
    height, width = (n // factor for n in image.shape)
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64))


def _clipped(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clip outliers, and set what is not finite to the median."""
    is_finite = np.isfinite(image)
    if not is_finite.any():
        return np.zeros_like(image)
    low, middle, high = np.percentile(image[is_finite], [16, 50, 84])
    filled = np.where(is_finite, image, middle)
    return np.asarray(
        np.clip(filled, middle - _CLIPPED_DEVIATIONS * (middle - low), middle + _CLIPPED_DEVIATIONS * (high - middle))
    )


def _ring_kernel(radius: float) -> NDArray[np.float64]:
    """Return (rings, side, side): the weights of the mean over each ring, all of the same width."""
    half = max(int(np.ceil(radius)), 2)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    ring = (np.hypot(x, y) / radius * _RINGS).astype(int)
    masks = np.stack([ring == k for k in range(_RINGS)]).astype(np.float64)
    return np.asarray(masks / np.maximum(masks.sum(axis=(1, 2), keepdims=True), 1))


def _ring_profiles(
    image: NDArray[np.float64], xy: NDArray[np.float64], rings: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (windows, rings): ring means less their window's mean, for the windows that lie within the image."""
    half = rings.shape[1] // 2
    height, width = image.shape
    x, y = np.rint(xy).astype(int).T
    inside = (x >= half) & (y >= half) & (x < width - half) & (y < height - half)
    if not inside.any():
        return np.zeros((0, len(rings)))
    views = np.lib.stride_tricks.sliding_window_view(image, rings.shape[1:])
    windows = views[y[inside] - half, x[inside] - half]  # (windows, side, side)
    profiles = np.einsum("nij,kij->nk", windows, rings)
    return np.asarray(profiles - profiles.mean(axis=1, keepdims=True))


def _signal(profiles: NDArray[np.float64]) -> float:
    n = len(profiles)
    if n < _MIN_WINDOWS:
        return 0.0
    error = profiles.std(axis=0, ddof=1) / np.sqrt(n)
    mean = profiles.mean(axis=0)
    z = np.divide(mean, error, out=np.zeros_like(mean), where=error > 1e-12 * np.abs(profiles).max())
    return float(np.sqrt((z**2).mean()))
