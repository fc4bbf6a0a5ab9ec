"""Splitting of large classes: empty classes are refilled with the images that fit a large one least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_EMPTY_SHARE = 0.01
"""Share of an average class below which a class is refilled. Chosen on sim-mid and sim-high
(benchmarks/README.md, 2D classes): up to 0.03 is as good; with 0.1 small classes of junk are lost to halves of large
ones, and junk goes into classes of particles."""

_MIN_SPLIT = 8
"""Images of a class that may be split. Chosen by hand: both parts need images in both half sets."""


@dataclass(frozen=True)
class Splits:
    """Images that count to another class in the next iteration.

    Attributes:
        closed: (s,) classes that no image is compared with, because they are refilled.
        source: (n,) class from which an image is taken, -1 for none.
        target: (n,) class to which it counts then.
    """

    closed: Tensor
    source: Tensor
    target: Tensor

    @classmethod
    def none(cls, images: int, device: torch.device) -> Splits:
        """Return no splits."""
        nothing = torch.full((images,), -1, dtype=torch.long, device=device)
        return cls(nothing[:0], nothing, nothing)

    def part(self, rows: Tensor) -> Splits:
        """Return what concerns some images."""
        return Splits(self.closed, self.source[rows], self.target[rows])

    def spread(self, rows: Tensor, images: int) -> Splits:
        """Return them for all images, of which these were the `rows`; the others are not taken."""
        whole = Splits.none(images, self.source.device)
        return Splits(
            self.closed, whole.source.index_copy(0, rows, self.source), whole.target.index_copy(0, rows, self.target)
        )

    def counted(self, image: Tensor, index: Tensor) -> Tensor:
        """Return the classes to which images count that are found in the classes `index`."""
        return torch.where(index == self.source[image], self.target[image], index)


def plan_splits(class_index: Tensor, likelihood: Tensor, classes: int) -> Splits:
    """Plan to refill each class that has hardly any image with half of a large one, the largest first.

    The half that fits least is taken: a large class that absorbs what it should not is told apart by that. No class
    is split that would not be of ordinary size after it.

    Args:
        class_index: (n,) present classes.
        likelihood: (n,) how well images fit.
        classes: how many.
    """
    splits = Splits.none(len(class_index), class_index.device)
    counts = torch.bincount(class_index, minlength=classes)
    ordinary = len(class_index) / classes
    empty = torch.nonzero(counts < max(_EMPTY_SHARE * ordinary, 1)).flatten()
    large = torch.argsort(counts, descending=True, stable=True)
    large = large[counts[large] >= max(ordinary, _MIN_SPLIT)]
    source, target = splits.source.clone(), splits.target.clone()
    for new, old in zip(empty, large, strict=False):
        member = class_index == old
        poor = member & (likelihood <= likelihood[member].median())
        source[poor], target[poor] = old, new
    return Splits(empty[: len(large)], source, target)
