"""Masked autoencoder (He et al., CVPR 2022) for tiles of micrographs, as in Zamanos et al. (Cell Rep. Methods 2025).

Half of a tile's patches are shown to an encoder; a decoder, needed for training only, predicts the others. Which
patches are shown is an input: the network draws nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from cryoglean.nets.mae_decoder import MaeDecoder
from cryoglean.nets.mae_encoder import MaeEncoder
from cryoglean.nets.mae_layers import MaeLayers

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.nets.masks import Masks

_TOKEN_DEVIATION = 0.02
"""Standard deviation of the tokens to begin with. Chosen by hand: small beside the patches' own, whose variance is
about 1."""


class Mae(nn.Module):
    """Encoder and decoder.

    Args:
        layers: their sizes.
    """

    def __init__(self, layers: MaeLayers | None = None) -> None:
        super().__init__()
        self.layers = layers or MaeLayers()
        self.encoder, self.decoder = MaeEncoder(self.layers), MaeDecoder(self.layers)

    def forward(self, tiles: Tensor, masks: Masks) -> Tensor:
        """Predict what is hidden.

        Args:
            tiles: `(n, tile, tile)`, standardised.
            masks: which patches are shown.

        Returns:
            `(n, hidden, patch * patch)` pixels of the hidden patches.
        """
        predicted: Tensor = self.decoder(self.encoder(tiles, masks.shown), masks)
        return predicted


def new_mae(layers: MaeLayers, seed: int, *, keys_as_queries: bool = True) -> Mae:
    """Make a network with uniform random weights (Glorot and Bengio 2010), no biases, and small random tokens.

    Args:
        layers: sizes of the network.
        seed: of the weights, which depend on nothing else.
        keys_as_queries: start keys as queries are, so that tokens of like content and place see each other from the
            first step on (as in Trockman and Kolter, ICML 2023): it takes hundreds of steps to learn that. Otherwise
            they have random weights of their own.
    """
    net, generator = Mae(layers), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("_token"):
                weight.copy_(_TOKEN_DEVIATION * torch.randn(weight.shape, generator=generator))
            elif weight.ndim == 2:
                bound = math.sqrt(6 / sum(weight.shape))
                weight.copy_(bound * (2 * torch.rand(weight.shape, generator=generator) - 1))
                if keys_as_queries and name.endswith("query_key_value.weight"):
                    query, key, _ = weight.chunk(3)
                    key.copy_(query)
            elif name.endswith("bias"):
                weight.zero_()
    return net
