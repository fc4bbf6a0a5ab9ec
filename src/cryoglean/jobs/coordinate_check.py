"""Coordinates from elsewhere, checked against the micrographs before a job works on them: turned, told or refused."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from cryoglean.errors import MicrographError, SettingsError, TableError
from cryoglean.evaluate.orientation import Orientation, OrientationChoice
from cryoglean.evaluate.placement import MAX_MICROGRAPHS, Sample, Verdict, check_placement
from cryoglean.evaluate.placement_words import placement_lines
from cryoglean.evaluate.repeats import REPEAT_DIAMETERS, Repeats, count_repeats, repeated
from cryoglean.io.images import read_micrograph
from cryoglean.jobs.coordinate_findings import UNREAD_ROWS, findings_on_checked
from cryoglean.jobs.pick_sources import SomePicks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cryoglean.evaluate.placement import PlacementCheck
    from cryoglean.findings import Finding
    from cryoglean.jobs.pick_sources import PickedMicrograph
    from cryoglean.micrograph import Micrograph

_Item = TypeVar("_Item")

AS_IS_HINT = "--orientation as-is takes them as they are"


class CheckedPicks(NamedTuple):
    """Picks that fit their micrographs, as far as that can be told.

    Attributes:
        picked: the micrographs with their picks.
        orientation: the turn of all picks from elsewhere.
        lines: for the user, on what was found.
        findings: the same for a verdict.
    """

    picked: list[PickedMicrograph]
    orientation: Orientation
    lines: list[str]
    findings: tuple[Finding, ...] = ()


def checked_picks(
    path: Path,
    picked: Sequence[PickedMicrograph],
    choice: OrientationChoice,
    diameter_angstrom: float,
    pixel_size_angstrom: float | None,
) -> CheckedPicks:
    """Turn picks from elsewhere such that they fit the micrographs, and keep once what stands in them twice.

    Those that this program wrote are taken as they are, unless a turn is asked for.

    Args:
        path: where the picks are, for messages.
        picked: the micrographs with their picks.
        choice: the turn that is asked for.
        diameter_angstrom: of the particle.
        pixel_size_angstrom: of all micrographs; None takes it from the STAR file or the image's header.

    Raises:
        SettingsError: if the picks are those of images of another pixel size, and the image is to decide.
    """
    orientation, lines, check = choice.orientation, list[str](), None
    foreign = [each for each in picked if not each.is_own]
    if orientation is None:
        check = _check(foreign, diameter_angstrom, pixel_size_angstrom) if foreign else None
        orientation = Orientation.IDENTITY if check is None else check.best.orientation
        lines = [] if check is None else _lines(path, check, diameter_angstrom)
    elif orientation is not Orientation.IDENTITY:
        lines = [f"{path}: coordinates turned as asked for ({orientation.value})"]
    if orientation is not Orientation.IDENTITY and (angles := _angles(foreign)):
        lines.append(f"{path}: {', '.join(angles)} are carried as they are, though coordinates are turned: check them")
    fitting, repeats = _without_repeats(picked, REPEAT_DIAMETERS * diameter_angstrom, pixel_size_angstrom)
    own = choice.orientation or Orientation.IDENTITY
    fitting = [replace(each, orientation=own if each.is_own else orientation) for each in fitting]
    if repeats.total:
        lines.append(f"{path}: {repeats.line()}; each is kept once")
    unread = (UNREAD_ROWS,) if any(each.faults() for each in picked) else ()
    found = (*findings_on_checked(check, choice.orientation, repeats), *unread)
    return CheckedPicks(fitting, orientation, lines, found)


def _angles(picked: Sequence[PickedMicrograph]) -> list[str]:
    """Return the columns of angles, which a turn of the image would change, that stand in tables of picks."""
    found = dict[str, None]()
    for each in picked:
        with suppress(TableError):  # told with the micrograph's result
            carried = each.source.stored().carried
            found |= dict.fromkeys([] if carried is None else [c for c in carried.rows.columns if "Angle" in c])
    return list(found)


def _check(
    picked: Sequence[PickedMicrograph], diameter_angstrom: float, pixel_size_angstrom: float | None
) -> PlacementCheck:
    read = _readable(picked, pixel_size_angstrom)
    return check_placement(
        Sample(m.image, each.picks(m).xy, diameter_angstrom / m.pixel_size_angstrom, each.file.name) for each, m in read
    )


def _readable(
    picked: Sequence[PickedMicrograph], pixel_size_angstrom: float | None
) -> Iterator[tuple[PickedMicrograph, Micrograph]]:
    """Yield some of the micrographs that can be read and have picks; bad ones are told by the job itself."""
    for each in spread(sorted(picked, key=lambda each: each.file.key)):
        try:
            if len(each.source.stored().picks):
                yield each, read_micrograph(each.file, pixel_size_angstrom)[0]
        except (MicrographError, TableError):
            continue


def spread(ordered: Sequence[_Item]) -> list[_Item]:
    """Return some items from all over a set, as many as a check looks at."""
    if len(ordered) <= MAX_MICROGRAPHS:
        return list(ordered)
    return [ordered[round(place)] for place in np.linspace(0, len(ordered) - 1, MAX_MICROGRAPHS)]


def _lines(path: Path, check: PlacementCheck, diameter_angstrom: float) -> list[str]:
    """Return what was found.

    Raises:
        SettingsError: if another scale was found.
    """
    said = [f"{path}: {line}" for line in placement_lines(check, f"{diameter_angstrom:g} Å")]
    if check.verdict is Verdict.rescaled:
        raise SettingsError(f"{said[0]}; {AS_IS_HINT}")
    if check.verdict is Verdict.turned:
        said[0] += f"; they are turned, {AS_IS_HINT}"
    return said


def _without_repeats(
    picked: Sequence[PickedMicrograph], distance_angstrom: float, pixel_size_angstrom: float | None
) -> tuple[list[PickedMicrograph], Repeats]:
    """Leave out particles that stand in a table before, in those of other programs; a turn changes no distance."""
    first = next(_readable([each for each in picked if not each.is_own], pixel_size_angstrom), None)
    if first is None:
        return list(picked), Repeats()
    pixel_size, found = first[1].pixel_size_angstrom, Repeats()
    distinct: list[PickedMicrograph] = []
    for each in picked:
        rows, repeats = _distinct(each, distance_angstrom / pixel_size, pixel_size)
        found += repeats
        distinct.append(each if rows is None else replace(each, source=SomePicks(each.source, rows)))
    return distinct, found


def _distinct(
    each: PickedMicrograph, distance_px: float, pixel_size_angstrom: float
) -> tuple[NDArray[np.intp] | None, Repeats]:
    """Return which picks are left, None for all of them, and how many repeat others."""
    if each.is_own:
        return None, Repeats()
    try:
        picks = each.source.stored().centres(pixel_size_angstrom)
    except TableError:  # told with the micrograph's result
        return None, Repeats()
    repeats = count_repeats(picks, distance_px)
    return (np.flatnonzero(~repeated(picks, distance_px)) if repeats.total else None), repeats
