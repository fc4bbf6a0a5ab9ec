"""Progress of a run on standard error: a line per stage and decision, with the time since start."""

from __future__ import annotations

from time import perf_counter

from rich.console import Console


class LoopProgress:
    """Listener to a run that shows lines.

    Args:
        verbose: show also the lines of the stages.
    """

    def __init__(self, *, verbose: bool) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._verbose, self._start = verbose, perf_counter()

    def info(self, text: str) -> None:
        """Show one line."""
        minutes, seconds = divmod(int(perf_counter() - self._start), 60)
        self._console.print(f"[{minutes:02d}:{seconds:02d}] {text}", markup=False)

    def detail(self, text: str) -> None:
        """Show one line of a stage, with --verbose."""
        if self._verbose:
            self.info(f"  {text}")
