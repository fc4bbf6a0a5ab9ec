"""A whole image through an encoder: overlapping tiles, all of their patches shown, blended so that no seam is left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from cryoglean.nets.tiles import at_least, even_starts

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.nets.mae_encoder import MaeEncoder

BATCH = 64
"""Tiles in a batch. Resource: bounds memory."""


@torch.no_grad()
def embed_image(
    encoder: MaeEncoder,
    image: Tensor,
    overlap_px: int = 8,
    *,
    precision: torch.dtype = torch.float32,
    threads: int = 1,
) -> Tensor:
    """Return the latents of all patches of an image.

    A patch that several tiles hold gets the mean of what they say, each weighing the more the farther the patch is from
    its tile's edge: so latents change smoothly where tiles take turns.

    Args:
        encoder: on the image's device.
        image: `(h, w)` float32, standardised as the training's tiles; continued by its last pixels to whole patches.
        overlap_px: least overlap of neighbouring tiles, less than a tile; a multiple of the patch.
        precision: of the matrix products; bfloat16 where hardware multiplies it.
        threads: batches to work on at a time; the result does not depend on it.

    Returns:
        `(ceil(h / patch), ceil(w / patch), width)` float32 latents.
    """
    layers = encoder.layers
    grid, patch = layers.grid, layers.patch_px
    height, width = (-(-n // patch) for n in image.shape)
    whole = at_least(_to_whole_patches(image, patch), layers.tile_px)
    tops, lefts = (even_starts(n, layers.tile_px, layers.tile_px - overlap_px, patch) for n in whole.shape)
    corners = [(top, left) for top in tops for left in lefts]
    batches = [corners[k : k + BATCH] for k in range(0, len(corners), BATCH)]

    def encoded(batch: list[tuple[int, int]]) -> Tensor:
        tiles = torch.stack([whole[t : t + layers.tile_px, s : s + layers.tile_px] for t, s in batch])
        with torch.no_grad(), torch.autocast(whole.device.type, precision, enabled=precision != torch.float32):
            return encoder.patch_latents(tiles).float()

    window = _window(grid, whole.device)
    rows, columns = (n // patch for n in whole.shape)
    total = whole.new_zeros(rows, columns, layers.encoder.width)
    weight = whole.new_zeros(rows, columns, 1)
    with ThreadPoolExecutor(threads) as pool:
        for batch, latents in zip(batches, pool.map(encoded, batches), strict=True):
            for (top, left), latent in zip(batch, latents, strict=True):
                here = (slice(top // patch, top // patch + grid), slice(left // patch, left // patch + grid))
                total[here] += window * latent
                weight[here] += window
    return (total / weight)[:height, :width]


def _to_whole_patches(image: Tensor, patch: int) -> Tensor:
    height, width = image.shape
    return functional.pad(image[None, None], (0, -width % patch, 0, -height % patch), mode="replicate")[0, 0]


def _window(grid: int, device: torch.device) -> Tensor:
    """Return `(grid, grid, 1)` weights that fall off in a straight line from the tile's middle to its edges."""
    place = torch.arange(grid, device=device)
    line = torch.minimum(place + 1, grid - place).float()
    return (line[:, None] * line[None, :])[:, :, None]
