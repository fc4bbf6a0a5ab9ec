"""What a job shows: on standard error its progress, a bar on a terminal or plain lines in a log; then its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cryoglean.findings import Level
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from rich.progress import TaskID

    from cryoglean.findings import Finding
    from cryoglean.jobs.result import JobSummary, MicrographResult

_MARKS = {Level.alarm: "!!", Level.note: " !", Level.fact: "  "}


class ProgressBar:
    """A bar on a terminal, with lines above it; only the lines where there is no terminal; a context manager.

    Args:
        label: what the bar says.
        verbose: print a line for each step, also on a terminal.
    """

    def __init__(self, label: str, *, verbose: bool) -> None:
        self._label = label
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._prints_each = verbose or not self._console.is_terminal
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

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def info(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, markup=False)

    def _advance(self, completed: int, total: int, detail: str = "") -> None:
        """Move the bar, which appears with the first call."""
        if self._task is None:
            self._task = self._bar.add_task(self._label)
        self._bar.update(self._task, completed=completed, total=total, description=self._label + detail)


class JobProgress(ProgressBar):
    """Progress of a job over micrographs.

    Args:
        label: what the bar says.
        result: the line of a micrograph that is done; "{n}" stands for how many picks or particles it has.
        verbose: print a line for each micrograph, also on a terminal.
    """

    def __init__(self, label: str, result: str, *, verbose: bool) -> None:
        super().__init__(label, verbose=verbose)
        self._result = result
        self._count = self._total = 0

    def begin(self, total: int, done: int) -> None:
        """Begin to count: so many micrographs in all, so many of them done before."""
        self._count, self._total = done, total
        if done:
            self.info(f"{done} of {counted(total, 'micrograph')} done already")
        self._advance(done, total)

    def report(self, result: MicrographResult) -> None:
        """Count one micrograph, and print its line where that is wanted or needed."""
        self._count += 1
        self._advance(self._count, self._total)
        place = f"[{self._count}/{self._total}] {result.file.name}:"
        if result.reason is not None:
            self.info(f"{place} rejected, {result.reason}")
        elif self._prints_each:
            self.info(f"{place} {self._result.format(n=result.count)}, {result.seconds:.2f} s")
        if result.note is not None:
            self.info(f"{result.file.name}: {result.note}")


def echo_rejected(summary: JobSummary, out: Path) -> None:
    """Print how many micrographs of a job were rejected, if any, and where the reasons stand."""
    if summary.rejected:
        typer.echo(f"{counted(len(summary.rejected), 'micrograph')} rejected: {out / 'rejected.csv'}")


def echo_verdict(findings: Sequence[Finding]) -> None:
    """Print the findings of a verdict, each with the command to go on with."""
    if not findings:
        return
    width = max(len(each.topic) for each in findings)
    typer.echo("verdict:")
    for each in findings:
        typer.echo(f"{_MARKS[each.level]} {each.topic:<{width}}  {each.text}")
        if each.command:
            typer.echo(f"   {'':<{width}}  {each.remedy}: {each.command}")
