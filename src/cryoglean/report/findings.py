"""Findings of a verdict: on what, how serious, in words, and the command to go on with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Level of a finding."""

    alarm = "alarm"
    note = "note"
    fact = "fact"

    @property
    def rank(self) -> int:
        """Place in a verdict: what is wrong comes first."""
        return list(Level).index(self)


@dataclass(frozen=True)
class Finding:
    """Finding of a verdict.

    Attributes:
        level: how serious it is.
        topic: in one word.
        text: for the user.
        command: the command to go on with, if there is one.
        remedy: when to use it.
    """

    level: Level
    topic: str
    text: str
    command: str | None = None
    remedy: str = "next"

    def as_dict(self) -> dict[str, str | None]:
        """Return it as JSON values."""
        return {"level": self.level.value, "topic": self.topic, "text": self.text, "command": self.command}
