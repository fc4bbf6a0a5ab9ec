"""The processes that share one training, each with a device of its own: who is first, who does what, and sums over all.

A team of one needs nothing and does nothing. Lightning Fabric holds larger ones together.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Self, TypeVar

from cryoglean.scale.threads import available_cpus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from torch import Tensor

Given = TypeVar("Given")


class Team:
    """A process alone. As a context manager, it sees to it that no member waits for one that is gone.

    Args:
        device: where this process computes, as torch names it.
    """

    rank, size = 0, 1

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    @property
    def is_first(self) -> bool:
        """Whether this is the one process that reads, writes and tells."""
        return self.rank == 0

    def shares(self, count: int) -> list[int]:
        """Return how many of so many things each member takes: as evenly as can be, in order of their ranks."""
        ends = [count * k // self.size for k in range(self.size + 1)]
        return [end - start for start, end in pairwise(ends)]

    def cpus(self, wanted: int | None) -> int:
        """Return how many processors this process may use.

        Args:
            wanted: of this machine, for all members on it; None takes all that are free to use.
        """
        return wanted or available_cpus()

    def share(self, value: Given) -> Given:
        """Return the first member's value; what the others pass is lost."""
        return value

    def sum(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the sums over all members of tensors that have equal shapes in each of them."""
        return list(tensors)

    def of_first(self, value: float) -> float:
        """Return the first member's number."""
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: there is nobody else."""


ALONE = Team()
"""A process without others, on the CPU."""
