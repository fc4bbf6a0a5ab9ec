"""Tiles of images for a masked autoencoder: every place and turn drawn from a seed and the number of the step alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from cryoglean.nets.masks import Masks, random_masks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Sampling = Literal["grid", "anywhere", "crops"]
"""Tiles of a grid, each once in an epoch; at any place, turned and mirrored; or squares of any size, resized."""


class MaskedTiles(NamedTuple):
    """A batch.

    Attributes:
        tiles: `(n, tile, tile)` float32.
        masks: which of their patches are shown.
    """

    tiles: Tensor
    masks: Masks

    def split(self, size: int | list[int]) -> list[MaskedTiles]:
        """Cut into batches of so many tiles, each or one after the other."""
        return [MaskedTiles(*pair) for pair in zip(torch.split(self.tiles, size), self.masks.split(size), strict=True)]


class TileSampler:
    """Draws batches of tiles.

    Args:
        images: `(h, w)` float32 each, on one device; those smaller than a tile are continued by their last pixels.
        tile_px: side of a tile.
        tokens: patches of a tile.
        mask_ratio: share of them to hide.
        sampling: where tiles come from.
        crop_area: smallest and largest area of a square to crop, over that of its image.
        seed: of all draws.
        stream: tells samplers of one seed apart.
    """

    def __init__(
        self,
        images: Sequence[Tensor],
        tile_px: int,
        tokens: int,
        mask_ratio: float,
        sampling: Sampling = "anywhere",
        crop_area: tuple[float, float] = (0.04, 0.25),
        seed: int = 0,
        stream: int = 0,
    ) -> None:
        self._images = [at_least(image, tile_px) for image in images]
        self._side, self._tokens, self._ratio = tile_px, tokens, mask_ratio
        self._sampling, self._crop_area = sampling, crop_area
        self._seed, self._stream = seed, stream
        self._grid = [place for i, image in enumerate(self._images) for place in _grid(i, image, tile_px)]
        areas = np.array([image.numel() for image in self._images], dtype=float)
        self._weights = areas / areas.sum()

    @property
    def tiles_of_an_epoch(self) -> int:
        """Number of tiles that cover all images once."""
        return len(self._grid)

    def batch(self, step: int, size: int) -> MaskedTiles:
        """Draw the batch of a step, the same whenever it is asked for."""
        random = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(self._stream, step)))
        if self._sampling == "grid":
            tiles = [self._cut(*self._grid[k]) for k in self._next_of_grid(step, size)]
        else:
            draw = self._anywhere if self._sampling == "anywhere" else self._crop
            which = random.choice(len(self._images), size, p=self._weights)
            tiles = [_turned(draw(int(i), random), int(random.integers(8))) for i in which]
        masks = random_masks(random, size, self._tokens, self._ratio)
        return MaskedTiles(torch.stack(tiles), masks.to(tiles[0].device))

    def _next_of_grid(self, step: int, size: int) -> list[int]:
        """Return the tiles of a step: each epoch goes through all of the grid in an order of its own."""
        n = len(self._grid)
        places = range(step * size, (step + 1) * size)
        epochs = range(places[0] // n, places[-1] // n + 1)
        order = {e: np.random.default_rng([self._seed, self._stream, 1, e]).permutation(n) for e in epochs}
        return [int(order[place // n][place % n]) for place in places]

    def _cut(self, image: int, top: int, left: int) -> Tensor:
        return self._images[image][top : top + self._side, left : left + self._side]

    def _anywhere(self, image: int, random: np.random.Generator) -> Tensor:
        height, width = self._images[image].shape
        top, left = random.integers(height - self._side + 1), random.integers(width - self._side + 1)
        return self._cut(image, int(top), int(left))

    def _crop(self, image: int, random: np.random.Generator) -> Tensor:
        whole = self._images[image]
        height, width = whole.shape
        side = min(max(round(float((random.uniform(*self._crop_area) * height * width) ** 0.5)), 1), height, width)
        top, left = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
        square = whole[None, None, top : top + side, left : left + side]
        return functional.interpolate(square, (self._side,) * 2, mode="bilinear", antialias=True)[0, 0]


def at_least(image: Tensor, side: int) -> Tensor:
    """Continue an image by its last row and column until each of its sides is that long."""
    height, width = image.shape
    missing = (0, max(0, side - width), 0, max(0, side - height))
    return functional.pad(image[None, None], missing, mode="replicate")[0, 0] if any(missing) else image


def even_starts(length: int, side: int, stride: int, unit: int = 1) -> list[int]:
    """Return where windows start that cover a line evenly from end to end.

    Args:
        length: of the line, `side` or more and a multiple of the unit.
        side: of a window, a multiple of the unit.
        stride: largest distance of two starts, `side` or less.
        unit: starts are multiples of it.
    """
    room = (length - side) // unit
    steps = -(-room * unit // stride)
    return [unit * (room * k // steps) for k in range(steps + 1)] if steps else [0]


def _grid(number: int, image: Tensor, side: int) -> list[tuple[int, int, int]]:
    """Return (image, top, left) of the tiles of a grid; where a side does not divide, neighbours overlap."""
    tops, lefts = (even_starts(n, side, side) for n in image.shape)
    return [(number, top, left) for top in tops for left in lefts]


def _turned(tile: Tensor, turn: int) -> Tensor:
    """Return one of the eight views of a square."""
    mirrored = tile.flip(1) if turn >= 4 else tile
    return mirrored.rot90(turn % 4)
