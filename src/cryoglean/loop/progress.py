"""Progress of a run, and what of its stages' own progress it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cryoglean.jobs.progress import InfoListener

if TYPE_CHECKING:
    from cryoglean.classes2d.progress import Iteration
    from cryoglean.jobs.result import MicrographResult


class LoopListener(InfoListener, Protocol):
    """Listener to the progress of a run."""

    def detail(self, text: str) -> None:
        """Show one line of a stage to the user, if that is wanted."""
        ...


class LoopProgressAdapter:
    """Shows the progress of a stage's job as that of the run: lines as details, rejected micrographs always."""

    def __init__(self, progress: LoopListener) -> None:
        self._progress = progress

    def info(self, text: str) -> None:
        """Show one line as a detail."""
        self._progress.detail(text)

    def begin(self, total: int, done: int) -> None:
        """Show how many micrographs are done already."""
        if done:
            self._progress.detail(f"{done} of {total} micrographs are done already")

    def report(self, result: MicrographResult) -> None:
        """Show the result of one micrograph."""
        if result.reason is not None:
            self._progress.info(f"{result.file.name}: rejected, {result.reason}")
        else:
            self._progress.detail(f"{result.file.name}: {result.count}, {result.seconds:.2f} s")
        if result.note is not None:
            self._progress.detail(f"{result.file.name}: {result.note}")

    def iteration(self, iteration: Iteration) -> None:
        """Show an iteration of a classification."""
        self._progress.detail(f"[{iteration.number}/{iteration.total}] {iteration.resolution_angstrom:.1f} Å")
