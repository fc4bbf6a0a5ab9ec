"""Records: JSON files that tell how results were made, read as typed models or refused in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.regular import size_of_regular

if TYPE_CHECKING:
    from pathlib import Path

VERSION_KEY = "schema_version"
"""Field of a record that tells the version of its layout."""


class Record(BaseModel):
    """Part of a record: every field is there, of its type, and no other."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_assignment=True, ser_json_inf_nan="constants")


AnyRecord = TypeVar("AnyRecord", bound=BaseModel)


def read_record(path: Path, kind: type[AnyRecord], advice: str) -> AnyRecord | None:
    """Read a record.

    Args:
        path: the JSON file.
        kind: its model.
        advice: what to do where it cannot be used, for the user.

    Returns:
        The record, or None if there is no file.

    Raises:
        SettingsError: in one line, if it cannot be read, is damaged or of another version.
    """
    try:
        size_of_regular(path)
        return kind.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except TableError as error:
        raise SettingsError(f"{error}: {advice}") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror or error}): {advice}") from error
    except ValidationError as error:
        raise SettingsError(f"{path} {_flaw(error)}: {advice}") from error
    except SettingsError as error:
        raise SettingsError(f"{path} is damaged ({error}): {advice}") from error


def _flaw(error: ValidationError) -> str:
    """Describe the first thing that is wrong with a record, in one line."""
    found = error.errors(include_url=False)
    if any(each["loc"] == (VERSION_KEY,) for each in found):
        return "is of another version of cryoglean"
    place = ".".join(map(str, found[0]["loc"]))
    text = " ".join(f"{place}: {found[0]['msg']}".removeprefix(": ").split())
    return f"is damaged ({text[:_MAX_CHARACTERS]})"


_MAX_CHARACTERS = 200
"""Length of the description of a flaw. Resource: a line that a terminal shows whole."""
