"""Masks of an encoder's tokens: index tensors that are made here and handed to the network as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor


class Masks(NamedTuple):
    """Tokens of each tile in two groups, either in ascending order.

    Attributes:
        shown: `(n, k)` int64 numbers of the tokens that the encoder sees.
        hidden: `(n, tokens - k)` int64 numbers of all others.
    """

    shown: Tensor
    hidden: Tensor

    def to(self, device: torch.device) -> Masks:
        """Move both to a device."""
        return Masks(self.shown.to(device), self.hidden.to(device))

    def split(self, size: int | list[int]) -> list[Masks]:
        """Cut into masks of so many tiles, each or one after the other."""
        shown, hidden = torch.split(self.shown, size), torch.split(self.hidden, size)
        return [Masks(*pair) for pair in zip(shown, hidden, strict=True)]


def random_masks(random: np.random.Generator, tiles: int, tokens: int, ratio: float) -> Masks:
    """Hide tokens of each tile at random; as many in each, in order that batches are rectangular.

    Args:
        random: where chance comes from: the same state gives the same masks.
        tiles: how many.
        tokens: of each tile.
        ratio: share of the tokens to hide; at least one is hidden and one is shown.
    """
    hidden = min(max(round(ratio * tokens), 1), tokens - 1)
    order = torch.from_numpy(random.random((tiles, tokens)).argsort(axis=1))
    return Masks(order[:, hidden:].sort(dim=1).values, order[:, :hidden].sort(dim=1).values)
