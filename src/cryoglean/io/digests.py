"""Digests of files, by which results record their inputs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.regular import size_of_regular

if TYPE_CHECKING:
    from pathlib import Path


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits.

    Raises:
        SettingsError: if it cannot be read.
    """
    try:
        size_of_regular(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except TableError as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from error
