"""Filtering by radial transfer functions, on images extended by reflection so that no edge wraps round."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from scipy.fft import next_fast_len

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


_MIN_EXPONENT = -60.0
"""Exponent at which a Gaussian ends. Derived: exp(-60) is 1e-26, far below what float32 resolves beside 1; what is
smaller becomes subnormal, and processors multiply subnormal numbers many times slower."""


class PaddedSpectrum(NamedTuple):
    """Spectrum of an image extended by reflection, with what is needed to come back.

    Attributes:
        spectrum: `(H, W // 2 + 1)` complex rfft of the extended image.
        padded_shape: (H, W).
        corner: row and column of the image's first pixel in the extended one.
        shape: (h, w) of the image itself.
    """

    spectrum: Tensor
    padded_shape: tuple[int, int]
    corner: tuple[int, int]
    shape: tuple[int, int]


def radial_frequency(shape: tuple[int, int], device: torch.device) -> Tensor:
    """Return the `(H, W // 2 + 1)` spatial frequency (cycles per pixel) of each coefficient of an rfft."""
    height, width = shape
    fy = torch.fft.fftfreq(height, device=device)
    fx = torch.fft.rfftfreq(width, device=device)
    return torch.hypot(fy[:, None], fx[None, :])


def padded_spectrum(image: Tensor, margin_px: float) -> PaddedSpectrum:
    """Extend an image by reflection, to a size that is quick to transform, and transform it.

    Args:
        image: `(h, w)` float32.
        margin_px: how far a filter reaches; the extension is at least that, or as far as the image can be reflected.

    Returns:
        The spectrum to multiply with transfer functions.
    """
    height, width = image.shape
    top, bottom = _split(height, margin_px)
    left, right = _split(width, margin_px)
    extended = torch.nn.functional.pad(image[None, None], (left, right, top, bottom), mode="reflect")[0, 0]
    padded_shape = (height + top + bottom, width + left + right)
    return PaddedSpectrum(torch.fft.rfft2(extended), padded_shape, (top, left), (height, width))


def filtered(source: PaddedSpectrum, transfer: Callable[[Tensor], Tensor] | Tensor) -> Tensor:
    """Apply a transfer function.

    Args:
        source: spectrum of the image.
        transfer: a function of the radial frequency in cycles per pixel, or its values on the rfft grid.

    Returns:
        `(h, w)` filtered image.
    """
    values = transfer if isinstance(transfer, torch.Tensor) else _on_grid(source, transfer)
    whole: Tensor = torch.fft.irfft2(source.spectrum * values, s=source.padded_shape)
    (top, left), (height, width) = source.corner, source.shape
    return whole[top : top + height, left : left + width]


def resampled(spectrum: Tensor, shape: tuple[int, int], new_shape: tuple[int, int]) -> Tensor:
    """Resample an image by cropping its spectrum, or by padding it with zeros; the first pixel stays where it is.

    Args:
        spectrum: `(h, w // 2 + 1)` rfft of the image.
        shape: (h, w) of the image.
        new_shape: of the new one; both larger, or both smaller.

    Returns:
        The rfft of the new image, whose values are those of the old one.
    """
    rows, columns = (min(old, new) for old, new in zip(shape, new_shape, strict=True))
    low, high, width = (rows + 1) // 2, rows // 2, columns // 2 + 1
    new = spectrum.new_zeros(new_shape[0], new_shape[1] // 2 + 1)
    new[:low, :width] = spectrum[:low, :width]
    if high:
        new[-high:, :width] = spectrum[-high:, :width]
    return new * (new_shape[0] * new_shape[1] / (shape[0] * shape[1]))


def gaussian_transfer(sigma_px: float) -> Callable[[Tensor], Tensor]:
    """Return the transfer function of a Gaussian window of unit sum and standard deviation `sigma_px`."""
    return lambda k: torch.exp((-2 * (torch.pi * sigma_px * k) ** 2).clamp_min(_MIN_EXPONENT))


def kernel_transfer(source: PaddedSpectrum, kernel: Tensor) -> Tensor:
    """Return the values, on the rfft grid, of a convolution with a kernel.

    Args:
        source: spectrum of the image that it is for; the extension must be as wide as the kernel reaches.
        kernel: `(k, k)` of odd side, no larger than the extended image, centred on its middle.
    """
    side = len(kernel)
    canvas = kernel.new_zeros(source.padded_shape)
    canvas[:side, :side] = kernel
    spectrum: Tensor = torch.fft.rfft2(canvas.roll((-(side // 2), -(side // 2)), (0, 1)))
    return spectrum


def _on_grid(source: PaddedSpectrum, transfer: Callable[[Tensor], Tensor]) -> Tensor:
    return transfer(radial_frequency(source.padded_shape, source.spectrum.device))


def _split(size: int, margin_px: float) -> tuple[int, int]:
    """Return the extension before and after a side: fast to transform, and no longer than reflection allows."""
    most = size - 1
    before = min(int(margin_px) + 1, most)
    total = next_fast_len(size + 2 * before, real=True)
    return before, min(total - size - before, most)
