"""How a classification is watched: a bar on a terminal, plain lines in a log; always on standard error."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import TaskID

    from cryoglean.classes2d.progress import Iteration


class IterationProgress:
    """Shows how iterations go on; a context manager.

    Args:
        doing: what the bar says.
        verbose: tell of every iteration, also on a terminal.
    """

    def __init__(self, doing: str, *, verbose: bool) -> None:
        self._doing = doing
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._each = verbose or not self._console.is_terminal
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Progress(
            TextColumn("{task.description}"),
            *columns,
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> IterationProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def info(self, text: str) -> None:
        """Show one line."""
        self._console.print(text, markup=False)

    def iteration(self, iteration: Iteration) -> None:
        """Count one iteration."""
        if self._task is None:
            self._task = self._bar.add_task(self._doing, total=iteration.total)
        said = in_words(iteration)
        self._bar.update(self._task, completed=iteration.number, description=f"{self._doing}, {said}")
        if self._each:
            self.info(f"[{iteration.number}/{iteration.total}] {said}")


def in_words(iteration: Iteration) -> str:
    """Return an iteration as a line."""
    detail = f"{iteration.resolution_angstrom:.1f} A" if math.isfinite(iteration.resolution_angstrom) else "no detail"
    empty = f", {iteration.empty} classes empty" if iteration.empty else ""
    return f"{detail}, {100 * iteration.changed:.1f} % changed class{empty}"
