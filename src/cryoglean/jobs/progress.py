"""Listeners to the progress of jobs, one family: each shows lines, and counts what its jobs work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryoglean.classes2d.progress import Iteration
    from cryoglean.jobs.result import MicrographResult


class InfoListener(Protocol):
    """Listener to the progress of any job."""

    def info(self, text: str) -> None:
        """Show one line to the user."""
        ...


class ProgressListener(InfoListener, Protocol):
    """Listener to the progress of a job over micrographs."""

    def begin(self, total: int, done: int) -> None:
        """Begin to count: so many micrographs in all, so many of them done before."""
        ...

    def report(self, result: MicrographResult) -> None:
        """Count one more micrograph that is done or rejected."""
        ...


class IterationListener(InfoListener, Protocol):
    """Listener to the progress of a classification."""

    def iteration(self, iteration: Iteration) -> None:
        """Count one more iteration that is done."""
        ...
