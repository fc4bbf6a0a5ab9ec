"""Processes that share one training, each with a device of its own: ranks, shares of the work, and sums over all.

A group of one communicates with nobody. Lightning Fabric holds larger groups together.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Self, TypeVar

from cryoglean.scale.threads import available_cpus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from torch import Tensor

T = TypeVar("T")


class ProcessGroup:
    """Group of one process. As a context manager, a group sees to it that no member waits for one that has ended.

    Args:
        device: device of this process, as torch names it.
    """

    rank, size = 0, 1

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    @property
    def is_first(self) -> bool:
        """Whether this is the one process that reads, writes and reports."""
        return self.rank == 0

    def split_evenly(self, count: int) -> list[int]:
        """Return how many of `count` items each member takes: as evenly as possible, in order of their ranks."""
        ends = [count * k // self.size for k in range(self.size + 1)]
        return [end - start for start, end in pairwise(ends)]

    def cpus(self, wanted: int | None) -> int:
        """Return the number of processors that this process may use.

        Args:
            wanted: processors of this machine, for all members on it together; None takes all that are available.
        """
        return wanted or available_cpus()

    def broadcast(self, value: T) -> T:
        """Return the first member's value; those that the others pass are dropped."""
        return value

    def sum(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the sums over all members of tensors that have equal shapes in each of them."""
        return list(tensors)

    def broadcast_scalar(self, value: float) -> float:
        """Return the first member's number."""
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: there is no other member."""


SINGLE_PROCESS = ProcessGroup()
"""Group of one process, on the CPU."""
