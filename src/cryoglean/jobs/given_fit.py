"""A fit that is given to a job: read once, checked whole, held against what is asked for, and put into its folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cryoglean.errors import SettingsError
from cryoglean.io.atomic import atomic_path
from cryoglean.io.digests import file_digest
from cryoglean.jobs.fit_record import FIT, GIVEN, MAKE_AGAIN, FitFile, FitRecord, read_fit_record
from cryoglean.jobs.learned import write_learned
from cryoglean.jobs.survey import SURVEY
from cryoglean.limits import is_same_size
from cryoglean.pickers.registry import describe
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryoglean.pickers.protocol import PickerDescription
    from cryoglean.pickers.settings import PickerSettings

_OPTIONS = {
    "diameter_angstrom": "--diameter",
    "min_distance_angstrom": "--min-distance",
    "pixel_size_angstrom": "--pixel-size",
}
"""Options of values that all pickers share."""


@dataclass(frozen=True)
class GivenFit:
    """A fit that is whole, and found particles if it looked for them.

    Attributes:
        root: its folder.
        record: what it says of itself.
        picker: settings of the picker that it was made with.
    """

    root: Path
    record: FitRecord
    picker: PickerSettings

    @property
    def description(self) -> PickerDescription:
        """The picker."""
        return describe(self.picker.method, self.picker.preset)

    @property
    def given(self) -> dict[str, Path]:
        """The files that the picker is given, by name."""
        return {name: self.root / place for name, place in self.record.given.items()}

    @property
    def choosing(self) -> set[str]:
        """Settings that choose among what was found: a job may have others than the fit."""
        return {"min_distance_angstrom", *(each.field for each in self.description.options if not each.decides_fit)}

    def refuse_others(self, asked: Mapping[str, object]) -> None:
        """See that a fit is what is asked for.

        Args:
            asked: method, preset, contrast, pixel size and settings of the picker, by name; None is not asked for.

        Raises:
            SettingsError: in one line, naming both values and what to do.
        """
        record = self.record
        had = self.picker.model_dump(mode="json") | {
            "contrast": record.contrast.value,
            "pixel_size_angstrom": record.pixel_size_angstrom,
        }
        options = _OPTIONS | {each.field: each.option for each in self.description.options}
        for name, value in asked.items():
            if value is None or name in self.choosing or _is_same(value, had.get(name)):
                continue
            option = options.get(name, f"--{name}")
            made = f"without {option}" if had.get(name) is None else f"with {option} {_plain(had[name])}"
            raise SettingsError(
                f"{option} {_plain(value)}: --fit {self.root} was made {made}: leave the option out, or make another "
                f"fit, cryoglean fit ... {option} {_plain(value)}"
            )

    def refuse_other_files(self, files: Mapping[str, Path]) -> None:
        """See that files that are given besides, by name, are those that the fit holds.

        Raises:
            SettingsError: in one line, naming the file and what to do.
        """
        for file in self.description.given:
            if file.name not in files:
                continue
            place = self.record.given.get(file.name) or str(file.kept_as)
            had = self.record.files.get(place)
            if had is None or file_digest(files[file.name]) != had.sha256:
                raise SettingsError(
                    f"{file.option} {files[file.name]}: --fit {self.root} was made with another: leave the option out, "
                    f"or make another fit, cryoglean fit ... {file.option} {files[file.name]}"
                )

    def install(self, folder: Path) -> None:
        """Put what was learned, and its pictures, into the folder of a job, in place of another fit if there is one.

        Raises:
            OSError: if a file cannot be copied.
        """
        for name, file in self.record.files.items():
            target = folder / name
            is_installed = name != SURVEY and not name.startswith(f"{GIVEN}/")  # a job surveys micrographs of its own
            if is_installed and not (target.is_file() and FitFile.of(target) == file):
                with atomic_path(target) as temporary:
                    shutil.copyfile(self.root / name, temporary)
        write_learned(folder, self.record.digest, ())


def open_fit(path: Path) -> GivenFit:
    """Read a fit and see that it is whole.

    Args:
        path: its folder, or the record in it.

    Raises:
        SettingsError: in one line, if it is missing, damaged, of another version, or found no particles.
    """
    root = path.parent if path.name == FIT else path
    try:
        record = read_fit_record(root)
        if record is None:
            raise SettingsError(f"no {FIT} there: cryoglean fit MICROGRAPHS ... --out {root} makes a fit")
        return _checked(root, record)
    except SettingsError as error:
        raise SettingsError(f"--fit {root}: {error}") from error


def _checked(root: Path, record: FitRecord) -> GivenFit:
    settings = record.picker
    description = describe(str(settings.get("method")), str(settings.get("preset")))
    implementation = description.load()
    try:
        picker = implementation.settings.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise SettingsError(f"{FIT} is damaged (picker.{place}: {first['msg']}): {MAKE_AGAIN}") from error
    record.refuse_strange_files(description)
    for name, file in record.files.items():
        _refuse_changed(root / name, file)
    if record.digest != record.own_digest(description):
        raise SettingsError(f"{FIT} is damaged (its digest is not {record.digest}): {MAKE_AGAIN}")
    fit = implementation.read_fit(root)
    if description.fit_files and fit is None:
        raise SettingsError(f"what the picker has learned is missing: {MAKE_AGAIN}")
    if fit is not None and not fit.found_particles:
        seen = counted(len(fit.micrographs), "micrograph")
        raise SettingsError(
            f"no particles were found in the {seen} that it was learned from, so it would pick none: fit again with "
            "more micrographs, or another --diameter"
        )
    return GivenFit(root, record, picker)


def _refuse_changed(path: Path, file: FitFile) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SettingsError(f"{path.name} cannot be read ({error.strerror}): {MAKE_AGAIN}") from error
    if size != file.size:
        raise SettingsError(f"{path.name} has {size:,} bytes, not {file.size:,}: {MAKE_AGAIN}")
    if file_digest(path) != file.sha256:
        raise SettingsError(f"{path.name} is damaged, or being made again: {MAKE_AGAIN}")


def _is_same(asked: object, had: object) -> bool:
    if isinstance(asked, float) and isinstance(had, float):
        return is_same_size(asked, had)
    return asked == had


def _plain(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
