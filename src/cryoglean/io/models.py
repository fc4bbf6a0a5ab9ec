"""JSON files that hold one pydantic model."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.regular import size_of_regular

if TYPE_CHECKING:
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)


def read_model(path: Path, kind: type[Model]) -> Model | None:
    """Read a model from its JSON file; None if there is no file.

    Raises:
        SettingsError: if the file is there and cannot be understood.
    """
    try:
        size_of_regular(path)
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except TableError as error:
        raise SettingsError(str(error)) from error
    except ValueError as error:
        raise SettingsError(f"{path} is damaged or of another version: --force makes it again") from error
