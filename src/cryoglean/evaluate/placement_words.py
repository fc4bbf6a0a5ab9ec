"""What a check of coordinates has found, as lines for the user and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryoglean.evaluate.orientation import AS_IS
from cryoglean.evaluate.placement import CERTAIN_SIGNAL, MIN_SHARE_INSIDE, Verdict
from cryoglean.words import counted

if TYPE_CHECKING:
    from cryoglean.evaluate.placement import PlacementCheck, Stray


def placement_lines(check: PlacementCheck, diameter: str) -> list[str]:
    """Say what was found and on what evidence; nothing where there were too few coordinates to expect an answer.

    Args:
        check: the result.
        diameter: the particle's, with its unit.
    """
    if check.verdict is Verdict.absent:
        return [_absent(check, diameter)]
    if check.verdict is Verdict.unknown:
        return _unknown(check, diameter)
    best, as_is = check.evidence[check.best], check.evidence[AS_IS]
    if check.verdict is Verdict.fits:
        found = f"as they are (signal {best.signal:.1f}, by chance 1; {_places(check)})"
    else:
        against = f"signal {best.signal:.1f}, as they are {as_is.signal:.1f}, by chance 1; {_places(check)}"
        found = f"only when {check.best.words()} ({against})"
    if check.verdict is Verdict.rescaled:
        found += (
            ": they are those of images of another pixel size; change them, or give the micrographs that they were "
            "picked in"
        )
    return [f"coordinates sit on particles {found}", *map(_stray, check.strays)]


def _places(check: PlacementCheck) -> str:
    as_is = check.evidence[AS_IS]
    outside = f"; {1 - as_is.share_inside:.0%} lie outside" if as_is.share_inside < MIN_SHARE_INSIDE else ""
    return f"{counted(as_is.windows, 'place')} in {counted(check.micrographs, 'micrograph')}{outside}"


def _absent(check: PlacementCheck, diameter: str) -> str:
    most = max(each.signal for each in check.evidence.values())
    return (
        f"coordinates do not sit on particles of {diameter} in these micrographs, in any orientation or scale (signal "
        f"{check.evidence[AS_IS].signal:.1f}, at best {most:.1f}, by chance 1; {_places(check)}), though such "
        "particles are there: are they of other micrographs of the same names, or is the diameter another?"
    )


def _unknown(check: PlacementCheck, diameter: str) -> list[str]:
    as_is = check.evidence[AS_IS]
    if not check.is_expected and as_is.share_inside >= MIN_SHARE_INSIDE:
        return []
    return [
        f"coordinates could not be checked: they show no particles of {diameter} for sure, in any orientation (signal "
        f"{as_is.signal:.1f}, certain from {CERTAIN_SIGNAL:g}; {_places(check)}); taken as they are"
    ]


def _stray(stray: Stray) -> str:
    fits = f"they fit when {stray.best.words()}" if stray.best else "are they of another micrograph of this name?"
    return (
        f"coordinates of {stray.name} do not sit on particles as those of the others do (signal {stray.signal:.1f}, "
        f"{stray.expected:.1f} expected): {fits}"
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
        "strays": [stray.name for stray in check.strays],
    }
