"""What an engine keeps between iterations, so that an interrupted classification goes on where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Checkpoint(Protocol):
    """Keeper of an engine's state."""

    def load(self) -> dict[str, Tensor] | None:
        """Return what was kept last, or None."""
        ...

    def save(self, state: Callable[[], dict[str, Tensor]]) -> None:
        """Keep a state; a keeper may leave one out, so it is made only when it is asked for."""
        ...
