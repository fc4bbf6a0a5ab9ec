"""What a reader of any page must see first: what is worth knowing of picks, and their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryoglean.report.page_facts import PageFacts
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


def notices_of_picks(facts: PageFacts, audit: Audit) -> list[Notice]:
    """Return what must be seen of the picks, alarms first."""
    said, empty = [], [key for key, count in facts.counts.items() if not count]
    if audit.too_near:
        said.append(Notice("alarm", f"{number_of(audit.too_near, 'pick')} nearer to another than the least distance."))
    if facts.rejected:
        aside = number_of(len(facts.rejected), "micrograph")
        said.append(Notice("note", f"{aside} set aside: see What was left out."))
    if empty:
        said.append(Notice("note", f"No pick at all in {number_of(len(empty), 'micrograph')}: {_named(empty)}."))
    if facts.outliers:
        said.append(Notice("note", f"Far more picks than most (dirt?): {_named(facts.outliers)}."))
    if not facts.counts:
        said.append(Notice("note", "There are no picks yet."))
    return said


def numbers_of_picks(facts: PageFacts, picks_are: str = "") -> list[KeyNumber]:
    """Return how many picks there are, in how many micrographs.

    Args:
        facts: what to tell.
        picks_are: what the picks are, for the user.
    """
    counts = list(facts.counts.values())
    middle = f"{median(counts):g}" if counts else "–"
    spread = f"{min(counts)} to {max(counts)}" if counts else ""
    return [
        KeyNumber(f"{sum(counts):,}", "picks", picks_are),
        KeyNumber(f"{len(counts):,}", "micrographs picked", f"of {len(facts.micrographs):,}"),
        KeyNumber(middle, "picks a micrograph, median", spread),
    ]


def smallest_distance(facts: PageFacts, audit: Audit) -> KeyNumber:
    """Return how near the nearest two picks are."""
    least = f"least allowed {facts.least_distance_angstrom:.4g} Å"
    if audit.smallest_px is None or facts.pixel_size_angstrom is None:
        return KeyNumber("–", "between two picks", least)
    return KeyNumber(f"{audit.smallest_px * facts.pixel_size_angstrom:.1f} Å", "smallest distance of two picks", least)


def number_of(count: int, what: str) -> str:
    """Say how many there are of something."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _named(keys: Iterable[str]) -> str:
    keys = list(keys)
    more = f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else ""
    return ", ".join(keys[:_MOST_NAMED]) + more
