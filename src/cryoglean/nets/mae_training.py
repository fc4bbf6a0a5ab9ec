"""The training course of a masked autoencoder: tiles in, weights changed in place, from any step on.

A batch is split into parts of fixed size that are worked on side by side, one thread each, and their gradients are
added in order: the result does not depend on the number of threads. A group shares out the tiles of a batch first; each
member takes the same step with the sum of all gradients, so that only the order of sums tells it from one process.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cryoglean.nets.mae_loss import hidden_error
from cryoglean.nets.optimisers import AdamW
from cryoglean.scale.process_group import SINGLE_PROCESS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

    from cryoglean.nets.mae import Mae
    from cryoglean.nets.tiles import MaskedTiles
    from cryoglean.scale.process_group import ProcessGroup

_PART = 16
"""Tiles that a thread works on at a time. Resource: small enough that a batch keeps several processors busy; the order
of sums depends on it, and nothing else."""

_BATCH_OF_BASE_RATE = 256
"""Batch for which the base rate is the learning rate. Published (He et al., CVPR 2022, appendix A.1)."""

_BETAS = (0.9, 0.95)
"""Decay of AdamW's two means. Published (He et al., CVPR 2022, appendix A.1)."""


class MaeCourse(BaseModel):
    """Settings of the training of a masked autoencoder.

    Attributes:
        steps: batches in all; None where time decides.
        seconds: how long to train; None where steps decide.
        batch: tiles in a step.
        base_rate: learning rate for a batch of 256, to which it is proportional.
        weight_decay: of AdamW (Loshchilov and Hutter 2019).
        warm_up: share of the course in which the rate rises to its height, before it falls to 0 along half a cosine.
        check_every: steps between looks at the held-out tiles.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Annotated[int, Field(ge=1)] | None = None
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    batch: Annotated[int, Field(ge=1)] = 32
    base_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-5
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.05
    check_every: Annotated[int, Field(ge=1)] = 25

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if (self.steps is None) == (self.seconds is None):
            raise ValueError("either steps or seconds decide when training ends")
        return self

    def share_done(self, steps: int, seconds: float) -> float:
        """Return how much of the course is done, 1 or more at its end."""
        if self.steps is not None:
            return steps / self.steps
        return seconds / (self.seconds or math.inf)

    def rate_at(self, share: float) -> float:
        """Return the learning rate after a share of the course."""
        peak = self.base_rate * self.batch / _BATCH_OF_BASE_RATE
        if share < self.warm_up:
            return peak * max(share, 1e-3) / self.warm_up
        return peak * 0.5 * (1 + math.cos(math.pi * (share - self.warm_up) / (1 - self.warm_up)))


class MaeCheck(NamedTuple):
    """One look at how training goes: a point of the curves.

    Attributes:
        step: steps done.
        seconds: time they took.
        rate: learning rate of the last of them.
        loss: mean over the steps since the look before; the variance of the pixels is 1.
        held_out_loss: of the held-out tiles; NaN where there are none.
    """

    step: int
    seconds: float
    rate: float
    loss: float
    held_out_loss: float


@dataclass(frozen=True)
class MaeProgress:
    """All that is needed to go on from a step as if nothing had happened.

    Attributes:
        checks: the curves so far; the last one tells the step.
        tensors: the network's weights, and the optimiser's two means of each by `first.` and `second.` before its name.
    """

    checks: tuple[MaeCheck, ...]
    tensors: Mapping[str, Tensor]


def train_mae(
    net: Mae,
    batch_at: Callable[[int], MaskedTiles],
    held_out: MaskedTiles | None,
    course: MaeCourse,
    *,
    begin: MaeProgress | None = None,
    threads: int = 1,
    precision: torch.dtype = torch.float32,
    watch: Callable[[MaeProgress], None] | None = None,
    group: ProcessGroup = SINGLE_PROCESS,
) -> tuple[MaeCheck, ...]:
    """Train a network in place.

    Args:
        net: the network.
        batch_at: the batch of a step, the same whenever it is asked for.
        held_out: tiles that no batch holds.
        course: how.
        begin: where an earlier run of the same course stood; None starts with the network as it is.
        threads: parts of a batch to work on at a time; the result does not depend on it.
        precision: of the matrix products.
        watch: who is told of each look, with all that is needed to go on from there.
        group: processes that call this with all else equal.

    Returns:
        The curves.
    """
    optimiser = AdamW(net.parameters(), course.base_rate, betas=_BETAS, weight_decay=course.weight_decay)
    checks = list(begin.checks) if begin else []
    if begin:
        _restore(net, optimiser, begin)
    step, seconds = (checks[-1].step, checks[-1].seconds) if checks else (0, 0.0)
    start, losses = perf_counter() - seconds, list[float]()
    with ThreadPoolExecutor(threads) as pool:
        work = _Work(net, precision, pool, group)
        while (share := course.share_done(step, seconds)) < 1:
            optimiser.rate = course.rate_at(share)
            losses.append(_set_gradients(work, batch_at(step)))
            optimiser.step()
            step += 1
            seconds = group.broadcast_scalar(perf_counter() - start)  # time ends it for all at one step
            if step % course.check_every and course.share_done(step, seconds) < 1:
                continue
            loss, aside = sum(losses) / len(losses), _held_out_loss(work, held_out)
            checks.append(MaeCheck(step, seconds, course.rate_at(share), loss, aside))
            losses.clear()
            if watch is not None:
                watch(MaeProgress(tuple(checks), _tensors(net, optimiser)))
    return tuple(checks)


class _Work(NamedTuple):
    """The network at work on a batch, and the processes that share it."""

    net: Mae
    precision: torch.dtype
    pool: ThreadPoolExecutor
    group: ProcessGroup

    def my_parts(self, batch: MaskedTiles) -> list[MaskedTiles]:
        """Return this process's share of a batch, cut for its threads; nothing where there are too few tiles."""
        mine = batch.split(self.group.split_evenly(len(batch.tiles)))[self.group.rank]
        size = _PART if batch.tiles.device.type == "cpu" else max(1, len(mine.tiles))
        return [part for part in mine.split(size) if len(part.tiles)]

    def loss(self, part: MaskedTiles, whole: MaskedTiles) -> Tensor:
        """Return what a part adds to the loss of the whole."""
        with torch.autocast(part.tiles.device.type, self.precision, enabled=self.precision != torch.float32):
            predicted = self.net(part.tiles, part.masks)
        error = hidden_error(predicted, part.tiles, part.masks.hidden, self.net.layers.patch_px)
        return error * (len(part.tiles) / len(whole.tiles))


def _set_gradients(work: _Work, batch: MaskedTiles) -> float:
    """Set the gradients of the weights; return the loss."""
    weights = list(work.net.parameters())

    def back(part: MaskedTiles) -> tuple[float, tuple[Tensor, ...]]:
        loss = work.loss(part, batch)
        return float(loss.detach()), torch.autograd.grad(loss, weights)

    total, sums = 0.0, [torch.zeros_like(weight) for weight in weights]
    for loss, gradients in work.pool.map(back, work.my_parts(batch)):
        total += loss
        sums = [before + gradient for before, gradient in zip(sums, gradients, strict=True)]
    of_all, *sums = work.group.sum([torch.tensor(total, dtype=torch.float64), *sums])
    for weight, gradient in zip(weights, sums, strict=True):
        weight.grad = gradient
    return float(of_all)


def _held_out_loss(work: _Work, held_out: MaskedTiles | None) -> float:
    if held_out is None:
        return math.nan

    def judge(part: MaskedTiles) -> float:
        with torch.no_grad():
            return float(work.loss(part, held_out))

    total = sum(work.pool.map(judge, work.my_parts(held_out)))
    return float(work.group.sum([torch.tensor(total, dtype=torch.float64)])[0])


def _tensors(net: nn.Module, optimiser: AdamW) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for (name, weight), first, second in zip(net.named_parameters(), optimiser.first, optimiser.second, strict=True):
        named |= {name: weight.detach(), f"first.{name}": first, f"second.{name}": second}
    return named


@torch.no_grad()
def _restore(net: nn.Module, optimiser: AdamW, progress: MaeProgress) -> None:
    names = [name for name, _ in net.named_parameters()]
    for name, weight in net.named_parameters():
        weight.copy_(progress.tensors[name])
    first, second = ([progress.tensors[f"{mean}.{name}"] for name in names] for mean in ("first", "second"))
    optimiser.go_on(progress.checks[-1].step, first, second)
