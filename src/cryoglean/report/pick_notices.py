"""Notices and key numbers at the top of a pick folder's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.findings import NO_SIGNAL
from cryoglean.report.page_notices import (
    REJECTED,
    KeyNumber,
    Notice,
    alarms_first,
    notice_of,
    notices_of_picks,
    numbers_of_picks,
    smallest_distance,
)
from cryoglean.words import counted

if TYPE_CHECKING:
    from cryoglean.report.pick_facts import PickFacts
    from cryoglean.report.spacing_audit import Audit


def notices(facts: PickFacts, audit: Audit) -> list[Notice]:
    """Return the notices, alarms first."""
    found = []
    if facts.rejected and not facts.counts and not facts.waiting:
        found.append(Notice("alarm", f"No micrograph could be used: the reasons are in {REJECTED}."))
    if facts.found_particles is False:
        shown = f" {facts.pictures[0].name} in Picker fit shows why." if facts.pictures else ""
        found.append(Notice("alarm", notice_of(NO_SIGNAL).text + shown))
    if facts.waiting:
        waiting = f"{counted(facts.waiting, 'micrograph')} not picked yet, or rejected by an earlier call"
        found.append(Notice("note", f"{waiting}: run the same command again to go on."))
    if facts.pixel_size_angstrom is None and facts.counts:
        text = "The micrographs have no pixel size, or not all the same: distances between picks are not checked, and "
        found.append(Notice("note", text + "circles are to scale only where the image can be read."))
    return alarms_first([*found, *notices_of_picks(facts, audit)])


def key_numbers(facts: PickFacts, audit: Audit) -> list[KeyNumber]:
    """Return the key numbers of a pick folder."""
    below = "see the list below" if facts.rejected else ""
    return [
        *numbers_of_picks(facts, "in all micrographs"),
        KeyNumber(f"{len(facts.rejected):,}", "micrographs rejected", below),
        smallest_distance(facts, audit),
    ]
