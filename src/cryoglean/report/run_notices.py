"""What a reader of a report must see first: alarms, what is worth knowing, and the key numbers."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryoglean.report.run_facts import RoundNews, RunFacts
    from cryoglean.report.spacing_audit import Audit

_MOST_NAMED = 5


@dataclass(frozen=True)
class Notice:
    """One line at the top.

    Attributes:
        level: how it is shown.
        text: for the user.
    """

    level: Literal["alarm", "note"]
    text: str


@dataclass(frozen=True)
class KeyNumber:
    """One number with what it counts.

    Attributes:
        value: as text.
        label: what it is.
        remark: smaller, below.
    """

    value: str
    label: str
    remark: str = ""


def notices(facts: RunFacts, audit: Audit) -> list[Notice]:
    """Return what must be seen, alarms first."""
    said = [Notice("alarm", f"Alarm: {text}") for text in facts.alarms]
    if facts.status == "stopped":
        said.append(Notice("alarm", f"The run stopped: {facts.reason}"))
    if facts.status == "review":
        said.append(Notice("note", f"The run waits for review: {facts.reason}"))
    if facts.status == "running":
        said.append(Notice("note", "The run has not ended: the same command goes on where it was."))
    if audit.too_near:
        said.append(Notice("alarm", f"{_number(audit.too_near, 'pick')} nearer to another than the least distance."))
    if facts.rejected:
        said.append(Notice("note", f"{_number(len(facts.rejected), 'micrograph')} set aside: see What was left out."))
    return said + _about_counts(facts)


def _about_counts(facts: RunFacts) -> list[Notice]:
    said, empty = [], [key for key, count in facts.counts.items() if not count]
    if empty:
        said.append(Notice("note", f"No pick at all in {_number(len(empty), 'micrograph')}: {_named(empty)}."))
    if facts.outliers:
        said.append(Notice("note", f"Far more picks than most (dirt?): {_named(facts.outliers)}."))
    if not facts.counts:
        said.append(Notice("note", "There are no picks yet."))
    return said


def key_numbers(facts: RunFacts, audit: Audit) -> list[KeyNumber]:
    """Return the numbers that sum a run up."""
    counts = list(facts.counts.values())
    middle = f"{median(counts):g}" if counts else "–"
    spread = f"{min(counts)} to {max(counts)}" if counts else ""
    seconds = sum(stage.seconds for stage in facts.stages)
    return [
        KeyNumber(f"{sum(counts):,}", "picks", facts.picks_are),
        KeyNumber(f"{len(counts):,}", "micrographs picked", f"of {len(facts.micrographs):,}"),
        KeyNumber(middle, "picks a micrograph, median", spread),
        KeyNumber(str(facts.best), "round that stands", _of_rounds(facts.rounds)),
        *_of_best(facts),
        _distance(facts, audit),
        KeyNumber(_duration(seconds), "for all stages", "production not counted"),
    ]


def _of_rounds(rounds: Sequence[RoundNews]) -> str:
    trained = sum(each.number > 0 for each in rounds)
    return f"of 0 to {trained}; 0 are the candidates" if trained else "the candidates"


def _of_best(facts: RunFacts) -> list[KeyNumber]:
    best = next((each for each in facts.rounds if each.number == facts.best), None)
    if best is None:
        return []
    share = "–" if best.kept_share is None else f"{best.kept_share:.0%}"
    resolution = "–" if best.best_resolution_angstrom is None else f"{best.best_resolution_angstrom:.1f} Å"
    return [
        KeyNumber(share, "of its picks in kept classes", f"converged above {facts.converged_share:.0%}"),
        KeyNumber(resolution, "best class", f"round {best.number}"),
    ]


def _distance(facts: RunFacts, audit: Audit) -> KeyNumber:
    least = f"least allowed {facts.least_distance_angstrom:.4g} Å"
    if audit.smallest_px is None or facts.pixel_size_angstrom is None:
        return KeyNumber("–", "between two picks", least)
    return KeyNumber(f"{audit.smallest_px * facts.pixel_size_angstrom:.1f} Å", "smallest distance of two picks", least)


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _named(keys: Iterable[str]) -> str:
    keys = list(keys)
    more = f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else ""
    return ", ".join(keys[:_MOST_NAMED]) + more
