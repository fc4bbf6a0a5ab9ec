"""Tiles as rows of patches, and where each patch lies: what goes into a vision transformer, and comes out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

PREFIX_TOKENS = 1
"""Tokens before those of the patches: the class token. Published (Dosovitskiy et al., ICLR 2021)."""


def patches_of(tiles: Tensor, side: int) -> Tensor:
    """Cut `(n, h, w)` tiles into `(n, h / side * w / side, side * side)` patches, row by row."""
    n, height, width = tiles.shape
    cut = tiles.view(n, height // side, side, width // side, side)
    return cut.transpose(2, 3).reshape(n, -1, side * side)


def tiles_of(patches: Tensor, side: int, rows: int) -> Tensor:
    """Put patches back together: the inverse of `patches_of` for tiles of so many rows of patches."""
    n, count, _ = patches.shape
    cut = patches.view(n, rows, count // rows, side, side)
    return cut.transpose(2, 3).reshape(n, rows * side, -1)


def position_code(rows: int, columns: int, width: int) -> Tensor:
    """Return a fixed code of the places of patches: sines and cosines of row and column at many wavelengths.

    Vaswani et al. (NIPS 2017) for a line; a plane has half of the width for each of its directions, as in He et al.
    (CVPR 2022).

    Args:
        rows: of patches.
        columns: of patches.
        width: of a token, a multiple of 4.

    Returns:
        `(rows * columns, width)` float32.
    """
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.cat([_line_code(place.flatten(), width // 2) for place in (row, column)], dim=1)


def _line_code(place: Tensor, width: int) -> Tensor:
    frequency = 10_000.0 ** (-torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    angle = place.double()[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1).float()


def take(tokens: Tensor, index: Tensor) -> Tensor:
    """Take `(n, k, width)` of `(n, m, width)` tokens at `(n, k)` numbers, each row its own."""
    return tokens.gather(1, index[:, :, None].expand(-1, -1, tokens.shape[-1]))
