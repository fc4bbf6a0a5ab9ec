"""How a job is watched: a bar on a terminal, plain lines in a log; always on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import TaskID

    from cryoglean.jobs.result import MicrographResult


class JobProgress:
    """Shows how a job over micrographs goes on; a context manager.

    Args:
        doing: what the bar says.
        result: what is said of a micrograph that is done; "{n}" stands for how many picks or particles it has.
        verbose: tell of every micrograph, also on a terminal.
    """

    def __init__(self, doing: str, result: str, *, verbose: bool) -> None:
        self._doing, self._result = doing, result
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
        self._count = self._total = 0

    def __enter__(self) -> JobProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def info(self, text: str) -> None:
        """Show one line."""
        self._console.print(text, markup=False)

    def begin(self, total: int, done: int) -> None:
        """Start counting."""
        self._count, self._total = done, total
        if done:
            self.info(f"{done} of {total} micrographs are done already")
        self._task = self._bar.add_task(self._doing, total=total, completed=done)

    def report(self, result: MicrographResult) -> None:
        """Count one micrograph, and show what became of it where that is wanted or needed."""
        self._count += 1
        if self._task is not None:
            self._bar.update(self._task, advance=1)
        place = f"[{self._count}/{self._total}] {result.file.name}:"
        if result.reason is not None:
            self.info(f"{place} rejected, {result.reason}")
        elif self._each:
            self.info(f"{place} {self._result.format(n=result.count)}, {result.seconds:.2f} s")
        if result.note is not None:
            self.info(f"{result.file.name}: {result.note}")
