"""The blocks of a vision transformer (Dosovitskiy et al., ICLR 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

Size = Annotated[int, Field(ge=1, le=65_536)]


class Blocks(BaseModel):
    """Sizes of a stack of blocks.

    Attributes:
        width: of a token; a multiple of 4 and of the heads.
        depth: how many blocks.
        heads: of each attention.
        mlp_ratio: hidden units of each block's dense layers, over the width.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Size
    depth: Annotated[int, Field(ge=1, le=200)]
    heads: Size = 1
    mlp_ratio: Annotated[float, Field(gt=0, le=64)] = 2.0

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % 4 or self.width % self.heads:
            raise ValueError(f"a width of {self.width} must be a multiple of 4 and of the {self.heads} heads")
        return self


class Transformer(nn.Module):
    """Blocks one after another, and a norm at the end.

    Args:
        blocks: their sizes.
    """

    def __init__(self, blocks: Blocks) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(blocks) for _ in range(blocks.depth))
        self.norm = nn.LayerNorm(blocks.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Take `(n, k, width)` to as many tokens."""
        for block in self.blocks:
            tokens = block(tokens)
        normed: Tensor = self.norm(tokens)
        return normed


class Block(nn.Module):
    """Attention of all tokens to all, then two dense layers for each; both are added to what comes in."""

    def __init__(self, sizes: Blocks) -> None:
        super().__init__()
        self.heads = sizes.heads
        hidden = max(1, round(sizes.mlp_ratio * sizes.width))
        self.norm1, self.norm2 = nn.LayerNorm(sizes.width), nn.LayerNorm(sizes.width)
        self.query_key_value = nn.Linear(sizes.width, 3 * sizes.width)
        self.joined = nn.Linear(sizes.width, sizes.width)
        self.dense1, self.dense2 = nn.Linear(sizes.width, hidden), nn.Linear(hidden, sizes.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Take `(n, k, width)` to as many tokens."""
        tokens = tokens + self._attention(self.norm1(tokens))
        mixed: Tensor = self.dense2(functional.gelu(self.dense1(self.norm2(tokens))))
        return tokens + mixed

    def _attention(self, tokens: Tensor) -> Tensor:
        n, count, width = tokens.shape
        split = self.query_key_value(tokens).view(n, count, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (n, heads, k, width of a head)
        seen = functional.scaled_dot_product_attention(query, key, value)
        joined: Tensor = self.joined(seen.transpose(1, 2).reshape(n, count, width))
        return joined
