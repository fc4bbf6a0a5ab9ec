"""Optimisers, by torch's functions of a step: its classes load its compiler, which takes longer than some trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch.optim.adamw import adamw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor, nn

_BETAS = (0.9, 0.999)
"""Decay of AdamW's two means. Published (Kingma and Ba, ICLR 2015)."""

_WEIGHT_DECAY = 0.01
"""Decay of weights in a step, over the learning rate. Format: the default of torch."""

_EPSILON = 1e-8
"""What keeps AdamW from dividing by nothing. Published (Kingma and Ba, ICLR 2015)."""


class Optimiser(Protocol):
    """What changes weights by their gradients.

    Attributes:
        rate: learning rate of the next step.
    """

    rate: float

    def step(self) -> None:
        """Change the weights in place.

        Raises:
            ValueError: if one of them has no gradient.
        """


class GradientDescent:
    """Plain gradient descent.

    Args:
        weights: what it changes.
        rate: learning rate of the next step; may be set.
    """

    def __init__(self, weights: Iterable[nn.Parameter], rate: float) -> None:
        self._weights: list[Tensor] = list(weights)
        self.rate = rate

    @torch.no_grad()
    def step(self) -> None:
        """Change the weights in place.

        Raises:
            ValueError: if one of them has no gradient.
        """
        for weight, gradient in zip(self._weights, _gradients_of(self._weights), strict=True):
            weight.add_(gradient, alpha=-self.rate)


class AdamW:
    """AdamW (Loshchilov and Hutter 2019).

    Args:
        weights: what it changes.
        rate: learning rate of the next step; may be set.
        betas: decay of the two means.
        weight_decay: share of the weights that a step takes, over the learning rate.

    Attributes:
        first: running mean of the gradients, one for each of the weights.
        second: the same of their squares.
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        rate: float,
        *,
        betas: tuple[float, float] = _BETAS,
        weight_decay: float = _WEIGHT_DECAY,
    ) -> None:
        self._weights: list[Tensor] = list(weights)
        self.rate, self._betas, self._decay = rate, betas, weight_decay
        zeros = [torch.zeros_like(weight) for weight in self._weights]
        self.go_on(0, zeros, zeros)

    def go_on(self, steps: int, first: Iterable[Tensor], second: Iterable[Tensor]) -> None:
        """Take the state of another one after some steps; the tensors are copied, to where the weights are."""
        self._steps = [torch.tensor(float(steps)) for _ in self._weights]
        self.first, self.second = (
            [mean.to(weight.device, copy=True) for mean, weight in zip(means, self._weights, strict=True)]
            for means in (first, second)
        )

    @torch.no_grad()
    def step(self) -> None:
        """Change the weights in place.

        Raises:
            ValueError: if one of them has no gradient.
        """
        adamw(
            self._weights,
            _gradients_of(self._weights),
            self.first,
            self.second,
            [],
            self._steps,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=self.rate,
            weight_decay=self._decay,
            eps=_EPSILON,
            maximize=False,
        )


def _gradients_of(weights: Sequence[Tensor]) -> list[Tensor]:
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if len(gradients) < len(weights):
        raise ValueError(f"{len(weights) - len(gradients)} of {len(weights)} weights have no gradient")
    return gradients
