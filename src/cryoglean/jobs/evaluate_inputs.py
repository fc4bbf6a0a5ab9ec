"""Picks and truth that are to be compared: read, checked against the micrographs or each other, and turned to fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryoglean.errors import MicrographError, SettingsError
from cryoglean.evaluate.agreement import compare_orientations
from cryoglean.evaluate.orientation import AS_IS, Hypothesis, OrientationChoice, turned
from cryoglean.evaluate.placement import Sample, Verdict, check_placement
from cryoglean.evaluate.placement_words import placement_lines, placement_values
from cryoglean.evaluate.repeats import REPEAT_DIAMETERS, Repeats, count_repeats
from cryoglean.io.coordinates import YConvention
from cryoglean.io.images import read_image
from cryoglean.io.micrograph_names import find_by_name
from cryoglean.io.pick_folders import read_stored_folder
from cryoglean.jobs.coordinate_check import spread
from cryoglean.jobs.pick_sources import holds_own_picks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cryoglean.evaluate.placement import PlacementCheck
    from cryoglean.io.coordinates.format import StoredPicks
    from cryoglean.micrograph import MicrographFile
    from cryoglean.picks import Picks

_CERTAIN = (Verdict.fits, Verdict.turned, Verdict.rescaled)


class Shapes:
    """Heights and widths of micrographs by stem: of their images, read when needed, or the one that was given.

    Args:
        files: the micrographs by stem.
        size_px: height and width of those that are not among them, if they are known.
    """

    def __init__(self, files: Mapping[str, MicrographFile], size_px: tuple[int, int] | None) -> None:
        self.files, self._size_px = files, size_px
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, stem: str) -> tuple[int, int] | None:
        """Return height and width; None where they are not known.

        Raises:
            MicrographError: if the image cannot be read.
        """
        if stem in self.files and stem not in self._known:
            height, width = read_image(self.files[stem].path)[0].shape
            self._known[stem] = (height, width)
        return self._known.get(stem, self._size_px)

    def common(self) -> tuple[int, int] | None:
        """Return the size that was given, or the one that all images have.

        Raises:
            MicrographError: if an image cannot be read.
            SettingsError: if they differ.
        """
        if self._size_px is not None:
            return self._size_px
        sizes = {self.of(stem) for stem in self.files}
        if len(sizes) > 1:
            raise SettingsError(
                "--margin needs micrographs of one size, and these differ: evaluate each size by itself"
            )
        return next(iter(sizes), None)


@dataclass
class Coordinates:
    """Coordinates of one side of a comparison.

    Attributes:
        name: of the side, as messages say it.
        option: by which its turn is chosen.
        path: where they are.
        stored: as their files hold them, by stem.
        is_own: whether this program has written them.
        choice: the turn that was asked for.
        picks: the centres by stem, as they are compared.
        check: what the images say, if they were asked.
        values: what was found, as JSON values.
        lines: for the user.
    """

    name: str
    option: str
    path: Path
    stored: dict[str, StoredPicks]
    is_own: bool
    choice: OrientationChoice
    picks: dict[str, Picks] = field(default_factory=dict)
    check: PlacementCheck | None = None
    values: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def may_turn(self) -> bool:
        """Whether a turn may be found by comparison with the other side."""
        is_certain = self.check is not None and self.check.verdict in _CERTAIN
        return self.choice is OrientationChoice.auto and not self.is_own and not is_certain

    def tell(self, line: str) -> None:
        """Tell the user what was found, on the screen and in the values."""
        self.lines.append(line)
        self.values.setdefault("messages", []).append(line)

    def turn(self, found: Hypothesis, shapes: Shapes) -> None:
        """Turn all centres.

        Raises:
            SettingsError: if the size of a micrograph is needed and not known.
        """
        self.values |= {"orientation": found.orientation.value}
        if found.orientation is AS_IS.orientation:
            return
        for stem, picks in self.picks.items():
            shape = shapes.of(stem)
            if shape is None and (found.orientation.flips_x or found.orientation.flips_y):
                raise SettingsError(
                    f"{self.path}: to turn the coordinates of {stem} ({found.orientation.value}) needs the size of the "
                    "micrograph: give it by --micrographs or --size"
                )
            self.picks[stem] = turned(picks, found.orientation, shape or (1, 1))


def read_coordinates(name: str, option: str, path: Path, choice: OrientationChoice) -> Coordinates:
    """Read one side of a comparison, as its files hold it.

    Raises:
        SettingsError: if the path does not exist.
        TableError: if a table is broken.
    """
    stored = read_stored_folder(path)
    lines = [fault for each in stored.values() for fault in each.faults]
    side = Coordinates(name, option, path, stored, holds_own_picks(path), choice, lines=lines)
    side.values["faults"] = list(lines)
    return side


def files_by_stem(files: Sequence[MicrographFile], sides: Sequence[Coordinates]) -> dict[str, MicrographFile]:
    """Return the micrographs that have coordinates on one side or both, by the stem of these.

    Raises:
        SettingsError: if there are micrographs, and not one has any.
    """
    stems = {stem: stem for side in sides for stem in side.stored}
    found = ((find_by_name(stems, file.name), file) for file in files)
    matched = {stem: file for stem, file in found if stem is not None}
    if files and stems and not matched:
        raise SettingsError(
            f"--micrographs {files[0].path}: none has coordinates, which are of {min(stems)} and others"
        )
    return matched


def fit_coordinates(
    truth: Coordinates,
    picks: Coordinates,
    shapes: Shapes,
    diameter_px: float,
    pixel_size_angstrom: float | None,
) -> None:
    """Find the centres of both sides, told apart from repeated ones, and turned as asked for or as the images say.

    Raises:
        SettingsError: if the size of a micrograph is needed and not known.
        TableError: if a pixel size is.
        MicrographError: if an image whose size is needed cannot be read.
    """
    for side, other in ((truth, picks), (picks, truth)):
        _find_centres(side, other, shapes, pixel_size_angstrom)
        _tell_repeats(side, diameter_px)
        _check(side, shapes, diameter_px)
    _compare(truth, picks, shapes, diameter_px)


def _find_centres(side: Coordinates, other: Coordinates, shapes: Shapes, pixel_size_angstrom: float | None) -> None:
    """Count y from the first row; the name of a micrograph, by which RELION's rows count, may stand on the other side.

    The images themselves are read for their height only where rows count from the last one.
    """
    for stem, stored in side.stored.items():
        told = stored.micrograph_name or (other.stored[stem].micrograph_name if stem in other.stored else None)
        name = shapes.files[stem].name if stem in shapes.files else told
        is_turned = stored.convention(name) is YConvention.LAST_ROW and stored.height_px is None
        shape = shapes.of(stem) if is_turned else None
        side.picks[stem] = stored.from_first_row(
            shape[0] if shape else None, micrograph_name=name, pixel_size_angstrom=pixel_size_angstrom
        )


def _tell_repeats(side: Coordinates, diameter_px: float) -> None:
    counts = (count_repeats(each, REPEAT_DIAMETERS * diameter_px) for each in side.picks.values())
    repeats = sum(counts, Repeats())
    side.values["repeated"] = repeats.total
    if repeats.total:
        side.tell(f"{side.path}: {repeats.line()}; all are counted")


def _check(side: Coordinates, shapes: Shapes, diameter_px: float) -> None:
    """Turn one side as asked for, or as the images say."""
    asked = side.choice.orientation
    if asked is not None or side.is_own:
        side.values |= {"verdict": "as asked" if asked is not None else "own", "scale": 1.0}
        side.turn(AS_IS if asked is None else Hypothesis(asked), shapes)
        return
    side.values |= {"verdict": "unchecked", "orientation": AS_IS.orientation.value, "scale": 1.0}
    samples = list(_stems_to_look_at(side, shapes))
    if not samples:
        return
    check = check_placement(_samples(samples, side, shapes, diameter_px))
    side.check = check
    side.values |= placement_values(check)
    for line in placement_lines(check, f"{diameter_px:g} px"):
        side.tell(f"{side.path}: {line}")
    if check.verdict is Verdict.turned:
        side.tell(f"{side.path}: they are turned; {side.option} as-is leaves them as they are")
        side.turn(check.best, shapes)


def _stems_to_look_at(side: Coordinates, shapes: Shapes) -> list[str]:
    return spread([stem for stem in sorted(shapes.files) if len(side.picks.get(stem, ()))])


def _samples(stems: Sequence[str], side: Coordinates, shapes: Shapes, diameter_px: float) -> Iterator[Sample]:
    for stem in stems:
        try:
            image = read_image(shapes.files[stem].path)[0]
        except MicrographError as error:
            side.lines.append(f"{error}: not looked at")
            continue
        yield Sample(image, side.picks[stem].xy, diameter_px, stem)


def _compare(truth: Coordinates, picks: Coordinates, shapes: Shapes, diameter_px: float) -> None:
    """Turn the side that is not certain to agree with the other: of two such, the picks."""
    moved, fixed = (picks, truth) if picks.may_turn else (truth, picks)
    if not moved.may_turn:
        return
    stems = set(truth.stored) & set(picks.stored)
    known = {stem: shape for stem in stems if (shape := shapes.of(stem)) is not None}
    found = compare_orientations(fixed.picks, moved.picks, diameter_px, known)
    if found.may_be_turned:
        moved.tell(
            f"{moved.path}: only {found.hits_as_is:,} of {found.total:,} places agree with the other side: give "
            "--micrographs, or --size, and the orientation is checked"
        )
    if found.best == AS_IS:
        return
    line = f"{moved.path}: {found.line(f'the {moved.name}')}"
    if found.best.scale != 1:
        moved.values |= {"verdict": Verdict.rescaled.value, "scale": round(float(found.best.scale), 6)}
        moved.tell(f"{line}: they are those of images of another pixel size; they are compared as they are")
        return
    moved.tell(f"{line}: the {moved.name} are turned; which of the two fits the images, --micrographs tells")
    moved.turn(found.best, shapes)
    moved.values["verdict"] = "turned to agree"
