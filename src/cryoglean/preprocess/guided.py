"""Guided filter (He, Sun and Tang, IEEE Trans. Pattern Anal. 35, 1397, 2013): smooth, but with the guide's edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


def guided_filter(image: Tensor, guide: Tensor, radius_px: int, epsilon: float) -> Tensor:
    """In each window, fit the image by a multiple of the guide plus a constant; average the fits that cover a pixel.

    Args:
        image: `(h, w)` float32, what is smoothed.
        guide: `(h, w)` float32, whose edges are kept.
        radius_px: windows are `2 * radius_px + 1` pixels wide, cut off at the image's edges.
        epsilon: variance of the guide below which a window counts as having no edge.

    Returns:
        `(h, w)` float32.
    """
    mean_guide, mean_image = box_mean(guide, radius_px), box_mean(image, radius_px)
    variance = box_mean(guide.square(), radius_px) - mean_guide.square()
    covariance = box_mean(guide * image, radius_px) - mean_guide * mean_image
    slope = covariance / (variance.clamp_min(0) + epsilon)
    offset = mean_image - slope * mean_guide
    return box_mean(slope, radius_px) * guide + box_mean(offset, radius_px)


def box_mean(image: Tensor, radius_px: int) -> Tensor:
    """Average each pixel's window of `2 * radius_px + 1` pixels, over what of it lies in the image.

    Args:
        image: `(h, w)` float32.
        radius_px: 0 or more.

    Returns:
        `(h, w)` float32; sums run in float64, as windows are differences of running sums.
    """
    side = 2 * radius_px + 1
    sums = functional.pad(image.double(), (radius_px + 1, radius_px) * 2).cumsum(1)
    sums = (sums[:, side:] - sums[:, :-side]).cumsum(0)
    sums = sums[side:] - sums[:-side]
    rows, columns = (_window_sizes(n, radius_px, image.device) for n in image.shape)
    return (sums / (rows[:, None] * columns[None, :])).float()


def _window_sizes(n: int, radius_px: int, device: torch.device) -> Tensor:
    """Return how many pixels of a line of n lie in the window of each."""
    place = torch.arange(n, device=device)
    return (place + radius_px + 1).clamp_max(n) - (place - radius_px).clamp_min(0)
