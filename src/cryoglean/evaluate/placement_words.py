"""What a check of coordinates has found, as a line for the user and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryoglean.evaluate.orientation import AS_IS
from cryoglean.evaluate.placement import CERTAIN_SIGNAL, MIN_SHARE_INSIDE, Verdict
from cryoglean.words import counted

if TYPE_CHECKING:
    from cryoglean.evaluate.placement import PlacementCheck


def placement_line(check: PlacementCheck, diameter: str) -> str | None:
    """Say what was found and on what evidence; None where there were too few coordinates to expect an answer.

    Args:
        check: the result.
        diameter: the particle's, with its unit.
    """
    best, as_is = check.evidence[check.best], check.evidence[AS_IS]
    places = f"{counted(as_is.windows, 'place')} in {counted(check.micrographs, 'micrograph')}"
    against = f"signal {best.signal:.1f}, as they are {as_is.signal:.1f}, by chance 1; {places}"
    if check.verdict is Verdict.fits:
        return f"coordinates sit on particles as they are (signal {best.signal:.1f}, by chance 1; {places})"
    if check.verdict is Verdict.turned:
        return f"coordinates sit on particles only when {check.best.words()} ({against})"
    if check.verdict is Verdict.rescaled:
        return (
            f"coordinates sit on particles only when {check.best.words()} ({against}): they are those of images of "
            "another pixel size; change them, or give the micrographs that they were picked in"
        )
    outside = f"; {1 - as_is.share_inside:.0%} lie outside" if as_is.share_inside < MIN_SHARE_INSIDE else ""
    if check.verdict is Verdict.absent:
        most = max(each.signal for each in check.evidence.values())
        return (
            f"coordinates do not sit on particles of {diameter} in these micrographs, in any orientation or scale "
            f"(signal {as_is.signal:.1f}, at best {most:.1f}, by chance 1; {places}{outside}), though such particles "
            "are there: are they of other micrographs of the same names, or is the diameter another?"
        )
    if not (check.is_expected or outside):
        return None
    return (
        f"coordinates could not be checked: they show no particles of {diameter} for sure, in any orientation (signal "
        f"{as_is.signal:.1f}, certain from {CERTAIN_SIGNAL:g}; {places}{outside}); taken as they are"
    )


def placement_values(check: PlacementCheck) -> dict[str, Any]:
    """Return what was found as JSON values."""
    best, as_is = check.evidence[check.best], check.evidence[AS_IS]
    return {
        "verdict": check.verdict.value,
        "orientation": check.best.orientation.value,
        "scale": round(float(check.best.scale), 6),
        "signal": round(best.signal, 3),
        "signal_as_is": round(as_is.signal, 3),
        "places": as_is.windows,
        "micrographs": check.micrographs,
    }
