"""The protocol of pickers: what a picker can do, how it is prepared, and what it tells of itself.

A picker is a package whose door lists its `PickerDescription`s, one a preset, and a line in `registry.PACKAGES`. The
command line, the jobs, the loop and the reports know no picker but by these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cryoglean.micrograph import Micrograph, MicrographFile
    from cryoglean.pickers.figures import Figure
    from cryoglean.pickers.settings import PickerSettings
    from cryoglean.picks import Picks

FIT_MICROGRAPHS = 8
"""Micrographs that a picker learns from. Chosen by hand: more of them make learning longer, fewer let one strange
micrograph weigh more."""

S = TypeVar("S", bound="PickerSettings")


class Picker(Protocol):
    """A picker that is ready to pick; it can be pickled, to be sent to other processes."""

    def pick(self, micrograph: Micrograph) -> Picks:
        """Find the particles of one micrograph."""
        ...


@runtime_checkable
class ScoringPicker(Picker, Protocol):
    """Picker whose threshold is a minimum score, so that the places below it are candidates.

    Its picks are what `pick_down_to` finds at its own threshold, and what `pick_down_to` finds at a lower one, cut at
    the threshold: weaker places never displace better ones.
    """

    def pick(self, micrograph: Micrograph) -> Picks:
        """Find the particles of one micrograph.

        Args:
            micrograph: any size; its pixel size may differ from those that were learned from.

        Returns:
            Picks with scores, best first. Empty where the set shows no particles at all.
        """
        return self.pick_down_to(micrograph, self.threshold)

    @property
    def threshold(self) -> float:
        """Minimum score of its picks."""
        ...

    def pick_down_to(self, micrograph: Micrograph, min_score: float) -> Picks:
        """Find all places of one micrograph that have a score, best first, none too close to a better one."""
        ...


@runtime_checkable
class StoredPicker(Picker, Protocol):
    """Picker that is small to send to other processes: each opens its files once."""

    def opened(self) -> Picker:
        """Return the picker that its files hold."""
        ...


class FitReport(Protocol):
    """Report of what a picker has learned of a set of micrographs."""

    @property
    def found_particles(self) -> bool:
        """Whether anything like particles was found."""
        ...

    @property
    def micrographs(self) -> tuple[str, ...]:
        """Names of the micrographs that it was learned from."""
        ...

    def summary(self) -> str:
        """Return in one line what was found."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Return it as JSON values."""
        ...


@runtime_checkable
class TellsHidden(Protocol):
    """Report of a picker that also tells how many particles cannot be picked."""

    @property
    def hidden_share(self) -> float:
        """Share of all particles that dirt or others hide."""
        ...


def hidden_share_of(fit: FitReport | None) -> float:
    """Return the share of all particles that dirt or others hide; 0 where the picker does not tell."""
    return fit.hidden_share if isinstance(fit, TellsHidden) else 0.0


@dataclass(frozen=True)
class PreparedPicker:
    """A picker that is ready to pick.

    Attributes:
        picker: the picker.
        fit: what it has learned of the set, if it learns.
    """

    picker: Picker
    fit: FitReport | None = None


@dataclass(frozen=True)
class Preparation:
    """All that a picker is prepared from.

    Attributes:
        settings: of the picker.
        given: the files that the user gave for it, by `GivenFile.name`.
        files: the micrographs of the set.
        sample: reads some micrographs to learn from, spread over the set, those that are named first; anew each time.
        folder: where what is learned is kept.
        cpus: processors to use; the result does not depend on it.
        device: where to compute, as torch names it.
        info: shows one line to the user.
        draw: draws a figure into a file.
    """

    settings: PickerSettings
    given: Mapping[str, Path]
    files: Sequence[MicrographFile]
    sample: Callable[[Sequence[MicrographFile]], Iterator[Micrograph]]
    folder: Path
    cpus: int
    device: str
    info: Callable[[str], None]
    draw: Callable[[Path, Figure], None]

    def settings_of(self, kind: type[S]) -> S:
        """Return the settings, which are of the class that the picker has declared."""
        if not isinstance(self.settings, kind):
            raise TypeError(f"{self.settings!r} are not {kind.__name__}")
        return self.settings


def _accept(preparation: Preparation) -> None:
    """Accept any preparation."""


def _no_fit(folder: Path) -> FitReport | None:  # noqa: ARG001 (a picker that learns nothing)
    """Return no fit."""
    return None


def _no_diameter(given: Mapping[str, Path]) -> float | None:  # noqa: ARG001 (no file tells it)
    """Return no diameter."""
    return None


@dataclass(frozen=True)
class Implementation:
    """The working part of a picker, which is loaded when it is needed.

    Attributes:
        settings: class of the settings.
        prepare: makes the picker, with what it learns now or has learned before in the folder.
        check: refuses, before any work, files that are missing or do not fit the settings (`SettingsError`).
        read_fit: returns what was learned in a folder, or None.
        known_diameter: returns the particle diameter in angstrom that the given files are for, or None.
    """

    settings: type[PickerSettings]
    prepare: Callable[[Preparation], PreparedPicker]
    check: Callable[[Preparation], None] = _accept
    read_fit: Callable[[Path], FitReport | None] = _no_fit
    known_diameter: Callable[[Mapping[str, Path]], float | None] = _no_diameter


@dataclass(frozen=True)
class GivenFile:
    """A file that the user gives a picker.

    Attributes:
        name: by which it is recorded.
        option: of the command line.
        help: what it is.
        is_needed: whether the picker cannot do without.
        shipped: files that come with the program, by the words that name them.
        kept_as: where in the output folder the picker leaves what it makes instead, if it is not given.
        only_teaches: whether it is needed to learn, and not to pick with what was learned.
    """

    name: str
    option: str
    help: str
    is_needed: bool = False
    shipped: Mapping[str, Path] = field(default_factory=dict)
    kept_as: Path | None = None
    only_teaches: bool = False

    def resolve(self, path: Path) -> Path:
        """Return the file that was named: one that comes with the program, or the path itself."""
        return self.shipped.get(str(path), path)


@dataclass(frozen=True)
class PickerOption:
    """A setting of a picker that the command line offers.

    Attributes:
        field: of the settings.
        option: of the command line.
        kind: type of its value.
        help: what it is.
        decides_fit: whether what the picker learns depends on it; one that only chooses among what was found does not.
    """

    field: str
    option: str
    kind: type
    help: str
    decides_fit: bool = True


PROBABILITY = (
    PickerOption(
        "threshold",
        "--threshold",
        float,
        "Minimum probability that a pick is a particle; by default the one at which the largest F1 is expected",
        decides_fit=False,
    ),
    PickerOption(
        "fdr",
        "--fdr",
        float,
        "Expected share of false picks, at most: 0.1 for one in ten (dirt that looks like particles is not counted)",
        decides_fit=False,
    ),
    PickerOption(
        "recall_first",
        "--recall-first",
        bool,
        "Rather pick too much than miss a particle: recall weighs twice as much as precision",
        decides_fit=False,
    ),
)
"""Options of pickers whose scores are probabilities."""

SCORE_THRESHOLD = PickerOption(
    "threshold",
    "--threshold",
    float,
    "Minimum score, 0 to 1; 0.5 is the threshold that the program finds",
    decides_fit=False,
)
"""The option of pickers whose `threshold` is a minimum score."""


@dataclass(frozen=True)
class PictureDescription:
    """A picture that a picker leaves of what it has learned.

    Attributes:
        file: its name in the output folder.
        title: headline in the report.
        caption: what is to be seen.
    """

    file: str
    title: str
    caption: str


@dataclass(frozen=True)
class PickerDescription:
    """All that the program knows of a picker.

    Attributes:
        method: name of the picker.
        preset: one of its ways to pick.
        title: name for people.
        load: loads the working part: numerical libraries take a second, which `--help` does not need.
        given: files that the user may give.
        options: settings of its own.
        results: what it leaves in the output folder, as patterns.
        fit_files: of these, those that hold all that was learned: copied to a new folder, it is not learned again.
        pictures: of what was learned.
        is_fitted: whether it learns from the set before it picks.
        tries_averages: whether it has tried class averages of its own picks already.
        tells_precision: whether the mean score of its picks tells how many are particles, as measured on simulated
            sets (`benchmarks/calibration.py`).
        threshold_is_score: whether `threshold` is a minimum score of its picks, so that they can be cut again; the
            picker is then a `ScoringPicker`.
    """

    method: str
    preset: str
    title: str
    load: Callable[[], Implementation]
    given: tuple[GivenFile, ...] = ()
    options: tuple[PickerOption, ...] = ()
    results: tuple[str, ...] = ()
    fit_files: tuple[str, ...] = ()
    pictures: tuple[PictureDescription, ...] = ()
    is_fitted: bool = True
    tries_averages: bool = False
    tells_precision: bool = False
    threshold_is_score: bool = True

    def given_to_pick(self, given: Iterable[str]) -> tuple[GivenFile, ...]:
        """Return which of the files that are given, by name, are needed to pick with what was learned."""
        names = set(given)
        return tuple(file for file in self.given if file.name in names and not file.only_teaches)

    def check_given(self, given: Mapping[str, Path]) -> None:
        """See that all files that the picker needs are given, and none that it can do nothing with.

        Raises:
            SettingsError: names the file, and what to do.
        """
        known = {file.name: file for file in self.given}
        for name, path in given.items():
            if name not in known:
                raise SettingsError(f"{name} {path}: has no effect with --method {self.method} --preset {self.preset}")
        for file in self.given:
            if file.is_needed and file.name not in given:
                raise SettingsError(f"--method {self.method} needs {file.option}, {file.help}")
