"""Masked autoencoder (He et al., CVPR 2022) for tiles of micrographs, as in Zamanos et al. (Cell Rep. Methods 2025).

Half of a tile's patches are shown to an encoder; a decoder, needed for training only, predicts the others. Which
patches are shown is an input: the network draws nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn

from cryoglean.nets.mae_decoder import MaeDecoder
from cryoglean.nets.mae_encoder import MaeEncoder
from cryoglean.nets.transformer import Blocks, Size

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.nets.masks import Masks

_TOKEN_DEVIATION = 0.02
"""Standard deviation of the tokens to begin with. Chosen by hand: small beside the patches' own, whose variance is
about 1."""


class MaeLayers(BaseModel):
    """Sizes of the network.

    Attributes:
        tile_px: side of a tile.
        patch_px: side of a patch, which is a token.
        encoder: sizes of the encoder.
        decoder: sizes of the decoder.
        encoder_place_scale: what the code of places is multiplied by in the encoder. Small, it leaves latents alike
            wherever in its tile a patch lies.
        decoder_place_scale: the same in the decoder, which learns the sooner where patches belong the larger it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tile_px: Size = 32
    patch_px: Size = 4
    encoder: Blocks = Blocks(width=64, depth=4, heads=4)
    decoder: Blocks = Blocks(width=96, depth=2, heads=8)
    encoder_place_scale: Annotated[float, Field(gt=0, le=10)] = 0.5
    decoder_place_scale: Annotated[float, Field(gt=0, le=10)] = 1.0

    @property
    def grid(self) -> int:
        """Patches along a tile's side."""
        return self.tile_px // self.patch_px

    @property
    def tokens(self) -> int:
        """Patches of a tile."""
        return self.grid**2

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.tile_px % self.patch_px or self.tokens < 2:
            raise ValueError(f"a tile of {self.tile_px} px must be two or more whole patches of {self.patch_px} px")
        return self


PAPER_LAYERS = MaeLayers(
    tile_px=64,
    encoder=Blocks(width=192, depth=14, heads=1),
    decoder=Blocks(width=128, depth=7, heads=8),
    encoder_place_scale=0.08,
    decoder_place_scale=0.08,
)
"""The published sizes."""


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


def new_mae(layers: MaeLayers, seed: int) -> Mae:
    """Make a network with uniform random weights (Glorot and Bengio 2010), no biases, and small random tokens.

    Keys start as queries are, so that tokens of like content and place see each other from the first step on (as in
    Trockman and Kolter, ICML 2023): it takes hundreds of steps to learn that.

    Args:
        layers: sizes of the network.
        seed: of the weights, which depend on nothing else.
    """
    net, generator = Mae(layers), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("_token"):
                weight.copy_(_TOKEN_DEVIATION * torch.randn(weight.shape, generator=generator))
            elif weight.ndim == 2:
                bound = math.sqrt(6 / sum(weight.shape))
                weight.copy_(bound * (2 * torch.rand(weight.shape, generator=generator) - 1))
                if name.endswith("query_key_value.weight"):
                    query, key, _ = weight.chunk(3)
                    key.copy_(query)
            elif name.endswith("bias"):
                weight.zero_()
    return net
