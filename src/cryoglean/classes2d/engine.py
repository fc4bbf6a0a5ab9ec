"""The programs that can classify."""

from __future__ import annotations

from enum import StrEnum


class Engine(StrEnum):
    """What classifies: this program, or RELION."""

    native = "native"
    relion = "relion"
