"""Digests of files, by which results record their inputs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits.

    Raises:
        SettingsError: if it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from error
