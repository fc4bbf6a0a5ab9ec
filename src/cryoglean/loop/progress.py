"""Who watches the loop, and what of its stages' own news passes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryoglean.classes2d.progress import Iteration
    from cryoglean.jobs.result import MicrographResult


class LoopListener(Protocol):
    """Who wants to know how a run goes on."""

    def info(self, text: str) -> None:
        """Tell the user one line."""
        ...

    def detail(self, text: str) -> None:
        """Tell the user one line of what a stage itself says, if that is wanted."""
        ...


class Passing:
    """Passes what stages tell on to the progress of the loop: lines as details, broken micrographs always."""

    def __init__(self, progress: LoopListener) -> None:
        self._progress = progress

    def info(self, text: str) -> None:
        """Pass a line on."""
        self._progress.detail(text)

    def begin(self, total: int, done: int) -> None:
        """Say what is done already."""
        if done:
            self._progress.detail(f"{done} of {total} micrographs are done already")

    def report(self, result: MicrographResult) -> None:
        """Pass on what became of a micrograph."""
        if result.reason is not None:
            self._progress.info(f"{result.file.name}: rejected, {result.reason}")
        else:
            self._progress.detail(f"{result.file.name}: {result.count}, {result.seconds:.2f} s")
        if result.note is not None:
            self._progress.detail(f"{result.file.name}: {result.note}")

    def iteration(self, iteration: Iteration) -> None:
        """Pass on how a classification goes."""
        self._progress.detail(f"[{iteration.number}/{iteration.total}] {iteration.resolution_angstrom:.1f} A")
