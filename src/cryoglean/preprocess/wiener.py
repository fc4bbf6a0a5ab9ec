"""Wiener filter for a Gaussian point spread: what it would take to undo the blur, held back by the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cryoglean.preprocess.fourier import filtered, kernel_transfer, padded_spectrum

if TYPE_CHECKING:
    from torch import Tensor


def gaussian_kernel(sigma_px: float, side: int, device: torch.device | None = None) -> Tensor:
    """Return the `(side, side)` Gaussian of unit sum about its middle; `side` is odd."""
    steps = torch.arange(side, device=device) - side // 2
    line = torch.exp(-steps.square() / (2 * sigma_px**2))
    kernel = line[:, None] * line[None, :]
    return kernel / kernel.sum()


def wiener_filter(image: Tensor, kernel: Tensor, noise_to_signal: float) -> Tensor:
    """Filter an image by the conjugate of the kernel's spectrum over its squared magnitude plus noise over signal.

    With much more noise than signal that is the kernel itself, a blur. Levels are kept: an even image stays as it is.

    Args:
        image: `(h, w)` float32; it goes on by reflection beyond its edges.
        kernel: `(k, k)` point spread of odd side and unit sum.
        noise_to_signal: power of the noise over that of the signal, alike at all frequencies.

    Returns:
        `(h, w)` float32.
    """
    source = padded_spectrum(image, len(kernel))
    spread = kernel_transfer(source, kernel)
    transfer = spread.conj() * (1 + noise_to_signal) / (spread.abs().square() + noise_to_signal)
    return filtered(source, transfer)
