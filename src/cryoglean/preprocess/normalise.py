"""Binning, and local standardisation under a Gaussian window or in a disc."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from cryoglean.preprocess.fourier import filtered, gaussian_transfer, kernel_transfer, padded_spectrum

if TYPE_CHECKING:
    from torch import Tensor

_REACH_SIGMAS = 2.0
"""How far the image is extended by reflection, in standard deviations of the window. Chosen by hand: 5 % of a Gaussian
lie beyond, so little wraps round; more costs time."""

_FLAT_SHARE = 1e-3
"""A local variance below this share of the median counts as flat. Chosen by hand: far below that of any noise, far
above rounding."""


def bin_by_mean(image: Tensor, factor: int) -> Tensor:
    """Average blocks of `factor` x `factor` pixels; incomplete blocks at the far edges average what there is of them.

    The centre of binned pixel i lies at `factor * i + (factor - 1) / 2` of the image.

    Args:
        image: `(h, w)` float32.
        factor: 1 or more.

    Returns:
        `(ceil(h / factor), ceil(w / factor))` float32.
    """
    if factor == 1:
        return image.contiguous()
    return torch.nn.functional.avg_pool2d(image[None, None], factor, ceil_mode=True, count_include_pad=False)[0, 0]


class Standardised(NamedTuple):
    """An image standardised locally, and the contrast that it had.

    Attributes:
        image: `(h, w)` float32 of about zero mean and unit variance everywhere; zero where the image was flat.
        contrast: `(h, w)` natural logarithm of the local standard deviation over its median in the image.
    """

    image: Tensor
    contrast: Tensor


def standardise_locally(image: Tensor, window_px: float, contrast_window_px: float) -> Standardised:
    """Subtract the local mean and divide by the local standard deviation, both under a Gaussian window.

    Args:
        image: `(h, w)` float32.
        window_px: standard deviation of the window, in pixels.
        contrast_window_px: the same, of the (smaller) window under which the contrast is measured.
    """
    window, reach = gaussian_transfer(window_px), _REACH_SIGMAS * window_px
    resolution = torch.finfo(image.dtype).eps * image.abs().max()
    centred = image - image.mean()  # float32 squares of large offsets would lose the variance
    deviation = centred - filtered(padded_spectrum(centred, reach), window)
    squares = padded_spectrum(deviation.square(), reach)
    variance, floor = _positive(filtered(squares, window), resolution.square())
    standardised = torch.where(variance > floor, deviation * variance.rsqrt(), 0.0)
    near, _ = _positive(filtered(squares, gaussian_transfer(contrast_window_px)), resolution.square())
    return Standardised(standardised, 0.5 * (near / near.median()).log())


def standardise_in_disc(image: Tensor, diameter_px: float) -> Tensor:
    """Subtract the local mean and divide by the local standard deviation, both in a disc around each pixel.

    Scheres, J. Struct. Biol. 189, 114 (2015); equations 1 and 2 of Zamanos et al., Cell Rep. Methods (2025). Beyond its
    edges the image goes on by reflection.

    Args:
        image: `(h, w)` float32.
        diameter_px: diameter of the disc, no larger than the image.

    Returns:
        `(h, w)` float32; zero where the image is flat.
    """
    reach = int(diameter_px / 2)
    steps = torch.arange(-reach, reach + 1, device=image.device)
    disc = (torch.hypot(steps[:, None].float(), steps[None, :].float()) <= diameter_px / 2).to(image)
    resolution = torch.finfo(image.dtype).eps * image.abs().max()
    centred = image - image.mean()
    source = padded_spectrum(centred, reach)
    mean_in_disc = kernel_transfer(source, disc / disc.sum())
    mean = filtered(source, mean_in_disc)
    squares = filtered(padded_spectrum(centred.square(), reach), mean_in_disc)
    variance, floor = _positive(squares - mean.square(), resolution.square())
    return torch.where(variance > floor, (centred - mean) * variance.rsqrt(), 0.0)


def _positive(variance: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """Lift a variance (a flat area's may round to zero or below) to a small share of its median; return that, too.

    Where the whole image is flat, its variance is rounding error: nothing below `least` is more than that.
    """
    floor = torch.maximum(_FLAT_SHARE * variance.median(), least).clamp_min(torch.finfo(variance.dtype).tiny)
    return torch.maximum(variance, floor), floor
