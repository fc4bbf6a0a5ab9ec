"""Findings of a verdict: on what, how serious, in words, and the command to go on with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING

from cryoglean.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryoglean.expected import Expected


class Level(StrEnum):
    """Level of a finding."""

    alarm = "alarm"
    note = "note"
    fact = "fact"

    @property
    def rank(self) -> int:
        """Place in a verdict: what is wrong comes first."""
        return list(Level).index(self)


@dataclass(frozen=True)
class Finding:
    """Finding of a verdict.

    Attributes:
        level: how serious it is.
        topic: in one word.
        text: for the user.
        command: the command to go on with, if there is one.
        remedy: when to use it.
    """

    level: Level
    topic: str
    text: str
    command: str | None = None
    remedy: str = "next"

    def as_dict(self) -> dict[str, str | None]:
        """Return it as JSON values."""
        return {"level": self.level.value, "topic": self.topic, "text": self.text, "command": self.command}


NO_SIGNAL = Finding(
    Level.alarm, "signal", "no particle signal of this diameter found in these micrographs: is --diameter right?"
)
"""What is said of a fit that found no particles."""


_UNSOUND = ("contrast", "dirt", "size")
"""Topics of alarms that leave nothing to be expected of picks. Derived: how many peaks are particles is told beside
noise, and dirt, rims of particles and other things of a wrong size stand out of it as well."""


def expected_if_sound(expected: Expected | None, findings: Iterable[Finding]) -> Expected | None:
    """Return what is expected of picks; None where an alarm says that they may be something else than particles."""
    return None if any(is_unsound(each) for each in findings) else expected


def is_unsound(finding: Finding) -> bool:
    """Tell whether it is an alarm that leaves nothing to be expected of picks."""
    return finding.level is Level.alarm and finding.topic in _UNSOUND


def finding_on_precision(picks: int, expected: Expected | None) -> Finding:
    """Tell how many picks are particles, and what share of all that is.

    Args:
        picks: how many there are, 1 or more.
        expected: what is expected of them; None where nothing estimates it.
    """
    if expected is None:
        text = "how many of the picks are particles is not estimated: look at them in the report"
    else:
        hidden = f", {expected.hidden:,.0f} of them hidden by dirt or others" if round(expected.hidden) else ""
        text = (
            f"some {expected.hits:,.0f} of {counted(picks, 'pick')} are expected to be particles "
            f"({expected.precision(picks).in_words}), of some {expected.particles:,.0f} that there are{hidden} "
            f"({expected.recall.in_words}); dirt that looks like particles is not in this"
        )
    return Finding(Level.fact, "precision", text)


def findings_on_counts(counts: Mapping[str, int], outliers: Sequence[str]) -> list[Finding]:
    """Return what is unusual in the numbers of picks.

    Args:
        counts: picks of each micrograph.
        outliers: keys of those with far more picks than most.
    """
    empty = [key for key, count in counts.items() if not count]
    found = []
    if empty:
        found.append(Finding(Level.note, "empty", f"no picks in {counted(len(empty), 'micrograph')}: {listed(empty)}"))
    if outliers:
        found.append(Finding(Level.note, "counts", f"unusually many picks (contamination?): {listed(outliers)}"))
    return found


def findings_on_spacing(crowded: Sequence[str], min_distance_angstrom: float) -> list[Finding]:
    """Return what is wrong with the distances between picks.

    Args:
        crowded: keys of micrographs with picks closer to another one than the minimum distance.
        min_distance_angstrom: the minimum distance.
    """
    if not crowded:
        return []
    where = f"in {counted(len(crowded), 'micrograph')}: {listed(crowded)}"
    text = f"picks closer to another pick than the minimum distance of {min_distance_angstrom:.4g} Å {where}"
    return [Finding(Level.alarm, "overlap", text)]


def spread_of_counts(counts: Mapping[str, int]) -> list[Finding]:
    """Return how many picks most micrographs have; nothing where none was picked."""
    if not counts:
        return []
    values = list(counts.values())
    text = f"{median(values):g} picks a micrograph (median), {min(values)} to {max(values)}"
    return [Finding(Level.fact, "counts", text)]


def alarms_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with what is wrong first, otherwise as they stood."""
    return tuple(sorted(findings, key=lambda each: each.level.rank))
