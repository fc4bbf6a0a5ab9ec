"""Worker processes: one micrograph each at a time, results as they come, memory flat in their number."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, TypeVar

from cryoglean.errors import CryogleanError
from cryoglean.scale.threads import limit_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

_QUEUED_PER_WORKER = 2
"""Items submitted per worker. Resource: one is computed and one waits, so no worker is idle and memory stays flat."""


def map_processes(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, info: Callable[[str], None] | None = None
) -> Iterator[Result]:
    """Apply a function to items, in this process for one worker and in processes of one thread each for more.

    Args:
        work: a function that can be pickled.
        items: taken as workers become free, so there may be any number of them.
        workers: how many at a time; where the system has no room for what processes share, there is one.
        info: shows one line to the user.

    Yields:
        The results in the order in which they are ready.

    Raises:
        CryogleanError: if a worker process is killed from outside.
    """
    started = None if workers == 1 else _started_pool(workers, info)
    if started is None:
        limit_threads(1)
        yield from map(work, items)
        return
    with started as pool:
        try:
            yield from _as_completed(pool, work, iter(items), _QUEUED_PER_WORKER * workers)
        except BrokenProcessPool as error:
            raise CryogleanError(
                "a worker process was killed, most likely for want of memory: what is finished is kept; "
                f"run the same command again with fewer than --cpus {workers}"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _started_pool(workers: int, info: Callable[[str], None] | None) -> ProcessPoolExecutor | None:
    """Return worker processes; None, and a line for the user, where there is no shared memory for their queues."""
    try:
        return ProcessPoolExecutor(workers, get_context("spawn"), _start_worker)
    except (OSError, ImportError, NotImplementedError) as error:
        if info is not None:
            info(f"one process instead of {workers}: no shared memory here ({error}); is /dev/shm there?")
        return None


def _start_worker() -> None:
    """Compute with one thread, leave interrupts to the parent, and do not outlive it: it may have been killed."""
    limit_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # results are written whole or not at all


def _as_completed(
    pool: ProcessPoolExecutor, work: Callable[[Item], Result], items: Iterator[Item], queued: int
) -> Iterator[Result]:
    running: set[Future[Result]] = set()
    for item in items:
        running.add(pool.submit(work, item))
        if len(running) >= queued:
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in ready)
    while running:
        ready, running = wait(running, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in ready)
