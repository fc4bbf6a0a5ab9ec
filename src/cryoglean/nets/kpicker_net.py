"""The network of Kpicker: three convolutions and two dense layers tell a particle from anything else.

McSweeney et al., IUCrJ 7, 719 (2020), section 2.6 and figure 2: 64 x 64 px in; convolutions of 32 filters of 8 x 8,
64 of 8 x 8 and 128 of 3 x 3, each followed by a rectifier and a maximum over 2 x 2; 1024 dense units; two outputs and
softmax.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

WINDOW_PX = 64
"""Side of the patch that the network looks at. Published (McSweeney et al. 2020, section 2.6)."""

Count = Annotated[int, Field(ge=1, le=65_536)]


class KpickerLayers(BaseModel):
    """Sizes of the layers; by default the published ones.

    Attributes:
        filters: filters of each convolution.
        kernels: sides of the filters, in pixels of what comes in.
        dense: units of the dense layer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    filters: tuple[Count, Count, Count] = (32, 64, 128)
    kernels: tuple[Count, Count, Count] = (8, 8, 3)
    dense: Count = 1024

    @property
    def last_side(self) -> int:
        """Side of what the last convolution leaves of a window."""
        side = WINDOW_PX
        for kernel in self.kernels:
            side = (side - kernel + 1) // 2
        return side

    @model_validator(mode="after")
    def _fit_into_the_window(self) -> Self:
        if self.last_side < 1:
            raise ValueError(f"kernels {self.kernels} leave nothing of {WINDOW_PX} px")
        return self


class KpickerNet(nn.Module):
    """The network.

    Args:
        layers: sizes of its layers.
    """

    def __init__(self, layers: KpickerLayers | None = None) -> None:
        super().__init__()
        self.layers = layers or KpickerLayers()
        depths = (1, *self.layers.filters)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(depths[i], depths[i + 1], kernel) for i, kernel in enumerate(self.layers.kernels)
        )
        self.dense = nn.Linear(depths[-1] * self.layers.last_side**2, self.layers.dense)
        self.output = nn.Linear(self.layers.dense, 2)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on processors

    def forward(self, patches: Tensor) -> Tensor:
        """Judge patches.

        Args:
            patches: `(n, 64, 64)` float32.

        Returns:
            `(n,)` log-odds of being a particle: the sigmoid of them is the published softmax's second output.
        """
        seen = patches[:, None].to(memory_format=torch.channels_last)
        for convolution in self.convolutions:  # the rectifier after the maximum: the same, on a quarter of the values
            seen = functional.relu(functional.max_pool2d(convolution(seen), 2))
        return log_odds(self.output(functional.relu(self.dense(seen.flatten(1)))))


def log_odds(outputs: Tensor) -> Tensor:
    """Return `(n, ...)` log-odds of `(n, 2, ...)` outputs, the second of which says particle."""
    return outputs[:, 1] - outputs[:, 0]


def new_net(layers: KpickerLayers, seed: int) -> KpickerNet:
    """Make a network with uniform random weights (Glorot and Bengio 2010, Keras' default) and no biases.

    Args:
        layers: sizes of the layers.
        seed: of the weights, which depend on nothing else.
    """
    net, generator = KpickerNet(layers), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim == 1:
                weight.zero_()
                continue
            fan_in, fan_out = (weight[i].numel() if i == 0 else weight[:, 0].numel() for i in (0, 1))
            bound = math.sqrt(6 / (fan_in + fan_out))
            weight.copy_(bound * (2 * torch.rand(weight.shape, generator=generator) - 1))
    return net
