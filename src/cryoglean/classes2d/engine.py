"""Programs that can classify."""

from __future__ import annotations

from enum import StrEnum


class Engine(StrEnum):
    """Program that classifies: this one, or RELION."""

    native = "native"
    relion = "relion"
