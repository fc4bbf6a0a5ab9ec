"""The decoder of a masked autoencoder: from the latents of some patches to the pixels of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from cryoglean.nets.tokens import PREFIX_TOKENS, position_code, take
from cryoglean.nets.transformer import Transformer

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.nets.mae_layers import MaeLayers
    from cryoglean.nets.masks import Masks


class MaeDecoder(nn.Module):
    """A vision transformer on latents, with one learned token in place of each hidden patch.

    Args:
        layers: sizes of the network.
    """

    position: Tensor

    def __init__(self, layers: MaeLayers) -> None:
        super().__init__()
        width = layers.decoder.width
        self.embedding = nn.Linear(layers.encoder.width, width)
        self.hidden_token = nn.Parameter(torch.zeros(1, 1, width))
        code = layers.decoder_place_scale * position_code(layers.grid, layers.grid, width)
        self.register_buffer("position", code, persistent=False)
        self.transformer = Transformer(layers.decoder)
        self.pixels = nn.Linear(width, layers.patch_px**2)

    def forward(self, latents: Tensor, masks: Masks) -> Tensor:
        """Predict the hidden patches.

        Args:
            latents: `(n, 1 + k, encoder width)` of the class token and of the patches shown.
            masks: which those are.

        Returns:
            `(n, hidden, patch * patch)` pixels, in the order of `masks.hidden`.
        """
        known: Tensor = self.embedding(latents)
        place = self.position.expand(len(latents), -1, -1)
        hidden = self.hidden_token + take(place, masks.hidden)
        shown = known[:, PREFIX_TOKENS:] + take(place, masks.shown)
        tokens: Tensor = self.transformer(torch.cat([known[:, :PREFIX_TOKENS], shown, hidden], dim=1))
        predicted: Tensor = self.pixels(tokens[:, -masks.hidden.shape[1] :])
        return predicted
