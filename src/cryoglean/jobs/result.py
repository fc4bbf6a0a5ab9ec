"""Results of a job over micrographs, and the exit status that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryoglean.expected import Expected
    from cryoglean.micrograph import MicrographFile


class ExitStatus(IntEnum):
    """Exit status of every command."""

    done = 0
    failed = 1
    refused = 2
    some_rejected = 3
    nothing_usable = 4
    stopped = 5
    nothing_found = 6
    interrupted = 130


def exit_status(*, is_any_done: bool, is_any_rejected: bool) -> ExitStatus:
    """Return the exit status of a job that went to its end."""
    if not is_any_rejected:
        return ExitStatus.done
    return ExitStatus.some_rejected if is_any_done else ExitStatus.nothing_usable


@dataclass(frozen=True)
class MicrographResult:
    """Result of a job for one micrograph.

    Attributes:
        file: the micrograph.
        count: how many picks, or particles, it has; 0 if it was rejected.
        seconds: time it took; 0 if it was done before.
        reason: why it was rejected, or None.
        note: a line for the user, or None.
        fit: short digest of the fit that made its picks; empty where there is none, or it is not known.
        nearest_px: distance of its nearest two picks in stored pixels; None where there are no two.
        expected: what is expected of its picks, if their scores are probabilities.
        left_out: share of it that is left out; None where it is not known.
        unevenness: of its local contrast; None where it was not measured in this call.
    """

    file: MicrographFile
    count: int = 0
    seconds: float = 0.0
    reason: str | None = None
    note: str | None = None
    fit: str = ""
    nearest_px: float | None = None
    expected: Expected | None = None
    left_out: float | None = None
    unevenness: float | None = None


@dataclass
class JobSummary:
    """Results of a job for all its micrographs.

    Attributes:
        results: one for each micrograph that was looked at, in the order of the input.
    """

    results: list[MicrographResult] = field(default_factory=list)

    @property
    def rejected(self) -> list[MicrographResult]:
        """The micrographs that could not be used."""
        return [r for r in self.results if r.reason is not None]

    @property
    def done(self) -> list[MicrographResult]:
        """The micrographs that have results now, empty ones included."""
        return [r for r in self.results if r.reason is None]

    @property
    def counts(self) -> dict[str, int]:
        """How many picks, or particles, each micrograph has that is done, by key."""
        return {r.file.key: r.count for r in self.done}

    @property
    def total(self) -> int:
        """How many picks, or particles, there are in all."""
        return sum(self.counts.values())

    @property
    def exit_status(self) -> ExitStatus:
        """0 all done, 3 some rejected, 4 all rejected."""
        return exit_status(is_any_done=bool(self.done), is_any_rejected=bool(self.rejected))
