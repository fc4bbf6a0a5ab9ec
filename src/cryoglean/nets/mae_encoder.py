"""The encoder of a masked autoencoder: the patches that it is shown, and nothing else, become latents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from cryoglean.nets.tokens import PREFIX_TOKENS, patches_of, position_code, take
from cryoglean.nets.transformer import Transformer

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.nets.mae_layers import MaeLayers


class MaeEncoder(nn.Module):
    """A vision transformer on patches.

    Args:
        layers: sizes of the network.
    """

    position: Tensor

    def __init__(self, layers: MaeLayers) -> None:
        super().__init__()
        self.layers = layers
        self.patch = nn.Linear(layers.patch_px**2, layers.encoder.width)
        self.class_token = nn.Parameter(torch.zeros(1, 1, layers.encoder.width))
        code = layers.encoder_place_scale * position_code(layers.grid, layers.grid, layers.encoder.width)
        self.register_buffer("position", code, persistent=False)
        self.transformer = Transformer(layers.encoder)

    def forward(self, tiles: Tensor, shown: Tensor | None = None) -> Tensor:
        """Encode tiles.

        Args:
            tiles: `(n, tile, tile)`, standardised.
            shown: `(n, k)` numbers of the patches to look at; None for all.

        Returns:
            `(n, 1 + k, width)`: the class token's latent, and the patches' in the order of `shown`.
        """
        tokens = self.patch(patches_of(tiles, self.layers.patch_px)) + self.position
        if shown is not None:
            tokens = take(tokens, shown)
        latents: Tensor = self.transformer(torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1))
        return latents

    def patch_latents(self, tiles: Tensor) -> Tensor:
        """Return the `(n, grid, grid, width)` latents of all patches of `(n, tile, tile)` tiles, all of them shown."""
        grid = self.layers.grid
        latents: Tensor = self(tiles)[:, PREFIX_TOKENS:].unflatten(1, (grid, grid))
        return latents
