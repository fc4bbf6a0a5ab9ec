"""Contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994), without rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

GREYS = 256
"""Bins of the histograms. Format: the grey values of an 8-bit image, as in OpenCV."""


def equalise_adaptively(image: Tensor, clip: float, tiles: tuple[int, int]) -> Tensor:
    """Equalise the histogram around each pixel.

    Each tile has a grey-value curve of its own, the running sum of its clipped histogram; a pixel takes the curves of
    the four tiles around it, weighted by how near they are. Between two grey values the curve is a straight line:
    nothing is rounded, and whole grey values give what `cv2.createCLAHE` rounds.

    Args:
        image: `(h, w)` float32 with grey values from 0 to 255.
        clip: most pixels in a bin, over those in a bin of an even histogram.
        tiles: number of tiles down and across, each fewer than pixels there.

    Returns:
        `(h, w)` float32, from 0 to 255.
    """
    height, width = image.shape
    extended = _extended(image, tiles)
    side = (extended.shape[0] // tiles[0], extended.shape[1] // tiles[1])
    curves = _curves(_histograms(extended, tiles, side), clip, side[0] * side[1])
    (above, below, down), (left, right, across) = (
        _neighbours(n, count, step, image.device) for n, count, step in zip((height, width), tiles, side, strict=True)
    )
    down, across = down[:, None], across[None, :]
    upper = _looked_up(curves, image, above, left, tiles) * (1 - across)
    upper += _looked_up(curves, image, above, right, tiles) * across
    lower = _looked_up(curves, image, below, left, tiles) * (1 - across)
    lower += _looked_up(curves, image, below, right, tiles) * across
    return upper * (1 - down) + lower * down


def _extended(image: Tensor, tiles: tuple[int, int]) -> Tensor:
    """Reflect the far edges until tiles are equal; if one side does not fit, both grow, as OpenCV has it."""
    missing = [-n % count for n, count in zip(image.shape, tiles, strict=True)]
    if not any(missing):
        return image
    bottom, right = (count - n % count for n, count in zip(image.shape, tiles, strict=True))
    return functional.pad(image[None, None], (0, right, 0, bottom), mode="reflect")[0, 0]


def _histograms(image: Tensor, tiles: tuple[int, int], side: tuple[int, int]) -> Tensor:
    """Return the `(tiles, 256)` histograms, tiles row by row."""
    rows = torch.arange(image.shape[0], device=image.device) // side[0]
    columns = torch.arange(image.shape[1], device=image.device) // side[1]
    tile = rows[:, None] * tiles[1] + columns[None, :]
    grey = image.round().clamp(0, GREYS - 1).to(torch.int64)
    counts = torch.bincount((tile * GREYS + grey).flatten(), minlength=tiles[0] * tiles[1] * GREYS)
    return counts.view(-1, GREYS)


def _curves(histograms: Tensor, clip: float, pixels: int) -> Tensor:
    """Turn `(n, 256)` histograms into `(n, 256)` grey-value curves from 0 to 255.

    What is clipped is spread evenly over all bins, and what does not divide by 256 over bins at even steps.
    """
    most = max(1, int(clip * pixels / GREYS))
    excess = (histograms - most).clamp_min(0).sum(1, keepdim=True)
    rest = excess % GREYS
    bins = torch.arange(GREYS, device=histograms.device)
    step = GREYS // rest.clamp_min(1)
    lucky = (bins % step == 0) & (bins // step < rest)
    clipped = histograms.clamp_max(most) + excess // GREYS + lucky
    return (clipped.cumsum(1).double() * ((GREYS - 1) / pixels)).float()


def _neighbours(n: int, count: int, step: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the tiles whose centres lie before and after each of n pixels of a line, and the latter's weight."""
    place = torch.arange(n, device=device) / step - 0.5
    before = place.floor()
    weight = place - before
    return before.long().clamp_min(0), (before.long() + 1).clamp_max(count - 1), weight


def _looked_up(curves: Tensor, image: Tensor, row: Tensor, column: Tensor, tiles: tuple[int, int]) -> Tensor:
    """Look each pixel up in the curve of the tile at its row's and its column's tile numbers."""
    start = (row[:, None] * tiles[1] + column[None, :]) * GREYS
    low = image.floor().clamp(0, GREYS - 2)
    index = start + low.long()
    flat = curves.flatten()
    return torch.lerp(flat[index], flat[index + 1], image - low)
