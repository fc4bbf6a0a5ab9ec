"""Notices and key numbers at the top of every page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from cryoglean.findings import Finding, Level, finding_on_precision, findings_on_counts, findings_on_spacing
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryoglean.report.page_facts import PageFacts
    from cryoglean.report.spacing_audit import Audit

REJECTED = "Rejected micrographs and edge picks"
"""Title of the part of a page that lists them."""


@dataclass(frozen=True)
class Notice:
    """Line at the top of a page.

    Attributes:
        level: alarms are red and come first, facts come last.
        text: for the user.
        command: the command to go on with, if there is one.
        remedy: when to use it.
    """

    level: Literal["alarm", "note", "fact"]
    text: str
    command: str | None = None
    remedy: str = ""


@dataclass(frozen=True)
class KeyNumber:
    """Number with its label.

    Attributes:
        value: as text.
        label: of the number.
        remark: smaller, below the label.
    """

    value: str
    label: str
    remark: str = ""


def notices_of_picks(facts: PageFacts, audit: Audit) -> list[Notice]:
    """Return the notices about picks."""
    found = [notice_of(each) for each in facts.findings]
    found += [notice_of(each) for each in findings_on_spacing(audit.crowded, facts.min_distance_angstrom)]
    if facts.rejected:
        rejected = f"{counted(len(facts.rejected), 'micrograph')} rejected: see {REJECTED}."
        found.append(Notice("note", rejected))
    found += [notice_of(each) for each in findings_on_counts(facts.counts, facts.outliers)]
    if not facts.counts:
        found.append(Notice("note", "There are no picks yet."))
    if any(facts.counts.values()):
        found.append(notice_of(finding_on_precision(sum(facts.counts.values()), facts.expected)))
    return found


def alarms_first(notices: Iterable[Notice]) -> list[Notice]:
    """Return notices with the alarms first and the facts last, otherwise as they stood."""
    return sorted(notices, key=lambda each: Level(each.level).rank)


def headline(notices: Sequence[Notice]) -> Notice:
    """Sum notices up in a few words, at the level of the worst."""
    counts = Counter(each.level for each in notices)
    alarms, notes = counts["alarm"], counts["note"]
    if alarms:
        return Notice("alarm", f"{counted(alarms, 'alarm')}: look here before you go on")
    return (
        Notice("note", f"{counted(notes, 'note')} to read")
        if notes
        else Notice("fact", "No alarms and no notes: look at the picks")
    )


def notice_of(finding: Finding) -> Notice:
    """Return a finding as a line at the top of a page."""
    text = f"{finding.text[0].upper()}{finding.text[1:]}"
    text += "" if text.endswith("?") else "."
    return Notice(finding.level.value, text, finding.command, finding.remedy.capitalize())


def numbers_of_picks(facts: PageFacts, picks_are: str = "") -> list[KeyNumber]:
    """Return the numbers of picks and of micrographs.

    Args:
        facts: of the page.
        picks_are: origin of the picks, for the user.
    """
    counts = list(facts.counts.values())
    middle = f"{median(counts):g}" if counts else "–"
    spread = f"{min(counts)} to {max(counts)}" if counts else ""
    return [
        KeyNumber(f"{sum(counts):,}", "picks", picks_are),
        KeyNumber(f"{len(counts):,}", "micrographs picked", f"of {len(facts.micrographs):,}"),
        KeyNumber(middle, "picks per micrograph (median)", spread),
    ]


def smallest_distance(facts: PageFacts, audit: Audit) -> KeyNumber:
    """Return the distance between the nearest two picks."""
    allowed = f"minimum allowed {facts.min_distance_angstrom:.4g} Å"
    if audit.smallest_px is None or facts.pixel_size_angstrom is None:
        return KeyNumber("–", "smallest distance between picks", allowed)
    smallest = audit.smallest_px * facts.pixel_size_angstrom
    return KeyNumber(f"{smallest:.1f} Å", "smallest distance between picks", allowed)
