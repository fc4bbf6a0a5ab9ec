"""Work of threads, taken in the order of its parts, and never far ahead of what is taken."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor

    Part = TypeVar("Part")
    Done = TypeVar("Done")

_AHEAD = 8
"""Parts begun or done beyond the one that is taken. Resource: bounds memory, and keeps threads busy."""


def in_turn(pool: ThreadPoolExecutor, work: Callable[[Part], Done], parts: Iterable[Part]) -> Iterator[Done]:
    """Yield what work makes of each part, in order; unlike `pool.map` it waits where nobody takes what is done."""
    waiting: deque[Future[Done]] = deque()
    for part in parts:
        waiting.append(pool.submit(work, part))
        if len(waiting) > _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
