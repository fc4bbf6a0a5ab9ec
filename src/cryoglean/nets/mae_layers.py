"""Sizes of a masked autoencoder."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cryoglean.nets.transformer import Blocks, Size


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
