"""What a reader of a pick folder's report must see first: whether anything was found, and the key numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.report.page_notices import (
    KeyNumber,
    Notice,
    notices_of_picks,
    number_of,
    numbers_of_picks,
    smallest_distance,
)

if TYPE_CHECKING:
    from cryoglean.report.pick_facts import PickFacts
    from cryoglean.report.spacing_audit import Audit


def notices(facts: PickFacts, audit: Audit) -> list[Notice]:
    """Return what must be seen, alarms first."""
    said = []
    if facts.rejected and not facts.counts and not facts.waiting:
        said.append(Notice("alarm", "No micrograph could be used: What was left out tells why."))
    if facts.found_particles is False:
        shown = f" {facts.pictures[0].name} below What was learned shows why." if facts.pictures else ""
        text = "Nothing like particles of this diameter stands out in these micrographs: is the diameter right?"
        said.append(Notice("alarm", text + shown))
    if facts.waiting:
        waiting = number_of(facts.waiting, "micrograph")
        reason = f"{waiting} not picked yet, or set aside by an earlier call"
        said.append(Notice("note", f"{reason}: the same command goes on where it was."))
    if facts.pixel_size_angstrom is None and facts.counts:
        text = (
            "No pixel size is known that all micrographs have: distances of picks are not judged, and circles are to "
        )
        said.append(Notice("note", text + "scale only where the image can be read."))
    return said + notices_of_picks(facts, audit)


def key_numbers(facts: PickFacts, audit: Audit) -> list[KeyNumber]:
    """Return the numbers that sum a pick folder up."""
    aside = "see What was left out" if facts.rejected else ""
    return [
        *numbers_of_picks(facts, "all that count"),
        KeyNumber(f"{len(facts.rejected):,}", "micrographs rejected", aside),
        smallest_distance(facts, audit),
    ]
