"""The training loop: batches in, the best weights out, with the curves. A function of tensors and a seed.

A batch is split into parts of fixed size that are worked on side by side, one thread each, and their gradients are
added in order: the result does not depend on the number of threads.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field

from cryoglean.nets.losses import Group
from cryoglean.nets.optimisers import AdamW, GradientDescent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor, nn

    from cryoglean.nets.optimisers import Optimiser

_PART = 24
"""Patches that a thread works on at a time. Resource: small enough that a batch keeps several processors busy; the
order of sums depends on it, and nothing else."""

_PLATEAU_FACTOR = 0.1
"""Share of the learning rate that is left after a plateau. Format: the default of Keras' ReduceLROnPlateau."""

_PLATEAU_CHECKS = 10
"""Looks without anything better that make a plateau. Format: the default of Keras' ReduceLROnPlateau."""


class TrainingSchedule(BaseModel):
    """Length, learning rate and stopping rule of a training.

    Attributes:
        steps: batches in all.
        check_every: steps between looks at the held-out examples.
        optimiser: plain stochastic gradient descent, or AdamW (Loshchilov and Hutter 2019).
        rate: learning rate to begin with.
        rate_decay: a tenth of the rate whenever ten looks saw nothing better, or half a cosine down to 0.
        averaging: how much of the weights' running mean is kept in each step, 0 for none; the mean is what is looked at
            and kept. It is steadier than the weights of any one step (Polyak and Juditsky 1992).
        patience: looks without anything better after which training stops; None never stops before the end.
        min_gain: by how much the held-out loss must fall to count as better for that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Annotated[int, Field(ge=1)]
    check_every: Annotated[int, Field(ge=1)]
    optimiser: Literal["sgd", "adamw"] = "adamw"
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    rate_decay: Literal["plateau", "cosine"] = "cosine"
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.0
    patience: Annotated[int, Field(ge=1)] | None = None
    min_gain: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class Batch(NamedTuple):
    """Examples.

    Attributes:
        patches: `(n, 64, 64)` float32.
        groups: `(n,)` of `losses.Group`.
    """

    patches: Tensor
    groups: Tensor


class Check(NamedTuple):
    """One look at how training goes: a point of the curves.

    Attributes:
        step: steps done.
        rate: learning rate of the last of them.
        loss: mean over the steps since the look before.
        accuracy: share of right answers in them, taking unlabelled examples for negatives.
        held_out_loss: of the held-out examples; NaN where there are none.
        held_out_accuracy: share of right answers among them.
    """

    step: int
    rate: float
    loss: float
    accuracy: float
    held_out_loss: float
    held_out_accuracy: float


def train(
    net: nn.Module,
    batch_at: Callable[[int], Batch],
    held_out: Batch | None,
    loss: Callable[[Tensor, Tensor], Tensor],
    schedule: TrainingSchedule,
    threads: int = 1,
    watch: Callable[[Check], None] | None = None,
) -> tuple[Check, ...]:
    """Train a network in place; it ends with the weights that did best on the held-out examples.

    Args:
        net: from patches to log-odds.
        batch_at: the batch of a step, the same whenever it is asked for.
        held_out: examples that no batch holds; None keeps the last weights.
        loss: from `(n,)` log-odds and groups to a number.
        schedule: how.
        threads: parts of a batch to work on at a time; the result does not depend on it.
        watch: who is told of each look.

    Returns:
        The curves.
    """
    weights = [p for p in net.parameters() if p.requires_grad]
    optimiser, mean = _optimiser(weights, schedule), _RunningMean(weights, schedule.averaging)
    best, kept, checks = math.inf, mean.weights, list[Check]()
    rate, since_best, seen = schedule.rate, 0, list[tuple[float, float]]()
    with ThreadPoolExecutor(threads) as pool:
        for step in range(1, schedule.steps + 1):
            optimiser.rate = _scheduled(schedule, rate, step)
            seen.append(_gradients(net, weights, batch_at(step - 1), loss, pool))
            optimiser.step()
            mean.add(step, weights)
            if step % schedule.check_every and step != schedule.steps:
                continue
            with mean.in_place(weights):
                judgement = _judgement(net, held_out, loss, pool)
            check = Check(step, _scheduled(schedule, rate, step), *_means(seen), *judgement)
            checks.append(check)
            seen.clear()
            if watch is not None:
                watch(check)
            since_best += 1
            if held_out is None or check.held_out_loss < best:
                gained = held_out is None or check.held_out_loss <= best - schedule.min_gain
                since_best = 0 if gained else since_best
                best, kept = check.held_out_loss, _copies(mean.weights)
            if schedule.patience is not None and since_best >= schedule.patience:
                break
            if schedule.rate_decay == "plateau" and since_best and since_best % _PLATEAU_CHECKS == 0:
                rate *= _PLATEAU_FACTOR
    _assign(weights, kept)
    return tuple(checks)


class _RunningMean:
    """Exponential mean of weights over the steps, corrected for its beginning."""

    def __init__(self, weights: Sequence[Tensor], kept_share: float) -> None:
        self.weights, self._kept_share = _copies(weights), kept_share

    def add(self, step: int, weights: Sequence[Tensor]) -> None:
        """Take in the weights after a step, counted from 1."""
        new_share = (1 - self._kept_share) / (1 - self._kept_share**step)
        for mean, weight in zip(self.weights, weights, strict=True):
            mean.lerp_(weight.detach(), new_share)

    @contextmanager
    def in_place(self, weights: Sequence[Tensor]) -> Iterator[None]:
        """Put the mean into the network's weights for a while."""
        now = _copies(weights)
        _assign(weights, self.weights)
        try:
            yield
        finally:
            _assign(weights, now)


def _optimiser(weights: list[nn.Parameter], schedule: TrainingSchedule) -> Optimiser:
    kind = GradientDescent if schedule.optimiser == "sgd" else AdamW
    return kind(weights, schedule.rate)


def _scheduled(schedule: TrainingSchedule, rate: float, step: int) -> float:
    if schedule.rate_decay == "plateau":
        return rate
    return rate * 0.5 * (1 + math.cos(math.pi * (step - 1) / schedule.steps))


def _copies(weights: Sequence[Tensor]) -> list[Tensor]:
    return [w.detach().clone() for w in weights]


@torch.no_grad()
def _assign(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.copy_(value)


def _gradients(
    net: nn.Module,
    weights: list[nn.Parameter],
    batch: Batch,
    loss: Callable[[Tensor, Tensor], Tensor],
    pool: ThreadPoolExecutor,
) -> tuple[float, float]:
    """Set the gradients of the weights; return loss and accuracy.

    The loss need not be a sum over examples: its gradient by the log-odds is taken of the batch as a whole, and
    handed back through each part.
    """
    parts = list(pool.map(net, _parts(batch.patches)))
    odds = torch.cat([part.detach() for part in parts]).requires_grad_()
    value = loss(odds, batch.groups)
    (by_odds,) = torch.autograd.grad(value, odds)

    def back(part: Tensor, by_part: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(part, weights, by_part)

    for i, gradients in enumerate(pool.map(back, parts, torch.split(by_odds, [len(p) for p in parts]))):
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient if i == 0 or weight.grad is None else weight.grad + gradient
    return float(value.detach()), _accuracy(odds.detach(), batch.groups)


def _parts(patches: Tensor) -> tuple[Tensor, ...]:
    return torch.split(patches, _PART if patches.device.type == "cpu" else len(patches))


def _means(seen: Sequence[tuple[float, float]]) -> tuple[float, float]:
    losses, accuracies = zip(*seen, strict=True)
    return sum(losses) / len(seen), sum(accuracies) / len(seen)


def _judgement(
    net: nn.Module, held_out: Batch | None, loss: Callable[[Tensor, Tensor], Tensor], pool: ThreadPoolExecutor
) -> tuple[float, float]:
    """Return loss and accuracy on the held-out examples, NaN without any."""
    if held_out is None:
        return math.nan, math.nan
    odds = _judged(net, held_out.patches, pool)
    return float(loss(odds, held_out.groups)), _accuracy(odds, held_out.groups)


def _judged(net: nn.Module, patches: Tensor, pool: ThreadPoolExecutor) -> Tensor:

    def judge(part: Tensor) -> Tensor:
        with torch.no_grad():
            odds: Tensor = net(part)
            return odds

    return torch.cat(list(pool.map(judge, _parts(patches))))


def _accuracy(odds: Tensor, groups: Tensor) -> float:
    return float(((odds > 0) == (groups == Group.POSITIVE)).float().mean())
