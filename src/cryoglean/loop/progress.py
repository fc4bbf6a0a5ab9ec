"""Who watches the loop, and what of its stages' own news passes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryoglean.classes2d.progress import Iteration
    from cryoglean.jobs.pick_one import Outcome


class LoopWatcher(Protocol):
    """Who wants to know how a run goes on."""

    def say(self, text: str) -> None:
        """Tell the user one line."""
        ...

    def detail(self, text: str) -> None:
        """Tell the user one line of what a stage itself says, if that is wanted."""
        ...


class Passing:
    """Passes what stages tell on to the watcher of the loop: lines as details, broken micrographs always."""

    def __init__(self, watcher: LoopWatcher) -> None:
        self._watcher = watcher

    def say(self, text: str) -> None:
        """Pass a line on."""
        self._watcher.detail(text)

    def begin(self, total: int, done: int) -> None:
        """Say what is done already."""
        if done:
            self._watcher.detail(f"{done} of {total} micrographs are done already")

    def step(self, outcome: Outcome) -> None:
        """Pass on what became of a micrograph."""
        if outcome.reason is not None:
            self._watcher.say(f"{outcome.file.name}: rejected, {outcome.reason}")
        else:
            self._watcher.detail(f"{outcome.file.name}: {outcome.picks}, {outcome.seconds:.2f} s")
        if outcome.note is not None:
            self._watcher.detail(f"{outcome.file.name}: {outcome.note}")

    def iteration(self, iteration: Iteration) -> None:
        """Pass on how a classification goes."""
        self._watcher.detail(f"[{iteration.number}/{iteration.total}] {iteration.resolution_angstrom:.1f} A")
