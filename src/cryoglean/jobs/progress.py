"""How a job tells of its progress, to whoever shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryoglean.jobs.result import MicrographResult


class ProgressListener(Protocol):
    """Listener to the progress of a job over micrographs."""

    def info(self, text: str) -> None:
        """Show one line to the user."""
        ...

    def begin(self, total: int, done: int) -> None:
        """Begin to count: so many micrographs in all, so many of them done before."""
        ...

    def report(self, result: MicrographResult) -> None:
        """Count one more micrograph that is done or rejected."""
        ...
