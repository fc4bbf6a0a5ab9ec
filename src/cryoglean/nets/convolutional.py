"""Every window of an image through a network: one by one, or all in one convolutional pass.

Neighbouring windows share most of their convolutions, so the network is run over the image as a whole, its dense layers
as convolutions. Where windows are so close that a maximum over 2 x 2 would be needed at places in between, it is taken
at all places and the layers that follow look at every second of them (`a trous`; Giusti et al., ICIP 2013): every
window gets what it gets by itself. The windows must not be standardised one by one: the image is, before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from cryoglean.nets.kpicker_net import WINDOW_PX, log_odds

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from cryoglean.nets.kpicker_net import KpickerNet

STRIDES = (1, 2, 4, 8)
"""Distances of windows, in pixels, that a pass can have. Derived: those that the three halvings divide."""

TILE = 96
"""Windows in a row and in a column of one tile. Resource: its activations take about 40 MB, its margin a tenth of the
time."""

_BATCH = 64
"""Windows that are judged at a time, one by one. Resource: from 8 to 64 there is no difference, more are slower."""


def scan_shape(shape: tuple[int, ...], stride: int) -> tuple[int, int]:
    """Return how many rows and columns of windows an image of `(h, w)` holds; 0 where it is smaller than a window."""
    rows, columns = (max(0, (side - WINDOW_PX) // stride + 1) for side in shape)
    return rows, columns


@torch.no_grad()
def scan_convolutionally(net: KpickerNet, image: Tensor, stride: int = 4, tile: int = TILE) -> Tensor:
    """Judge all windows in one pass, tile by tile.

    Args:
        net: the network, on the image's device.
        image: `(h, w)` float32.
        stride: distance of windows in pixels, one of `STRIDES`.
        tile: windows along the side of a tile; bounds the memory and changes nothing.

    Returns:
        `(rows, columns)` log-odds; that at (i, j) is of the window whose first pixel is (i * stride, j * stride).

    Raises:
        ValueError: if the stride is none of `STRIDES`.
    """
    if stride not in STRIDES:
        raise ValueError(f"stride must be one of {STRIDES}, got {stride}")
    rows, columns = scan_shape(image.shape, stride)
    result = image.new_empty((rows, columns))
    for top in range(0, rows, tile):
        for left in range(0, columns, tile):
            part = result[top : top + tile, left : left + tile]
            height, width = ((n - 1) * stride + WINDOW_PX for n in part.shape)
            y, x = top * stride, left * stride
            part.copy_(_one_pass(net, image[y : y + height, x : x + width], stride)[: part.shape[0], : part.shape[1]])
    return result


def _one_pass(net: KpickerNet, image: Tensor, stride: int) -> Tensor:
    seen = image[None, None].to(memory_format=torch.channels_last)
    step, dilation = 1, 1  # pixels between what is computed; and how many of those between what belongs to one window
    for convolution in net.convolutions:
        seen = functional.conv2d(seen, convolution.weight, convolution.bias, dilation=dilation)  # type: ignore[arg-type]
        if 2 * step <= stride:
            seen, step = functional.max_pool2d(seen, 2, 2, dilation=dilation), 2 * step
        else:
            seen, dilation = functional.max_pool2d(seen, 2, 1, dilation=dilation), 2 * dilation
        seen = functional.relu(seen)
    side = net.layers.last_side
    dense = net.dense.weight.view(net.layers.dense, -1, side, side).contiguous(memory_format=torch.channels_last)
    seen = functional.relu(functional.conv2d(seen, dense, net.dense.bias, dilation=dilation))
    return log_odds(functional.conv2d(seen, net.output.weight[:, :, None, None], net.output.bias))[0]


@torch.no_grad()
def scan_windows(
    net: Callable[[Tensor], Tensor],
    image: Tensor,
    stride: int = 4,
    prepare: Callable[[Tensor], Tensor] | None = None,
    batch: int = _BATCH,
) -> Tensor:
    """Judge all windows one by one, as published.

    Args:
        net: from `(n, 64, 64)` windows to `(n,)` log-odds.
        image: `(h, w)` float32.
        stride: distance of windows in pixels, 1 or more.
        prepare: what is done to `(n, 64, 64)` windows before.
        batch: windows at a time; changes nothing.

    Returns:
        `(rows, columns)` log-odds, as `scan_convolutionally`.
    """
    rows, columns = scan_shape(image.shape, stride)
    if not rows * columns:
        return image.new_empty((rows, columns))
    windows = image.unfold(0, WINDOW_PX, stride).unfold(1, WINDOW_PX, stride)
    odds = []
    for first in range(0, rows * columns, batch):
        which = torch.arange(first, min(first + batch, rows * columns))
        some = windows[which // columns, which % columns]
        odds.append(net(prepare(some) if prepare else some))
    return torch.cat(odds).view(rows, columns)


def standardise_each(patches: Tensor) -> Tensor:
    """Give each of `(n, h, w)` patches mean 0 and variance 1; a flat one becomes 0."""
    centred = patches - patches.mean((1, 2), keepdim=True)
    deviation = centred.square().mean((1, 2), keepdim=True).sqrt()
    return torch.where(deviation > 1e-6, centred / deviation.clamp_min(1e-6), 0.0)
