"""Record of what a picker has learned in a folder: the digest by which picks name it, and from what it could learn."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Literal

from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.digests import file_digest
from cryoglean.jobs.records import Record, read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cryoglean.pickers.protocol import PickerDescription

LEARNED = "learned.json"
"""Name of the record. *Format*: of this program."""

DIGEST_DIGITS = 12
"""Hexadecimal digits by which a fit is named. *Derived*: two of a million fits share them with a chance of 0.002."""


class LearnedRecord(Record):
    """What a picker has learned in a folder.

    Attributes:
        schema_version: of this layout.
        digest: short digest of what was learned; empty while it is being learned.
        offered: keys of the micrographs that it could learn from.
    """

    schema_version: Literal[1] = 1
    digest: str = ""
    offered: tuple[str, ...] = ()


def read_learned(root: Path) -> LearnedRecord | None:
    """Return the record of a folder, or None.

    Raises:
        SettingsError: in one line, if it cannot be understood.
    """
    return read_record(root / LEARNED, LearnedRecord, "--force makes it again")


def write_learned(root: Path, digest: str, offered: Iterable[str]) -> None:
    """Write the record of a folder, unless it says the same.

    Raises:
        OSError: if it cannot be written.
    """
    record = LearnedRecord(digest=digest, offered=tuple(sorted(offered)))
    if record != read_learned(root):
        write_atomic_text(root / LEARNED, record.model_dump_json(indent=2) + "\n")


def learned_files(root: Path, picker: PickerDescription) -> dict[str, str]:
    """Return the SHA-256 of each file of a folder that holds what a picker has learned."""
    return {name: file_digest(root / name) for name in picker.fit_files if (root / name).exists()}


def fit_digest(settings: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Return the short digest of a fit: of all that decides what it picks.

    Args:
        settings: what it was made with, as JSON values.
        files: SHA-256 of what was learned, and of what was given, by name.
    """
    text = json.dumps({"settings": settings, "files": files}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]
