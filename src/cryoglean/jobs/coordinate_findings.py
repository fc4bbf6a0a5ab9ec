"""What was found of coordinates, as findings of a verdict: the same words for all commands that check them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryoglean.evaluate.orientation import AS_IS
from cryoglean.evaluate.placement import Verdict
from cryoglean.evaluate.placement_words import placement_values
from cryoglean.findings import Finding, Level
from cryoglean.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryoglean.evaluate.orientation import Orientation
    from cryoglean.evaluate.placement import PlacementCheck
    from cryoglean.evaluate.repeats import Repeats

_OF_COORDINATES = {
    "own": (Level.fact, "written by this program"),
    "as asked": (Level.fact, "as asked ({orientation})"),
    Verdict.fits.value: (Level.fact, "they sit on particles as they are (signal {signal:.1f}, by chance 1)"),
    Verdict.turned.value: (Level.note, "turned ({orientation}) to sit on particles (signal {signal:.1f}, by chance 1)"),
    "turned to agree": (Level.note, "turned ({orientation}) to agree with the other side"),
    Verdict.rescaled.value: (Level.alarm, "of images of another pixel size ({scale:g} times): compared as they are"),
    Verdict.absent.value: (Level.alarm, "they do not sit on particles, in any orientation or scale"),
    Verdict.unknown.value: (Level.note, "the micrographs do not tell whether they fit: taken as they are"),
}
"""What is said of coordinates by the word for what was found, with its values."""

UNREAD_ROWS = Finding(
    Level.note, "rows", "rows of tables of coordinates could not be read and are left out: their lines are named above"
)
"""What is said where any row was left out."""


def finding_on_coordinates(topic: str, values: Mapping[str, Any]) -> Finding | None:
    """Return what is said of coordinates; None where nothing was found of them.

    Args:
        topic: of the finding.
        values: what was found, as JSON values, its word under "verdict".
    """
    said = _OF_COORDINATES.get(str(values.get("verdict")))
    if said is None:
        return None
    return Finding(said[0], topic, said[1].format_map({"signal": 0.0, "scale": 1.0, "orientation": "", **values}))


def findings_on_checked(
    check: PlacementCheck | None, asked: Orientation | None, repeats: Repeats
) -> tuple[Finding, ...]:
    """Return what a job found of coordinates from elsewhere before it worked on them.

    Args:
        check: what the images say; None where they were not asked.
        asked: the turn that was asked for, if one was.
        repeats: rows that were left out as they stand in the tables before.
    """
    values: dict[str, Any] = {} if check is None else placement_values(check)
    if asked is not None:
        values = {"verdict": "as asked", "orientation": asked.value}
    found = [finding_on_coordinates("places", values)]
    if check is not None and check.lie_outside:
        share = 1 - check.evidence[AS_IS].share_inside
        text = f"{share:.0%} of them lie outside the micrographs: they are of images of another size, or of others"
        found.append(Finding(Level.alarm, "places", text))
    if check is not None and check.strays:
        names = listed([stray.name for stray in check.strays])
        text = f"those of {counted(len(check.strays), 'micrograph')} do not fit as the others do: {names}"
        found.append(Finding(Level.note, "places", text))
    if repeats.total:
        text = f"{counted(repeats.total, 'row')} of particles that the tables had before: left out"
        found.append(Finding(Level.note, "places", text))
    return tuple(each for each in found if each is not None)
