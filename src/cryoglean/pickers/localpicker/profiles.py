"""Radial templates: a disc minus its surrounding ring, and the mean radial profile of what has been found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.preprocess.fourier import PaddedSpectrum, filtered

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.detect.peaks import Peaks

RING_RATIO = 1.5
"""Outer over inner diameter of the ring around the disc. Chosen by hand: a narrower ring tells less of the background,
a wider one reaches the neighbours. F1 on simulated sets depends on it (`benchmarks/constants_flat.py`)."""

PROFILE_REACH_DIAMETERS = 0.75
"""A learned profile reaches this far from the centre. Chosen by hand: the particle and the halo of defocus around it; a
longer one takes in neighbours. F1 of faint particles depends on it on simulated sets
(`benchmarks/constants_flat.py`)."""


def disc_minus_ring(diameter_px: float, ring_ratio: float = RING_RATIO) -> Callable[[Tensor], Tensor]:
    """Return the transfer function of a disc of unit sum minus the ring around it, also of unit sum.

    The transform of a uniform disc is 2 J1(z) / z with z = pi * diameter * frequency (the Airy amplitude; Goodman,
    Introduction to Fourier Optics, section 4.4.2), so any diameter is exact, with no pixels to round to.

    Args:
        diameter_px: diameter of the disc.
        ring_ratio: outer diameter of the ring over that of the disc, above 1.
    """
    area = ring_ratio**2

    def transfer(frequency: Tensor) -> Tensor:
        disc = _airy(math.pi * diameter_px * frequency)
        both = _airy(math.pi * diameter_px * ring_ratio * frequency)
        return disc - (area * both - disc) / (area - 1)

    return transfer


def _airy(z: Tensor) -> Tensor:
    safe = torch.where(z < 1e-4, 1.0, z)
    return torch.where(z < 1e-4, 1.0, 2 * torch.special.bessel_j1(safe) / safe)


def mean_radial_profile(image: Tensor, peaks: Peaks, reach_px: float) -> NDArray[np.float64]:
    """Average the image around centres, over all centres and all directions.

    Args:
        image: `(h, w)`.
        peaks: the centres; windows that leave the image are left out.
        reach_px: radius of the window.

    Returns:
        (ceil(reach_px) + 1,) mean grey value at radii 0, 1, 2, ... px; zeros where no window is whole.
    """
    radius = math.ceil(reach_px)
    x, y = (torch.from_numpy(np.rint(v).astype(np.int64)).to(image.device) for v in (peaks.x, peaks.y))
    height, width = image.shape
    whole = (x >= radius) & (x < width - radius) & (y >= radius) & (y < height - radius)
    x, y = x[whole], y[whole]
    if len(x) == 0:
        return np.zeros(radius + 1)
    offset = torch.arange(-radius, radius + 1, device=image.device)
    mean = torch.zeros(len(offset), len(offset), dtype=torch.float64)  # on the CPU: not every device has float64
    for row, dy in enumerate(offset):  # row by row: memory grows with the windows' width, not with their area
        mean[row] = image[(y + dy)[:, None], x[:, None] + offset].cpu().double().mean(dim=0)
    return _radial_mean(mean.numpy(), radius)


def _radial_mean(window: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Average a square window over rings, each pixel shared by linear weights between its two nearest radii."""
    r = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1])
    lower, share = np.floor(r).astype(int), r - np.floor(r)
    total, weight = np.zeros(2 * radius), np.zeros(2 * radius)
    for ring, part in ((lower, 1 - share), (lower + 1, share)):
        np.add.at(total, ring, part * window)
        np.add.at(weight, ring, part)
    return (total / np.maximum(weight, 1e-12))[: radius + 1]


def profile_kernel(profile: NDArray[np.float64], reach_px: float, step_px: float = 1.0) -> Tensor:
    """Paint a radial profile as a square kernel of zero mean within its reach and zero outside.

    Args:
        profile: (n,) values at radii 0, step_px, 2 * step_px, ...
        reach_px: radius of the kernel's support.
        step_px: radial spacing of the profile.

    Returns:
        `(2 r + 1, 2 r + 1)` float32 with r = ceil(reach_px), of unit norm.
    """
    radius = math.ceil(reach_px)
    r = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1])
    inside = r <= reach_px
    kernel = np.where(inside, np.interp(r, np.arange(len(profile)) * step_px, profile), 0.0)
    kernel[inside] -= kernel[inside].mean()
    norm = np.linalg.norm(kernel)
    return torch.from_numpy((kernel / (norm if norm > 0 else 1.0)).astype(np.float32))


def correlate(source: PaddedSpectrum, kernel: Tensor) -> Tensor:
    """Correlate an image with a centred, symmetric kernel.

    Args:
        source: spectrum of the image, extended by at least the kernel's radius.
        kernel: `(2 r + 1, 2 r + 1)`.

    Returns:
        `(h, w)` response.
    """
    radius = kernel.shape[0] // 2
    canvas = torch.zeros(source.padded_shape, dtype=kernel.dtype, device=source.spectrum.device)
    canvas[: kernel.shape[0], : kernel.shape[1]] = kernel.to(canvas.device)
    centred = torch.roll(canvas, (-radius, -radius), dims=(0, 1))
    return filtered(source, torch.fft.rfft2(centred).conj())
