"""Record of a fit that can be shipped: with what it was made, from what, and which files hold it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from cryoglean.errors import SettingsError
from cryoglean.io.digests import file_digest
from cryoglean.jobs.learned import fit_digest
from cryoglean.jobs.records import Record, read_record
from cryoglean.jobs.survey import SURVEY
from cryoglean.micrograph import Contrast

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryoglean.pickers.protocol import PickerDescription

FIT = "fit.json"
"""Name of the record, which is written last. *Format*: of this program."""

GIVEN = "given"
"""Folder of the files that the picker was given, within that of the fit. *Format*: of this program."""

MAKE_AGAIN = "copy it whole, or make it again with cryoglean fit"
"""What to do with a fit that cannot be used."""

_MAX_BYTES = 2**22
"""Largest record that is read. *Resource*: it names at most eight micrographs and a dozen files."""


class FitFile(Record):
    """A file of a fit.

    Attributes:
        size: in bytes.
        sha256: of its content.
    """

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @classmethod
    def of(cls, path: Path) -> FitFile:
        """Describe a file."""
        return cls(size=path.stat().st_size, sha256=file_digest(path))


class FitRecord(Record):
    """Content of `fit.json`.

    Attributes:
        schema_version: of this layout.
        digest: short digest of all that decides what it picks.
        picker: settings of the picker, as JSON values.
        pixel_size_angstrom: that was given for all micrographs; None where they tell it themselves.
        contrast: of protein, that was given or found.
        found_particles: whether anything like particles was found; None where the picker learns nothing.
        micrographs: names of those that it was learned from.
        given: files that the picker was given, by name: where in the folder they are.
        files: all files of the fit, by their place in the folder.
        version: of cryoglean.
        provenance: the call, the device and the versions.
    """

    schema_version: Literal[1]
    digest: str
    picker: dict[str, Any]
    pixel_size_angstrom: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    contrast: Contrast
    found_particles: bool | None
    micrographs: tuple[str, ...]
    given: dict[str, str]
    files: dict[str, FitFile]
    version: str
    provenance: dict[str, Any]

    def own_digest(self, picker: PickerDescription) -> str:
        """Return the short digest by what the record says."""
        names = {name: name for name in picker.fit_files if name in self.files} | self.given
        files = {name: self.files[place].sha256 for name, place in names.items()}
        return fit_digest(made_with(self.picker, self.pixel_size_angstrom, self.contrast), files)

    def refuse_strange_files(self, picker: PickerDescription) -> None:
        """See that all files are such as a picker leaves or is given, and lie where they should.

        Raises:
            SettingsError: names one that is not.
        """
        places = {name: PurePosixPath(place) for name, place in self.given.items()}
        if unknown := sorted(self.given.keys() - {file.name for file in picker.given}):
            raise SettingsError(f"{FIT} is damaged (the picker is given no {unknown[0]!r}): {MAKE_AGAIN}")
        known = {*picker.fit_files, *(each.file for each in picker.pictures), SURVEY}
        known |= {str(place) for name, place in places.items() if place.parent == PurePosixPath(GIVEN, name)}
        strange = sorted((self.files.keys() - known) | (set(self.given.values()) - self.files.keys()))
        if strange:
            raise SettingsError(f"{FIT} is damaged ({strange[0]!r} is no file of such a fit): {MAKE_AGAIN}")


def made_with(picker: Mapping[str, Any], pixel_size_angstrom: float | None, contrast: Contrast) -> dict[str, Any]:
    """Return what a fit is made with besides files, as JSON values."""
    return {"picker": dict(picker), "pixel_size_angstrom": pixel_size_angstrom, "contrast": contrast.value}


def read_fit_record(root: Path) -> FitRecord | None:
    """Return the record of a fit; None where there is none.

    Raises:
        SettingsError: in one line, if it cannot be read, is damaged or of another version.
    """
    path = root / FIT
    try:
        is_too_large = path.stat().st_size > _MAX_BYTES
    except OSError:
        is_too_large = False
    if is_too_large:
        raise SettingsError(f"{path} is damaged (larger than {_MAX_BYTES:,} bytes): {MAKE_AGAIN}")
    return read_record(path, FitRecord, MAKE_AGAIN)
