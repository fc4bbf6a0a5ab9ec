"""How a job is watched: a bar on a terminal, plain lines in a log; always on standard error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import TaskID

    from cryoglean.workflow.one_micrograph import Outcome


class JobProgress:
    """Shows how a job over micrographs goes on; a context manager.

    Args:
        verbose: tell of every micrograph, also on a terminal.
    """

    def __init__(self, *, verbose: bool) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._each = verbose or not self._console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._count = self._total = self._picks = 0
        self._start = time.perf_counter()

    def __enter__(self) -> JobProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Show one line."""
        self._console.print(text, markup=False)

    def begin(self, total: int, done: int) -> None:
        """Start counting."""
        self._count, self._total, self._start = done, total, time.perf_counter()
        if done:
            self.say(f"{done} of {total} micrographs are done already")
        self._task = self._bar.add_task("picking", total=total, completed=done)

    def step(self, outcome: Outcome) -> None:
        """Count one micrograph, and show what became of it where that is wanted or needed."""
        self._count += 1
        self._picks += outcome.picks
        if self._task is not None:
            self._bar.update(self._task, advance=1, description=f"picking ({self._picks} picks)")
        place = f"[{self._count}/{self._total}] {outcome.file.name}:"
        if outcome.reason is not None:
            self.say(f"{place} rejected, {outcome.reason}")
        elif self._each:
            self.say(f"{place} {outcome.picks} picks, {outcome.seconds:.2f} s")
        if outcome.note is not None:
            self.say(f"{outcome.file.name}: {outcome.note}")
