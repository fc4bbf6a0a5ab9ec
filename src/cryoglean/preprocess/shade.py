"""Shades and steps of grey that outweigh all noise: told by what is left of it, and taken away."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.ndimage import median_filter

from cryoglean.preprocess.normalise import bin_by_mean
from cryoglean.preprocess.robust import median_and_deviation

_FINE_DIAMETERS = 1 / 6
"""Side of the squares that are compared with those beside them, in particle diameters. Chosen by hand: particles and
noise differ from square to square, shades do not."""

_OVERWHELMED = 0.4
"""Deviation of these differences, over that of white noise, below which noise counts for nothing. Chosen by hand: real
and simulated micrographs have 1 or more, one that is all cracks 0.6; shades leave 0.3 at most."""

_LEVEL_SQUARES = 4
"""Squares on each side of one whose median is its level. Chosen by hand: as far as the window of the local mean."""

_LEVEL_DIAMETERS = 1 / 4
"""Side of the squares of the level, in particle diameters. Chosen by hand: a step of grey spoils little beside it."""


def is_overwhelmed(image: torch.Tensor, diameter_px: float, exposed: torch.Tensor | None = None) -> bool:
    """Tell whether what varies in an image from place to place is next to nothing beside its variance of 1.

    Args:
        image: `(h, w)`, standardised.
        diameter_px: particle diameter.
        exposed: `(h, w)` booleans, what counts; None where all of it does.
    """
    side = max(1, round(_FINE_DIAMETERS * diameter_px))
    squares = bin_by_mean(image, side)
    if min(squares.shape) < 3:
        return False
    around = squares[:-2, 1:-1] + squares[2:, 1:-1] + squares[1:-1, :-2] + squares[1:-1, 2:]
    difference = squares[1:-1, 1:-1] - around / 4
    if exposed is not None:
        difference = difference[(bin_by_mean(exposed.float(), side) > 0.5)[1:-1, 1:-1]]
    if not difference.numel():
        return False
    of_white_noise = math.sqrt(1 + 1 / 4) / side
    return bool(median_and_deviation(difference)[1] < _OVERWHELMED * of_white_noise)


def without_shade(image: torch.Tensor, diameter_px: float) -> torch.Tensor:
    """Take the level of grey away, a median of what is around: of ramps and bowls, and of areas of unlike constants.

    Args:
        image: `(h, w)`.
        diameter_px: particle diameter.
    """
    side = max(1, round(_LEVEL_DIAMETERS * diameter_px))
    height, width = image.shape
    stored = image.cpu().numpy().astype(float)
    whole = np.pad(stored, [(0, -height % side), (0, -width % side)], mode="reflect", reflect_type="odd")
    squares = whole.reshape(len(whole) // side, side, -1, side).mean(axis=(1, 3))
    reach = min(_LEVEL_SQUARES, *(n - 1 for n in squares.shape))
    beyond = np.pad(squares, reach + 1, mode="reflect", reflect_type="odd")  # slopes go on
    level = median_filter(beyond, 2 * reach + 1)[reach:-reach, reach:-reach] if reach else beyond
    spread = torch.nn.functional.interpolate(torch.from_numpy(level)[None, None], scale_factor=side, mode="bilinear")
    inner = spread[0, 0, side : side + height, side : side + width]
    return (image.double() - inner.to(image.device)).to(image.dtype)
